"""The rule by which an entry is admitted: every clause a named check.

A migration is admitted only if the old program works on the old release, breaks on the new one because of the old
symbol, and the new program does the same on the new release, with a small edit and an output that depends on the
call. An entry whose note does not concern its code (`no_op`) has its own rule.

Warnings, exceptions and outputs come from runs that start with nothing loaded, or with the library's own import where that is
silent: preloading more would hide warnings at import, and imports that a program forgot. Runs that are only compared with such
a run (the second hash seed, changed inputs) start with all modules of the library's programs loaded.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from recode.dataset.programs import edited_lines, similarity, text_at, without_one_place
from recode.dataset.verify.changed_inputs import variants
from recode.dataset.verify.mentions import follows, is_too_long, uses_old, words_of
from recode.records import Migration, OldOnNew, UpdatePart
from recode.sandbox.environments import PYTHON, Environment
from recode.sandbox.execution import Execution, Warned
from recode.source import parse_quietly, parses
from recode.symbol import Symbol

MAX_EDITED_LINES = 8
MIN_SIMILARITY = 0.5
"""Bounds of a small edit: lines removed or added, and edit similarity of the cleaned programs."""

PYTHON_LIBRARY = "python"
"""The library that is Python's own: programs import its modules, and none by its name."""
HASH_SEEDS = (0, 1)
SILENT_KINDS = frozenset({"default_changed", "return_changed"})
"""Kinds of updates that neither raise nor warn: the old program may print something else on the new release instead."""

Clause = Literal[
    "parses",
    "edit_is_small",
    "old_uses_old_symbol",
    "new_follows",
    "unchanged",
    "note_does_not_concern_code",
    "old_runs_on_old",
    "old_prints",
    "old_is_deterministic",
    "new_runs_on_new",
    "new_warns_of_nothing",
    "same_output",
    "old_breaks_on_new",
    "change_is_in_between",
    "every_place_matters",
    "output_depends_on_call",
]


class Runner(Protocol):
    """Runs programs, each in a separate process."""

    def __call__(
        self, environment: Environment, code: str, hash_seed: int = 0, preload: tuple[str, ...] = ()
    ) -> Execution:
        """Return what a program does in an environment where the modules of `preload` are loaded."""


@dataclass(frozen=True)
class Failure:
    """A clause that an entry does not meet, and why."""

    clause: Clause
    reason: str


@dataclass(frozen=True)
class Admission:
    """The rule's verdict on an entry; where it holds, `stdout` and `old_on_new` are what was observed."""

    id: str
    failures: tuple[Failure, ...]
    stdout: str | None = None
    old_on_new: OldOnNew | None = None

    @property
    def holds(self) -> bool:
        """Say whether the entry is admitted."""
        return not self.failures


@dataclass(frozen=True)
class EnvironmentPair:
    """The two environments of a library's entries, the name by which programs import it, and what can be loaded before a run.

    `silent_old` and `silent_new` are loaded before every run: importing them warns of nothing in that environment. `modules`
    are those that the library's programs import.
    """

    old: Environment
    new: Environment
    import_name: str
    silent_old: tuple[str, ...] = ()
    silent_new: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()


def verify(entry: Migration, environments: EnvironmentPair, run: Runner) -> Admission:
    """Apply the rule to an entry. Programs are run only if their texts pass the checks that need no run.

    Raises:
        SandboxError: the runner cannot run programs here.
    """
    failures = tuple(_check_text(entry))
    if failures:
        return Admission(entry.id, failures)
    check = _check_no_op if entry.kind == "no_op" else _check_migration
    return check(entry, environments, run)


