"""HumanEval (Chen et al., arXiv 2107.03374): functions to complete, judged by their tests in a second sandbox."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from recode.errors import MissingExtraError, RecordError
from recode.evaluate.benchmark import Advance, Benchmark, Item, Judgement, unique
from recode.evaluate.judging.answers import completed_program, preamble
from recode.evaluate.judging.test_verdicts import as_judgement, judge_tasks
from recode.models.prompting import Prompt
from recode.records import first_fault
from recode.sandbox.fork_servers import Limits
from recode.sandbox.pool import ProgramTask

HUB_NAME = "openai/openai_humaneval"
LIMITS = Limits(seconds=10.0, memory=2 << 30)
_PROMPT = "Complete this Python function. Reply with the whole function and its imports in one Python code block.\n\n```python\n{prompt}```"


class HumanEvalProblem(BaseModel):
    """A line of the published file."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    task_id: str
    prompt: str
    entry_point: str
    canonical_solution: str
    test: str


class HumanEval(Benchmark):
    """164 functions; `--data` names the published file (`.jsonl` or `.jsonl.gz`) or a data set of the hub."""

    def __init__(self, name: str, problems: Sequence[HumanEvalProblem]) -> None:
        """Take the problems."""
        super().__init__(name, unique([_item(problem) for problem in problems], name))
        self.problems = {problem.task_id: problem for problem in problems}

    @classmethod
    def open(cls, name: str, data: str | None, folder: Path) -> HumanEval:
        """Read the file, or download the data set from the hub."""
        place = Path(data or HUB_NAME)
        if place.exists():
            return cls(name, list(read_problems(place)))
        try:
            return cls(name, [HumanEvalProblem(**row) for row in hub_rows(data or HUB_NAME)])
        except ValidationError as error:
            raise RecordError(f"{data or HUB_NAME}: {first_fault(error)}; is this HumanEval?") from None

    def judge(self, completions: Sequence[tuple[Item, str]], advance: Advance) -> list[Judgement]:
        """Run the problem's own test on every completed function."""
        programs = [self.program(item.id, completion) for item, completion in completions]
        tasks = [
            ProgramTask(id=item.id, program=program, test=self.test(item.id))
            for (item, _), program in zip(completions, programs, strict=True)
        ]
        verdicts = judge_tasks(tasks, LIMITS, advance, preload=("typing", "math", "re", "collections"))
        return [as_judgement(verdict, program) for verdict, program in zip(verdicts, programs, strict=True)]

    def program(self, name: str, completion: str) -> str:
        """Return the program that a completion makes of a problem's prompt."""
        problem = self.problems[name]
        return completed_program(problem.prompt, completion, problem.entry_point)

    def test(self, name: str) -> str:
        """Return the asserts of a problem, called on the program's function."""
        problem = self.problems[name]
        # Some tests use the prompt's helpers. They get the prompt's own: an answer may define others under these names.
        return f"{preamble(problem.prompt, problem.entry_point)}\n{problem.test}\n\ncheck({problem.entry_point})\n"


def chat_prompt(prompt: str) -> Prompt:
    """Return the prompt for a function; a model without a chat template continues the function's beginning."""
    return Prompt((("user", _PROMPT.format(prompt=prompt)),), plain=prompt)


def _item(problem: HumanEvalProblem) -> Item:
    gold = problem.prompt + problem.canonical_solution
    return Item(problem.task_id, chat_prompt(problem.prompt), given=problem.prompt, gold=gold)


def read_problems(path: Path) -> Iterator[HumanEvalProblem]:
    """Read the published file, compressed or not.

    Raises:
        RecordError: a line is bad; names file, line and field.
    """
    for number, value in read_packed(path):
        try:
            yield HumanEvalProblem(**value)
        except ValidationError as error:
            raise RecordError(f"{path}:{number}: {first_fault(error)}; is this HumanEval's file?") from None


def read_packed(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, object) of JSON Lines, gzipped or not.

    Raises:
        RecordError: the file cannot be read, or a line is no JSON object.
    """
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: cannot be read ({error}); expected JSON Lines, gzipped or not") from None
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise RecordError(f"{path}:{number}: not valid JSON ({error}); each line must be one object") from None
        if not isinstance(value, dict):
            raise RecordError(f"{path}:{number}: a {type(value).__name__} where a JSON object is expected")
        yield number, value


def hub_rows(name: str, split: str = "test") -> list[dict[str, Any]]:
    """Return the rows of a data set of the hub.

    Raises:
        RecordError: it cannot be downloaded.
        MissingExtraError: `datasets` is not installed.
    """
    try:
        from datasets import load_dataset
    except ImportError:
        raise MissingExtraError(
            f"{name}: no such file, and downloading it needs the extra `train`: pip install 'recode-rl[train]'"
        ) from None
    try:
        return [dict(row) for row in load_dataset(name, split=split)]
    except Exception as error:  # noqa: BLE001 (the hub, the network and the data set's own code may raise anything)
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RecordError(
            f"{name}: no such file, and it could not be downloaded from the hub ({reason}); give a path with --data"
        ) from None
