"""`recode quickstart`: the whole loop with the embedded model on a CPU.

Evaluate the embedded model before (`able`) and after (`base`) it acquired its stale habit, train `base` by SFT, GRPO and DAPO on the same
prompts, and evaluate all of them on updates, libraries and names that were in no training. Every part writes a file and is skipped if
the file exists, so a killed run resumes.
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

from recode.errors import RecipeError, RecordError
from recode.evaluate.benchmark import fixed_choice
from recode.evaluate.forgetting import held_out_python, python_loss
from recode.evaluate.judging.judge_pool import JudgePool, sensible
from recode.evaluate.judging.migrations import SPLITS as FILES
from recode.evaluate.judging.migrations import JudgedMigration, as_row, evaluate, read_split, summary
from recode.evaluate.statistics import paired_bootstrap
from recode.machine import cores
from recode.models import load
from recode.records import Migration, read_jsonl, write_jsonl, write_text
from recode.rewards.answer import gradable
from recode.run_folder import Claim
from recode.train.recipes import PolicyRecipe, PretrainRecipe, load_recipe
from recode.train.worker_pool import ProgressDisplay, WorkerPool, sensible_jobs

SPLITS = ("test_generated", "test_updates", "test_libraries", "no_op")
TRAINED = ("sft", "grpo", "dapo")
_TRAINED_TOGETHER = (("sft",), ("grpo", "dapo"))
"""A policy leaves half of two cores idle while it samples, so two are trained in parallel."""
ARMS = {"able": "recode-tiny-able", "base": "recode-tiny"}
_HEADROOM = 100
"""How many tokens longer than its batch's longest gold program a completion may be; a thought of recode-tiny takes 20 to 60."""
_FILES = ("migrations", "no_ops")
_ENTRIES = 72
"""The number of entries judged of each real split, chosen by a hash of their ids; `recode evaluate` judges whole splits."""


@dataclass(frozen=True)
class QuickstartSettings:
    """Where the quickstart reads and writes, and its seed.

    `processes` is the number of processes that judge in parallel; None lets the machine decide.
    """

    out: Path
    data: Path
    recipes: Path
    seed: int = 1
    processes: int | None = None


def quickstart(settings: QuickstartSettings, display: ProgressDisplay) -> dict[str, Any]:
    """Run the parts that are not finished; return the report, which is also in `report.json`.

    Raises:
        RecodeError: data or recipes are missing, or the folder holds a run with other settings.
    """
    _claim(settings)
    arms: dict[str, dict[str, Any]] = {}
    judged: dict[str, dict[str, list[JudgedMigration]]] = {}
    processes = settings.processes or sensible()
    with JudgePool(processes) if processes > 1 else contextlib.nullcontext() as judges:
        judging = _Judging(settings, judges, display)
        for arm, model in ARMS.items():
            judged[arm], arms[arm] = _evaluate(judging, arm, model)
        for together in _TRAINED_TOGETHER:
            _train(settings, together, display)
            for arm in together:
                judged[arm], arms[arm] = _evaluate(judging, arm, str(settings.out / arm / "model"))
    report = {
        "minutes": round(_seconds(settings) / 60, 2),
        "seed": settings.seed,
        "reward": _reward(settings),
        "arms": arms,
        "delta": {arm: _differences(judged["base"], judged[arm]) for arm in TRAINED},
    }
    write_text(settings.out / "report.json", json.dumps(report, indent=1))
    return report


def _claim(settings: QuickstartSettings) -> None:
    recipes = {arm: load_recipe(settings.recipes / f"{arm}.toml").model_dump(mode="json") for arm in TRAINED}
    asked = json.dumps({"seed": settings.seed, "data": str(settings.data), "recipes": recipes})
    claim = Claim(settings.out, "settings.json", "a quickstart with other settings")
    claim.take(asked, lambda content: content == asked.encode())


def _train(settings: QuickstartSettings, arms: tuple[str, ...], display: ProgressDisplay) -> None:
    """Train arms by their recipes, in parallel if there are cores and memory for it."""
    if all((settings.out / arm / "result.json").exists() for arm in arms):
        return
    processes = min(len(arms), sensible_jobs())
    if processes < 2:
        for arm in arms:
            _timed(settings, f"train-{arm}", functools.partial(train_arm, display, settings, arm))
        return

    def together() -> None:
        with WorkerPool(processes, max(1, cores() // processes), display) as pool:
            left = {pool.submit(arm, train_arm, settings, arm) for arm in arms}
            while left:
                for done in pool.wait():
                    done.result()
                    left.remove(done)

    _timed(settings, f"train-{'-'.join(arms)}", together)


def train_arm(display: ProgressDisplay, settings: QuickstartSettings, arm: str) -> None:
    """Train an arm by its recipe.

    Raises:
        RecodeError: the recipe has another method, or a file it names is missing.
    """
    from recode.train.launch import step_summary
    from recode.train.trl.run import train

    recipe = load_recipe(settings.recipes / f"{arm}.toml", {"seed": settings.seed})
    if isinstance(recipe, PretrainRecipe):
        raise RecipeError(f"{settings.recipes / arm}.toml: a pretraining recipe where sft, grpo or dapo is expected")
    # Training and judging use one data set: entries that are tested in one may be training entries in another.
    files = {
        name: tuple(str(settings.data / Path(path).name) for path in getattr(recipe.data, name)) for name in _FILES
    }
    recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update=files)})
    task = display.add_task(f"train {arm}", total=recipe.optimization.steps, note="")

    def show(step: dict[str, float]) -> None:
        display.update(task, completed=step["step"], note=step_summary(step))

    train(recipe, settings.out / arm, on_step=show)
    display.update(task, completed=recipe.optimization.steps)


