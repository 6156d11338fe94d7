"""GitChameleon 2.0 (arXiv 2507.12367): functions for one release of a library, judged by hidden tests in an environment with that release.

Most values in these items (requests, figures, estimators) cannot leave a process, so pytest runs the hidden tests in the answer's
process; `recode.evaluate.judging.in_process` says what that guarantees. An item is available if its pinned packages can be installed
for this Python and its own solution passes there.
"""

from __future__ import annotations

import ast
import enum
import hashlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from recode.errors import EnvironmentBuildError, RecordError
from recode.evaluate.benchmark import Advance, Benchmark, Decoding, Item, Judgement, unique
from recode.evaluate.judging.answers import completed_program, parsed, written_program
from recode.evaluate.judging.in_process import HARNESS, Beside, judge_beside
from recode.evaluate.progress import EvaluationProgress, OnProgress
from recode.models.prompting import Prompt
from recode.records import first_fault, read_jsonl, write_text
from recode.sandbox.environments import PYTHON, Environment, ensure_environment, ensure_lock, recode_home
from recode.sandbox.fork_servers import Limits

LIMITS = Limits(seconds=120.0, memory=4 << 30, processes=64)
_DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "PIL": "pillow",
    "yaml": "pyyaml",
    "cv2": "opencv-python-headless",
    "bs4": "beautifulsoup4",
}
_ALWAYS = ("pytest<8.2", "setuptools<81")
"""What Python 3.10 environments came with (`pkg_resources` is in setuptools), and the last pytest that runs test cases of that time."""
_PROMPT = """{problem}
The library is {library} {version}. Complete this code for exactly that release. Reply with the whole module in one Python code block.

```python
{start}
```"""


class GitChameleonProblem(BaseModel):
    """A line of the checkout's `dataset.jsonl`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    example_id: str
    library: str
    version: str
    python_version: str = ""
    problem: str
    starting_code: str
    additional_dependencies: str = ""
    type_of_change: str = ""


class Availability(enum.StrEnum):
    """Whether this machine can judge an item."""

    AVAILABLE = "available"
    NO_SUCH_ENVIRONMENT = "no such environment"
    """No set of wheels for this Python satisfies the pins."""
    BUILD_FAILED = "build failed"
    """The environment could not be built today; the network may have been down."""
    SOLUTION_FAILS = "solution fails"
    SOLUTION_UNFINISHED = "solution unfinished"
    """The item's own solution was stopped before its tests ended; the machine may have been busy."""

    @property
    def is_lasting(self) -> bool:
        """Whether the same result can be expected tomorrow."""
        return self not in (Availability.BUILD_FAILED, Availability.SOLUTION_UNFINISHED)


@dataclass(frozen=True)
class AvailabilityCheck:
    """The result of checking an item, and the sentence that the user sees; it is empty for an available item."""

    status: Availability
    reason: str = ""


