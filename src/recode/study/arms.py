"""One arm with one seed: trained once, whichever table asks for it, and evaluated on what the table's columns need.

A folder is named after a digest of all that it depends on: of a trained model its recipe with its seed, the entries' files, and the model or
the arm that it starts from; of an untrained one its files; of an evaluation the benchmark's file.
"""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress

from recode.errors import RecipeError
from recode.evaluate.benchmarks import benchmark_class
from recode.evaluate.forgetting import held_out_python, python_loss
from recode.evaluate.run import Options, evaluate_on
from recode.models import LocalBackend
from recode.models.local import model_fingerprint
from recode.records import write_text
from recode.run_folder import in_turn
from recode.shipped import shipped
from recode.study.pools import write_pool
from recode.study.tables import PYTHON_LOSS, Arm, StudyTable
from recode.train import inputs
from recode.train.inputs import data_files, digest_of
from recode.train.recipes import PolicyRecipe, PretrainRecipe, SftRecipe, load_recipe


@dataclass(frozen=True)
class Place:
    """Where a study reads and writes."""

    out: Path
    data: Path


@dataclass(frozen=True)
class Prepared:
    """An arm with a seed: its recipe (None: a model as it is), the name or folder of its model, and the folder that all of it goes to."""

    recipe: PretrainRecipe | SftRecipe | PolicyRecipe | None
    model: str
    folder: Path


def prepare(table: StudyTable, name: str, seed: int, place: Place) -> Prepared:
    """Return what an arm needs, without doing it; the recipe is read, checked and named by its digest.

    Raises:
        RecipeError: the recipe is wrong.
    """
    arm = table.arms[name]
    thought = f"-thoughts-of-{Path(arm.thinker).name}-{identity(arm.thinker)}" if arm.thinker else ""
    if arm.model:
        return Prepared(
            None, arm.model, place.out / "models" / f"{Path(arm.model).name}-{identity(arm.model)}{thought}"
        )
    pretraining = isinstance(load_recipe(shipped(arm.recipe), arm.change), PretrainRecipe)
    if pretraining and arm.pool:
        raise RecipeError(
            f"arm `{name}`: `pool` chooses among the entries that {arm.recipe} does not read; take it out"
        )
    if not pretraining and "seed" in arm.change and len(table.seeds) > 1:
        raise RecipeError(f"arm `{name}`: `change` sets `seed`, so the table's {len(table.seeds)} seeds would be one")
    overrides = dict(arm.change) if pretraining else {"seed": seed, **arm.change}
    before = ""
    if arm.after:
        earlier = prepare(table, arm.after, seed, place)
        # Relative to no machine: the digest is of what the model is, not of where it lies.
        before = earlier.folder.name
        overrides["start" if pretraining else "model"] = earlier.model
    recipe = load_recipe(shipped(arm.recipe), overrides)
    parts = recipe.model_dump(mode="json", exclude={"model", "start"} if before else None)
    pool = arm.pool.model_dump(exclude_defaults=True) if arm.pool else None
    start = before or identity((recipe.start or "") if isinstance(recipe, PretrainRecipe) else recipe.model)
    files = [digest_of(shipped(path)) for path in data_files(parts["data"])]
    digest = hashlib.sha256(json.dumps([parts, pool, start, files], sort_keys=True).encode()).hexdigest()[:12]
    folder = place.out / "models" / f"{recipe.method}-{digest}-{recipe.seed}"
    return Prepared(recipe, str(folder / "model"), folder.with_name(folder.name + thought) if thought else folder)


def identity(model: str) -> str:
    """Return a short digest of a model's files, read once."""
    return inputs.identity(model, _fingerprint)


@functools.cache
def _fingerprint(model: str) -> str:
    return model_fingerprint(model)


def seeds_of(table: StudyTable, name: str, place: Place) -> tuple[int, ...]:
    """Return the seeds that an arm is run with: all of the table's where it is fine-tuned, else one, since nothing is drawn."""
    recipe = prepare(table, name, table.seeds[0], place).recipe
    return table.seeds if recipe is not None and not isinstance(recipe, PretrainRecipe) else table.seeds[:1]


def train_arm(table: StudyTable, name: str, seed: int, place: Place, progress: Progress) -> Prepared:
    """Train an arm with a seed, and the arm before it, where that is not done; return it."""
    arm, prepared = table.arms[name], prepare(table, name, seed, place)
    if prepared.recipe is None:
        return prepared
    with in_turn(Path(prepared.model).parent):
        if not is_trained(prepared):
            if arm.after:
                train_arm(table, arm.after, seed, place, progress)
            _train(arm, prepared, progress)
    return prepared


