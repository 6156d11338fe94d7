"""`recode train --dry-run`: a run's exact commands and files. Nothing is downloaded, written or started."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from recode.records import Migration, read_records
from recode.shipped import shipped
from recode.train import distributed
from recode.train.recipes import PolicyRecipe, SftRecipe
from recode.train.scaling import CARDS, GIB, cache_room, memory, seconds, shape_of
from recode.train.verl import engine as verl_engine

Recipe = SftRecipe | PolicyRecipe


def describe(recipe: Recipe, engine: str, out: Path, arguments: list[str]) -> str:
    """Return what `recode train` with these arguments would do.

    Raises:
        RecipeError: the engine cannot run the recipe.
        RecordError: a data file is missing or holds a bad line.
    """
    parts = [_what(recipe), _data(recipe), *(_verl(recipe, out) if engine == "verl" else _trl(recipe, out, arguments))]
    if isinstance(recipe, PolicyRecipe):
        parts.append(_estimate(recipe))
    return "\n\n".join(part for part in parts if part)


def _what(recipe: Recipe) -> str:
    trained = "every weight"
    if recipe.adapter:
        trained = f"{recipe.adapter.kind} r {recipe.adapter.rank}, alpha {recipe.adapter.alpha}, dropout {recipe.adapter.dropout}"
        trained += ", over a 4-bit base" if recipe.adapter.four_bit else ""
    hardware = recipe.hardware
    machines = f"{hardware.machines} machine(s) with {hardware.gpus} process(es) each"
    lines = [f"{recipe.method} of {recipe.model}: {recipe.optimization.steps} steps, {trained}, on {machines}"]
    if isinstance(recipe, PolicyRecipe):
        rollout = recipe.rollout
        lines.append(
            f"a batch of rollouts: {rollout.prompts_per_step} prompts x {rollout.samples_per_prompt} samples, "
            f"up to {recipe.data.max_prompt_tokens} + {rollout.max_new_tokens} tokens, {rollout.minibatches} update(s)"
        )
    return "\n".join(lines)


def _data(recipe: Recipe) -> str:
    lines = ["reads"]
    for path in (*recipe.data.migrations, *recipe.data.no_ops):
        lines.append(f"  {path}: {len(read_records(shipped(path), Migration))} entries")
    if recipe.data.generated:
        lines.append(f"  {recipe.data.generated} made-up migrations")
    return "\n".join(lines)


def _trl(recipe: Recipe, out: Path, arguments: list[str]) -> list[str]:
    server = distributed.server_command(recipe)
    commands = [*([server] if server else []), _line(distributed.launch_command(recipe, arguments))]
    files = [
        "recipe.json",
        "inputs.json",
        "log.jsonl",
        "tensorboard/",
        "checkpoints/",
        *(["adapter/"] if recipe.adapter else []),
        "model/",
        "result.json",
    ]
    return ["runs\n  " + "\n  ".join(commands), "writes\n  " + "\n  ".join(str(out / file) for file in files)]


def _verl(recipe: Recipe, out: Path) -> list[str]:
    checked = verl_engine.check(recipe)
    merge = verl_engine.merge_command(checked, out, out / "model.tmp")
    commands = [_line(verl_engine.train_command(out)), _line(merge)]
    files = ["recipe.json", "inputs.json", "verl/recipe.yaml", "verl/prompts.parquet", "checkpoints/", "model/"]
    notes = ["the Ray cluster is the one at $RAY_ADDRESS, or a new one on this machine"]
    if checked.dynamic_sampling.enabled:
        notes.append("verl refills dropped groups one prompt at a time and ignores dynamic_sampling.max_batches")
    return [
        "runs\n  " + "\n  ".join(commands),
        "writes\n  " + "\n  ".join(str(out / file) for file in files),
        "note\n  " + "\n  ".join(notes),
        f"{out / 'verl' / 'recipe.yaml'} holds\n{json.dumps(verl_engine.hydra_config(checked, out), indent=1)}",
    ]


def _estimate(recipe: PolicyRecipe) -> str:
    """Return the memory on each GPU and the time for every card of the table; empty for a model whose shape is unknown."""
    shape = shape_of(recipe.model)
    if shape is None:
        return ""
    lines = ["estimates, with every sequence at its full length (docs/scaling.md)"]
    for size, card in CARDS.items():
        peak = memory(recipe, shape, card).peak
        line = f"  {card.name}, {size} GB: {peak / GIB:.1f} GiB on each GPU, "
        if peak > card.memory:
            lines.append(line + "does not fit")
            continue
        time = seconds(recipe, shape, card)
        line += f"fits; {time.sampling:.0f} + {time.training:.0f} s a batch, {time.total * recipe.batches / 3600:.1f} hours in all"
        if recipe.dynamic_sampling.enabled:
            line += " before any refill"
        if recipe.vllm and recipe.vllm.mode == "colocate":
            line += f"; vLLM holds {cache_room(recipe, shape, card)} sequences"
        lines.append(line)
    return "\n".join(lines)


def _line(command: list[Any]) -> str:
    # Shell variables must not be quoted.
    return " ".join(part if str(part).startswith("$") else shlex.quote(str(part)) for part in command)
