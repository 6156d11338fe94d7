"""Start a recipe from the command line: quiet libraries, a progress display, one line at the end."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from recode.errors import RecipeError, RecodeError
from recode.models import quiet
from recode.run_folder import write_folder
from recode.train import distributed
from recode.train.folder import claimed
from recode.train.recipes import PolicyRecipe, PretrainRecipe, SftRecipe, load_recipe
from recode.train.verl import engine as verl_engine

Loaded = PretrainRecipe | SftRecipe | PolicyRecipe
_PR_SET_PDEATHSIG = 1


def launch(recipe_path: Path, folder: Path, overrides: dict[str, Any], *, allowed: tuple[str, ...]) -> Path:
    """Run a recipe here with a progress display; return the folder of the trained model.

    Raises:
        RecipeError: the recipe is wrong or is for another command.
    """
    recipe = _allowed(recipe_path, overrides, allowed)
    quiet()
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), disable=not distributed.is_main()) as progress:
        steps = recipe.steps if isinstance(recipe, PretrainRecipe) else recipe.optimization.steps
        task = progress.add_task(f"{recipe.method} {folder}", total=steps, note="")

        def show(step: dict[str, float]) -> None:
            progress.update(task, completed=step["step"], note=note(step))

        if isinstance(recipe, PretrainRecipe):
            from recode.train.pretrain.run import pretrain

            return pretrain(recipe, folder, on_step=show)
        from recode.train.trl.run import train

        return train(recipe, folder, on_step=show)


def launch_on(engine: str, recipe_path: Path, folder: Path, overrides: dict[str, Any], *, dry_run: bool) -> Path | str:
    """Run a recipe on an engine, in as many processes as it asks for; return the model's folder, or what a dry run shows.

    Raises:
        RecipeError: the recipe is wrong, is for another command, or the engine cannot run it.
        RecodeError: the engine's process failed.
    """
    recipe = _allowed(recipe_path, overrides, ("sft", "grpo", "dapo"))
    assert not isinstance(recipe, PretrainRecipe)
    if engine == "verl":
        verl_engine.check(recipe)
    arguments = [str(recipe_path), "--out", str(folder)]
    for key, value in overrides.items():
        arguments += [f"--{key}", str(value)]
    if dry_run:
        from recode.train.dry_run import describe

        return describe(recipe, engine, folder, arguments)
    if engine == "verl":
        return _run_verl(verl_engine.check(recipe), folder)
    if recipe.hardware.processes == 1 or distributed.started_by_launcher():
        return launch(recipe_path, folder, overrides, allowed=("sft", "grpo", "dapo"))
    distributed.check_launched()
    _enough_gpus(recipe.hardware.gpus)
    command = distributed.with_machine(distributed.launch_command(recipe, arguments))
    _run(command, folder, **{distributed.LAUNCHED: "1"})
    return folder / "model"


def _allowed(recipe_path: Path, overrides: dict[str, Any], allowed: tuple[str, ...]) -> Loaded:
    recipe = load_recipe(recipe_path, overrides)
    if recipe.method not in allowed:
        command = "pretrain" if recipe.method == "pretrain" else "train"
        raise RecipeError(f"{recipe_path}: method `{recipe.method}` belongs to `recode {command}`")
    return recipe


def _enough_gpus(wanted: int) -> None:
    import torch

    found = torch.cuda.device_count()
    if found < wanted:
        raise RecipeError(
            f"hardware.gpus asks for {wanted} GPUs and this machine has {found}; lower it (see docs/scaling.md for what else has to change)"
        )


def _run_verl(recipe: PolicyRecipe, folder: Path) -> Path:
    """Write verl's files, train, and merge the last checkpoint; each part is skipped where it is done."""
    verl_engine.need_verl()
    with claimed(folder, recipe):
        if (folder / "model").exists():
            return folder / "model"
        verl_engine.write_config(recipe, folder)
        if not (folder / "verl" / "prompts.parquet").exists():
            verl_engine.write_prompts(recipe, folder)
        _run(verl_engine.train_command(folder), folder)
        # verl writes the configuration first and the weights after it: a kill in between must not leave a folder called `model`.
        write_folder(folder / "model", lambda target: _run(verl_engine.merge_command(recipe, folder, target), folder))
    return folder / "model"


def _run(command: list[str], folder: Path, **variables: str) -> None:
    """Run a command to its end, its output shown, with these environment variables beside ours.

    Raises:
        RecodeError: it failed.
    """
    environment = {**os.environ, "TENSORBOARD_DIR": str(folder / "tensorboard"), **variables}
    done = subprocess.run(command, check=False, env=environment, preexec_fn=_ends_with_this_process())
    if done.returncode:
        raise RecodeError(
            f"{folder}: `{' '.join(command[:4])} …` ended with exit code {done.returncode} (its message is above); checkpoints are kept, "
            "and the same command goes on from the last one"
        )


def _ends_with_this_process() -> Callable[[], None] | None:
    """Return what makes a started process end with this one, even by SIGKILL; None where the system has no such thing.

    A trainer that is left alone would share the folder with the next run of the same command.
    """
    if sys.platform != "linux":
        return None
    # Looked up before the fork: after it a thread that is gone may hold the loader's lock.
    control, parent = ctypes.CDLL(None).prctl, os.getpid()

    def end_with_parent() -> None:
        # Not SIGKILL: a launcher that is told to end ends its own processes first.
        control(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            # It had ended before.
            os._exit(1)

    return end_with_parent


def note(step: dict[str, float]) -> str:
    """Return the numbers of a step that are worth watching, on one line."""
    if "reward" not in step:
        rate = f"  {step['tokens_per_s']:.0f} tokens/s" if "tokens_per_s" in step else ""
        return f"loss {step['loss']:.3f}{rate}"
    return (
        f"reward {step['reward']:.2f} (copying {step['reward_of_copying']:.2f})  spread {step['reward_std']:.2f}  "
        f"exact {step['exact']:.2f}  {step['num_tokens'] / step['seconds']:.0f} tokens/s"
    )