def _check_text(entry: Migration) -> Iterator[Failure]:
    """Yield the faults that the syntax trees show, without running anything."""
    broken = [name for name in ("old_code", "new_code") if not parses(getattr(entry, name))]
    if broken:
        yield Failure("parses", f"{' and '.join(broken)} is not valid Python {PYTHON}")
        return
    old_tree, new_tree = parse_quietly(entry.old_code), parse_quietly(entry.new_code)
    literals = (
        node.value for tree in (old_tree, new_tree) for node in ast.walk(tree) if isinstance(node, ast.Constant)
    )
    if any(map(is_too_long, literals)):
        yield Failure("parses", "a number has more digits than Python writes in decimal")
        return
    if entry.kind == "no_op":
        yield from _check_no_op_text(entry, old_tree)
        return
    lines, alike = edited_lines(entry.old_code, entry.new_code), similarity(entry.old_code, entry.new_code)
    most = MAX_EDITED_LINES * max(1, len(entry.parts))
    if lines > most or alike < MIN_SIMILARITY:
        yield Failure(
            "edit_is_small",
            f"{lines} lines edited (at most {most}), similarity {alike:.2f} (at least {MIN_SIMILARITY})",
        )
    for update in entry.parts or (entry,):
        old, new = update.old_symbol, update.new_symbol
        if not uses_old(old_tree, old, update.kind):
            yield Failure("old_uses_old_symbol", f"the old program does not mention {_listed(old.leaves)}")
        if not follows(old_tree, new_tree, old, new):
            reason = f"the new program still uses {_listed(old.leaves)}"
            yield Failure("new_follows", reason + (f" and not {_listed(new.leaves)}" if new.leaves else ""))


def _check_no_op_text(entry: Migration, tree: ast.AST) -> Iterator[Failure]:
    if entry.old_code != entry.new_code:
        yield Failure(
            "unchanged", "the right answer of a no_op entry is the code unchanged, but old_code and new_code differ"
        )
    old, new = entry.old_symbol, entry.new_symbol
    if entry.unchanged_because in (None, "unconcerned"):
        if names := concerned(old, new, entry.new_code):
            yield Failure(
                "note_does_not_concern_code", f"the program mentions {_listed(names)}, which the note is about"
            )
    elif entry.unchanged_because != "migrated" and not old.leaves & words_of(tree).keys() and not old.parameters:
        yield Failure("old_uses_old_symbol", f"the program does not mention {_listed(old.leaves)}")


def concerned(old_symbol: Symbol, new_symbol: Symbol, code: str) -> frozenset[str]:
    """Return the names of an update that a program mentions."""
    mentioned = words_of(parse_quietly(code))
    return frozenset(word for symbol in (old_symbol, new_symbol) for word in symbol.words if word in mentioned)


def _check_no_op(entry: Migration, environments: EnvironmentPair, run: Runner) -> Admission:
    first = run(environments.new, entry.new_code, HASH_SEEDS[0], environments.silent_new)
    second, _ = _again(environments.new, entry.new_code, first, environments.silent_new, environments, run)
    failures = [*_check_new(first), *_check_output(first, second, "new_runs_on_new")]
    if entry.unchanged_because == "guarded" and not failures:
        # A guard that does not work in the old release guards nothing.
        before = run(environments.old, entry.old_code, HASH_SEEDS[0], environments.silent_old)
        failures += _check_output(before, before, "old_runs_on_old")
        if before.stdout != first.stdout:
            failures.append(_differing(before, first))
    return Admission(entry.id, tuple(failures), first.stdout)


def _check_migration(entry: Migration, environments: EnvironmentPair, run: Runner) -> Admission:
    before = run(environments.old, entry.old_code, HASH_SEEDS[0], environments.silent_old)
    again, alike = _again(environments.old, entry.old_code, before, environments.silent_old, environments, run)
    after = run(environments.new, entry.new_code, HASH_SEEDS[0], environments.silent_new)
    broken = run(environments.new, entry.old_code, HASH_SEEDS[0], environments.silent_new)
    failures = [*_check_output(before, again, "old_runs_on_old"), *_check_new(after)]
    if not failures and after.stdout != before.stdout:
        failures.append(_differing(before, after))
    breakages = [_breakage(entry, one, broken, before, environments.import_name) for one in entry.parts or (entry,)]
    breakage = next((one for one in breakages if isinstance(one, OldOnNew)), breakages[0])
    if isinstance(breakage, Failure):
        return Admission(entry.id, (*failures, breakage))
    if breakage.outcome == "warns":
        failures += _check_between(entry, before)
    if not failures:
        # What a program prints may depend on what was loaded before it. Then both runs compared must have loaded the same.
        loaded = environments.modules if alike else environments.silent_new
        failures += _check_dependence(entry, environments.new, after, loaded, run)
    if not failures:
        failures += _check_places(entry, environments, after, run)
        failures += _check_alternatives(entry, environments, after, run)
    return Admission(entry.id, tuple(failures), before.stdout, breakage)


