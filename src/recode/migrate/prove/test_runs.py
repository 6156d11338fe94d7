"""One run of the user's tests over a copy of the project, in one release: how each test ended and what it reached."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from recode.errors import RecodeError
from recode.migrate.project.files import SUFFIXES, TOOLS, is_environment
from recode.migrate.prove.outputs import OutputMask, masked, normalised
from recode.migrate.prove.spans import Spot
from recode.migrate.source.source_file import SourceFile
from recode.sandbox.environments import Environment
from recode.sandbox.trees import PROJECT, TreeLimits, isolation, run_in_tree

_LARGEST = 64 << 20
"""Files of more bytes than this are not copied."""
_PLUGIN = "recode_test_plugin"
PASSED, FAILED, KILLED, SKIPPED = "passed", "failed", "killed", "skipped"
"""Outcomes of tests, in pytest's words; `killed` is a command that took too long."""


@dataclass(frozen=True)
class RunFailure:
    """Where a run ended with an exception: the project's own innermost expression, and the error.

    Attributes:
        file: relative to the project.
        spot: the expression; columns in UTF-8 bytes from 0.
        kind: the exception's class name.
        error: class name and message.
    """

    file: Path
    spot: Spot
    kind: str
    error: str

    @property
    def line(self) -> int:
        """The line, from 1, in the file as it was when it ran."""
        return self.spot[0]


@dataclass(frozen=True)
class TestRun:
    """One run of the tests, or of several commands. A command without pytest counts as one test of its own name.

    Attributes:
        status: the exit status; None if the run was killed for its time. Of several commands, the first that is not 0.
        tests: the outcome of each test.
        reached: for each (file, spot), the tests that evaluated it; `""` stands for what ran outside any test of pytest.
        stdout: the end of what was printed.
        stderr: the end of what was printed as errors.
        seconds: wall time.
        outputs: what each command without pytest printed, normalised.
        failures: for tests that failed with an exception, where.
        masked: how much of each command's output is left out of comparisons, because it differs from run to run.
    """

    __test__: ClassVar[bool] = False
    """pytest must not collect this class by its name."""

    status: int | None
    tests: Mapping[str, str] = field(default_factory=dict)
    reached: Mapping[tuple[Path, Spot], frozenset[str]] = field(default_factory=dict)
    stdout: str = ""
    stderr: str = ""
    seconds: float = 0.0
    outputs: Mapping[str, str] = field(default_factory=dict)
    failures: Mapping[str, RunFailure] = field(default_factory=dict)
    masked: Mapping[str, OutputMask] = field(default_factory=dict)

    def differing(self, other: TestRun) -> frozenset[str]:
        """Return the tests that end differently in another run; for a command without pytest, its output counts too.

        Tests that ended differently in two runs of the same code are left out.
        """
        names = (self.tests.keys() | other.tests.keys()) - self._unsteady - other._unsteady
        return frozenset(
            name for name in names if self.tests.get(name) != other.tests.get(name) or self.output_differs(other, name)
        )

    def failing(self, other: TestRun) -> frozenset[str]:
        """Return the tests that pass in another run and do not pass in this one."""
        return (other.passed - self.passed) - self._unsteady - other._unsteady

    def output_differs(self, other: TestRun, name: str) -> bool:
        """Return whether a command printed something else than in another run, as far as its output is compared."""
        mask = max(self.masked.get(name, OutputMask.NOTHING), other.masked.get(name, OutputMask.NOTHING))
        return masked(self.outputs.get(name, ""), mask) != masked(other.outputs.get(name, ""), mask)

    @property
    def _unsteady(self) -> frozenset[str]:
        return frozenset(name for name, mask in self.masked.items() if mask is OutputMask.EVEN_THE_OUTCOME)

    @property
    def passed(self) -> frozenset[str]:
        """The tests that passed."""
        return frozenset(name for name, outcome in self.tests.items() if outcome == PASSED)

    @property
    def summary(self) -> str:
        """A short summary of the run."""
        if self.status is None and not self.passed:
            return f"killed after {self.seconds:.0f} s"
        if self.outputs and len(self.tests) == 1:
            return f"exit status {self.status}"
        failed = sum(outcome in (FAILED, KILLED) for outcome in self.tests.values())
        return f"{len(self.passed)} passed, {failed} failed"

    @property
    def last_error(self) -> str:
        """The last line that names an error, or else the last line printed; at most 200 characters."""
        lines = (self.stderr.strip() or self.stdout.strip()).splitlines()
        errors = [line for line in lines if "error" in line.lower()]
        return (errors or lines or [""])[-1].strip()[:200]


