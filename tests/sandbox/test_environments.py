from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from recode.errors import EnvironmentBuildError, MissingExtraError
from recode.sandbox import environments
from recode.sandbox.environments import (
    Environment,
    Lock,
    ensure_environment,
    ensure_lock,
    locked_requirements,
    recode_home,
    uv_path,
)


def test_a_lock_is_sorted_exact_and_hashed(toy_index: Path, tmp_path: Path) -> None:
    lock = ensure_lock(tmp_path, "toyuser", "1.0")
    assert [pin.split()[0] for pin in lock.pins] == ["toylib==1.0", "toyuser==1.0"]
    assert all("--hash=sha256:" in pin for pin in lock.pins)
    text = (tmp_path / "toyuser-1.0.txt").read_text()
    assert text == f"# Python {environments.PYTHON}: toyuser==1.0\n" + "\n".join(lock.pins) + "\n"


def test_a_lock_is_resolved_once(toy_index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = ensure_lock(tmp_path, "toylib", "1.0")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path))
    assert ensure_lock(tmp_path, "toylib", "1.0") == lock


def test_other_requirements_resolve_a_lock_anew(toy_index: Path, tmp_path: Path) -> None:
    alone = ensure_lock(tmp_path, "toylib", "1.0")
    more = ensure_lock(tmp_path, "toylib", "1.0", ["toyuser==1.0"])
    assert len(more.pins) == 2
    assert more.digest != alone.digest


def test_spaces_within_a_requirement_do_not_cut_it(toy_index: Path, tmp_path: Path) -> None:
    lock = ensure_lock(tmp_path, "toylib", "1.0", ["toyuser < 2"])
    assert len(lock.pins) == 2
    assert locked_requirements(tmp_path, "toylib", "1.0") == ("toyuser<2",)
    assert ensure_lock(tmp_path, "toylib", "1.0", ["toyuser<2"]) == lock


def test_a_home_that_cannot_be_made_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECODE_HOME", "/dev/null/x")
    with pytest.raises(EnvironmentBuildError, match="set RECODE_HOME to a folder"):
        ensure_environment(Lock("toylib-1.0", ("toylib==1.0",)))


