"""One arm with one seed: trained once for all tables that use it, and evaluated as each table's columns need.

A folder's name holds a digest of everything its content depends on. For a trained model that is its recipe with its seed, the files of
its entries, and the model or arm it starts from; for an untrained model its files; for an evaluation the benchmark's files.
"""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from recode.errors import RecipeError
from recode.evaluate.benchmarks import benchmark_class
from recode.evaluate.forgetting import held_out_python, python_loss
from recode.evaluate.progress import progress_lines
from recode.evaluate.run import EvaluatedModel, EvaluationOptions, evaluate_on
from recode.models import LocalBackend
from recode.models.local import model_fingerprint
from recode.records import write_text
from recode.run_folder import in_turn
from recode.shipped import shipped
from recode.study.pools import write_pool
from recode.study.tables import PYTHON_LOSS, StudyArm, StudyTable
from recode.train import input_digests
from recode.train.input_digests import data_files, digest_of
from recode.train.recipes import PolicyRecipe, PretrainRecipe, SftRecipe, load_recipe
from recode.train.worker_pool import ProgressDisplay


@dataclass(frozen=True)
class StudyFolders:
    """The folder of models, evaluations and tables, and the folder of the data set."""

    out: Path
    data: Path


@dataclass(frozen=True)
class PreparedArm:
    """An arm with a seed: its recipe (None for an untrained model), its model's name or folder, and the folder of its files."""

    recipe: PretrainRecipe | SftRecipe | PolicyRecipe | None
    model: str
    folder: Path


