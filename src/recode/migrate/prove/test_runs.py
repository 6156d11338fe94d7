"""One run of the user's tests over a copy of the project, in one release: how each test ended and what it reached."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from recode.errors import RecodeError
from recode.migrate.project.files import SUFFIXES, TOOLS, is_environment
from recode.migrate.prove.spans import Spot
from recode.sandbox.environments import Environment
from recode.sandbox.trees import PROJECT, TreeLimits, isolation, run_in_tree

_LARGEST = 64 << 20
"""Bytes from which on a file is not copied."""


@dataclass(frozen=True)
class Trial:
    """How a run went.

    `tests` maps each test to its outcome, where pytest ran; `reached` maps (file, spot) to the tests that evaluated what stands there, with
    `""` for what was run outside any test. `status` is None where the run was killed for its time.
    """

    status: int | None
    tests: Mapping[str, str] = field(default_factory=dict)
    reached: Mapping[tuple[Path, Spot], frozenset[str]] = field(default_factory=dict)
    stdout: str = ""
    stderr: str = ""
    seconds: float = 0.0

    def differing(self, other: Trial) -> frozenset[str]:
        """Return the tests that end otherwise than in another run; `""` where there are none and the command's own result differs."""
        if self.tests or other.tests:
            names = self.tests.keys() | other.tests.keys()
            return frozenset(name for name in names if self.tests.get(name) != other.tests.get(name))
        same = self.status is not None and self.status == other.status and self.stdout == other.stdout
        return frozenset() if same else frozenset({""})

    @property
    def passed(self) -> frozenset[str]:
        """The tests that passed; `""` where there are none and the command succeeded."""
        if self.tests:
            return frozenset(name for name, outcome in self.tests.items() if outcome == "passed")
        return frozenset({""}) if self.status == 0 else frozenset()

    def told(self) -> str:
        """Say in a few words how it went."""
        if self.status is None:
            return f"killed after {self.seconds:.0f} s"
        if self.tests:
            failed = sum(outcome == "failed" for outcome in self.tests.values())
            return f"{len(self.passed)} passed, {failed} failed"
        return f"exit status {self.status}"


def try_tests(
    root: Path, changed: Mapping[Path, bytes], command: str, environment: Environment, *,
    reviewed: bool, watched: Mapping[Path, frozenset[Spot]], seconds: float = 600.0,
) -> Trial:  # fmt: skip
    """Run the tests over a copy of the project with some files changed; paths are relative to the root.

    Raises:
        SandboxError: the code was not reviewed and this machine gives no isolation.
        RecodeError: the project cannot be copied.
    """
    with tempfile.TemporaryDirectory(prefix="recode-trial-") as scratch:
        folder = Path(scratch)
        tree, beside, result = folder / "project", folder / "beside", folder / "result"
        copy_project(root, tree)
        for path, content in changed.items():
            (tree / path).write_bytes(content)
        for one in (beside, result):
            one.mkdir()
        shutil.copy(Path(__file__).with_name("_trial.py"), beside / "recode_trial.py")
        (beside / "sitecustomize.py").write_text("import recode_trial\n", encoding="utf-8")
        watch = {str(path): sorted(spots) for path, spots in watched.items()}
        # Both kinds of layout: modules at the top, and below src.
        python_path = "{beside}:{project}/src:{project}" if (tree / "src").is_dir() else "{beside}:{project}"
        variables = {
            "PYTHONPATH": python_path, "RECODE_TRIAL_OUT": "{result}", "RECODE_TRIAL_WATCH": "{result}/watch",
            "PYTEST_ADDOPTS": "-p recode_trial -p no:cacheprovider",
        }  # fmt: skip
        prefix = PROJECT if isolation(reviewed) == "isolated" else str(tree)
        (result / "watch").write_text(json.dumps({os.path.join(prefix, name): spots for name, spots in watch.items()}))  # noqa: PTH118
        run = run_in_tree(
            tree, command, environment, reviewed=reviewed, beside=beside, result=result, variables=variables,
            limits=TreeLimits(seconds=seconds),
        )  # fmt: skip
        tests, reached = _read(result, prefix)
    return Trial(run.status, tests, reached, run.stdout, run.stderr, run.seconds)


def copy_project(root: Path, tree: Path) -> None:
    """Copy a project without what no test gets: what tools keep, links, environments and huge files.

    Raises:
        RecodeError: something in it cannot be copied.
    """

    def unwanted(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if name in TOOLS or _unwanted(Path(folder) / name)]

    try:
        shutil.copytree(root, tree, ignore=unwanted, symlinks=True)
    except shutil.Error as error:
        # Each of the files, the copy, and why.
        source, _, why = error.args[0][0]
        raise RecodeError(f"{source}: cannot be copied for the tests ({why}); make it readable") from None
    except OSError as error:
        raise RecodeError(f"{error.filename or root}: cannot be copied for the tests ({error.strerror})") from None


def _unwanted(path: Path) -> bool:
    """Say whether a path is a link, a device, an environment, a huge file or out of reach, which no test gets."""
    try:
        if path.is_symlink():
            return True
        if path.is_dir():
            return is_environment(path)
        return not path.is_file() or (path.suffix not in SUFFIXES and path.stat().st_size > _LARGEST)
    except OSError:
        return True


def _read(result: Path, prefix: str) -> tuple[dict[str, str], dict[tuple[Path, Spot], frozenset[str]]]:
    """Read what the processes wrote; what is not in the form expected is passed over."""
    tests: dict[str, str] = {}
    reached: dict[tuple[Path, Spot], set[str]] = {}
    for file in sorted(result.glob("*.json")):
        try:
            said = json.loads(file.read_text(encoding="utf-8"))
            for name, outcome in said["outcomes"].items():
                if tests.get(str(name)) != "failed":
                    tests[str(name)] = str(outcome)
            for path, (line, column, end_line, end_column), names in said["reached"]:
                spot = int(line), int(column), int(end_line), int(end_column)
                key = Path(os.path.relpath(str(path), prefix)), spot
                reached.setdefault(key, set()).update(map(str, names))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return tests, {key: frozenset(names) for key, names in reached.items()}
