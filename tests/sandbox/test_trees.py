"""Commands over a copy of a folder: what they can do, and what they cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from recode.errors import SandboxError
from recode.sandbox import trees
from recode.sandbox.environments import Environment
from recode.sandbox.levels import try_level
from recode.sandbox.trees import TreeLimits, TreeRun, run_in_tree

pytestmark = pytest.mark.skipif(not try_level("isolated").holds, reason="this machine gives no namespaces")


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    found = {name: tmp_path / name for name in ("tree", "beside", "result")}
    for folder in found.values():
        folder.mkdir()
    (tmp_path / "secret").write_text("secret")
    (found["beside"] / "helper.py").write_text("WORD = 'helped'\n")
    return found


def run(folders: dict[str, Path], toy_old: Environment, command: str, **limits: float) -> TreeRun:
    return run_in_tree(
        folders["tree"], command, toy_old, reviewed=False, beside=folders["beside"], result=folders["result"],
        variables={"PYTHONPATH": "{beside}:{project}", "OUT": "{result}"},
        limits=TreeLimits(**limits),  # type: ignore[arg-type]
    )  # fmt: skip


def test_the_environment_the_copy_and_the_helpers_are_there(folders: dict[str, Path], toy_old: Environment) -> None:
    (folders["tree"] / "mine.py").write_text("import toylib, helper\nprint(toylib.area([1]), helper.WORD)\n")
    done = run(folders, toy_old, "python mine.py && echo new > made && echo told > $OUT/told")
    assert (done.status, done.stdout, done.level) == (0, "2.0 helped\n", "isolated"), done.stderr
    assert (folders["tree"] / "made").read_text() == "new\n"
    assert (folders["result"] / "told").read_text() == "told\n"


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.socket(socket.AF_INET)",
        "import os; os.setuid(0)",
        "open('/usr/owned', 'w')",
        "import helper; open(helper.__file__, 'w')",
        "import toylib; open(toylib.__file__, 'w')",
        "import os; os.kill({parent}, 0)",
        "open('{secret}')",
        "open('{here}')",
        "import ctypes; l = ctypes.CDLL(None, use_errno=True); assert l.unshare(0x10000000) == 0",
        "import ctypes; l = ctypes.CDLL(None); assert l.mount(b'a', b'/tmp', b'tmpfs', 0, None) == 0",
    ],
)
def test_what_a_command_cannot_do(folders: dict[str, Path], toy_old: Environment, code: str, tmp_path: Path) -> None:
    program = code.replace("{parent}", str(os.getpid())).replace("{secret}", str(tmp_path / "secret"))
    program = program.replace("{here}", str(Path(__file__).resolve()))
    (folders["tree"] / "hostile.py").write_text(program + "\nprint('did it')\n")
    done = run(folders, toy_old, "python hostile.py")
    assert done.status not in (0, None)
    assert "did it" not in done.stdout


def test_a_command_ends_with_its_time_and_leaves_no_process(folders: dict[str, Path], toy_old: Environment) -> None:
    done = run(folders, toy_old, "(while true; do date > $OUT/alive; sleep 0.1; done) & sleep 60", seconds=3.0)
    assert done.status is None
    alive = folders["result"] / "alive"
    before = alive.stat().st_mtime_ns
    import time

    time.sleep(0.5)
    assert alive.stat().st_mtime_ns == before


def test_without_isolation_unread_code_does_not_run(
    folders: dict[str, Path], toy_old: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> str:
        raise SandboxError("this machine gives no sandbox")

    monkeypatch.setattr(trees, "best_level", none)
    with pytest.raises(SandboxError, match="model-written code is not run here"):
        run(folders, toy_old, "true")


def test_a_limit_of_the_machines_own_is_kept() -> None:
    code = (
        "import resource\nfrom recode.sandbox import trees\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
        "trees._limit(trees.TreeLimits(file=1 << 30, memory=8 << 30))\n"
        "print(resource.getrlimit(resource.RLIMIT_FSIZE), resource.getrlimit(resource.RLIMIT_AS))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == f"{(1 << 20, 1 << 20)} {(8 << 30, 8 << 30)}\n", done.stderr