def is_trained(prepared: Prepared) -> bool:
    """Say whether there is nothing left to train. What is written last says so: a model's own files may be there in part."""
    folder = Path(prepared.model)
    if isinstance(prepared.recipe, PretrainRecipe):
        return (folder / "config.json").exists()
    return prepared.recipe is None or (folder.parent / "result.json").exists()


def _train(arm: Arm, prepared: Prepared, progress: Progress) -> None:
    from recode.train.launch import step_summary

    recipe, folder = prepared.recipe, Path(prepared.model).parent
    assert recipe is not None
    steps = recipe.steps if isinstance(recipe, PretrainRecipe) else recipe.optimization.steps
    task = progress.add_task(recipe.method, total=steps, note="")

    def show(step: dict[str, float]) -> None:
        progress.update(task, completed=step["step"], note=step_summary(step))

    if isinstance(recipe, PretrainRecipe):
        from recode.train.pretrain.run import pretrain

        pretrain(recipe, folder, on_step=show)
        return
    from recode.train.trl.run import train

    if arm.pool:
        recipe = recipe.model_copy(update={"data": write_pool(arm.pool, recipe.data, recipe.seed, folder / "data")})
    train(recipe, folder, on_step=show)


def is_evaluated(table: StudyTable, prepared: Prepared, place: Place) -> bool:
    """Say whether every figure of an arm is there."""
    files = [prepared.folder / f"{PYTHON_LOSS}.json"] if PYTHON_LOSS in table.columns else []
    for benchmark, samples in wanted(table):
        files.append(evaluation_folder(table, prepared, benchmark, samples, place) / "results.json")
    return all(file.exists() for file in files)


def evaluate_arm(table: StudyTable, name: str, seed: int, place: Place, progress: Progress) -> None:
    """Evaluate a trained arm on every column's benchmark that it has not been evaluated on."""
    arm, prepared = table.arms[name], prepare(table, name, seed, place)
    # Of the model, not of the table: the same arm may be evaluated by another table, under another of its seeds.
    drawn = prepared.recipe.seed if prepared.recipe else 1
    for benchmark, samples in wanted(table):
        folder = evaluation_folder(table, prepared, benchmark, samples, place)
        with in_turn(folder):
            if (folder / "results.json").exists():
                continue
            options = Options(
                on=(benchmark,), out=folder, folder=place.data, samples=samples, seed=drawn, limit=table.limit.get(benchmark),
                temperature=table.temperature if samples and samples > 1 else None,
            )  # fmt: skip
            thinker = LocalBackend(arm.thinker) if arm.thinker else None
            evaluate_on(options, LocalBackend(prepared.model), thinker, progress)
    path = prepared.folder / f"{PYTHON_LOSS}.json"
    if PYTHON_LOSS in table.columns and not path.exists():
        model, tokenizer = LocalBackend(prepared.model).load()
        texts = held_out_python()
        write_text(path, json.dumps({"loss": python_loss(model, tokenizer, texts), "n": len(texts)}))


def wanted(table: StudyTable) -> list[tuple[str, int | None]]:
    """Return the benchmarks that a table's columns need, each with the samples to draw."""
    columns = (column.split() for column in table.columns if column != PYTHON_LOSS)
    return list(dict.fromkeys((benchmark, samples_of(table, score)) for benchmark, score in columns))


def samples_of(table: StudyTable, score: str) -> int | None:
    """Return how many samples of each prompt a column's score needs: 1 is greedy, None the benchmark's own decoding."""
    if table.own_decoding:
        return None
    return table.samples if "@" in score else 1


def evaluation_folder(table: StudyTable, prepared: Prepared, benchmark: str, samples: int | None, place: Place) -> Path:
    """Return where an arm's evaluation lies; it says in its name what it depends on beside the model."""
    limit = table.limit.get(benchmark)
    drawn = "own" if samples is None else "greedy" if samples == 1 else f"{samples}-at-{table.temperature:g}"
    files = (digest_of(place.data / file) for file in benchmark_class(benchmark).own_files(benchmark))
    return prepared.folder / "evaluation" / "-".join(filter(None, (benchmark, drawn, str(limit or ""), *files)))
