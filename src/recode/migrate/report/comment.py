"""The report of a migration as Markdown, for a comment on a pull request."""

from __future__ import annotations

from collections.abc import Sequence

from recode.display import printable
from recode.migrate.report.summary import PlaceReport, places, tests
from recode.migrate.report.wording import NEEDS_ATTENTION, conclusion_lines
from recode.migrate.result import MigrationResult

_MOST_PLACES = 40
_LONGEST_PATCH = 50_000
"""Characters. GitHub takes comments of at most 65,536."""


def comment(results: Sequence[MigrationResult], patch: bytes) -> str:
    """Return the comment: each library's move, how it ended, the places, what was run, and the patch."""
    moves = ", ".join(f"{one.upgrade.library} {one.upgrade.old} → {one.upgrade.new}" for one in results)
    lines = [f"### `recode migrate`: {_text(moves)}", ""]
    if results:
        # The last library's check ran with the changes for all.
        verdict, *more = conclusion_lines(results[-1])
        lines += [f"**{_text(verdict)}**", "", *(f"- {_text(line.strip())}" for line in more), ""]
    reports = [place for result in results for place in places(result)]
    if reports:
        lines += ["| place | what | outcome | why |", "| --- | --- | --- | --- |"]
        lines += [_row(place) for place in reports[:_MOST_PLACES]]
        if len(reports) > _MOST_PLACES:
            lines.append(f"\n{len(reports) - _MOST_PLACES} more places are left out.")
        lines.append("")
    ran = tests(results[-1]) if results else {}
    lines += [f"- {_text(name)}: {_text(str(value))}" for name, value in ran.items()]
    text = patch.decode("utf-8", "replace")
    if text:
        fence = "`" * max(4, *(len(run) + 1 for run in text.split() if set(run) == {"`"})) if "```" in text else "````"
        shown = (
            text
            if len(text) <= _LONGEST_PATCH
            else f"{text[:_LONGEST_PATCH]}\n… the patch is longer than a comment may be"
        )
        lines += [
            "",
            "<details><summary>Patch, for <code>git apply</code></summary>",
            "",
            f"{fence}diff",
            shown.rstrip("\n"),
            fence,
            "",
            "</details>",
        ]
    return "\n".join(lines) + "\n"


def _row(place: PlaceReport) -> str:
    why = place.remark + (f"; {place.finding.advice}" if place.outcome in NEEDS_ATTENTION else "")
    cells = place.where, f"`{place.finding.symbol}`", place.outcome.value, why
    return f"| {' | '.join(_text(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def _text(text: str) -> str:
    """Return text that cannot end its line or become HTML."""
    return printable(text).replace("<", "&lt;").replace("\n", " ")