def _differing(before: Execution, after: Execution) -> Failure:
    return Failure("same_output", f"old on old prints {_short(before.stdout)}, new on new {_short(after.stdout)}")


def _check_between(entry: Migration, before: Execution) -> Iterator[Failure]:
    """Yield a fault if the old program warns in the old release already: then nothing changed between the two."""
    for warning in before.warnings:
        own = warning.is_deprecation and warning.file_is_program
        if own and _names(entry.old_code, entry.old_symbol, warning.message, warning.line):
            yield Failure(
                "change_is_in_between", f"the old program warns on the old release: {_short(warning.message)}"
            )
            return


def _check_places(entry: Migration, environments: EnvironmentPair, after: Execution, run: Runner) -> Iterator[Failure]:
    """Yield a fault unless each changed place of a composed entry has to change: without it the program behaves differently."""
    for variant in without_one_place(entry.old_code, entry.new_code) if entry.parts else ():
        execution = run(environments.new, variant, HASH_SEEDS[0], environments.silent_new)
        warns = any(warning.is_deprecation for warning in execution.warnings)
        if execution.outcome == "finished" and execution.stdout == after.stdout and not warns:
            yield Failure("every_place_matters", "one of the changed places can stay as it was")
            return


def _check_alternatives(
    entry: Migration, environments: EnvironmentPair, after: Execution, run: Runner
) -> Iterator[Failure]:
    """Yield a fault unless every further right answer does the same as the new program."""
    for other in entry.alternatives:
        execution = run(environments.new, other, HASH_SEEDS[0], environments.silent_new)
        yield from _check_new(execution)
        if execution.stdout != after.stdout:
            yield _differing(after, execution)


def _again(
    environment: Environment,
    code: str,
    first: Execution,
    silent: tuple[str, ...],
    environments: EnvironmentPair,
    run: Runner,
) -> tuple[Execution, bool]:
    """Run a program with the other hash seed; a difference counts only if it remains without the modules loaded before.

    Returns:
        the run, and whether loading the modules first changes nothing.
    """
    second = run(environment, code, HASH_SEEDS[1], environments.modules)
    if (second.outcome, second.stdout) == (first.outcome, first.stdout):
        return second, True
    return run(environment, code, HASH_SEEDS[1], silent), False


def _check_output(first: Execution, second: Execution, runs: Clause) -> Iterator[Failure]:
    """Yield a fault unless the program finishes, prints something, and prints the same with another hash seed."""
    for execution in (first, second):
        if execution.outcome != "finished":
            yield Failure(runs, _described(execution))
            return
    if not first.stdout.strip():
        yield Failure("old_prints", "the program prints nothing, so nothing can be compared")
    elif first.stdout != second.stdout:
        seeds = f"{_short(first.stdout)} with hash seed {HASH_SEEDS[0]}, {_short(second.stdout)} with {HASH_SEEDS[1]}"
        yield Failure("old_is_deterministic", f"two runs differ: {seeds}")


def _check_new(after: Execution) -> Iterator[Failure]:
    """Yield a fault unless the new program finishes on the new release without any deprecation warning, from anywhere.

    Warnings that the program issues itself, and those that a library hides from its users, do not count.
    """
    if after.outcome != "finished":
        yield Failure("new_runs_on_new", _described(after))
    for warning in [warning for warning in after.warnings if warning.announces_deprecation][:1]:
        yield Failure("new_warns_of_nothing", f"{warning.category}: {_short(warning.message)}")