def prepare(table: StudyTable, name: str, seed: int, folders: StudyFolders) -> PreparedArm:
    """Read and check an arm's recipe, and name its folder by its digest. Nothing is trained or written.

    Raises:
        RecipeError: the recipe is wrong.
    """
    arm = table.arms[name]
    thought = f"-thoughts-of-{Path(arm.thinker).name}-{identity(arm.thinker)}" if arm.thinker else ""
    if arm.model:
        return PreparedArm(
            None, arm.model, folders.out / "models" / f"{Path(arm.model).name}-{identity(arm.model)}{thought}"
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
        earlier = prepare(table, arm.after, seed, folders)
        # The digest covers the earlier model's content, not its path, so it is the same on every machine.
        before = earlier.folder.name
        overrides["start" if pretraining else "model"] = earlier.model
    recipe = load_recipe(shipped(arm.recipe), overrides)
    parts = recipe.model_dump(mode="json", exclude={"model", "start"} if before else None)
    pool = arm.pool.model_dump(exclude_defaults=True) if arm.pool else None
    start = before or identity((recipe.start or "") if isinstance(recipe, PretrainRecipe) else recipe.model)
    files = [digest_of(shipped(path)) for path in data_files(parts["data"])]
    digest = hashlib.sha256(json.dumps([parts, pool, start, files], sort_keys=True).encode()).hexdigest()[:12]
    folder = folders.out / "models" / f"{recipe.method}-{digest}-{recipe.seed}"
    return PreparedArm(recipe, str(folder / "model"), folder.with_name(folder.name + thought) if thought else folder)


def identity(model: str) -> str:
    """Return a short digest of a model's files; they are read once."""
    return input_digests.identity(model, _fingerprint)


@functools.cache
def _fingerprint(model: str) -> str:
    return model_fingerprint(model)


def seeds_of(table: StudyTable, name: str, folders: StudyFolders) -> tuple[int, ...]:
    """Return the seeds of an arm: all of the table's if it is fine-tuned, otherwise one, since nothing random happens."""
    recipe = prepare(table, name, table.seeds[0], folders).recipe
    return table.seeds if recipe is not None and not isinstance(recipe, PretrainRecipe) else table.seeds[:1]


def train_arm(table: StudyTable, name: str, seed: int, folders: StudyFolders, display: ProgressDisplay) -> PreparedArm:
    """Train an arm with a seed, and before it the arm it starts from, unless that is done; return it."""
    arm, prepared = table.arms[name], prepare(table, name, seed, folders)
    if prepared.recipe is None:
        return prepared
    with in_turn(Path(prepared.model).parent):
        if not is_trained(prepared):
            if arm.after:
                train_arm(table, arm.after, seed, folders, display)
            _train(arm, prepared, display)
    return prepared


def is_trained(prepared: PreparedArm) -> bool:
    """Return whether nothing is left to train. Only the file written last counts, since a killed run may leave part of a model."""
    folder = Path(prepared.model)
    if isinstance(prepared.recipe, PretrainRecipe):
        return (folder / "config.json").exists()
    return prepared.recipe is None or (folder.parent / "result.json").exists()


def _train(arm: StudyArm, prepared: PreparedArm, display: ProgressDisplay) -> None:
    from recode.train.launch import step_summary

    recipe, folder = prepared.recipe, Path(prepared.model).parent
    assert recipe is not None
    steps = recipe.steps if isinstance(recipe, PretrainRecipe) else recipe.optimization.steps
    task = display.add_task(recipe.method, total=steps, note="")

    def show(step: dict[str, float]) -> None:
        display.update(task, completed=step["step"], note=step_summary(step))

    if isinstance(recipe, PretrainRecipe):
        from recode.train.pretrain.run import pretrain

        pretrain(recipe, folder, on_step=show)
        return
    from recode.train.trl.run import train

    if arm.pool:
        recipe = recipe.model_copy(update={"data": write_pool(arm.pool, recipe.data, recipe.seed, folder / "data")})
    train(recipe, folder, on_step=show)


def is_evaluated(table: StudyTable, prepared: PreparedArm, folders: StudyFolders) -> bool:
    """Return whether an arm has been evaluated on all columns of the table."""
    files = [prepared.folder / f"{PYTHON_LOSS}.json"] if PYTHON_LOSS in table.columns else []
    for benchmark, samples in wanted(table):
        files.append(evaluation_folder(table, prepared, benchmark, samples, folders) / "results.json")
    return all(file.exists() for file in files)


def evaluate_arm(table: StudyTable, name: str, seed: int, folders: StudyFolders, display: ProgressDisplay) -> None:
    """Evaluate a trained arm on the benchmarks of the table's columns, unless that is done."""
    arm, prepared = table.arms[name], prepare(table, name, seed, folders)
    # The model's seed, not the table's: another table may evaluate the same arm under another of its seeds.
    sampling_seed = prepared.recipe.seed if prepared.recipe else 1
    for benchmark, samples in wanted(table):
        folder = evaluation_folder(table, prepared, benchmark, samples, folders)
        with in_turn(folder):
            if (folder / "results.json").exists():
                continue
            options = EvaluationOptions(
                on=(benchmark,), out=folder, folder=folders.data, samples=samples, seed=sampling_seed, limit=table.limit.get(benchmark),
                temperature=table.temperature if samples and samples > 1 else None,
            )  # fmt: skip
            thinker = LocalBackend(arm.thinker) if arm.thinker else None
            evaluate_on(options, EvaluatedModel(LocalBackend(prepared.model), thinker), progress_lines(display))
    path = prepared.folder / f"{PYTHON_LOSS}.json"
    if PYTHON_LOSS in table.columns and not path.exists():
        model, tokenizer = LocalBackend(prepared.model).load()
        texts = held_out_python()
        write_text(path, json.dumps({"loss": python_loss(model, tokenizer, texts), "n": len(texts)}))


def wanted(table: StudyTable) -> list[tuple[str, int | None]]:
    """Return the benchmarks that a table's columns need, each with its number of samples (see `samples_of`)."""
    columns = (column.split() for column in table.columns if column != PYTHON_LOSS)
    return list(dict.fromkeys((benchmark, samples_of(table, score)) for benchmark, score in columns))


def samples_of(table: StudyTable, score: str) -> int | None:
    """Return the number of samples per prompt that a column's score needs: 1 is greedy, None the benchmark's own decoding."""
    if table.own_decoding:
        return None
    return table.samples if "@" in score else 1


def evaluation_folder(
    table: StudyTable, prepared: PreparedArm, benchmark: str, samples: int | None, folders: StudyFolders
) -> Path:
    """Return the folder of an arm's evaluation; its name says what it depends on besides the model."""
    limit = table.limit.get(benchmark)
    drawn = "own" if samples is None else "greedy" if samples == 1 else f"{samples}-at-{table.temperature:g}"
    files = (digest_of(folders.data / file) for file in benchmark_class(benchmark).own_files(benchmark))
    return prepared.folder / "evaluation" / "-".join(filter(None, (benchmark, drawn, str(limit or ""), *files)))