@dataclass(frozen=True)
class _Judging:
    """What all arms are judged with: settings, the judging processes (None: judge in this one), the display."""

    settings: QuickstartSettings
    judges: JudgePool | None
    display: ProgressDisplay


def _evaluate(judging: _Judging, arm: str, model: str) -> tuple[dict[str, list[JudgedMigration]], dict[str, Any]]:
    """Judge one greedy completion for every entry of every split, and measure forgetting. Results of an earlier run are read."""
    settings, display = judging.settings, judging.display
    folder = settings.out / arm / "evaluation"
    entries = {split: _gradable(split, settings.data) for split in SPLITS}
    task = display.add_task(f"evaluate {arm}", total=sum(map(len, entries.values())), note="")
    loaded = functools.cache(lambda: load(model))
    judged: dict[str, list[JudgedMigration]] = {}
    for split in SPLITS:
        path = folder / f"{split}.jsonl"
        if not path.exists():
            batch = _Batch(model, loaded, entries[split], _reward(settings), lambda n: display.update(task, advance=n))
            write_jsonl(path, _timed(settings, f"{arm}-{split}", functools.partial(_judge, judging.judges, batch)))
        judged[split] = [JudgedMigration(**row) for _, row in read_jsonl(path)]
        if [verdict.id for verdict in judged[split]] != [entry.id for entry in entries[split]]:
            raise RecipeError(f"{path}: was judged on other data; choose another folder with --out, or delete this one")
    display.update(task, completed=sum(map(len, entries.values())))
    forgetting = folder / "forgetting.json"
    if not forgetting.exists():
        texts = held_out_python()
        loss = _timed(settings, f"{arm}-forgetting", lambda: python_loss(*loaded(), texts))
        write_text(forgetting, json.dumps({"python_loss": loss, "n": len(texts)}))
    results: dict[str, Any] = {split: summary(rows) for split, rows in judged.items()}
    results["forgetting"] = json.loads(forgetting.read_text(encoding="utf-8"))
    results["forgetting"]["no_op_exact"] = results["no_op"]["exact"]
    display.update(task, note=f"exact {results['test_updates']['exact']:.2f} on unseen updates")
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
    """Return the entries of a split that are judged: all made-up ones and a fixed selection of the real ones."""
    chosen = fixed_choice((entry.id for entry in entries if entry.author != "generator"), _ENTRIES)
    return [entry for entry in entries if entry.author == "generator" or entry.id in chosen]


def _reward(settings: QuickstartSettings) -> dict[str, float]:
    """Return the weights of the reported reward, on which the policies are also trained.

    Raises:
        RecipeError: GRPO and DAPO are trained on different rewards.
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


@dataclass(frozen=True)
class _Batch:
    """A split to judge with one model."""

    model: str
    loaded: Callable[[], tuple[Any, Any]]
    entries: list[Migration]
    weights: dict[str, float]
    on_done: Callable[[int], None]


def _judge(judges: JudgePool | None, batch: _Batch) -> list[dict[str, Any]]:
    if judges is not None:
        judged = judges.judge(batch.model, batch.entries, batch.weights, _HEADROOM, batch.on_done)
        return [as_row(verdict) for verdict in judged]
    groups = evaluate(*batch.loaded(), batch.entries, weights=batch.weights, headroom=_HEADROOM, on_done=batch.on_done)
    return [as_row(verdict) for group in groups for verdict in group]


def _differences(base: dict[str, list[JudgedMigration]], arm: dict[str, list[JudgedMigration]]) -> dict[str, Any]:
    """Return, by split, the paired bootstrap intervals of the change in exact match, reward, lift and copying against the base."""
    differences: dict[str, Any] = {}
    for split in SPLITS:
        # Exact match is None for the same entries in both, since that depends only on the gold.
        pairs = [
            (a, b) for a, b in zip(base[split], arm[split], strict=True) if a.exact is not None and b.exact is not None
        ]
        families = [a.family_id for a, _ in pairs]

        def change(
            value: Callable[[JudgedMigration], float], pairs: Any = pairs, families: Any = families
        ) -> list[float]:
            before, after = [value(a) for a, _ in pairs], [value(b) for _, b in pairs]
            return paired_bootstrap(before, after, groups=families).as_list()

        differences[split] = {
            "exact": change(lambda verdict: float(verdict.exact or 0)),
            "reward": change(lambda verdict: verdict.reward or 0.0),
            "lift": change(lambda verdict: verdict.lift or 0.0),
            "copy": change(lambda verdict: float(verdict.copied)),
        }
    return differences


def _timed(settings: QuickstartSettings, part: str, work: Callable[[], Any]) -> Any:
    """Do a part and add its wall time to `seconds.json`, so that a resumed run knows its total."""
    path = settings.out / "seconds.json"
    started = time.monotonic()
    result = work()
    spent = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    spent[part] = round(spent.get(part, 0.0) + time.monotonic() - started, 1)
    write_text(path, json.dumps(spent, indent=1))
    return result


def _seconds(settings: QuickstartSettings) -> float:
    """Return the wall time of all parts. For training that was killed, the seconds in its own `result.json` count."""
    spent: dict[str, float] = json.loads((settings.out / "seconds.json").read_text(encoding="utf-8"))
    by_arm = {
        arm: float(json.loads((settings.out / arm / "result.json").read_text(encoding="utf-8"))["seconds"])
        for arm in TRAINED
    }
    counted = {part: part.split("-")[1:] for part in spent if part.startswith("train-")}
    for part, arms in counted.items():
        # The longest of the arms that were trained in parallel.
        spent[part] = max(spent[part], *(by_arm[arm] for arm in arms))
    missed = set(TRAINED).difference(*counted.values())
    return sum(spent.values()) + sum(by_arm[arm] for arm in missed)
