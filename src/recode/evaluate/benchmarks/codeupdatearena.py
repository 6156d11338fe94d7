"""CodeUpdateArena (arXiv 2407.06249): programs that need a fictitious update of a real package, patched in while their tests run.

Every answer runs every unit test with the update and without it. `pass@k` counts answers that pass all tests with the update. `UPass@k`
counts those that pass with it and fail without it: they use the update.
"""

from __future__ import annotations

import ast
import importlib.util
import itertools
import json
import math
import sys
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from recode.errors import RecordError
from recode.evaluate.benchmark import Advance, Benchmark, Decoding, Item, Judgement, unique
from recode.evaluate.judging.answers import parsed, written_program
from recode.evaluate.judging.in_process import Beside, judge_beside
from recode.evaluate.judging.test_verdicts import judge_tasks
from recode.machine import cores
from recode.models.prompting import Prompt
from recode.records import first_fault, read_jsonl
from recode.sandbox.environments import Environment
from recode.sandbox.fork_servers import Limits
from recode.sandbox.pool import ProgramTask
from recode.sandbox.verdict import Outcome, Verdict
from recode.shipped import shipped
from recode.source import compiles

LIMITS = Limits(seconds=15.0, memory=4 << 30, processes=64)
OWN_FILE = "codeupdatearena.jsonl"
_EXAMPLE_FILE = "codeupdatearena_example.json"
_PRELOAD = {"numpy": ("numpy",), "pandas": ("numpy", "pandas"), "torch": ("numpy", "torch"), "sympy": ("sympy",)}


