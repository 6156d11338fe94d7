"""Scoring a file: one JSON line with a completion and its gold program in, one JSON object with its scores out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from recode.errors import RecordError
from recode.records import read_jsonl
from recode.rewards import OF_THE_OLD, score, terms


@dataclass(frozen=True)
class Line:
    """What one line asks to score; without the old program there is no lift, and no progress."""

    completion: str
    target: str
    old_code: str | None


def read_lines(path: str | Path) -> list[Line]:
    """Read and check every line of a file before any is scored. Fields that scoring does not need are ignored.

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
    """Yield each line's scores in order: the terms of the family, then `total`; what compares with the old code only where there is any.

    Raises:
        RecipeError: there is no such family (at once, not at the first line).
    """
    terms(family)
    return (_scores(line, family) for line in lines)


def _scores(line: Line, family: str) -> dict[str, float | None]:
    scores = score(line.completion, line.target, line.old_code, family)
    shown = {name: value for name, value in scores.terms.items() if name not in OF_THE_OLD}
    shown["total"] = scores.total
    if line.old_code is not None:
        shown |= {name: value for name, value in scores.terms.items() if name in OF_THE_OLD}
    return shown