def _breakage(
    entry: Migration, update: Migration | UpdatePart, broken: Execution, before: Execution, import_name: str
) -> OldOnNew | Failure:
    """Return how the old program breaks on the new release because of an update, or why that does not count."""
    symbol = update.old_symbol
    if broken.outcome == "raised":
        own = symbol.package if entry.library == PYTHON_LIBRARY else import_name
        return _raises(entry.old_code, symbol, broken, own)
    if broken.outcome != "finished":
        return Failure("old_breaks_on_new", _described(broken))
    warned = [warning for warning in broken.warnings if warning.announces_deprecation]
    for warning in warned:
        if warning.file_is_program and _names(entry.old_code, symbol, warning.message, warning.line):
            return _old_on_new("warns", warning)
    if update.kind in SILENT_KINDS and broken.stdout != before.stdout:
        return OldOnNew(outcome="prints_differently")
    if not warned:
        return Failure("old_breaks_on_new", "the old program neither raises nor warns on the new release")
    where = (
        "at its own line but not of"
        if any(warning.file_is_program for warning in warned)
        else "but not at a line of its own of"
    )
    return Failure("old_breaks_on_new", f"it warns {where} {_listed(symbol.leaves)}: {_short(warned[0].message)}")


def _raises(code: str, symbol: Symbol, broken: Execution, import_name: str) -> OldOnNew | Failure:
    raised = broken.exception
    assert raised is not None
    outcome = _described(broken)
    if _is_missing_dependency(raised.missing_module, raised.message, import_name):
        return Failure("old_breaks_on_new", f"a dependency is missing in the new environment: {outcome}")
    if raised.line is None:
        return Failure("old_breaks_on_new", f"the exception comes from no line of the program: {outcome}")
    is_gone = raised.missing_module is not None and symbol.startswith(raised.missing_module + ".")
    if not is_gone and not _names(code, symbol, raised.message, raised.line):
        return Failure(
            "old_breaks_on_new", f"neither message nor failing line names {_listed(symbol.words)}: {outcome}"
        )
    return OldOnNew(outcome="raises", category=raised.category, message=raised.message, line=raised.line)


def _is_missing_dependency(missing_module: str | None, message: str, import_name: str) -> bool:
    if missing_module and missing_module.split(".")[0] != import_name:
        return True
    if re.search(rf"pip install ['\"]?{re.escape(import_name)}\b", message):
        # It says how to get an older release of the library itself.
        return False
    return (
        re.search(r"missing optional dependency|(?:is|are) required to|please install|pip install", message, re.I)
        is not None
    )


def _names(code: str, symbol: Symbol, message: str, line: int | None) -> bool:
    """Say whether a message, or the statement at a line, names the symbol (as a whole word)."""
    text = f"{message}\n{text_at(code, line) if line else ''}"
    return any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) for word in symbol.words)


def _old_on_new(outcome: Literal["warns"], warning: Warned) -> OldOnNew:
    return OldOnNew(outcome=outcome, category=warning.category, message=warning.message, line=warning.line)


def _check_dependence(
    entry: Migration, environment: Environment, after: Execution, loaded: tuple[str, ...], run: Runner
) -> Iterator[Failure]:
    """Yield a fault unless one of several changes to the call's inputs changes what is printed."""
    tries = 0
    for variant in variants(entry.old_code, entry.new_code):
        tries += 1
        execution = run(environment, variant, HASH_SEEDS[0], loaded)
        if execution.outcome == "finished" and execution.stdout != after.stdout:
            return
    reason = f"{tries} changed inputs left the output as it was, or failed" if tries else "no literal feeds the call"
    yield Failure("output_depends_on_call", reason)


def _described(execution: Execution) -> str:
    if execution.exception is not None:
        raised = execution.exception
        return f"raised {raised.category}: {_short(raised.message)} (line {raised.line})"
    return f"{execution.outcome} {execution.detail}".strip()


def _short(text: str) -> str:
    line = repr(text.strip("\n"))[1:-1]
    return f"`{line if len(line) <= 160 else line[:157] + '...'}`"


def _listed(names: frozenset[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names)) or "(no name)"