def test_what_cannot_be_resolved_is_one_line(toy_index: Path, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentBuildError, match="toylib==9") as caught:
        ensure_lock(tmp_path, "toylib", "9")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_the_environment_holds_the_pins_and_survives_the_renaming(toy_old: Environment) -> None:
    code = "import sys, toylib; print(sys.prefix, toylib.area([1]))"
    done = subprocess.run([toy_old.python, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(toy_old.folder), "2.0"]


def test_the_same_lock_is_built_once(toy_old: Environment, toy_index: Path, tmp_path: Path) -> None:
    before = toy_old.folder.stat().st_mtime_ns
    again = ensure_environment(ensure_lock(tmp_path, "toylib", "1.0"))
    assert again == toy_old
    assert toy_old.folder.stat().st_mtime_ns == before


def test_many_builders_at_once_make_one_environment(toy_index: Path, tmp_path: Path) -> None:
    lock = ensure_lock(tmp_path, "toylib", "2.0")
    with ThreadPoolExecutor(4) as pool:
        made = set(pool.map(lambda _: ensure_environment(lock, tmp_path), range(4)))
    assert len(made) == 1
    assert _left(tmp_path) == [made.pop().folder.name]


def test_a_killed_build_is_cleaned_up_and_made_again(toy_index: Path, tmp_path: Path) -> None:
    lock = ensure_lock(tmp_path, "toylib", "2.0")
    # A uv that never returns holds the build where it is until it is killed.
    stub = tmp_path / "bin" / "uv"
    stub.parent.mkdir()
    stub.write_text("#!/bin/sh\nsleep 60\n")
    stub.chmod(0o755)
    code = (
        "import sys; from pathlib import Path; from recode.sandbox.environments import *\n"
        f"ensure_environment(Lock({lock.name!r}, {lock.pins!r}), Path({str(tmp_path)!r}))"
    )
    variables = {**os.environ, "PATH": f"{stub.parent}:{os.environ['PATH']}"}
    builder = subprocess.Popen([sys.executable, "-c", code], env=variables, start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while not _left(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert _left(tmp_path), "the build did not begin"
    finally:
        os.killpg(builder.pid, signal.SIGKILL)
        builder.wait()
    environment = ensure_environment(Lock(lock.name, lock.pins), tmp_path)
    assert environment.python.exists()
    assert _left(tmp_path) == [environment.folder.name]


def test_an_environment_without_interpreter_is_made_again(toy_index: Path, tmp_path: Path) -> None:
    lock = ensure_lock(tmp_path, "toylib", "2.0")
    environment = ensure_environment(lock, tmp_path)
    environment.python.unlink()
    environment.python.symlink_to(tmp_path / "gone")
    assert ensure_environment(lock, tmp_path).python.exists()


def test_a_wrong_hash_is_refused(toy_index: Path, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentBuildError, match=r"toylib"):
        ensure_environment(Lock("toylib-1.0", (f"toylib==1.0 --hash=sha256:{'0' * 64}",)), tmp_path)
    assert _left(tmp_path) == []


def test_home_is_a_variable_or_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RECODE_HOME", str(tmp_path))
    assert recode_home() == tmp_path
    monkeypatch.delenv("RECODE_HOME")
    assert recode_home() == Path("~/.cache/recode").expanduser()


def test_without_uv_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setitem(sys.modules, "uv", None)
    with pytest.raises(MissingExtraError, match=r"recode-rl\[migrate\]"):
        uv_path()


@pytest.mark.network
def test_a_real_release(tmp_path: Path) -> None:
    lock = ensure_lock(tmp_path, "networkx", "2.8.8")
    assert ensure_environment(lock, tmp_path).python.exists()


def _left(home: Path) -> list[str]:
    """The names in the folder of environments, without lock files."""
    return sorted(path.name for path in (home / "environments").glob("*") if path.suffix != ".lock")


def test_pruning_keeps_what_the_locks_name(toy_index: Path, tmp_path: Path) -> None:
    kept, gone = (ensure_lock(tmp_path / "locks", "toylib", version) for version in ("1.0", "2.0"))
    environments_made = [ensure_environment(lock, tmp_path) for lock in (kept, gone)]
    left = tmp_path / "environments" / f".{environments_made[1].folder.name}.half"
    left.mkdir()
    assert len(environments.installed_environments(tmp_path)) == 2
    assert environments.packages_of(environments_made[0]) == ["toylib==1.0"]
    deleted = environments.prune_environments([kept], tmp_path)
    assert [one.folder for one in deleted] == [environments_made[1].folder]
    assert environments_made[0].python.exists()
    assert not environments_made[1].folder.exists()
    assert not left.exists()
    assert ensure_environment(gone, tmp_path).python.exists()
    assert environments.read_locks(tmp_path / "locks") == [kept, gone]


def test_a_missing_lock_of_the_installed_package_is_written_to_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "share" / "locks"
    folder.mkdir(parents=True)
    monkeypatch.setenv("RECODE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(environments, "is_shipped_copy", lambda path: path == folder)
    monkeypatch.setattr(environments, "_resolve", lambda wanted: ("lib==1.0",))
    assert ensure_lock(folder, "lib", "1.0", ["numpy<2"]).pins == ("lib==1.0",)
    assert [path.name for path in folder.iterdir()] == []
    assert environments.locked_requirements(folder, "lib", "1.0") == ("numpy<2",)
    monkeypatch.setattr(environments, "_resolve", lambda wanted: pytest.fail("resolved twice"))
    assert ensure_lock(folder, "lib", "1.0", ["numpy<2"]).pins == ("lib==1.0",)


@pytest.mark.parametrize(
    ("library", "version", "requires"),
    [
        ("toylib\n--extra-index-url https://evil.example", "1.0", ()),
        ("-r /etc/passwd", "1.0", ()),
        ("../../x", "1.0", ()),
        ("toylib", "1.0 ; python_version > '3'", ()),
        ("toylib", "../1.0", ()),
        ("toylib", "1.0", ("toyuser @ https://evil.example/x.whl",)),
        ("toylib", "1.0", ("--index-url=https://evil.example",)),
    ],
)
def test_nothing_but_names_and_versions_reaches_uv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, version: str, requires: tuple[str, ...]
) -> None:
    monkeypatch.setattr(environments, "_uv", None)
    with pytest.raises(EnvironmentBuildError, match=" is not ") as caught:
        ensure_lock(tmp_path / "locks", library, version, requires)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "locks").exists()
    if not requires:
        assert locked_requirements(tmp_path, library, version) == ()


@pytest.mark.parametrize(
    "line", ["toylib @ https://evil.example/x.whl", "toylib==1.0 --index-url=https://evil.example"]
)
def test_a_lock_holds_nothing_but_pins(tmp_path: Path, line: str) -> None:
    path = tmp_path / "toylib-1.0.txt"
    path.write_text(f"# Python {environments.PYTHON}: toylib==1.0\n{line}\n")
    with pytest.raises(EnvironmentBuildError, match=r"toylib-1\.0\.txt: .* is not a"):
        ensure_lock(tmp_path, "toylib", "1.0")
    with pytest.raises(EnvironmentBuildError, match=r"toylib-1\.0\.txt: .* is not a"):
        environments.read_locks(tmp_path)


def test_a_lock_names_nothing_but_requirements(tmp_path: Path) -> None:
    (tmp_path / "toylib-1.0.txt").write_text("# Python 3.11: toylib==1.0 --index-url=https://evil.example\n")
    with pytest.raises(EnvironmentBuildError, match=r"toylib-1\.0\.txt:1: .* is not a requirement"):
        locked_requirements(tmp_path, "toylib", "1.0")
