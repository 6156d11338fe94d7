"""`recode evaluate`: complete and judge whole splits with a progress bar; results in one folder, kept and reused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from recode.errors import RecodeError
from recode.evaluate.migrations import SPLITS, Judged, as_row, evaluate, read_split, summary
from recode.evaluate.statistics import pass_at_k
from recode.models import Sampling, load, quiet
from recode.records import read_jsonl, write_jsonl, write_text

_MOST_TOKENS = 320


def run_evaluation(
    model: str, splits: Sequence[str] | None, data: Path, out: Path, *, samples: int, temperature: float, seed: int,
    thinker: str | None, as_json: bool,
) -> dict[str, Any]:  # fmt: skip
    """Judge a model on splits and print a table; a split whose completions are in `out` already is not sampled again.

    Raises:
        RecodeError: `out` holds the evaluation of something else, or a file or the model is missing.
    """
    quiet()
    chosen = list(splits) if splits else [split for split in SPLITS if split != "validation"]
    entries = {split: read_split(split, data) for split in chosen}
    sampling = Sampling(_MOST_TOKENS, 0.0 if samples == 1 else temperature, seed=seed)
    _claim(
        out, {"model": model, "samples": samples, "temperature": sampling.temperature, "seed": seed, "thinker": thinker}
    )
    results: dict[str, Any] = {}
    loaded: tuple[Any, Any] | None = None
    thinking = load(thinker)[0] if thinker else None
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        for split in chosen:
            task = progress.add_task(split, total=len(entries[split]))
            path = out / f"{split}.jsonl"
            if not path.exists():
                loaded = loaded or load(model)

                def advance(n: int, task: TaskID = task) -> None:
                    progress.advance(task, n)

                judged = evaluate(
                    *loaded, entries[split], samples=samples, sampling=sampling, thinker=thinking, on_done=advance
                )
                write_jsonl(path, [as_row(one) for group in judged for one in group])
            progress.update(task, completed=len(entries[split]))
            rows = [Judged(**row) for _, row in read_jsonl(path)]
            results[split] = {**summary(rows), **_pass_rates(rows, samples)}
    write_text(out / "results.json", json.dumps(results, indent=1))
    _show(results, as_json)
    return results


def _claim(out: Path, settings: dict[str, Any]) -> None:
    path, asked = out / "settings.json", json.dumps(settings)
    if path.exists() and path.read_text(encoding="utf-8") != asked:
        raise RecodeError(
            f"{out}: holds an evaluation with other settings; choose another folder with --out, or delete it"
        )
    write_text(path, asked)


def _pass_rates(rows: Sequence[Judged], samples: int) -> dict[str, float]:
    """Return pass@k for k = 1, 2, 4 … up to the number of samples."""
    if samples == 1:
        return {}
    groups = [rows[i : i + samples] for i in range(0, len(rows), samples)]
    correct = [sum(bool(one.exact) for one in group) for group in groups if group[0].exact is not None]
    ks = [k for k in (1, 2, 4, 8, 16, 32, 64) if k <= samples]
    return {f"pass@{k}": fmean(pass_at_k(samples, c, k) for c in correct) for k in ks} if correct else {}


def _show(results: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(results, indent=1))
        return
    shown = Table(caption="`copying` is the reward of copying the old code unchanged.")
    names = ["exact", "edit", "reward", "reward_of_copying", "lift", "copy", "well_formed"]
    rates = [name for name in next(iter(results.values())) if name.startswith("pass@")]
    for name in ("split", *("copying" if name == "reward_of_copying" else name for name in names), *rates, "n"):
        shown.add_column(name, justify="left" if name == "split" else "right")
    for split, values in results.items():
        cells = [f"{values[name]:.3f}" if name in values else "-" for name in (*names, *rates)]
        shown.add_row(split, *cells, str(values["n"]))
    Console().print(shown)
