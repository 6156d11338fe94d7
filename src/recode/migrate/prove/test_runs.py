"""One run of the user's tests over a copy of the project, in one release: how each test ended and what it reached."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from recode.errors import RecodeError
from recode.migrate.project.files import SUFFIXES, TOOLS, is_environment
from recode.migrate.prove.spans import Spot
from recode.sandbox.environments import Environment
from recode.sandbox.trees import PROJECT, TreeLimits, isolation, run_in_tree

_LARGEST = 64 << 20
"""Files of more bytes than this are not copied."""
_PLUGIN = "recode_test_plugin"


@dataclass(frozen=True)
class TestRun:
    """One run of the tests.

    Attributes:
        status: the exit status; None if the run was killed for its time.
        tests: the outcome of each test, where pytest ran.
        reached: for each (file, spot), the tests that evaluated it; `""` stands for what ran outside any test.
        stdout: the end of what was printed.
        stderr: the end of what was printed as errors.
        seconds: wall time.
    """

    __test__: ClassVar[bool] = False
    """pytest must not collect this class by its name."""

    status: int | None
    tests: Mapping[str, str] = field(default_factory=dict)
    reached: Mapping[tuple[Path, Spot], frozenset[str]] = field(default_factory=dict)
    stdout: str = ""
    stderr: str = ""
    seconds: float = 0.0

    def differing(self, other: TestRun) -> frozenset[str]:
        """Return the tests that end differently in another run; `""` if there are none and the command itself differs."""
        if self.tests or other.tests:
            names = self.tests.keys() | other.tests.keys()
            return frozenset(name for name in names if self.tests.get(name) != other.tests.get(name))
        same = self.status is not None and self.status == other.status and self.stdout == other.stdout
        return frozenset() if same else frozenset({""})

    @property
    def passed(self) -> frozenset[str]:
        """The tests that passed; `""` if there are none and the command succeeded."""
        if self.tests:
            return frozenset(name for name, outcome in self.tests.items() if outcome == "passed")
        return frozenset({""}) if self.status == 0 else frozenset()

    @property
    def summary(self) -> str:
        """A short summary of the run."""
        if self.status is None:
            return f"killed after {self.seconds:.0f} s"
        if self.tests:
            failed = sum(outcome == "failed" for outcome in self.tests.values())
            return f"{len(self.passed)} passed, {failed} failed"
        return f"exit status {self.status}"

    @property
    def last_error(self) -> str:
        """The last line that names an error, or else the last line printed; at most 200 characters."""
        lines = (self.stderr.strip() or self.stdout.strip()).splitlines()
        errors = [line for line in lines if "error" in line.lower()]
        return (errors or lines or [""])[-1].strip()[:200]


@dataclass(frozen=True)
class TestCommand:
    """A command that runs a project's tests: the project's folder, a shell command, and its wall time in seconds."""

    __test__: ClassVar[bool] = False

    root: Path
    command: str
    seconds: float = 600.0

    def run(
        self,
        environment: Environment,
        changed: Mapping[Path, bytes],
        watched: Mapping[Path, frozenset[Spot]],
        *,
        reviewed: bool,
    ) -> TestRun:
        """Run the tests over a copy of the project.

        Args:
            environment: whose Python runs them.
            changed: new contents of some files, by path relative to the root.
            watched: the spots of each file to record.
            reviewed: whether all code is the user's own or was made by rules.

        Raises:
            SandboxError: the code was not reviewed and this machine offers no isolation.
            RecodeError: the project cannot be copied.
        """
        with tempfile.TemporaryDirectory(prefix="recode-tests-") as scratch:
            folder = Path(scratch)
            tree, beside, result = folder / "project", folder / "beside", folder / "result"
            copy_project(self.root, tree)
            for path, content in changed.items():
                (tree / path).write_bytes(content)
            beside.mkdir()
            result.mkdir()
            shutil.copy(Path(__file__).with_name("_test_plugin.py"), beside / f"{_PLUGIN}.py")
            (beside / "sitecustomize.py").write_text(f"import {_PLUGIN}\n", encoding="utf-8")
            prefix = PROJECT if isolation(reviewed) == "isolated" else str(tree)
            spots = {os.path.join(prefix, path): sorted(spots) for path, spots in watched.items()}  # noqa: PTH118
            (result / "watch").write_text(json.dumps(spots))
            run = run_in_tree(
                tree, self.command, environment, reviewed=reviewed, beside=beside, result=result, variables=_variables(tree),
                limits=TreeLimits(seconds=self.seconds),
            )  # fmt: skip
            tests, reached = _read_results(result, prefix)
        return TestRun(run.status, tests, reached, run.stdout, run.stderr, run.seconds)


def _variables(tree: Path) -> dict[str, str]:
    # Both layouts are common: modules at the top, and below src.
    path = "{beside}:{project}/src:{project}" if (tree / "src").is_dir() else "{beside}:{project}"
    return {
        "PYTHONPATH": path, "RECODE_TRACE_OUT": "{result}", "RECODE_TRACE_WATCH": "{result}/watch",
        "PYTEST_ADDOPTS": f"-p {_PLUGIN} -p no:cacheprovider",
    }  # fmt: skip


def copy_project(root: Path, tree: Path) -> None:
    """Copy a project, except what tests are not given: the folders of tools, links, environments and huge files.

    Raises:
        RecodeError: something in it cannot be copied.
    """

    def unwanted(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if name in TOOLS or _unwanted(Path(folder) / name)]

    try:
        shutil.copytree(root, tree, ignore=unwanted, symlinks=True)
    except shutil.Error as error:
        # A list of (file, copy, reason).
        source, _, why = error.args[0][0]
        raise RecodeError(f"{source}: cannot be copied for the tests ({why}); make it readable") from None
    except OSError as error:
        raise RecodeError(f"{error.filename or root}: cannot be copied for the tests ({error.strerror})") from None


def _unwanted(path: Path) -> bool:
    """Return whether a path is a link, a device, an environment, a huge file or unreadable."""
    try:
        if path.is_symlink():
            return True
        if path.is_dir():
            return is_environment(path)
        return not path.is_file() or (path.suffix not in SUFFIXES and path.stat().st_size > _LARGEST)
    except OSError:
        return True


def _read_results(result: Path, prefix: str) -> tuple[dict[str, str], dict[tuple[Path, Spot], frozenset[str]]]:
    """Read what the processes wrote; a file that is not in the expected form is ignored, since tests can write there."""
    tests: dict[str, str] = {}
    reached: dict[tuple[Path, Spot], set[str]] = {}
    for file in sorted(result.glob("*.json")):
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            for name, outcome in content["outcomes"].items():
                if tests.get(str(name)) != "failed":
                    tests[str(name)] = str(outcome)
            for path, (line, column, end_line, end_column), names in content["reached"]:
                spot = int(line), int(column), int(end_line), int(end_column)
                key = Path(os.path.relpath(str(path), prefix)), spot
                reached.setdefault(key, set()).update(map(str, names))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return tests, {key: frozenset(names) for key, names in reached.items()}
