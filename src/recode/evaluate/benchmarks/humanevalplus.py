"""HumanEval+ (Liu et al., arXiv 2305.01210): HumanEval with EvalPlus's additional inputs and its comparison rules.

The expected values are computed from the file's own solutions in the sandbox that compares, never in the one that runs the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from recode.errors import RecordError
from recode.evaluate.benchmark import Advance, Benchmark, Item, Judgement, unique
from recode.evaluate.benchmarks.humaneval import chat_prompt, read_packed
from recode.evaluate.judging.answers import completed_program
from recode.evaluate.judging.test_verdicts import judge_tasks
from recode.records import first_fault
from recode.sandbox.fork_servers import Limits
from recode.sandbox.pool import ProgramTask
from recode.sandbox.verdict import Outcome, Verdict

LIMITS = Limits(seconds=30.0, memory=4 << 30)
_LONGEST_TEST = 600_000
"""Characters of inputs in one test; longer inputs are split over several tests."""


class HumanEvalPlusProblem(BaseModel):
    """A line of EvalPlus's file."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    task_id: str
    prompt: str
    entry_point: str
    canonical_solution: str
    base_input: list[list[Any]]
    plus_input: list[list[Any]]
    atol: float = 0.0


class HumanEvalPlus(Benchmark):
    """`--data` names EvalPlus's file, gzipped or not; `pass` needs the base and the additional inputs, `base` only the base inputs."""

    counted: ClassVar = {"pass": "pass@{k}", "base": "base_pass@{k}"}

    def __init__(self, name: str, problems: Sequence[HumanEvalPlusProblem]) -> None:
        """Take the problems."""
        items = [
            Item(p.task_id, chat_prompt(p.prompt), given=p.prompt, gold=p.prompt + p.canonical_solution)
            for p in problems
        ]
        super().__init__(name, unique(items, name))
        self.problems = {problem.task_id: problem for problem in problems}

    @classmethod
    def open(cls, name: str, data: str | None, folder: Path) -> HumanEvalPlus:
        """Read the file."""
        if data is None:
            raise RecordError(
                f"{name}: give EvalPlus's file with --data (HumanEvalPlus.jsonl.gz of github.com/evalplus/humanevalplus_release)"
            )
        return cls(name, list(read_plus(Path(data))))

    def judge(self, completions: Sequence[tuple[Item, str]], advance: Advance) -> list[Judgement]:
        """Compare every answer with the file's solution on all inputs."""
        programs = [
            completed_program(self.problems[item.id].prompt, completion, self.problems[item.id].entry_point)
            for item, completion in completions
        ]
        tasks, of = [], []
        for number, ((item, _), program) in enumerate(zip(completions, programs, strict=True)):
            for kind, test in _tests(self.problems[item.id]):
                tasks.append(ProgramTask(id=item.id, program=program, test=test))
                of.append((number, kind))
        verdicts = judge_tasks(tasks, LIMITS, lambda n: None, preload=("math", "re", "collections", "typing"))
        parts: list[dict[str, list[Verdict]]] = [{"base": [], "plus": []} for _ in completions]
        for (number, kind), verdict in zip(of, verdicts, strict=True):
            parts[number][kind].append(verdict)
        advance(len(completions))
        return [_joined(part, program) for part, program in zip(parts, programs, strict=True)]


def _joined(parts: dict[str, list[Verdict]], program: str) -> Judgement:
    every = [*parts["base"], *parts["plus"]]
    bad = next((verdict for verdict in every if verdict.outcome not in ("passed", "ungradable")), None)
    unknown = next((verdict for verdict in every if verdict.outcome == "ungradable"), None)
    first = bad or unknown
    base = float(all(verdict.outcome is Outcome.PASSED for verdict in parts["base"]))
    if unknown and not bad:
        # What could not be confirmed is no pass.
        return Judgement(Outcome.UNGRADABLE, unknown.detail, {"pass": 0.0, "base": base}, program)
    return Judgement(
        first.outcome if first else Outcome.PASSED,
        first.detail if first else "",
        {"pass": float(first is None), "base": base},
        program,
    )


def _tests(problem: HumanEvalPlusProblem) -> Iterator[tuple[str, str]]:
    """Yield (`base` or `plus`, test) pairs that cover all inputs, each test at most `_LONGEST_TEST` characters unless one input is longer."""
    for kind, inputs in (("base", problem.base_input), ("plus", problem.plus_input)):
        start = 0
        while start < len(inputs):
            end, size = start, 0
            while end < len(inputs) and (end == start or size + len(repr(inputs[end])) < _LONGEST_TEST):
                size += len(repr(inputs[end]))
                end += 1
            yield kind, _test(problem, inputs[start:end])
            start = end


def _test(problem: HumanEvalPlusProblem, inputs: Sequence[list[Any]]) -> str:
    reference = repr(problem.prompt + problem.canonical_solution)
    special = "_root" if problem.entry_point == "find_zero" else "_alike"
    own, called = f"_own[{problem.entry_point!r}]", "(*copy.deepcopy(_given))"
    return (
        f"{_COMPARISON}\n_own = {{}}\nexec({reference}, _own)\nfor _given in {list(inputs)!r}:\n"
        f"    {special}({problem.entry_point}{called}, {own}{called}, {problem.atol!r}, _given)\n"
    )


_COMPARISON = '''
import copy, math

inf, nan = math.inf, math.nan

def _alike(out, expected, atol, given):
    """EvalPlus's rule: equal, or where floats are expected or a tolerance is given of one type and close."""
    if _equal(out, expected):
        return
    floats = isinstance(expected, float) or (
        isinstance(expected, (list, tuple)) and bool(expected) and all(isinstance(one, float) for one in expected)
    )
    tolerance = atol or (1e-6 if floats else 0)
    assert tolerance, f"{given!r:.80}: not {expected!r:.80}"
    assert type(out) is type(expected) and _close(out, expected, tolerance), f"{given!r:.80}: not close to {expected!r:.80}"

def _equal(out, expected):
    return bool(out == expected)

def _close(out, expected, tolerance):
    if isinstance(expected, (list, tuple)):
        return len(out) == len(expected) and all(_close(a, b, tolerance) for a, b in zip(out, expected))
    return out == expected or abs(out - expected) <= tolerance + 1e-7 * abs(expected)

def _root(out, expected, atol, given):
    """Any root will do."""
    assert abs(sum(coefficient * out**power for power, coefficient in enumerate(given[0]))) <= (atol or 1e-4)
'''


def read_plus(path: Path) -> Iterator[HumanEvalPlusProblem]:
    """Read EvalPlus's file.

    Raises:
        RecordError: a line is bad; names file, line and field.
    """
    for number, value in read_packed(path):
        try:
            yield HumanEvalPlusProblem(**value)
        except ValidationError as error:
            raise RecordError(f"{path}:{number}: {first_fault(error)}; is this EvalPlus's file?") from None
