"""The report of a quickstart: Markdown, curves as PNG, and one self-contained HTML page that works offline.

It needs only a run's files (`report.json`, each arm's `log.jsonl` and judged completions), so it can be rewritten at any time.
"""

from __future__ import annotations

import base64
import difflib
import io
import json
from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import Any

from recode.errors import MissingExtraError
from recode.evaluate.judging.migrations import SPLITS as FILES
from recode.evaluate.reports.seeds import read_quickstart, ungradable_note
from recode.html import template
from recode.prompts import parse_response
from recode.records import Migration, read_jsonl, read_records, write_bytes, write_text

SPLITS = {
    "test_generated": "made-up libraries, unseen names",
    "test_updates": "real libraries, unseen updates",
    "test_libraries": "real libraries never trained on",
    "no_op": "note does not concern the code",
}
COLORS = {"able": "#7f8c8d", "base": "#444444", "sft": "#d08a00", "grpo": "#1f77b4", "dapo": "#c0392b"}
_EXAMPLES_PER_SPLIT = 60


def write_report(run: Path) -> Path:
    """Write `report.md`, `curves.png`, `exact.png` and `report.html` into a run's folder; return the page.

    Raises:
        RecodeError: the run is not finished.
        MissingExtraError: matplotlib is not installed.
    """
    report = read_quickstart(run)
    logs = {arm: [row for _, row in read_jsonl(run / arm / "log.jsonl")] for arm in report["delta"]}
    _plot_curves(logs, report, run / "curves.png")
    _plot_exact(report, run / "exact.png")
    write_text(run / "report.md", markdown(report))
    data = Path(json.loads((run / "settings.json").read_text(encoding="utf-8"))["data"])
    page = _page(report, _examples(run, data, list(report["arms"])), [run / "exact.png", run / "curves.png"])
    write_text(run / "report.html", page)
    return run / "report.html"


def pyplot() -> Any:
    """Return matplotlib's pyplot, drawing to files.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError:
        raise MissingExtraError("plots need matplotlib; install it with: pip install 'recode-rl[report]'") from None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def _plot_curves(logs: dict[str, list[dict[str, Any]]], report: dict[str, Any], path: Path) -> None:
    """Draw what the RL arms logged over minutes: reward, with the reward of copying; exact match; copies."""
    plt = pyplot()
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
    wanted = (
        ("reward", "reward of rollouts"),
        ("exact", "exact match of rollouts"),
        ("copy", "old code copied, migrations"),
    )
    for axis, (key, title) in zip(axes, wanted, strict=True):
        for arm, rows in logs.items():
            points = [(row["seconds"] / 60, row[key]) for row in rows if row.get(key) is not None]
            if points:
                minutes, values = zip(*points, strict=True)
                axis.plot(minutes, values, color=COLORS[arm], alpha=0.25, linewidth=1)
                axis.plot(minutes, _smooth(values), color=COLORS[arm], linewidth=2, label=arm.upper())
            measured = [(row["seconds"] / 60, row["validation_exact"]) for row in rows if "validation_exact" in row]
            if key == "exact" and measured:
                minutes, values = zip(*measured, strict=True)
                axis.plot(minutes, values, "o--", color=COLORS[arm], markersize=4, label=f"{arm.upper()}, validation")
        if key == "reward":
            copying = fmean(
                row["reward_of_copying"] for rows in logs.values() for row in rows if "reward_of_copying" in row
            )
            axis.axhline(copying, color="#888888", linestyle="--", linewidth=1, label="copying the old code")
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("minutes of training")
        axis.grid(alpha=0.25)
        axis.legend(frameon=False, fontsize=8)
    save_plot(figure, path)


def save_plot(figure: Any, path: Path) -> None:
    """Write a figure as PNG, atomically, and close it."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=130)
    write_bytes(path, content.getvalue())
    pyplot().close(figure)


def _smooth(values: tuple[float, ...], span: int = 5) -> list[float]:
    """Return the running mean of the last `span` values."""
    return [fmean(values[max(0, i - span + 1) : i + 1]) for i in range(len(values))]


