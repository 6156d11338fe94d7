"""GitChameleon 2.0 (arXiv 2507.12367): functions for one release of a library, judged by hidden tests in an environment with that release.

Most values of these items (requests, figures, estimators) cannot leave a process, so the hidden tests run in the answer's own process, under
pytest; `recode.evaluate.judging.in_process` says what that guarantees. An item is available where its pins can be installed for this Python and
its own solution passes.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError
from rich.console import Console

from recode.errors import EnvironmentBuildError, RecordError
from recode.evaluate.benchmark import Advance, Benchmark, Decoding, Item, Judgement, unique
from recode.evaluate.judging.answers import completed_program, parsed, written_program
from recode.evaluate.judging.in_process import Beside, judge_beside
from recode.models.prompting import Prompt
from recode.records import first_fault, read_jsonl, write_text
from recode.sandbox.environments import PYTHON, Environment, ensure_environment, ensure_lock, recode_home
from recode.sandbox.zygotes import Limits

LIMITS = Limits(seconds=120.0, memory=4 << 30, processes=64)
_DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "PIL": "pillow",
    "yaml": "pyyaml",
    "cv2": "opencv-python-headless",
    "bs4": "beautifulsoup4",
}
_ALWAYS = ("pytest<8.2", "setuptools<81")
"""What Python 3.10's environments had of themselves (with `pkg_resources`), and the last pytest that takes the test cases of that time."""
_ASKED = """{problem}
The library is {library} {version}. Complete this code for exactly that release. Reply with the whole module in one Python code block.

```python
{start}
```"""


class Problem(BaseModel):
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


class GitChameleon(Benchmark):
    """`--data` names the public checkout (the folder with `dataset/`, or that folder)."""

    decoding: ClassVar = Decoding(max_new_tokens=1024)

    def __init__(
        self, name: str, problems: Sequence[Problem], tests: dict[str, str], golds: dict[str, str], home: Path
    ) -> None:
        """Take problems, hidden tests and solutions by id, and the folder for what can be made again."""
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

    def prepare(self) -> None:
        """Find out, once for each environment, which items are available here."""
        self.find_available()

    def judge(self, asked: Sequence[tuple[Item, str]], advance: Advance) -> list[Judgement]:
        """Run the hidden tests on every answer, in its item's environment."""
        works = [self._work(item.id, self.program(item.id, completion)) for item, completion in asked]
        return judge_beside(works, LIMITS, advance)

    def program(self, name: str, completion: str) -> str:
        """Return the module that a completion makes of the code an item starts with."""
        start = self.problems[name].starting_code.replace("\r\n", "\n")
        name = _asked_for(start)
        reply = written_program(completion, name)
        # Some items have no function to tell a whole module by: one begins as the start does.
        whole = reply.strip().startswith(start.strip().partition("\n")[0])
        return reply if whole else completed_program(start, completion, name)

    def find_available(self) -> None:
        """Build each environment and run each item's own solution there; what fails says why. Known results are read from the cache."""
        cache = self.home / "gitchameleon.json"
        kept = json.loads(cache.read_text(encoding="utf-8")) if cache.exists() else {}
        known: dict[str, str] = {key: reason for key, reason in kept.items() if _lasting(reason)}
        keys = {item.id: self._key(item.id) for item in self.items}
        todo = [item.id for item in self.items if keys[item.id] not in known]
        console = Console(stderr=True)
        for requirements in dict.fromkeys(self.requirements(name) for name in todo):
            names = [name for name in todo if self.requirements(name) == requirements]
            console.print(f"gitchameleon: {' '.join(requirements)} ({len(names)} items)", style="dim", highlight=False)
            for name, reason in zip(names, self._reasons(names), strict=True):
                known[keys[name]] = reason
            # Kept as it goes: a killed run does not begin again.
            lasting = {key: reason for key, reason in known.items() if _lasting(reason)}
            write_text(cache, json.dumps(lasting, indent=0, sort_keys=True))
        self.items = [replace(item, unavailable=known[keys[item.id]]) for item in self.items]

    def _reasons(self, names: Sequence[str]) -> list[str]:
        """Return why items of one environment are not available, empty for those that are."""
        try:
            self.environment(names[0])
        except EnvironmentBuildError as error:
            return [f"Python {PYTHON} cannot have its environment: {' '.join(str(error).split())[:400]}"] * len(names)
        golds = judge_beside([self._work(name, self.golds[name]) for name in names], LIMITS, lambda n: None)
        return [
            "" if gold.outcome == "passed" else f"{_FAILS[gold.outcome == 'failed']}: {gold.detail}" for gold in golds
        ]

    def requirements(self, name: str) -> tuple[str, ...]:
        """Return what an item's environment holds: its pins, pytest, and what its tests import besides."""
        problem = self.problems[name]
        pins = [f"{problem.library}=={problem.version}", *problem.additional_dependencies.split()]
        pinned = {_distribution(pin) for pin in pins}
        wanted = {_DISTRIBUTIONS.get(module, module) for module in _third_party(self.tests[name], self.golds[name])}
        return (*pins, *sorted(one for one in {*wanted, *_ALWAYS} if _distribution(one) not in pinned))

    def environment(self, name: str) -> Environment:
        """Return an item's environment; build it if it is not there.

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
        # What an item starts with often ends in the middle of a statement; its solution parses, and holds it.
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
        parts = [PYTHON, *self.requirements(name), self.tests[name], self.golds[name]]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]

    def _item(self, problem: Problem) -> Item:
        start = problem.starting_code.replace("\r\n", "\n")
        asked = _ASKED.format(problem=problem.problem, library=problem.library, version=problem.version, start=start)
        kind = " ".join(
            problem.type_of_change.split()[-2:] if "\n" in problem.type_of_change else problem.type_of_change.split()
        ).lower()
        plain = f"# {problem.library} {problem.version}\n# {problem.problem}\n{start}"
        return Item(
            problem.example_id, Prompt((("user", asked),), plain=plain), problem.library, kind, group=f"{problem.library} {problem.version}",
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


_FAILS = ("its own solution did not come to an end here", "its own solution fails here")


def _lasting(reason: str) -> bool:
    """Say whether what was found out holds tomorrow: not that the network was down, or that the machine was busy."""
    return not reason or reason.startswith(_FAILS[1]) or "No solution found" in reason


def _distribution(requirement: str) -> str:
    return re.split(r"[=<>!~\[]", requirement)[0].lower()


def _root(place: Path) -> Path:
    for folder in (place, place / "dataset"):
        if (folder / "dataset.jsonl").exists():
            return folder
    raise RecordError(
        f"{place}: no dataset.jsonl there or in its `dataset`; name a checkout of GitChameleon with --data"
    )


def read_problems(path: Path) -> Iterator[Problem]:
    """Read the checkout's problems.

    Raises:
        RecordError: a line is bad; names file, line and field.
    """
    for number, value in read_jsonl(path):
        try:
            yield Problem(**value)
        except ValidationError as error:
            raise RecordError(f"{path}:{number}: {first_fault(error)}") from None


def _asked_for(start: str) -> str:
    """Return the last function or class that a start defines at its margin."""
    names = re.findall(r"^(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", start, re.MULTILINE)
    return names[-1] if names else ""


def _third_party(*programs: str) -> set[str]:
    """Return the modules that programs import, but for the standard library's and the answer's."""
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