class _Text(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    @field_validator("imports", "unit_tests", mode="before", check_fields=False)
    @classmethod
    def _joined(cls, value: Any) -> Any:
        # The authors' intermediate files hold lists where the released one holds text.
        return "\n\n".join(value) if isinstance(value, list) else value


class ArenaUpdate(_Text):
    """The update of one function."""

    description: str
    rationale: str = ""
    docstring: str
    signature: str
    imports: str
    implementation: str
    unit_tests: str = ""
    update_type: str
    function_path: str
    package: str
    update_id: str = ""


class ArenaTask(_Text):
    """A line of the released file."""

    update: ArenaUpdate
    scenario: str
    problem: str
    solution_signature: str
    unit_tests: str
    imports: str = ""
    ref_solution: str
    prog_syn_id: str

    @property
    def name(self) -> str:
        """The name of the function to write."""
        return (
            self.solution_signature.partition("def ")[2].partition("(")[0].strip()
            or self.solution_signature.partition("(")[0].strip()
        )

    def before(self, updated: bool) -> str:
        """Return what runs before an answer: imports, the new implementation, and with the update the patch of the package."""
        parts = [self.update.imports, self.imports, self.update.implementation]
        if updated:
            owner = self.update.function_path.rpartition(".")[0]
            new = _last_function(self.update.implementation)
            parts += [f"import {self.update.package}", f"setattr({owner}, {new!r}, {new})"]
        return "\n".join(part for part in parts if part)

    def tests(self) -> list[str]:
        """Return the names of the unit tests."""
        tree = parsed(self.unit_tests)
        return [] if tree is None else [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


def _last_function(code: str) -> str:
    tree = parsed(code)
    names = [] if tree is None else [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    return names[-1] if names else "missing"


@dataclass(frozen=True)
class _Run:
    """One answer, and whether its tests run with the update."""

    line: ArenaTask
    answer: str
    updated: bool


class CodeUpdateArena(Benchmark):
    """The released file; without `--data`, the project's own items in its format."""

    decoding: ClassVar = Decoding(samples=5, temperature=0.8, top_p=0.7, max_new_tokens=512)
    counted: ClassVar = {"pass": "pass@{k}", "update": "UPass@{k}"}

    def __init__(self, name: str, lines: Sequence[ArenaTask], example: str) -> None:
        """Take the items and the solved example of the one-shot prompt."""
        note = not name.endswith("_without_note")
        super().__init__(name, unique([_item(line, example, note) for line in lines], name))
        self.lines = {line.prog_syn_id: line for line in lines}
        self._beside: dict[str, bool] = {}

    @classmethod
    def open(cls, name: str, data: str | None, folder: Path) -> CodeUpdateArena:
        """Read the file, and the authors' example if it is next to it."""
        path = Path(data) if data else folder / OWN_FILE
        path = path if data or path.exists() else shipped(f"data/{OWN_FILE}")
        return cls(name, read_arena(path), _example(path.parent / _EXAMPLE_FILE))

    @classmethod
    def own_files(cls, name: str) -> tuple[str, ...]:
        """Return the file, the same with the note and without it."""
        return (OWN_FILE,)

    def judge(self, completions: Sequence[tuple[Item, str]], advance: Advance) -> list[Judgement]:
        """Run every answer's tests with the update and without it.

        If an item's reference solution passes with its tests in a second sandbox, its values can leave the process, and the answers are
        judged that way. Otherwise the tests run in the answer's process.
        """
        pairs = []
        for item, text in completions:
            line = self.lines[item.id]
            answer = written_program(text, line.name)
            pairs.append((_Run(line, answer, updated=True), _Run(line, answer, updated=False)))
        new = {run.line.prog_syn_id: run.line for run, _ in pairs if run.line.prog_syn_id not in self._beside}
        references = [_Run(line, line.ref_solution, updated=True) for line in new.values()]
        # One batch: starting fork servers costs more than running programs in them.
        found = self._apart([*references, *itertools.chain(*pairs)])
        self._beside |= {run.line.prog_syn_id: found[run].outcome != "passed" for run in references}
        # An answer may return a value that cannot leave the process, even if the reference does not.
        again = [
            pair for pair in pairs if self._beside[pair[0].line.prog_syn_id] or found[pair[0]].outcome == "ungradable"
        ]
        beside = list(dict.fromkeys(itertools.chain(*again)))
        found |= zip(beside, judge_beside([self._work(run) for run in beside], LIMITS, lambda n: None), strict=True)
        advance(len(completions))
        return [_verdict(found[updated], found[plain]) for updated, plain in pairs]

    def _apart(self, runs: Iterable[_Run]) -> dict[_Run, Judgement]:
        """Judge answers by tests in a second sandbox, package by package, in fork servers that have the package loaded."""
        found: dict[_Run, Judgement] = {}
        groups: dict[str, list[_Run]] = {}
        for run in dict.fromkeys(runs):
            if self._beside.get(run.line.prog_syn_id):
                found[run] = Judgement(Outcome.UNGRADABLE, "its values cannot leave the process", answer=run.answer)
            else:
                groups.setdefault(run.line.update.package, []).append(run)
        # Packages that take longest to load start first, so that the run does not end by waiting for one.
        ordered = [groups[package] for package in sorted(groups, key=lambda name: (-len(_PRELOAD.get(name, ())), name))]
        for chosen, verdicts in zip(ordered, _judged_in_parallel(ordered), strict=True):
            for run, verdict in zip(chosen, verdicts, strict=True):
                found[run] = Judgement(verdict.outcome, verdict.detail, answer=run.answer)
        return found

    def _work(self, run: _Run) -> Beside:
        line = run.line
        own = "\n".join((line.update.imports, line.imports, line.ref_solution, f"import {line.update.package}"))
        here = Environment(Path(sys.prefix), Path(sys.executable), "")
        preload = _PRELOAD.get(line.update.package, ())
        return Beside(run.answer, line.unit_tests, own, here, before=line.before(run.updated), preload=preload)


def _judged_in_parallel(groups: Sequence[Sequence[_Run]]) -> list[list[Verdict]]:
    """Judge groups of runs, one package each, with few fork servers per group: loading torch takes as long as fifty runs."""
    cancelled = threading.Event()
    total = sum(map(len, groups))

    def judged(runs: Sequence[_Run]) -> list[Verdict]:
        workers = math.ceil(cores() * len(runs) / total)
        preload = _PRELOAD.get(runs[0].line.update.package, ())
        tasks = [_task(run) for run in runs]
        return judge_tasks(tasks, LIMITS, lambda n: None, preload=preload, workers=workers, cancelled=cancelled)

    with ThreadPoolExecutor(cores()) as pool:
        try:
            return list(pool.map(judged, groups))
        except BaseException:
            cancelled.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _task(run: _Run) -> ProgramTask:
    before = run.line.before(run.updated)
    calls = "\n".join(f"{name}()" for name in run.line.tests())
    test = f"{run.line.unit_tests}\n{calls}\n"
    return ProgramTask(id=run.line.prog_syn_id, program=run.answer, test=test, setup=before)


def _verdict(updated: Judgement, plain: Judgement) -> Judgement:
    """Combine the verdicts on an answer's runs with and without the update."""
    if updated.outcome == "ungradable":
        return Judgement(Outcome.UNGRADABLE, updated.detail, {"pass": 0.0, "update": 0.0}, updated.answer)
    if updated.outcome != "passed":
        return Judgement(updated.outcome, updated.detail, {"pass": 0.0, "update": 0.0}, updated.answer)
    uses = None if plain.outcome == "ungradable" else float(plain.outcome != "passed")
    words = {
        None: f"without the update ungradable: {plain.detail}", 1.0: f"only with the update ({plain.detail})", 0.0: "without the update too",
    }  # fmt: skip
    return Judgement(
        Outcome.PASSED, f"{words[uses]} {updated.detail}".strip(), {"pass": 1.0, "update": uses}, updated.answer
    )


def read_arena(path: Path) -> list[ArenaTask]:
    """Read the released format.

    Raises:
        RecordError: a line is bad; names file, line and field.
    """
    lines = []
    for number, value in read_jsonl(path):
        try:
            line = ArenaTask(**value)
        except ValidationError as error:
            raise RecordError(
                f"{path}:{number}: {first_fault(error)}; expected the format of arena-ungrouped.jsonl"
            ) from None
        for name, missing in (("unit_tests", not line.tests()), ("solution_signature", not line.name)):
            if missing:
                raise RecordError(f"{path}:{number}: field `{name}`: no function is defined there")
        if not compiles(line.unit_tests):
            raise RecordError(f"{path}:{number}: field `unit_tests`: parses, but Python does not compile it")
        if _last_function(line.update.implementation) == "missing":
            raise RecordError(f"{path}:{number}: field `update.implementation`: no function is defined there")
        lines.append(line)
    return lines


_TASK = """Scenario: {scenario}
Problem: {problem}
Solution signature: {signature}
[TEST]
# Unit Test 0
{test}
[/TEST]"""
_NOTE = """A function was updated: `{path}`. {description} Its signature is now `{signature}`. The documentation of the update:
[DOC]
{docstring}
[/DOC]

"""
_INSTRUCTION = "Write a Python function that solves the problem below. Put the code between [PYTHON] and [/PYTHON].\n\n"
_OWN_EXAMPLE = (
    _TASK.format(
        scenario="A shop keeps the prices of its goods in a list.",
        problem="Write a function that returns the sum of the prices which are not above a limit.",
        signature="def affordable_total(prices: list, limit: float) -> float",
        test="def test_some_are_too_dear():\n    assert affordable_total([1.0, 9.0, 3.0], 5.0) == 4.0",
    ),
    "def affordable_total(prices: list, limit: float) -> float:\n    return sum(price for price in prices if price <= limit)",
)


def _example(path: Path) -> str:
    """Return the solved example of the one-shot prompt: the authors' from its file, or the project's own.

    Raises:
        RecordError: the file is there and not in the authors' format.
    """
    task, solved = _OWN_EXAMPLE
    if path.exists():
        try:
            example = json.loads(path.read_text(encoding="utf-8"))["prog_syn"]
            task = _TASK.format(
                scenario=example["scenario"],
                problem=example["problem"],
                signature=example["solution_signature"],
                test=example["unit_tests"][0],
            )
            solved = example["ref_solution"].strip()
        except (ValueError, LookupError, TypeError, AttributeError):
            raise RecordError(f"{path}: not an example in the benchmark's format; fix or remove it") from None
    return f"{task}\n\n[PYTHON]\n{solved}\n[/PYTHON]\n\n"


def _item(line: ArenaTask, example: str, with_note: bool) -> Item:
    update = line.update
    note = _NOTE.format(
        path=update.function_path,
        description=update.description,
        signature=update.signature,
        docstring=update.docstring,
    )
    tree = parsed(line.unit_tests)
    first = ast.get_source_segment(line.unit_tests, tree.body[0]) if tree and tree.body else ""
    task = _TASK.format(scenario=line.scenario, problem=line.problem, signature=line.solution_signature, test=first)
    prompt = (note if with_note else "") + _INSTRUCTION + example + task
    missing = "" if importlib.util.find_spec(update.package) else f"the package {update.package} is not installed here"
    return Item(
        line.prog_syn_id, Prompt((("user", prompt),), plain=f"{prompt}\n\n[PYTHON]\n"), update.package, update.update_type,
        group=update.update_id or update.function_path, unavailable=missing, note=f"{update.description}\n{update.signature}",
        given=line.problem, gold=line.ref_solution,
    )  # fmt: skip
