"""Quickstarts with different seeds side by side: every seed, and in how many of them a gain is significant."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from recode.errors import RecordError

_SPLITS = ("test_generated", "test_updates", "test_libraries", "no_op")
_TRAINED = ("sft", "grpo", "dapo")


def compare_seeds(runs: Sequence[Path]) -> str:
    """Return Markdown tables of the runs' `report.json` files.

    Raises:
        RecordError: a run is not finished, or two have the same seed.
    """
    reports = sorted((read_quickstart(run) for run in runs), key=lambda report: int(report["seed"]))
    seeds = [report["seed"] for report in reports]
    if len(set(seeds)) < len(seeds):
        raise RecordError(
            f"two runs have the same seed ({', '.join(map(str, seeds))}); compare runs of different seeds"
        )
    minutes = ", ".join(f"{report['minutes']:.1f}" for report in reports)
    parts = [f"Seeds {', '.join(map(str, seeds))}; minutes {minutes}.\n"]
    for split in _SPLITS:
        n = reports[0]["arms"]["base"][split]["n"]
        parts += [f"### {split} (n = {n}{ungradable_note(reports, split)})\n", _split_table(reports, split)]
    parts += ["### Forgetting\n", _forgetting_table(reports)]
    return "\n".join(parts)


def ungradable_note(reports: Sequence[dict[str, Any]], split: str) -> str:
    """Return `, K ungradable` for the most completions that any arm could not have graded on a split; empty if there are none."""
    most = max(results[split].get("ungradable", 0) for report in reports for results in report["arms"].values())
    return f", {most} ungradable" if most else ""


def read_quickstart(run: Path) -> dict[str, Any]:
    """Read a quickstart's `report.json`.

    Raises:
        RecordError: it does not exist, or is not a quickstart's.
    """
    path = run / "report.json"
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise RecordError(f"{path}: no finished quickstart here; run `recode quickstart --out {run}`") from None
    if not isinstance(report, dict) or not {"seed", "arms", "delta", "minutes"} <= report.keys():
        raise RecordError(
            f"{path}: not the report of a quickstart; name the folder of `recode quickstart --out FOLDER`"
        )
    return report


def _split_table(reports: list[dict[str, Any]], split: str) -> str:
    """Return a row per arm: means over seeds, each seed's exact match with its interval, and in how many seeds the interval excludes zero."""
    lines = [
        "| arm | exact match, mean (sd) | reward, mean | copies | exact match by seed, change against base "
        "| seeds with a significant gain: exact, reward |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for arm in reports[0]["arms"]:
        results = [report["arms"][arm][split] for report in reports]
        exact = [result["exact"] for result in results]
        spread = f" ({100 * stdev(exact):.1f})" if len(exact) > 1 and arm in _TRAINED else ""
        cells = [
            f"{100 * fmean(exact):.1f}%{spread}",
            f"{fmean(r['reward'] for r in results):.2f}",
            f"{100 * fmean(r['copy'] for r in results):.1f}%",
        ]
        if arm in _TRAINED:
            changes = [report["delta"][arm][split] for report in reports]
            cells.append(
                "; ".join(f"{100 * e:.1f} {_interval(c['exact'])}" for e, c in zip(exact, changes, strict=True))
            )
            significant = [sum(change[what][0] > 0 for change in changes) for what in ("exact", "reward")]
            cells.append(", ".join(f"{count} of {len(reports)}" for count in significant))
        else:
            cells += ["", ""]
        lines.append(f"| {arm} | {' | '.join(cells)} |")
    copying = fmean(report["arms"]["base"][split]["reward_of_copying"] for report in reports)
    lines.append(f"| *copying* | | {copying:.2f} | 100% | | |\n")
    return "\n".join(lines)


def _interval(change: Sequence[float]) -> str:
    return f"[{100 * change[0]:+.1f}, {100 * change[2]:+.1f}]"


def _forgetting_table(reports: list[dict[str, Any]]) -> str:
    lines = [
        "| arm | next-token loss on held-out Python, mean | exact match on no-ops by seed |",
        "| --- | --- | --- |",
    ]
    for arm in reports[0]["arms"]:
        results = [report["arms"][arm] for report in reports]
        loss = fmean(result["forgetting"]["python_loss"] for result in results)
        kept = [100 * result["no_op"]["exact"] for result in results]
        shown = ", ".join(f"{value:.1f}" for value in kept) if arm in _TRAINED else f"{kept[0]:.1f}"
        lines.append(f"| {arm} | {loss:.3f} | {shown} |")
    return "\n".join(lines) + "\n"