def _plot_exact(report: dict[str, Any], path: Path) -> None:
    """Draw exact match per split and arm; bars of trained arms carry the interval of their change against the base."""
    plt = pyplot()
    figure, axis = plt.subplots(figsize=(12, 3.6), layout="constrained")
    arms = list(report["arms"])
    width = 0.8 / len(arms)
    for number, arm in enumerate(arms):
        for place, split in enumerate(SPLITS):
            value = report["arms"][arm][split]["exact"]
            x = place + (number - (len(arms) - 1) / 2) * width
            axis.bar(x, value, width * 0.92, color=COLORS[arm], label=arm if place == 0 else None)
            if arm in report["delta"]:
                base = report["arms"]["base"][split]["exact"]
                low, _, high = report["delta"][arm][split]["exact"]
                axis.errorbar(
                    x,
                    value,
                    # Rounding can move an interval of zero width slightly off its bar.
                    yerr=[[max(0.0, value - (base + low))], [max(0.0, base + high - value)]],
                    color="black",
                    linewidth=1,
                    capsize=2,
                )
    labels = [f"{split} (n = {report['arms']['base'][split]['n']})\n{meaning}" for split, meaning in SPLITS.items()]
    axis.set_xticks(range(len(SPLITS)), labels, fontsize=8)
    axis.set_ylim(0, 1)
    axis.set_ylabel("exact match, greedy")
    axis.grid(axis="y", alpha=0.25)
    axis.legend(frameon=False, ncols=len(arms), fontsize=9, loc="upper left")
    save_plot(figure, path)