class GitChameleon(Benchmark):
    """`--data` names the public checkout: its root, or its `dataset` folder."""

    decoding: ClassVar = Decoding(max_new_tokens=1024)

    def __init__(
        self,
        name: str,
        problems: Sequence[GitChameleonProblem],
        tests: dict[str, str],
        golds: dict[str, str],
        home: Path,
    ) -> None:
        """Take problems, hidden tests and solutions by id, and the folder for environments and other caches."""
        self.problems = {problem.example_id: problem for problem in problems}
        self.tests, self.golds, self.home = tests, golds, home
        self._environments: dict[str, Environment] = {}
        super().__init__(name, unique([self._item(problem) for problem in problems], name))

    @classmethod
    def open(cls, name: str, data: str | None, folder: Path) -> GitChameleon:
        """Read the checkout."""
        root = _root(Path(data) if data else folder / "gitchameleon")
        problems = list(read_problems(root / "dataset.jsonl"))
        golds = _solutions(root / "ground_truth_solutions.jsonl")
        tests = {}
        for problem in problems:
            path = root / "hidden_tests" / f"test_sample_{problem.example_id}.py"
            if not path.exists():
                raise RecordError(
                    f"{path}: is missing; the checkout's dataset/hidden_tests has one for each line of dataset.jsonl"
                )
            if problem.example_id not in golds:
                raise RecordError(
                    f"{root / 'ground_truth_solutions.jsonl'}: has no line with `example_id` {problem.example_id}"
                )
            tests[problem.example_id] = path.read_text(encoding="utf-8")
        return cls(name, problems, tests, golds, recode_home())

    def prepare(self, on_progress: OnProgress) -> None:
        """Build each environment and run each item's own solution in it. Results that last are read from the cache."""
        cache = self.home / "gitchameleon.json"
        checks = _cached_checks(cache)
        keys = {item.id: self._key(item.id) for item in self.items}
        unknown = [item.id for item in self.items if keys[item.id] not in checks]
        for requirements in dict.fromkeys(self.requirements(name) for name in unknown):
            names = [name for name in unknown if self.requirements(name) == requirements]
            stage = f"gitchameleon: {' '.join(requirements)}"
            on_progress(EvaluationProgress(stage, len(names), 0))
            for name, check in zip(names, self._checks(names), strict=True):
                checks[keys[name]] = check
            on_progress(EvaluationProgress(stage, len(names), len(names)))
            # Saved after each environment, so that a killed run does not start over.
            lasting = {key: asdict(check) for key, check in checks.items() if check.status.is_lasting}
            write_text(cache, json.dumps(lasting, indent=0, sort_keys=True))
        self.items = [replace(item, unavailable=checks[keys[item.id]].reason) for item in self.items]

    def judge(self, completions: Sequence[tuple[Item, str]], advance: Advance) -> list[Judgement]:
        """Run the hidden tests on every answer, in its item's environment."""
        works = [self._work(item.id, self.program(item.id, completion)) for item, completion in completions]
        return judge_beside(works, LIMITS, advance)

    def program(self, name: str, completion: str) -> str:
        """Return the module that a completion makes of an item's starting code."""
        start = self.problems[name].starting_code.replace("\r\n", "\n")
        name = _requested_name(start)
        reply = written_program(completion, name)
        # Some items have no function by which to recognize a whole module; it then begins as the starting code does.
        whole = reply.strip().startswith(start.strip().partition("\n")[0])
        return reply if whole else completed_program(start, completion, name)

    def _checks(self, names: Sequence[str]) -> list[AvailabilityCheck]:
        """Check items that share an environment."""
        try:
            self.environment(names[0])
        except EnvironmentBuildError as error:
            text = " ".join(str(error).split())
            status = Availability.NO_SUCH_ENVIRONMENT if _UNSATISFIABLE in text else Availability.BUILD_FAILED
            reason = f"its environment cannot be built for Python {PYTHON}: {text[:400]}"
            return [AvailabilityCheck(status, reason)] * len(names)
        solutions = judge_beside([self._work(name, self.golds[name]) for name in names], LIMITS, lambda n: None)
        return [_solution_check(judgement) for judgement in solutions]

    def requirements(self, name: str) -> tuple[str, ...]:
        """Return the requirements of an item's environment: its pins, pytest, and the other packages that its tests import."""
        problem = self.problems[name]
        pins = [f"{problem.library}=={problem.version}", *problem.additional_dependencies.split()]
        pinned = {_distribution(pin) for pin in pins}
        wanted = {_DISTRIBUTIONS.get(module, module) for module in _third_party(self.tests[name], self.golds[name])}
        return (*pins, *sorted(name for name in {*wanted, *_ALWAYS} if _distribution(name) not in pinned))

    def environment(self, name: str) -> Environment:
        """Return an item's environment; build it if it does not exist.

        Raises:
            EnvironmentBuildError: the pins cannot be installed for this Python.
        """
        wanted = self.requirements(name)
        digest = hashlib.sha256(" ".join(wanted).encode()).hexdigest()[:16]
        if digest not in self._environments:
            problem = self.problems[name]
            folder = self.home / "locks" / "gitchameleon" / digest
            self._environments[digest] = ensure_environment(
                ensure_lock(folder, problem.library, problem.version, wanted[1:])
            )
        return self._environments[digest]

    def _work(self, name: str, answer: str) -> Beside:
        # The starting code often ends in the middle of a statement; the solution contains it and parses.
        return Beside(
            answer,
            self.tests[name],
            self.golds[name],
            self.environment(name),
            name=f"sample_{name}",
            runner="pytest",
            preload=("pytest",),
        )

    def _key(self, name: str) -> str:
        parts = [PYTHON, HARNESS, *self.requirements(name), self.tests[name], self.golds[name]]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]

    def _item(self, problem: GitChameleonProblem) -> Item:
        start = problem.starting_code.replace("\r\n", "\n")
        prompt = _PROMPT.format(problem=problem.problem, library=problem.library, version=problem.version, start=start)
        kind = " ".join(
            problem.type_of_change.split()[-2:] if "\n" in problem.type_of_change else problem.type_of_change.split()
        ).lower()
        plain = f"# {problem.library} {problem.version}\n# {problem.problem}\n{start}"
        return Item(
            problem.example_id, Prompt((("user", prompt),), plain=plain), problem.library, kind, group=f"{problem.library} {problem.version}",
            note=f"{problem.library} {problem.version}: {problem.problem}", given=start, gold=self.golds[problem.example_id],
        )  # fmt: skip


