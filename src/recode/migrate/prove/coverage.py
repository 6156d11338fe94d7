"""Which tests reach which change: the spans to watch in a run, and what the run recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recode.migrate.prove.spans import Spot, evaluated_spans
from recode.migrate.prove.test_runs import TestRun
from recode.migrate.rewrite.changes import Change, Method, rewritten_files
from recode.migrate.source.edits import Edit, apply, merged
from recode.migrate.source.source_file import SourceFile
from recode.migrate.source.tree import parsed

RunTests = Callable[[Mapping[Path, bytes], Mapping[Path, frozenset[Spot]], bool], TestRun]
"""`(changed files, watched spots, whether all code is reviewed)` → a run of the tests in the new release."""
OpenUse = tuple[Path, int]
"""File and offset of an old use that stays as it is."""


@dataclass(frozen=True)
class Coverage:
    """Which tests evaluated what in one run.

    Attributes:
        by_change: for each change, the tests that evaluated each of its spans; `""` stands for code outside any test.
        by_open: for each old use that stays as it is, the tests that evaluated each of its spans.
    """

    by_change: Mapping[Change, list[frozenset[str]]]
    by_open: Mapping[OpenUse, list[frozenset[str]]]

    @property
    def open_uses(self) -> list[frozenset[str]]:
        """The tests that evaluated each span of the old uses that stay as they are."""
        return [tests for spans in self.by_open.values() for tests in spans]

    def of(self, change: Change, run: TestRun) -> list[frozenset[str]]:
        """Return the tests that depend on each span of a change; all tests depend on what runs outside them."""
        every_test = frozenset(run.tests) or frozenset({""})
        return [every_test if "" in tests else tests for tests in self.by_change.get(change, [])]

    def is_suspect(self, change: Change, differing: frozenset[str], run: TestRun) -> bool:
        """Return whether a test that ends differently may do so because of a change."""
        spans = self.of(change, run)
        # A change that breaks an import is not reached any more.
        return any(tests & differing for tests in spans) or not any(spans)


def run_with(
    sources: Mapping[Path, SourceFile], changes: Sequence[Change], run_tests: RunTests, open_uses: Sequence[OpenUse]
) -> tuple[TestRun, Coverage]:
    """Run the tests with some changes made; return the run and which tests reached what."""
    spans = {
        change: _spans_of_edits(sources[change.file], change.edits, _edits_of(change.file, changes))
        for change in changes
    }
    watched: dict[Path, set[Spot]] = {}
    for change in changes:
        watched.setdefault(change.file, set()).update(*spans[change])
    open_spans: dict[OpenUse, list[frozenset[Spot]]] = {}
    for path, place in open_uses:
        # An offset at the very end of the file stands for its last character.
        offset = min(place, len(sources[path].program) - 1)
        character = Edit(offset, offset + 1, sources[path].program[offset])
        open_spans[path, place] = _spans_of_edits(sources[path], [character], _edits_of(path, changes))
        watched.setdefault(path, set()).update(*open_spans[path, place])
    run = run_tests(
        {path: file.new for path, file in rewritten_files(sources, changes).items()},
        {path: frozenset(spots) for path, spots in watched.items()},
        all(change.method is Method.SYNTAX_TREE for change in changes),
    )
    by_change = {change: [_reached(run, change.file, span) for span in spans[change]] for change in changes}
    by_open = {use: [_reached(run, use[0], span) for span in found] for use, found in open_spans.items()}
    return run, Coverage(by_change, by_open)


def _reached(run: TestRun, path: Path, span: frozenset[Spot]) -> frozenset[str]:
    return frozenset[str]().union(*(run.reached.get((path, spot), frozenset()) for spot in span))


def _edits_of(path: Path, changes: Sequence[Change]) -> list[Edit]:
    return merged(edit for change in changes if change.file == path for edit in change.edits)


def _spans_of_edits(source: SourceFile, edits: Sequence[Edit], all_edits: Sequence[Edit]) -> list[frozenset[Spot]]:
    """Return the spans that some edits of a file cause to be evaluated, after all edits of the file.

    An edit of what is never evaluated, such as an unevaluated annotation, has an empty span, which no test reaches.
    Notebooks have none, since tests do not run them.
    """
    if source.cells:
        return []
    try:
        tree = parsed(apply(source.program, all_edits))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # Rewritings that parse separately need not parse together.
        return [frozenset()]
    all_spans: list[frozenset[Spot]] = []
    for edit in edits:
        if edit.start == edit.end and edit.text.lstrip().startswith(("import ", "from ")):
            continue
        start = new_offset([other for other in all_edits if other < edit], edit.start)
        spans = evaluated_spans(tree, start, start + len(edit.text))
        all_spans += spans if spans or not edit.text.strip() else [frozenset()]
    return list(dict.fromkeys(all_spans))


def new_offset(edits: Sequence[Edit], offset: int) -> int:
    """Return where an offset of the old text is in the new text."""
    shift = 0
    for edit in edits:
        if edit.end <= offset:
            shift += len(edit.text) - (edit.end - edit.start)
    return offset + shift
