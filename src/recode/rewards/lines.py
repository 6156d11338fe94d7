"""Score a file: each JSON line with a completion and its gold program gives one JSON object with its scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from recode.errors import RecordError
from recode.records import read_jsonl
from recode.rewards import NEEDS_OLD_CODE, score, terms


@dataclass(frozen=True)
class Line:
    """A line to score. Without the old program it has no lift and no progress."""

    completion: str
    target: str
    old_code: str | None


def read_lines(path: str | Path) -> list[Line]:
    """Read and check all lines of a file, before any is scored. Fields that scoring does not need are ignored.

    Raises:
        RecordError: at the first bad line; names file, line and field.
    """
    lines = []
    for number, value in read_jsonl(path):
        for field in ("completion", "target", "old_code"):
            text = value.get(field)
            if text is None and field == "old_code":
                continue
            if not isinstance(text, str):
                found = f"a {type(text).__name__} where text" if field in value else "missing; text"
                raise RecordError(f"{path}:{number}: field `{field}`: {found} is expected")
        lines.append(Line(value["completion"], value["target"], value.get("old_code")))
    return lines


def score_lines(lines: list[Line], family: str = "strict") -> Iterator[dict[str, float | None]]:
    """Return an iterator over each line's scores, in order: the family's terms, then `total`, then the terms that need the old code, if any.

    Raises:
        RecipeError: there is no such family; raised by the call, not by the first line.
    """
    terms(family)
    return (_scores(line, family) for line in lines)


def _scores(line: Line, family: str) -> dict[str, float | None]:
    scores = score(line.completion, line.target, line.old_code, family)
    shown = {name: value for name, value in scores.terms.items() if name not in NEEDS_OLD_CODE}
    shown["total"] = scores.total
    if line.old_code is not None:
        shown |= {name: value for name, value in scores.terms.items() if name in NEEDS_OLD_CODE}
    return shown