def _solutions(path: Path) -> dict[str, str]:
    """Return the items' own solutions by id.

    Raises:
        RecordError: a line lacks a field; names file, line and field.
    """
    found = {}
    for number, row in read_jsonl(path):
        for field in ("example_id", "answer"):
            if field not in row:
                raise RecordError(f"{path}:{number}: field `{field}` is missing")
        found[str(row["example_id"])] = str(row["answer"])
    return found


_UNSATISFIABLE = "No solution found"
"""uv's words for pins that no set of wheels satisfies."""


def _solution_check(judgement: Judgement) -> AvailabilityCheck:
    """Return what running an item's own solution says about the item."""
    if judgement.outcome == "passed":
        return AvailabilityCheck(Availability.AVAILABLE)
    if judgement.outcome == "failed":
        return AvailabilityCheck(Availability.SOLUTION_FAILS, f"its own solution fails here: {judgement.detail}")
    return AvailabilityCheck(
        Availability.SOLUTION_UNFINISHED, f"its own solution did not finish here: {judgement.detail}"
    )


def _cached_checks(cache: Path) -> dict[str, AvailabilityCheck]:
    """Read the results of earlier runs; entries in another format are ignored, and their items are checked again."""
    try:
        saved: dict[str, Any] = json.loads(cache.read_text(encoding="utf-8"))
        return {
            key: AvailabilityCheck(Availability(entry["status"]), str(entry["reason"]))
            for key, entry in saved.items()
            if isinstance(entry, dict)
        }
    except (OSError, ValueError, LookupError, AttributeError):
        return {}


def _distribution(requirement: str) -> str:
    return re.split(r"[=<>!~\[]", requirement)[0].lower()


def _root(place: Path) -> Path:
    for folder in (place, place / "dataset"):
        if (folder / "dataset.jsonl").exists():
            return folder
    raise RecordError(
        f"{place}: no dataset.jsonl there or in its `dataset`; name a checkout of GitChameleon with --data"
    )


def read_problems(path: Path) -> Iterator[GitChameleonProblem]:
    """Read the checkout's problems.

    Raises:
        RecordError: a line is bad; names file, line and field.
    """
    for number, value in read_jsonl(path):
        try:
            yield GitChameleonProblem(**value)
        except ValidationError as error:
            raise RecordError(f"{path}:{number}: {first_fault(error)}") from None


def _requested_name(start: str) -> str:
    """Return the last function or class that the starting code defines at its top level."""
    names = re.findall(r"^(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", start, re.MULTILINE)
    return names[-1] if names else ""


def _third_party(*programs: str) -> set[str]:
    """Return the third-party modules that programs import."""
    found: set[str] = set()
    for program in programs:
        tree = parsed(program)
        for node in ast.walk(tree) if tree else ():
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
    own = {name for name in found if name.startswith("sample_")}
    return (
        found
        - own
        - sys.stdlib_module_names
        - {"pytest", "setuptools", "pkg_resources", "mpl_toolkits", "chart_studio", "rtree"}
    )
