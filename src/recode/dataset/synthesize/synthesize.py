"""`recode synthesize`: update families → old and new programs by a model, verified by running, with rejections sent back.

All replies are kept as they arrive (`<out>.replies.jsonl`), under the question. A killed run asks the same questions again and
finds their answers there, and executions are kept too, so it resumes where it stopped.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from recode.collect.join.families import Confidence, UpdateFamily
from recode.dataset.duplicates import near_duplicates
from recode.dataset.record_reader import locked_releases, update_fault
from recode.dataset.sources import UnverifiedEntry
from recode.dataset.synthesize.prompt import Rejection, read_reply, setting_of, synthesis_prompt
from recode.dataset.synthesize.replies import Replies
from recode.dataset.verify.entries import CheckedEntry, check_entries, environments_of
from recode.dataset.verify.execution_cache import CachedRunner
from recode.errors import RecodeError, RecordError
from recode.models import Backend, EndpointBackend, LocalBackend, Prompt, Sampling
from recode.records import ApiUpdate, Migration, first_fault, read_jsonl, write_records
from recode.sandbox.environments import recode_home
from recode.sandbox.levels import best_level

NO_PROGRAMS = "the reply does not hold exactly two Python code blocks"
_ORDER: tuple[Confidence, ...] = ("low", "medium", "high")


@dataclass(frozen=True)
class SynthesisOptions:
    """How many programs to write for each update, how often to try again, and how to sample.

    `locks` is the folder of locks; None: the one of `recode collect`.
    """

    contexts: int = 3
    retries: int = 3
    sampling: Sampling = field(default_factory=lambda: Sampling(max_new_tokens=2000, temperature=0.8))
    locks: Path | None = None


@dataclass(frozen=True)
class SynthesisModel:
    """The model that writes: its name at an endpoint, or without an endpoint a folder or a name on the hub."""

    name: str
    endpoint: str | None = None
    concurrency: int = 16

    def backend(self) -> Backend:
        """Return the backend that runs the model.

        Raises:
            RecodeError: there is no such model.
        """
        if self.endpoint:
            return EndpointBackend(self.endpoint, self.name, concurrency=self.concurrency)
        return LocalBackend(self.name)


@dataclass
class SynthesisTask:
    """One pair of programs to be written: an update in a setting. `rejections`: the replies so far; `entry`: the admitted one."""

    update: ApiUpdate
    number: int
    rejections: list[Rejection] = field(default_factory=list)
    entry: Migration | None = None

    @property
    def id(self) -> str:
        """The id that the entry will have."""
        return f"{self.update.family_id}-{self.number + 1}"

    def prompt(self) -> Prompt:
        """Return the next question."""
        return synthesis_prompt(self.update, setting_of(self.number), tuple(self.rejections))


@dataclass(frozen=True)
class SynthesisResult:
    """The admitted entries, how many tasks were given up, and how often each clause rejected a reply."""

    entries: tuple[Migration, ...]
    given_up: int
    near_duplicates: int
    rejections: Counter[str]


def read_updates(path: Path, least: Confidence = "medium") -> list[ApiUpdate]:
    """Read update families: the file of `recode collect --out`, or plain `ApiUpdate` records.

    Raises:
        RecordError: the file cannot be read, or a line is neither.
    """
    updates = []
    for number, value in read_jsonl(path):
        try:
            if "update" not in value:
                update, is_confident = ApiUpdate.model_validate_json(json.dumps(value)), True
            else:
                family = UpdateFamily.model_validate_json(json.dumps(value))
                update, is_confident = family.update, _ORDER.index(family.confidence) >= _ORDER.index(least)
        except ValidationError as error:
            raise RecordError(
                f"{path}:{number}: {first_fault(error)}; updates are what `recode collect --out FILE` writes"
            ) from None
        if is_confident and (fault := update_fault(update)):
            raise RecordError(f"{path}:{number}: {fault}")
        if is_confident:
            updates.append(update)
    return updates


def run_synthesis(
    updates: Path,
    out: Path,
    model: SynthesisModel,
    options: SynthesisOptions,
    confidence: str = "medium",
    on_round: Callable[[int, int], None] = lambda number, programs: None,
) -> SynthesisResult:
    """Read the updates of at least this confidence and have programs written for them, as `synthesize` does.

    Raises:
        RecodeError: the file holds no updates, an option is wrong, or the model cannot be reached.
    """
    if confidence not in _ORDER:
        raise RecodeError(f"no confidence is called `{confidence}`; choose high, medium or low")
    chosen = read_updates(updates, _ORDER[_ORDER.index(confidence)])
    if not chosen:
        raise RecodeError(f"{updates}: no update of this confidence; try --confidence low")
    return synthesize(chosen, model.backend(), out, options, on_round)


def synthesize(
    updates: Sequence[ApiUpdate],
    backend: Backend,
    out: Path,
    options: SynthesisOptions,
    on_round: Callable[[int, int], None] = lambda number, programs: None,
) -> SynthesisResult:
    """Write programs for updates and keep those that hold; rewrite `out` after every round.

    Args:
        updates: the families.
        backend: the model; entries name it in `author_means`.
        out: where admitted entries go, as JSON Lines.
        options: how many, and how often to try.
        on_round: called before each round, with its number (from 1) and how many programs are to be written in it.

    Raises:
        SandboxError: this machine gives no isolation. There is no `--trust` here: a program just written has no reader.
        RecodeError: the model does not answer; what was finished is kept.
    """
    best_level()
    replies = Replies(Path(f"{out}.replies.jsonl"), backend)
    tasks = [SynthesisTask(update, number) for update in updates for number in range(options.contexts)]
    rejections: Counter[str] = Counter()
    for round_number in range(1, options.retries + 2):
        waiting = [task for task in tasks if task.entry is None]
        if not waiting:
            break
        on_round(round_number, len(waiting))
        answers = replies.of([task.prompt() for task in waiting], options.sampling)
        rejections += _judge(waiting, answers, backend.name, options.locks or recode_home() / "locks")
        rejections["near-duplicate"] += len(_drop_repeats(tasks))
        write_records(out, [task.entry for task in tasks if task.entry is not None])
    entries = tuple(task.entry for task in tasks if task.entry is not None)
    return SynthesisResult(entries, len(tasks) - len(entries), rejections.pop("near-duplicate", 0), rejections)


def _judge(tasks: Sequence[SynthesisTask], answers: Sequence[str], model: str, locks: Path) -> Counter[str]:
    """Verify the programs of the replies; admit those that hold, give the other tasks a reason; count the clauses."""
    rejections: Counter[str] = Counter()
    unverified: list[tuple[SynthesisTask, str, UnverifiedEntry]] = []
    for task, reply in zip(tasks, answers, strict=True):
        if (entry := _entry(task, reply, model)) is not None:
            unverified.append((task, reply, UnverifiedEntry(entry, locked_releases(task.update, locks), locks)))
        else:
            rejections["no programs"] += 1
            task.rejections.append(Rejection(reply, f"Rejected: {NO_PROGRAMS}."))
    run = CachedRunner()
    environments = environments_of([one for _, _, one in unverified], locks, run)
    checked = check_entries([(one.entry, environments[one.releases]) for _, _, one in unverified], run)
    for (task, reply, _), result in zip(unverified, checked, strict=True):
        if result.admission.holds:
            task.entry = result.entry
        else:
            rejections.update({failure.clause for failure in result.admission.failures})
            task.rejections.append(Rejection(reply, _reason(result)))
    return rejections


def _entry(task: SynthesisTask, reply: str, model: str) -> Migration | None:
    written = read_reply(reply)
    if written is None:
        return None
    return Migration(
        **task.update.model_dump(), id=task.id, old_code=written.old, new_code=written.new,
        context=written.context, author="model", author_means=f"written by {model}, admitted by running",
    )  # fmt: skip


def _reason(checked: CheckedEntry) -> str:
    """Return the rule's findings for the model, in the words that `recode verify` prints."""
    failures = "\n".join(f"- {failure.clause}: {failure.reason}" for failure in checked.admission.failures)
    return f"Your programs were run in both releases and rejected:\n{failures}"


def _drop_repeats(tasks: Sequence[SynthesisTask]) -> dict[str, str]:
    """Withdraw entries that repeat another one except for names and data; their tasks try again."""
    repeats = near_duplicates([task.entry for task in tasks if task.entry is not None])
    for task in tasks:
        if task.entry is not None and task.entry.id in repeats:
            reply = f"```python\n{task.entry.old_code}```\n```python\n{task.entry.new_code}```"
            reason = "Rejected: another entry of this update has the same structure; write programs that are built differently."
            task.rejections.append(Rejection(reply, reason))
            task.entry = None
    return repeats