def together(runs: Sequence[TestRun]) -> TestRun:
    """Return the runs of several commands as one."""
    if len(runs) == 1:
        return runs[0]
    reached: dict[tuple[Path, Spot], frozenset[str]] = {}
    for run in runs:
        for key, tests in run.reached.items():
            reached[key] = reached.get(key, frozenset()) | tests
    return TestRun(
        next((run.status for run in runs if run.status != 0), 0),
        {name: outcome for run in runs for name, outcome in run.tests.items()},
        reached,
        "".join(run.stdout for run in runs),
        "".join(run.stderr for run in runs),
        sum(run.seconds for run in runs),
        {name: text for run in runs for name, text in run.outputs.items()},
        {name: failure for run in runs for name, failure in run.failures.items()},
    )


def steady(first: TestRun, second: TestRun) -> TestRun:
    """Return the first of two runs of the same code, with what differs between them left out of comparisons."""
    found: dict[str, OutputMask] = {}
    for name in first.tests.keys() | second.tests.keys():
        if first.tests.get(name) != second.tests.get(name):
            found[name] = OutputMask.EVEN_THE_OUTCOME
            continue
        texts = first.outputs.get(name, ""), second.outputs.get(name, "")
        for mask in (OutputMask.NOTHING, OutputMask.NUMBERS, OutputMask.ALL_OUTPUT):
            if masked(texts[0], mask) == masked(texts[1], mask):
                if mask is not OutputMask.NOTHING:
                    found[name] = mask
                break
    return replace(first, masked=found)


@dataclass(frozen=True)
class TestCommand:
    """A command that runs a project's code: the project's folder, a shell command, and its wall time in seconds."""

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
        """Run the command over a copy of the project.

        Args:
            environment: whose Python runs it.
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
                tree, _as_shell(tree, self.command), environment, reviewed=reviewed, beside=beside, result=result,
                variables=_variables(tree), limits=TreeLimits(seconds=self.seconds),
            )  # fmt: skip
            recorded = _read_results(result, prefix)
        tests, failures = recorded.tests, recorded.failures
        if tests:
            return TestRun(run.status, tests, recorded.reached, run.stdout, run.stderr, run.seconds, {}, failures)
        outcome = KILLED if run.status is None else PASSED if run.status == 0 else FAILED
        return TestRun(
            run.status,
            {self.command: outcome},
            {key: frozenset({self.command}) for key in recorded.reached},
            run.stdout,
            run.stderr,
            run.seconds,
            {self.command: normalised(run.stdout)},
            {self.command: failures[""]} if "" in failures and outcome == FAILED else {},
        )


def _as_shell(tree: Path, command: str) -> str:
    """Return a command for the shell: a notebook's name stands for its code cells, a script's for `python script`."""
    path = tree / command
    if path.suffix not in (".py", ".ipynb") or not path.is_file():
        return command
    if path.suffix == ".ipynb":
        program = SourceFile.from_bytes(Path(command), path.read_bytes()).program
        path = path.with_name(f"{path.stem}-cells.py")
        path.write_text(program, encoding="utf-8")
    return f"python {shlex.quote(str(path.relative_to(tree)))}"


def _variables(tree: Path) -> dict[str, str]:
    # Both layouts are common: modules at the top, and below src.
    path = "{beside}:{project}/src:{project}" if (tree / "src").is_dir() else "{beside}:{project}"
    return {
        "PYTHONPATH": path, "RECODE_TRACE_OUT": "{result}", "RECODE_TRACE_WATCH": "{result}/watch", "RECODE_TRACE_ROOT": "{project}",
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


@dataclass
class _Recorded:
    """What the processes of a command recorded."""

    tests: dict[str, str] = field(default_factory=dict)
    reached: dict[tuple[Path, Spot], frozenset[str]] = field(default_factory=dict)
    failures: dict[str, RunFailure] = field(default_factory=dict)


def _read_results(result: Path, prefix: str) -> _Recorded:
    """Read what the processes wrote; a file that is not in the expected form is ignored, since tests can write there."""
    found = _Recorded()
    for file in sorted(result.glob("*.json")):
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            for name, outcome in content["outcomes"].items():
                if found.tests.get(str(name)) != FAILED:
                    found.tests[str(name)] = str(outcome)
            for path, spot, names in content["reached"]:
                key = _relative(path, prefix), _spot(spot)
                found.reached[key] = found.reached.get(key, frozenset()) | set(map(str, names))
            for name, (path, spot, kind, error) in content["failures"].items():
                failure = RunFailure(_relative(path, prefix), _spot(spot), str(kind), str(error))
                found.failures.setdefault(str(name), failure)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return found


def _relative(path: object, prefix: str) -> Path:
    return Path(os.path.relpath(str(path), prefix))


def _spot(numbers: Sequence[object]) -> Spot:
    line, column, end_line, end_column = (int(str(number)) for number in numbers)
    return line, column, end_line, end_column
