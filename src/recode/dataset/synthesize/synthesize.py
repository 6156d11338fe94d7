"""`recode synthesize`: update families → old and new programs by a model, verified by running, with rejections told to the model.

All replies are kept as they come (`<out>.replies.jsonl`), under what was asked. A killed run asks the same questions again and
finds their answers there, and executions are remembered, so it goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from recode.collect.join.families import Confidence, Finding
from recode.dataset.duplicates import near_duplicates
from recode.dataset.recorded import locked_releases, update_fault
from recode.dataset.sources import Candidate
from recode.dataset.synthesize.prompt import Rejected, ask, read_reply, setting_of
from recode.dataset.verify.checking import Checked, check_entries, environments_of
from recode.dataset.verify.execution_cache import CachedRunner
from recode.errors import RecodeError, RecordError
from recode.models import Backend, EndpointBackend, LocalBackend, Prompt, Sampling
from recode.records import ApiUpdate, Migration, first_fault, read_jsonl, write_records
from recode.sandbox.environments import recode_home
from recode.sandbox.levels import best_level

NO_PROGRAMS = "the reply does not hold exactly two Python code blocks"
_ORDER: tuple[Confidence, ...] = ("low", "medium", "high")


@dataclass(frozen=True)
class Wish:
    """How many programs to write for each update, and how often to try."""

    contexts: int = 3
    retries: int = 3
    sampling: Sampling = field(default_factory=lambda: Sampling(max_new_tokens=2000, temperature=0.8))


@dataclass
class Task:
    """One pair of programs to be written: an update in a setting. `rejected` are the replies so far, `entry` the admitted one."""

    update: ApiUpdate
    number: int
    rejected: list[Rejected] = field(default_factory=list)
    entry: Migration | None = None

    @property
    def id(self) -> str:
        """The id of the entry to be."""
        return f"{self.update.family_id}-{self.number + 1}"

    def prompt(self) -> Prompt:
        """Return what to ask next."""
        return ask(self.update, setting_of(self.number), tuple(self.rejected))


@dataclass(frozen=True)
class Synthesized:
    """What came of it: admitted entries, tasks given up, and how often each clause rejected a reply."""

    entries: tuple[Migration, ...]
    given_up: int
    near_duplicates: int
    rejections: Counter[str]


def read_updates(path: Path, least: Confidence = "medium") -> list[ApiUpdate]:
    """Read update families: what `recode collect --out` wrote, or plain `ApiUpdate` records.

    Raises:
        RecordError: the file cannot be read, or a line is neither.
    """
    updates = []
    for number, value in read_jsonl(path):
        try:
            if "update" not in value:
                update, sure = ApiUpdate.model_validate_json(json.dumps(value)), True
            else:
                finding = Finding.model_validate_json(json.dumps(value))
                update, sure = finding.update, _ORDER.index(finding.confidence) >= _ORDER.index(least)
        except ValidationError as error:
            raise RecordError(
                f"{path}:{number}: {first_fault(error)}; updates are what `recode collect --out FILE` writes"
            ) from None
        if sure and (fault := update_fault(update)):
            raise RecordError(f"{path}:{number}: {fault}")
        if sure:
            updates.append(update)
    return updates


def run_synthesis(
    updates: Path,
    model: str,
    out: Path,
    *,
    endpoint: str | None,
    contexts: int,
    retries: int,
    confidence: str,
    temperature: float,
    max_tokens: int,
    concurrency: int,
    locks: Path | None,
) -> int:
    """Read updates, have programs written, print what came of it; return how many entries hold.

    Raises:
        RecodeError: the file holds no updates, an option is wrong, or the model cannot be had.
    """  # fmt: skip
    if confidence not in _ORDER:
        raise RecodeError(f"no confidence is called `{confidence}`; choose high, medium or low")
    found = read_updates(updates, _ORDER[_ORDER.index(confidence)])
    if not found:
        raise RecodeError(f"{updates}: no update of this confidence; try --confidence low")
    backend = EndpointBackend(endpoint, model, concurrency=concurrency) if endpoint else LocalBackend(model)
    wish = Wish(contexts, retries, Sampling(max_new_tokens=max_tokens, temperature=temperature))
    result = synthesize(found, backend, out, wish, locks)
    report(result, Console())
    return len(result.entries)


def synthesize(
    updates: Sequence[ApiUpdate],
    backend: Backend,
    out: Path,
    wish: Wish,
    locks: Path | None = None,
    console: Console | None = None,
) -> Synthesized:
    """Write programs for updates and keep those that hold; rewrite `out` after every round.

    Args:
        updates: the families.
        backend: the model; entries name it as their author.
        out: where admitted entries go, as JSON Lines.
        wish: how many, and how often to try.
        locks: folder of locks; None: the one of `recode collect`.
        console: where progress is told.

    Raises:
        SandboxError: this machine gives no isolation; programs that nobody has read do not run without it.
        RecodeError: the model does not answer; what was finished is kept.
    """  # fmt: skip
    best_level()
    told = console or Console(stderr=True)
    replies = Replies(Path(f"{out}.replies.jsonl"), backend)
    tasks = [Task(update, number) for update in updates for number in range(wish.contexts)]
    rejections: Counter[str] = Counter()
    repeats: dict[str, str] = {}
    for round_number in range(wish.retries + 1):
        waiting = [task for task in tasks if task.entry is None]
        if not waiting:
            break
        told.print(f"round {round_number + 1}: {len(waiting)} programs to write", markup=False)
        answers = replies.of([task.prompt() for task in waiting], wish.sampling)
        rejections += _judge(waiting, answers, backend.name, locks or recode_home() / "locks")
        repeats = _drop_repeats(tasks)
        rejections["near-duplicate"] += len(repeats)
        write_records(out, [task.entry for task in tasks if task.entry is not None])
    entries = tuple(task.entry for task in tasks if task.entry is not None)
    return Synthesized(entries, len(tasks) - len(entries), rejections.pop("near-duplicate", 0), rejections)


def report(result: Synthesized, console: Console) -> None:
    """Print how many entries hold, and what rejected the others."""
    table = Table("rejected by", "replies")
    for clause, count in result.rejections.most_common():
        table.add_row(clause, str(count))
    if result.near_duplicates:
        table.add_row("near-duplicate of another entry", str(result.near_duplicates))
    if table.row_count:
        console.print(table)
    families = len({entry.family_id for entry in result.entries})
    console.print(f"{len(result.entries)} entries of {families} families hold; {result.given_up} were given up")


def _judge(tasks: Sequence[Task], answers: Sequence[str], author: str, locks: Path) -> Counter[str]:
    """Verify the programs of the replies; admit those that hold, tell the other tasks why not; count the clauses."""
    rejections: Counter[str] = Counter()
    candidates: list[tuple[Task, str, Candidate]] = []
    for task, reply in zip(tasks, answers, strict=True):
        if (entry := _entry(task, reply, author)) is not None:
            candidates.append((task, reply, Candidate(entry, locked_releases(task.update, locks), locks)))
        else:
            rejections["no programs"] += 1
            task.rejected.append(Rejected(reply, f"Rejected: {NO_PROGRAMS}."))
    run = CachedRunner()
    pairs = environments_of([one for _, _, one in candidates], locks, run)
    checked = check_entries([(one.entry, pairs[one.releases]) for _, _, one in candidates], run)
    for (task, reply, _), result in zip(candidates, checked, strict=True):
        if result.verdict.holds:
            task.entry = result.entry
        else:
            rejections.update({failure.clause for failure in result.verdict.failures})
            task.rejected.append(Rejected(reply, _reason(result)))
    return rejections


def _entry(task: Task, reply: str, author: str) -> Migration | None:
    written = read_reply(reply)
    if written is None:
        return None
    return Migration(
        **task.update.model_dump(), id=task.id, old_code=written.old, new_code=written.new,
        context=written.context, author="model", author_means=f"written by {author}, admitted by running",
    )  # fmt: skip


def _reason(checked: Checked) -> str:
    """Tell the model what the rule found; the words are those that `recode verify` prints."""
    told = "\n".join(f"- {failure.clause}: {failure.reason}" for failure in checked.verdict.failures)
    return f"Your programs were run in both releases and rejected:\n{told}"


def _drop_repeats(tasks: Sequence[Task]) -> dict[str, str]:
    """Take back entries that repeat another one but for names and data; their tasks try again."""
    repeats = near_duplicates([task.entry for task in tasks if task.entry is not None])
    for task in tasks:
        if task.entry is not None and task.entry.id in repeats:
            reply = f"```python\n{task.entry.old_code}```\n```python\n{task.entry.new_code}```"
            reason = "Rejected: another entry of this update has the same structure; write programs that are built differently."
            task.rejected.append(Rejected(reply, reason))
            task.entry = None
    return repeats


class Replies:
    """A model's replies, kept on disk as they come, under the model and all that it was asked."""

    def __init__(self, path: Path, backend: Backend) -> None:
        """Read what an earlier run got; half a last line, which a killed run leaves, is passed over.

        Raises:
            RecordError: the file cannot be read, or its folder cannot be made.
        """
        self._path, self._backend = path, backend
        self._kept: dict[str, str] = {}
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = path.read_bytes().split(b"\n") if path.exists() else []
        except OSError as error:
            raise RecordError(f"{path}: cannot be read or made ({error.strerror}); check --out") from None
        # Bytes, cut at this byte only: a killed run may leave half a character, and some characters count as line breaks in text.
        for line in lines:
            try:
                value = json.loads(line)
                self._kept[value["asked"]] = str(value["reply"])
            except (ValueError, LookupError, TypeError):
                continue

    def of(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[str]:
        """Return one reply to each prompt, asking for those that are missing.

        Raises:
            RecodeError: the model does not answer, or its reply cannot be kept.
        """
        keys = [self._key(prompt, sampling) for prompt in prompts]

        def keep(number: int, _: int, text: str) -> None:
            # Half a character of UTF-16, which JSON can hold, fits into no file and no record.
            text = text.encode("utf-8", "replace").decode()
            line = json.dumps({"asked": keys[number], "reply": text})
            with self._lock:
                self._kept[keys[number]] = text
                try:
                    with self._path.open("a", encoding="utf-8") as file:
                        # A line break first: what a killed run left unfinished must not swallow this line.
                        file.write(f"\n{line}\n")
                except OSError as error:
                    raise RecordError(f"{self._path}: cannot be written ({error.strerror})") from None

        self._backend.generate(prompts, 1, sampling, lambda number, _: keys[number] in self._kept, keep)
        return [self._kept[key] for key in keys]

    def _key(self, prompt: Prompt, sampling: Sampling) -> str:
        asked = f"{self._backend.fingerprint()}\n{sampling}\n{prompt.key()}"
        return hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()
