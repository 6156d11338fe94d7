"""`recode quickstart`: the whole loop on the embedded model on a CPU.

Evaluate the embedded model before (`able`) and with (`base`) its stale habit, train the latter by SFT, GRPO and DAPO on the same prompts,
evaluate all of them on updates, libraries and names that were in no training, and write the report. Every part leaves a file and is
skipped when the file is there, so a killed run goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import functools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from recode.errors import RecipeError, RecordError
from recode.evaluate.benchmark import fixed_choice
from recode.evaluate.forgetting import held_out_python, python_loss
from recode.evaluate.judging.judge_pool import Judges, sensible
from recode.evaluate.judging.migrations import SPLITS as FILES
from recode.evaluate.judging.migrations import Judged, as_row, evaluate, read_split, summary
from recode.evaluate.statistics import paired_bootstrap
from recode.machine import cores
from recode.models import load, quiet
from recode.records import Migration, is_begun, read_jsonl, write_jsonl, write_text
from recode.rewards.answer import gradable
from recode.train.recipes import PolicyRecipe, PretrainRecipe, load_recipe
from recode.train.worker_pool import Crew, sensible_jobs

SPLITS = ("test_generated", "test_updates", "test_libraries", "no_op")
TRAINED = ("sft", "grpo", "dapo")
_TRAINED_TOGETHER = (("sft",), ("grpo", "dapo"))
"""A policy leaves half of two cores idle while it samples, so two are trained side by side."""
ARMS = {"able": "recode-tiny-able", "base": "recode-tiny"}
_HEADROOM = 100
"""Tokens that a completion may have beyond the longest gold program of its batch: a thought of recode-tiny takes 20 to 60."""
_FILES = ("migrations", "no_ops")
_ENTRIES = 72
"""Entries of each real split that are judged, chosen by a hash of their ids; `recode evaluate` judges whole splits."""


@dataclass(frozen=True)
class Settings:
    """Where the quickstart reads and writes, and its seed."""

    out: Path
    data: Path
    recipes: Path
    seed: int = 1
    processes: int | None = None
    """That judge side by side; None: what is sensible on this machine."""


def run_quickstart(out: Path, data: Path, recipes: Path, seed: int) -> None:
    """Run the quickstart, write the report, print the table and where the page is."""
    from recode.evaluate.reports.quickstart import write_report

    quiet()
    console = Console()
    report = quickstart(Settings(out, data, recipes, seed), console)
    page = write_report(out)
    console.print(table(report))
    console.print(
        f"{report['minutes']:.1f} minutes. The report with curves and examples: {page.resolve()}", soft_wrap=True
    )


def quickstart(settings: Settings, console: Console) -> dict[str, Any]:
    """Run what is left to run; return the report, which is also in `report.json`.

    Raises:
        RecodeError: data or recipes are missing, or the folder holds a run with other settings.
    """
    _claim(settings)
    arms: dict[str, dict[str, Any]] = {}
    judged: dict[str, dict[str, list[Judged]]] = {}
    columns = (
        TextColumn("{task.description:>22}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    processes = settings.processes or sensible()
    judges = Judges(processes) if processes > 1 else None
    with judges or contextlib.nullcontext(), Progress(*columns, console=console) as progress:
        for arm, model in ARMS.items():
            judged[arm], arms[arm] = _evaluate(settings, arm, model, judges, progress)
        for together in _TRAINED_TOGETHER:
            _train(settings, together, progress)
            for arm in together:
                model = str(settings.out / arm / "model")
                judged[arm], arms[arm] = _evaluate(settings, arm, model, judges, progress)
    report = {
        "minutes": round(_seconds(settings) / 60, 2),
        "seed": settings.seed,
        "reward": _reward(settings),
        "arms": arms,
        "delta": {arm: _differences(judged["base"], judged[arm]) for arm in TRAINED},
    }
    write_text(settings.out / "report.json", json.dumps(report, indent=1))
    return report


def _claim(settings: Settings) -> None:
    path = settings.out / "settings.json"
    recipes = {arm: load_recipe(settings.recipes / f"{arm}.toml").model_dump(mode="json") for arm in TRAINED}
    asked = json.dumps({"seed": settings.seed, "data": str(settings.data), "recipes": recipes})
    if is_begun(settings.out, path.name) and path.read_text(encoding="utf-8") != asked:
        raise RecipeError(
            f"{settings.out}: holds a quickstart with other settings; choose another folder with --out, or delete it"
        )
    write_text(path, asked)


def _train(settings: Settings, arms: tuple[str, ...], progress: Progress) -> None:
    """Train arms by their recipes, side by side where there are cores and memory for it."""
    if all((settings.out / arm / "result.json").exists() for arm in arms):
        return
    processes = min(len(arms), sensible_jobs())
    if processes < 2:
        for arm in arms:
            _timed(settings, f"train-{arm}", functools.partial(train_arm, progress, settings, arm))
        return

    def together() -> None:
        with Crew(processes, max(1, cores() // processes), progress) as crew:
            left = {crew.begin(arm, train_arm, settings, arm) for arm in arms}
            while left:
                for done in crew.wait():
                    done.result()
                    left.remove(done)

    _timed(settings, f"train-{'-'.join(arms)}", together)


def train_arm(progress: Progress, settings: Settings, arm: str) -> None:
    """Train an arm by its recipe.

    Raises:
        RecodeError: the recipe is of another kind, or what it names is missing.
    """
    from recode.train.launch import note
    from recode.train.trl.run import train

    recipe = load_recipe(settings.recipes / f"{arm}.toml", {"seed": settings.seed})
    if isinstance(recipe, PretrainRecipe):
        raise RecipeError(f"{settings.recipes / arm}.toml: a pretraining recipe where sft, grpo or dapo is expected")
    # Trained and judged on the same data set: what is tested in one may be trained on in another.
    there = {name: tuple(str(settings.data / Path(one).name) for one in getattr(recipe.data, name)) for name in _FILES}
    recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update=there)})
    task = progress.add_task(f"train {arm}", total=recipe.optimization.steps, note="")

    def show(step: dict[str, float]) -> None:
        progress.update(task, completed=step["step"], note=note(step))

    train(recipe, settings.out / arm, on_step=show)
    progress.update(task, completed=recipe.optimization.steps)


def _evaluate(
    settings: Settings, arm: str, model: str, judges: Judges | None, progress: Progress
) -> tuple[dict[str, list[Judged]], dict[str, Any]]:
    """Judge one greedy completion for every entry of every split, and measure forgetting; read what was judged before."""
    folder = settings.out / arm / "evaluation"
    entries = {split: _gradable(split, settings.data) for split in SPLITS}
    weights = _reward(settings)
    task = progress.add_task(f"evaluate {arm}", total=sum(map(len, entries.values())), note="")
    loaded = functools.cache(lambda: load(model))
    judged: dict[str, list[Judged]] = {}
    for split in SPLITS:
        path = folder / f"{split}.jsonl"
        if not path.exists():
            done = functools.partial(progress.advance, task)
            judge_split = functools.partial(_judge, judges, model, loaded, entries[split], weights, done)
            write_jsonl(path, _timed(settings, f"{arm}-{split}", judge_split))
        judged[split] = [Judged(**row) for _, row in read_jsonl(path)]
        if [one.id for one in judged[split]] != [entry.id for entry in entries[split]]:
            raise RecipeError(f"{path}: was judged on other data; choose another folder with --out, or delete this one")
    progress.update(task, completed=sum(map(len, entries.values())))
    forgetting = folder / "forgetting.json"
    if not forgetting.exists():
        texts = held_out_python()
        loss = _timed(settings, f"{arm}-forgetting", lambda: python_loss(*loaded(), texts))
        write_text(forgetting, json.dumps({"python_loss": loss, "n": len(texts)}))
    results: dict[str, Any] = {split: summary(rows) for split, rows in judged.items()}
    results["forgetting"] = json.loads(forgetting.read_text(encoding="utf-8"))
    results["forgetting"]["no_op_exact"] = results["no_op"]["exact"]
    progress.update(task, note=f"exact {results['test_updates']['exact']:.2f} on unseen updates")
    return judged, results


def _gradable(split: str, data: Path) -> list[Migration]:
    """Return the entries of a split that are judged.

    Raises:
        RecordError: none of them can be graded.
    """
    entries = some(read_split(split, data))
    if not any(gradable(entry.new_code) for entry in entries):
        raise RecordError(f"{data}: `{split}` ({', '.join(FILES[split])}) holds no entry that can be judged; add some")
    return entries


def some(entries: list[Migration]) -> list[Migration]:
    """Return the entries of a split that are judged: all made-up ones, and a fixed choice of the real ones."""
    chosen = fixed_choice((entry.id for entry in entries if entry.author != "generator"), _ENTRIES)
    return [entry for entry in entries if entry.author == "generator" or entry.id in chosen]


def _reward(settings: Settings) -> dict[str, float]:
    """Return the weights of the reward that is reported: those that the policies are trained on.

    Raises:
        RecipeError: GRPO and DAPO are trained on different ones.
    """
    grpo, dapo = (load_recipe(settings.recipes / f"{arm}.toml") for arm in ("grpo", "dapo"))
    rewards = [recipe.reward for recipe in (grpo, dapo) if isinstance(recipe, PolicyRecipe)]
    if len(rewards) != 2 or rewards[0] != rewards[1]:
        raise RecipeError(
            f"{settings.recipes}: grpo.toml and dapo.toml must have the same [reward]: the report compares them by it"
        )
    if rewards[0].family != "strict":
        raise RecipeError(
            f"{settings.recipes}: grpo.toml and dapo.toml: `reward.family`: the report compares by the strict family; use `recode study`"
        )
    return {str(name): weight for name, weight in rewards[0].weights.items()}


def _judge(
    judges: Judges | None, model: str, loaded: Callable[[], tuple[Any, Any]], entries: list[Migration],
    weights: dict[str, float], done: Callable[[int], None],
) -> list[dict[str, Any]]:  # fmt: skip
    if judges is not None:
        return [as_row(one) for one in judges.judge(model, entries, weights, _HEADROOM, done)]
    judged = evaluate(*loaded(), entries, weights=weights, headroom=_HEADROOM, on_done=done)
    return [as_row(one) for group in judged for one in group]


def _differences(base: dict[str, list[Judged]], arm: dict[str, list[Judged]]) -> dict[str, Any]:
    """Return, per split, the paired bootstrap intervals of the change in exact match, reward, lift and copying against the base."""
    differences: dict[str, Any] = {}
    for split in SPLITS:
        # Exact match is None for the same entries in both: it depends on the gold alone.
        pairs = [
            (a, b) for a, b in zip(base[split], arm[split], strict=True) if a.exact is not None and b.exact is not None
        ]
        families = [a.family_id for a, _ in pairs]

        def change(value: Callable[[Judged], float], pairs: Any = pairs, families: Any = families) -> list[float]:
            before, after = [value(a) for a, _ in pairs], [value(b) for _, b in pairs]
            return paired_bootstrap(before, after, groups=families).as_list()

        differences[split] = {
            "exact": change(lambda one: float(one.exact or 0)),
            "reward": change(lambda one: one.reward or 0.0),
            "lift": change(lambda one: one.lift or 0.0),
            "copy": change(lambda one: float(one.copied)),
        }
    return differences


def _timed(settings: Settings, part: str, work: Callable[[], Any]) -> Any:
    """Do a part and add its wall time to `seconds.json`, so that a resumed run still knows its total."""
    path = settings.out / "seconds.json"
    started = time.monotonic()
    result = work()
    spent = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    spent[part] = round(spent.get(part, 0.0) + time.monotonic() - started, 1)
    write_text(path, json.dumps(spent, indent=1))
    return result


def _seconds(settings: Settings) -> float:
    """Return the wall time of all parts; training that was killed counts by its own log."""
    spent: dict[str, float] = json.loads((settings.out / "seconds.json").read_text(encoding="utf-8"))
    by_arm = {
        arm: float(json.loads((settings.out / arm / "result.json").read_text(encoding="utf-8"))["seconds"])
        for arm in TRAINED
    }
    counted = {part: part.split("-")[1:] for part in spent if part.startswith("train-")}
    for part, arms in counted.items():
        # The longest of those that were trained side by side.
        spent[part] = max(spent[part], *(by_arm[arm] for arm in arms))
    missed = set(TRAINED).difference(*counted.values())
    return sum(spent.values()) + sum(by_arm[arm] for arm in missed)


def table(report: dict[str, Any]) -> Table:
    """Return the terminal's table: a row per arm, exact match per split with the change against the base."""
    shown = Table(
        title="Exact match, greedy; in brackets the 95% interval of the change against base", caption_justify="left"
    )
    shown.add_column("arm")
    for split in SPLITS:
        shown.add_column(f"{split}\n(n = {report['arms']['base'][split]['n']})", justify="right")
    shown.add_column("reward on\ntest_updates", justify="right")
    shown.add_column("Python loss\n(held out)", justify="right")
    for arm, results in report["arms"].items():
        cells = []
        for split in SPLITS:
            text = f"{100 * results[split]['exact']:.1f}%"
            if arm in report["delta"]:
                low, _, high = report["delta"][arm][split]["exact"]
                text += f"\n[{100 * low:+.1f}, {100 * high:+.1f}]"
            cells.append(text)
        shown.add_row(
            arm, *cells, f"{results['test_updates']['reward']:.2f}", f"{results['forgetting']['python_loss']:.3f}"
        )
    copying = report["arms"]["base"]["test_updates"]["reward_of_copying"]
    shown.caption = f"Reward: {' + '.join(report['reward'])}. Copying the old code unchanged earns {copying:.2f} of it on test_updates."
    return shown