def markdown(report: dict[str, Any]) -> str:
    """Return the report's tables as Markdown."""
    base = report["arms"]["base"]
    lines = [
        "# Quickstart report",
        "",
        f"Seed {report['seed']}, {report['minutes']:.1f} minutes of work. Greedy completions; in brackets the 95% paired bootstrap "
        "interval of the change against `base` (whole update families are resampled).",
        "",
    ]
    for split, meaning in SPLITS.items():
        lines += [
            f"## {split}: {meaning} (n = {base[split]['n']}{ungradable_note([report], split)})",
            "",
            "| arm | exact match | reward | lift | old code copied | well-formed |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        for arm, results in report["arms"].items():
            values, delta = results[split], report["delta"].get(arm, {}).get(split)
            cells = [
                f"{100 * values['exact']:.1f}%" + (_bracket(delta["exact"], 100) if delta else ""),
                f"{values['reward']:.2f}" + (_bracket(delta["reward"], 1) if delta else ""),
                f"{values['lift']:.2f}" + (_bracket(delta["lift"], 1) if delta else ""),
                f"{100 * values['copy']:.1f}%",
                f"{100 * values['well_formed']:.1f}%",
            ]
            lines.append(f"| {arm} | {' | '.join(cells)} |")
        # Copying is the right answer where the note does not concern the code.
        exact, lift = ("100%", 1) if split == "no_op" else ("0%", 0)
        lines += [f"| *copying* | {exact} | {base[split]['reward_of_copying']:.2f} | {lift} | 100% | 100% |", ""]
    lines += [
        "## Forgetting",
        "",
        "| arm | next-token loss on held-out Python (nats) | exact match on no-ops |",
        "| --- | --- | --- |",
    ]
    lines += [
        f"| {arm} | {results['forgetting']['python_loss']:.3f} | {100 * results['no_op']['exact']:.1f}% |"
        for arm, results in report["arms"].items()
    ]
    return "\n".join(lines) + "\n"


def _bracket(interval: list[float], scale: float) -> str:
    low, _, high = (scale * value for value in interval)
    digits = 1 if scale == 100 else 2
    return f" [{low:+.{digits}f}, {high:+.{digits}f}]"


def _examples(run: Path, data: Path, arms: list[str]) -> list[dict[str, Any]]:
    """Return the page's examples: some entries of every split, each arm's answer as a diff against the gold."""
    examples: list[dict[str, Any]] = []
    for split in SPLITS:
        entries = {entry.id: entry for file in FILES[split] for entry in read_records(data / file, Migration)}
        answers: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        for arm in arms:
            for _, row in read_jsonl(run / arm / "evaluation" / f"{split}.jsonl"):
                answers[row["id"]][arm] = row
        chosen = list(answers)[:: max(1, len(answers) // _EXAMPLES_PER_SPLIT)][:_EXAMPLES_PER_SPLIT]
        examples += [_example(entries[name], split, answers[name]) for name in chosen if name in entries]
    return examples


def _example(entry: Migration, split: str, answers: dict[str, dict[str, Any]]) -> dict[str, Any]:
    shown = {}
    for arm, row in answers.items():
        answer = parse_response(row["completion"])
        shown[arm] = {
            "thought": answer.thought.strip(),
            "verdict": _verdict(row, answer.code),
            "diff": _diff(entry.new_code, answer.code),
        }
    return {
        "id": entry.id, "split": split, "library": entry.library, "kind": entry.kind, "note": entry.update_info,
        "gold": _diff(entry.old_code, entry.new_code), "answers": shown,
    }  # fmt: skip


def _verdict(row: dict[str, Any], code: str | None) -> str:
    if row["exact"]:
        return "exact"
    if row["copied"]:
        return "copied"
    return "differs" if code is not None else "no answer"


def _diff(before: str, after: str | None) -> list[str]:
    """Return the lines of a diff, each with its mark (space, minus or plus); none if there is no answer."""
    if after is None:
        return []
    lines = difflib.ndiff(before.rstrip().splitlines(), after.rstrip().splitlines())
    return [line for line in lines if not line.startswith("?")]


def _page(report: dict[str, Any], examples: list[dict[str, Any]], pictures: list[Path]) -> str:
    """Return the HTML page. Everything is inside; it requests nothing."""
    base = report["arms"]["base"]
    measured_on = {
        "reward": "test_updates",
        "lift": "test_updates",
        "copies": "test_updates",
        "Python loss": "held out",
    }
    return template(Path(__file__).parent, "quickstart.html.jinja").render(
        headline=_headline(report),
        seed=report["seed"],
        minutes=f"{report['minutes']:.1f}",
        columns=[
            *(
                {"title": split, "note": f"n = {base[split]['n']}{ungradable_note([report], split)}"}
                for split in SPLITS
            ),
            *({"title": title, "note": where} for title, where in measured_on.items()),
        ],
        rows=[{"arm": arm, "color": COLORS[arm], "cells": _row(report, arm)} for arm in report["arms"]],
        # Copying is the right answer on no_op, the last split.
        copying=["0%", "0%", "0%", "100%", f"{base['test_updates']['reward_of_copying']:.2f}", "0", "100%", ""],
        figures=[
            {"name": picture.stem, "png": base64.b64encode(picture.read_bytes()).decode()} for picture in pictures
        ],
        splits=list(SPLITS),
        examples=examples,
    )


def _headline(report: dict[str, Any]) -> str:
    """Return one sentence on exact match on `test_updates` by each RL arm, with its interval."""
    parts = []
    for arm in ("grpo", "dapo"):
        low, mean, high = (100 * value for value in report["delta"][arm]["test_updates"]["exact"])
        parts.append(f"{arm.upper()} {mean:+.1f} points [{low:+.1f}, {high:+.1f}]")
    base, n = report["arms"]["base"]["test_updates"]["exact"], report["arms"]["base"]["test_updates"]["n"]
    return f"Exact match on {n} programs for updates of real libraries that were in no training: base {100 * base:.1f}%, {', '.join(parts)}."


def _row(report: dict[str, Any], arm: str) -> list[dict[str, str]]:
    """Return an arm's cells: exact match per split with the interval of its change, then the values measured once."""
    results, delta = report["arms"][arm], report["delta"].get(arm)
    cells = []
    for split in SPLITS:
        interval = _bracket(delta[split]["exact"], 100).strip() if delta else ""
        cells.append({"text": f"{100 * results[split]['exact']:.1f}%", "interval": interval})
    updates = results["test_updates"]
    single = (
        f"{updates['reward']:.2f}",
        f"{updates['lift']:.2f}",
        f"{100 * updates['copy']:.0f}%",
        f"{results['forgetting']['python_loss']:.3f}",
    )
    return [*cells, *({"text": text, "interval": ""} for text in single)]
