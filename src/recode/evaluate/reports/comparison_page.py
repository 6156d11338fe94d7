"""The report of a comparison as Markdown, JSON and one self-contained HTML file that works offline, in light and dark, and on paper."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recode.errors import RecordError
from recode.evaluate.reports.comparison import (
    NOT_COUNTED,
    EvaluatedArm,
    benchmarks_of,
    compare,
    learning_curves,
    main_score,
    parts,
    read_arms,
)
from recode.html import template
from recode.records import write_text

_KEPT_GENERAL = ("humaneval", "humanevalplus", "no_op")
"""Benchmarks that measure forgetting, in order of preference."""
_COLUMNS = ("arm", "rate", "n", "not counted", "difference", "won, lost", "p")


def write_comparison(named: Sequence[str], out: Path) -> Path:
    """Write `report.md`, `report.json` and `report.html` on evaluations (`FOLDER` or `NAME=FOLDER`) into a folder; return the page.

    Raises:
        RecordError: a folder holds no finished evaluation, or no benchmark is in all of them.
    """
    arms = read_arms(named)
    report = summary(arms)
    write_text(out / "report.json", json.dumps(report, indent=1))
    write_text(out / "report.md", markdown(report))
    write_text(out / "report.html", page(report, rows(arms)))
    return out / "report.html"


def summary(arms: Sequence[EvaluatedArm]) -> dict[str, Any]:
    """Return the report as JSON values; docs/evaluation.md describes its schema.

    Raises:
        RecordError: no benchmark is in all of the evaluations.
    """
    names = benchmarks_of(arms)
    if not names:
        raise RecordError("no benchmark was evaluated in all of these folders; evaluate the same ones with --on")
    benchmarks = {}
    for name in names:
        score = main_score(arms[0], name)
        benchmarks[name] = {"score": score, "arms": compare(arms, name, score), "parts": parts(arms, name, score)}
    return {"arms": [arm.name for arm in arms], "benchmarks": benchmarks, "curves": learning_curves(arms)}


def markdown(report: dict[str, Any]) -> str:
    """Return the report's tables as Markdown."""
    first = report["arms"][0]
    lines = [
        "# Evaluation", "", f"Brackets: 95% intervals. Differences are paired, against `{first}`, over the items both have; where there "
        "are several seeds, they are resampled along with the items. *p*: McNemar's exact test.", "",
    ]  # fmt: skip
    for name, benchmark in report["benchmarks"].items():
        lines += [f"## {name}: {benchmark['score']}", "", f"| {' | '.join(_COLUMNS)} |", "|" + " --- |" * len(_COLUMNS)]
        lines += [f"| {' | '.join(_cells(row))} |" for row in benchmark["arms"]]
        for table, by_part in benchmark["parts"].items():
            lines += [
                "",
                f"| {table} | {' | '.join(report['arms'])} | n |",
                "| --- |" + " --- |" * (len(report["arms"]) + 1),
            ]
            for part, values in by_part.items():
                shown = ["-" if v is None else f"{100 * v[0]:.1f}%" for v in values]
                lines.append(f"| {part} | {' | '.join(shown)} | {max((v[1] for v in values if v), default=0)} |")
        lines.append("")
    return "\n".join(lines)


def _cells(row: dict[str, Any]) -> list[str]:
    """Return an arm's row as text, one cell per column of `_COLUMNS`."""
    name = row["arm"] + (f" ({row['seeds']} seeds)" if row["seeds"] > 1 else "")
    words = [f"{row[key]} {key.replace('_', ' ')}" for key in NOT_COUNTED if row[key]]
    test = row.get("mcnemar")
    return [
        name, _interval(row["rate"], "%") if "rate" in row else "-", str(row["n"]), ", ".join(words) or "-",
        _interval(row["difference"], " points", sign="+") if "difference" in row else "-",
        f"{test['won']}, {test['lost']}" if test else "-", f"{test['p']:.3g}" if test else "-",
    ]  # fmt: skip


def _interval(values: Sequence[float], unit: str, sign: str = "") -> str:
    low, mean, high = (100 * value for value in values)
    return f"{mean:{sign}.1f}{unit} [{low:{sign}.1f}, {high:{sign}.1f}]"


def rows(arms: Sequence[EvaluatedArm]) -> dict[str, list[Any]]:
    """Return the data of the page's list of examples: every item once, and a short row per completion."""
    items: dict[tuple[str, str], int] = {}
    shown: list[list[str]] = []
    lines: list[list[Any]] = []
    for number, arm in enumerate(arms):
        for run in arm.runs:
            for benchmark, samples in run.samples.items():
                for sample in samples:
                    key = (benchmark, sample["id"])
                    if key not in items:
                        items[key] = len(items)
                        fields = ("benchmark", "id", "library", "kind", "split", "note", "given", "gold")
                        shown.append([str(sample.get(field) or "") for field in fields])
                    text = sample.get("completion") or ""
                    lines.append(
                        [
                            number,
                            items[key],
                            sample["outcome"],
                            sample.get("detail") or "",
                            text,
                            sample.get("answer") or "",
                        ]
                    )
    return {"items": shown, "rows": lines}


def page(report: dict[str, Any], examples: dict[str, list[Any]]) -> str:
    """Return the HTML page."""
    return template(Path(__file__).parent, "comparison.html.jinja").render(
        columns=_COLUMNS,
        difference_column=_COLUMNS.index("difference") - 1,
        tables=[_table(name, benchmark) for name, benchmark in report["benchmarks"].items()],
        data={**report, **examples, "forgetting": forgetting(report)},
    )


def forgetting(report: dict[str, Any]) -> dict[str, Any] | None:
    """Return each arm's gain on updates and change in general ability, except the first's; None if either was not measured."""
    general = next((name for name in _KEPT_GENERAL if name in report["benchmarks"]), None)
    gained = next((name for name in report["benchmarks"] if name not in _KEPT_GENERAL), None)
    if general is None or gained is None:
        return None
    points = [
        {"arm": a["arm"], "gain": a["difference"], "general": b["difference"]}
        for a, b in zip(report["benchmarks"][gained]["arms"], report["benchmarks"][general]["arms"], strict=True)
        if "difference" in a and "difference" in b
    ]
    return {"gained": gained, "general": general, "points": points} if points else None


def _table(name: str, benchmark: dict[str, Any]) -> dict[str, Any]:
    """Return a benchmark's table for the template; `direction` is the class of a difference whose interval excludes zero."""
    rows = []
    for row in benchmark["arms"]:
        low, _, high = row.get("difference", (0.0, 0.0, 0.0))
        rows.append({"cells": _cells(row), "direction": "up" if low > 0 else "down" if high < 0 else ""})
    return {"name": name, "score": benchmark["score"], "rows": rows}
