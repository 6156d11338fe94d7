"""Proof by the user's tests: old code in the old release, new code in the new one, and what each test reached.

A place is proven where tests evaluate all of it, every test that does ends as before, and at least one of them passes. Where several
rewritings of a place were sampled, the next is tried while that brings more tests back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from recode.migrate.prove.spans import Spot, regions
from recode.migrate.prove.test_runs import Trial
from recode.migrate.rewrite.changes import Change
from recode.migrate.source.edits import Edit, apply, merged, overlap
from recode.migrate.source.patch import Rewritten
from recode.migrate.source.source_file import SourceFile
from recode.migrate.source.tree import parsed

RUNS = 12
"""Most runs of the tests with new code."""
Run = Callable[[Mapping[Path, bytes], Mapping[Path, frozenset[Spot]], bool], Trial]
"""`(changed files, watched spots, whether all code is reviewed)` → a run in the new release."""


@dataclass
class Option:
    """What could be done about one place (or places that go together): rewritings, the best first.

    `chosen` is one's number, or None where none is in the tree; `reason` then says why.
    """

    changes: tuple[Change, ...]
    chosen: int | None = 0
    reason: str = ""

    @property
    def change(self) -> Change | None:
        """The rewriting that is in the tree now."""
        return None if self.chosen is None else self.changes[self.chosen]


@dataclass(frozen=True)
class Proof:
    """What the runs said: the old code in the old release, the old code in the new one, and the new code there."""

    base: Trial
    before: Trial
    after: Trial
    runs: int

    @property
    def mended(self) -> int:
        """Tests that end otherwise with the old code in the new release, and as before with the new code."""
        return len(self.before.differing(self.base) - self.after.differing(self.base))


def prove(
    documents: Mapping[Path, SourceFile], options: Sequence[Option], base: Trial, run: Run,
    open_places: Sequence[tuple[Path, int]] = (), tell: Callable[[str], None] = lambda _: None, runs: int = RUNS,
) -> tuple[Proof, list[Change]]:  # fmt: skip
    """Choose among the options by running, and return the chosen changes with the evidence that the tests give.

    `options` change: `chosen` says what was tried last and kept. `open_places` are (file, offset) of old uses that nothing is done
    about: what a test that reaches one does is no change's fault.
    """
    tell("running the tests with the old code in the new release")
    before = run({}, {}, True)
    search = _Search(documents, options, base, run, open_places, tell)
    for option in options:
        search.try_others(option, runs)
    search.give_up_doubtful()
    reach = search.reach
    proof = Proof(base, before, search.best, search.done)
    chosen = [option.change for option in options if option.change is not None]
    refuted = _refuted(chosen, reach, proof)
    judged = [_judged(change, reach, proof, refuted) for change in chosen]
    return proof, judged


class _Search:
    """Runs of the tests with new code, in search of the rewritings with which the fewest tests end otherwise than before."""

    def __init__(
        self, documents: Mapping[Path, SourceFile], options: Sequence[Option], base: Trial, run: Run,
        open_places: Sequence[tuple[Path, int]], tell: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._documents, self._options, self._base, self._run = documents, options, base, run
        self._open_places, self._tell = open_places, tell
        tell("running the tests with the new code in the new release")
        self.best, self.reach = _tried(documents, options, run, open_places)
        # That one and the one with the old code.
        self.done = 2

    def try_others(self, option: Option, runs: int) -> None:
        """Put the next rewriting in the place of one that a test speaks against, while there is one and runs are left."""
        while self.done < runs and option.chosen is not None and option.chosen + 1 < len(option.changes):
            if not self._doubtful(option):
                return
            self._tell(f"trying another rewriting in {option.changes[0].file}")
            before, following = self._chosen(), option.chosen + 1
            option.chosen = following
            if not self._keeps(self._open_places, len(self._bad()) - 1):
                self._restore(before)
                option.changes = tuple(one for at, one in enumerate(option.changes) if at != following)

    def give_up_doubtful(self) -> None:
        """Leave alone the places whose rewritings only tests could speak for, and do not, unless that costs a test."""
        doubtful = [
            (option, change) for option in self._options
            if (change := option.change) is not None and not change.offered and self._doubtful(option)
        ]  # fmt: skip
        if not doubtful:
            return
        self._tell("running the tests without the rewritings that did not help")
        before = self._chosen()
        for option, _ in doubtful:
            option.chosen, option.reason = None, "a test that reaches the rewriting ends otherwise than before"
        places = [(change.file, change.edits[0].start) for _, change in doubtful]
        if not self._keeps([*self._open_places, *places], len(self._bad())):
            self._restore(before)

    def _keeps(self, places: Sequence[tuple[Path, int]], most: int) -> bool:
        """Run the tests with what is chosen now; make that the best where at most so many tests end otherwise than before."""
        trial, reach = _tried(self._documents, self._options, self._run, places)
        self.done += 1
        if len(trial.differing(self._base)) > most:
            return False
        self.best, self.reach = trial, reach
        return True

    def _bad(self) -> frozenset[str]:
        return self.best.differing(self._base)

    def _doubtful(self, option: Option) -> bool:
        bad = self._bad()
        return bool(bad) and _blamed(option.change, self.reach, bad, self.best)

    def _chosen(self) -> list[tuple[int | None, str]]:
        return [(option.chosen, option.reason) for option in self._options]

    def _restore(self, before: Sequence[tuple[int | None, str]]) -> None:
        # A rewriting that was tried may have made others give way.
        for option, (chosen, reason) in zip(self._options, before, strict=True):
            option.chosen, option.reason = chosen, reason


def rewritten(documents: Mapping[Path, SourceFile], changes: Iterable[Change]) -> dict[Path, Rewritten]:
    """Return the files that changes make, by path."""
    by_file: dict[Path, list[Edit]] = {}
    for change in changes:
        by_file.setdefault(change.file, []).extend(change.edits)
    return {
        path: Rewritten(path, documents[path].original, documents[path].encoded(edits))
        for path, edits in by_file.items()
    }


def compatible(options: Sequence[Option]) -> None:
    """Give up rewritings that stand in the way of one chosen before."""
    taken: dict[Path, list[Edit]] = {}
    for option in options:
        change = option.change
        if change is None:
            continue
        edits = taken.setdefault(change.file, [])
        if overlap(edits, change.edits):
            option.chosen, option.reason = None, "another change stands at the same place; run again after it"
        else:
            edits.extend(change.edits)


Reach = dict[int, list[frozenset[str]]]
"""For each change, by identity: the tests that evaluated each of its regions. Under 0 those that evaluated a place left alone."""


def _tried(
    documents: Mapping[Path, SourceFile], options: Sequence[Option], run: Run, open_places: Sequence[tuple[Path, int]]
) -> tuple[Trial, Reach]:
    compatible(options)
    changes = [option.change for option in options if option.change is not None]
    files = rewritten(documents, changes)
    groups = {
        id(change): _watched(documents[change.file], change.edits, _edits_of(change.file, changes))
        for change in changes
    }
    watched: dict[Path, set[Spot]] = {}
    for change in changes:
        watched.setdefault(change.file, set()).update(*groups[id(change)])
    alone = []
    for path, offset in open_places:
        # What is added at the very end stands behind the last letter.
        offset = min(offset, len(documents[path].program) - 1)
        letter = Edit(offset, offset + 1, documents[path].program[offset])
        for group in _watched(documents[path], [letter], _edits_of(path, changes)):
            watched.setdefault(path, set()).update(group)
            alone += [(path, spot) for spot in group]
    reviewed = all(change.how == "syntax tree" for change in changes)
    trial = run(
        {path: file.new for path, file in files.items()},
        {path: frozenset(spots) for path, spots in watched.items()},
        reviewed,
    )
    reach: Reach = {0: [trial.reached.get(key, frozenset()) for key in alone]}
    for change in changes:
        reach[id(change)] = [
            frozenset().union(*(trial.reached.get((change.file, spot), frozenset()) for spot in group))
            for group in groups[id(change)]
        ]
    return trial, reach


def _edits_of(path: Path, changes: Sequence[Change]) -> list[Edit]:
    return merged(edit for one in changes if one.file == path for edit in one.edits)


def _watched(document: SourceFile, mine: Sequence[Edit], every: Sequence[Edit]) -> list[frozenset[Spot]]:
    """Return what some edits of a file make to be evaluated, among all edits of the file; nothing in notebooks, which no test runs.

    What is never evaluated, such as an annotation that is only read, comes as an empty group, which no test reaches.
    """
    if document.cells:
        return []
    try:
        tree = parsed(apply(document.program, every))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # Rewritings that parse one by one need not do so together.
        return [frozenset()]
    found: list[frozenset[Spot]] = []
    for edit in mine:
        if edit.start == edit.end and edit.text.lstrip().startswith(("import ", "from ")):
            continue
        start = moved([one for one in every if one < edit], edit.start)
        groups = regions(tree, start, start + len(edit.text))
        found += groups if groups or not edit.text.strip() else [frozenset()]
    return list(dict.fromkeys(found))


def moved(edits: Sequence[Edit], offset: int) -> int:
    """Return where an offset of the old text is in the new one."""
    shift = 0
    for edit in edits:
        if edit.end <= offset:
            shift += len(edit.text) - (edit.end - edit.start)
    return offset + shift


def _covering(change: Change | None, reach: Reach, trial: Trial) -> list[frozenset[str]]:
    """Return the tests behind each statement of a change; what runs outside tests is behind all of them."""
    groups = reach.get(id(change), [])
    everything = frozenset(trial.tests) or frozenset({""})
    return [everything if "" in group else group for group in groups]


def _blamed(change: Change | None, reach: Reach, bad: frozenset[str], trial: Trial) -> bool:
    if change is None:
        return False
    groups = _covering(change, reach, trial)
    # What cannot be imported reaches nothing any more.
    return any(group & bad for group in groups) or not any(groups)


def _refuted(changes: Sequence[Change], reach: Reach, proof: Proof) -> dict[int, str]:
    """Return the changes, by identity, that a test speaks against, with the test.

    A test that ends otherwise speaks against what it reaches itself (or, where that is nothing, against what ran when modules were
    imported), if that is about one update only and no place left alone is on its way.
    """
    found: dict[int, str] = {}
    for test in sorted(proof.after.differing(proof.base)):
        if any(test in group or (not test and group) for group in reach[0]):
            continue
        direct = [one for one in changes if any(test in group for group in reach[id(one)])]
        culprits = direct or [one for one in changes if any("" in group for group in reach[id(one)])]
        if len({finding.update.family_id for one in culprits for finding in one.findings}) == 1:
            found.update({id(one): test for one in culprits})
    return found


def _judged(change: Change, reach: Reach, proof: Proof, refuted: Mapping[int, str]) -> Change:
    """Return a change with the evidence that the tests give for it."""
    if id(change) in refuted:
        test = refuted[id(change)] or "the command"
        return replace(change, evidence="refuted", remark=f"{test} reaches it and ends otherwise than before")
    groups = _covering(change, reach, proof.after)
    reached = [group for group in groups if group]
    if not reached:
        return replace(change, remark=f"no test reaches it; {change.remark}".removesuffix("; "))
    tests = frozenset[str]().union(*reached)
    if bad := tests & proof.after.differing(proof.base):
        said = f"{sorted(bad)[0] or 'the command'} reaches it and ends otherwise than before, which may be due to another place"
        return replace(change, remark=said)
    if len(reached) < len(groups):
        return replace(change, remark=f"tests reach {len(reached)} of its {len(groups)} places; {change.remark}")
    passing = tests & proof.after.passed & proof.base.passed
    if not passing:
        return replace(change, remark="no test that reaches it passes, before or after")
    who = (
        "the command reaches"
        if passing == {""}
        else f"{len(passing)} tests reach"
        if len(passing) > 1
        else f"{sorted(passing)[0]} reaches"
    )
    return replace(change, evidence="proven", remark=f"{who} it: the same result in both releases")
