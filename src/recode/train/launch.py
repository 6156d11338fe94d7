"""Starting a training recipe: in this process, in several processes, or on a Ray cluster. Progress is reported to a callback."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from recode.errors import MissingExtraError, RecipeError, RecodeError
from recode.run_folder import write_folder
from recode.train import distributed
from recode.train.folder import claimed
from recode.train.recipes import AnyRecipe, PolicyRecipe, PretrainRecipe, load_recipe
from recode.train.verl import engine as verl_engine

Engine = Literal["trl", "verl"]
OnStep = Callable[[dict[str, float]], None]
"""Takes the numbers of a step: `step` and `steps` (counts), `loss`, and more that depend on the method."""
PRETRAINING, TRAINING = ("pretrain",), ("sft", "grpo", "dapo")
"""The methods of `recode pretrain` and of `recode train`."""
_NEEDED = ("torch", "transformers", "accelerate", "datasets", "peft", "trl")
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Launch:
    """A recipe that is ready to start."""

    recipe: AnyRecipe
    path: Path
    folder: Path
    overrides: dict[str, Any]
    engine: Engine

    @property
    def is_here(self) -> bool:
        """Say whether this process trains; otherwise it starts others and waits for them."""
        if self.engine == "verl":
            return False
        if isinstance(self.recipe, PretrainRecipe):
            return True
        return self.recipe.hardware.processes == 1 or distributed.started_by_launcher()

    @property
    def steps(self) -> int:
        """Return the optimiser steps of the whole run."""
        return self.recipe.steps if isinstance(self.recipe, PretrainRecipe) else self.recipe.optimization.steps

    @property
    def arguments(self) -> list[str]:
        """Return the arguments of `recode train` that start the same run."""
        arguments = [str(self.path), "--out", str(self.folder)]
        for key, value in self.overrides.items():
            arguments += [f"--{key}", str(value)]
        return arguments

    def describe(self) -> str:
        """Return what a dry run shows: commands, files, memory and time.

        Raises:
            RecodeError: the recipe cannot run, or a data file is missing or wrong.
        """
        from recode.train.dry_run import describe

        assert not isinstance(self.recipe, PretrainRecipe)
        return describe(self.recipe, self.engine, self.folder, self.arguments)

    def run(self, on_step: OnStep | None = None) -> Path:
        """Train, or resume; return the folder of the trained model.

        Args:
            on_step: called after every step, if this process trains.

        Raises:
            MissingExtraError: a package for training is not installed.
            RecodeError: the run cannot start or was stopped; the message says why.
        """
        if self.engine == "verl":
            return _run_verl(verl_engine.check(self.recipe), self.folder)
        check_installed()
        if self.is_here:
            return run_here(self.recipe, self.folder, on_step)
        assert not isinstance(self.recipe, PretrainRecipe)
        distributed.check_launched()
        _check_gpus(self.recipe.hardware.gpus)
        command = distributed.with_machine(distributed.launch_command(self.recipe, self.arguments))
        _run(command, self.folder, **{distributed.LAUNCHED: "1"})
        return self.folder / "model"


def prepare(
    engine: Engine, path: Path, folder: Path, overrides: dict[str, Any], methods: tuple[str, ...] = TRAINING
) -> Launch:
    """Read and check a recipe.

    Args:
        engine: what trains.
        path: the recipe's file.
        folder: where the run is kept.
        overrides: values that replace the recipe's, by key.
        methods: the methods that the command takes.

    Raises:
        RecipeError: the recipe is wrong, belongs to another command, or the engine cannot run it.
    """
    recipe = load_recipe(path, overrides)
    if recipe.method not in methods:
        command = "pretrain" if recipe.method == "pretrain" else "train"
        raise RecipeError(f"{path}: method `{recipe.method}` belongs to `recode {command}`")
    if engine == "verl":
        verl_engine.check(recipe)
    return Launch(recipe, path, folder, overrides, engine)


def run_here(recipe: AnyRecipe, folder: Path, on_step: OnStep | None = None) -> Path:
    """Run or resume a recipe in this process; return the folder of the trained model."""
    from recode.models import quiet

    quiet()
    if isinstance(recipe, PretrainRecipe):
        from recode.train.pretrain.run import pretrain

        return pretrain(recipe, folder, on_step=on_step)
    from recode.train.trl.run import train

    return train(recipe, folder, on_step=on_step)


def check_installed() -> None:
    """Make sure that the packages for training are installed.

    Raises:
        MissingExtraError: one is not; names the extra.
    """
    missing = next((module for module in _NEEDED if find_spec(module) is None), None)
    if missing:
        raise MissingExtraError(
            f"training needs {missing}, which is not installed; run: pip install 'recode-rl[train]'"
        )


def step_summary(step: dict[str, float]) -> str:
    """Return the numbers of a step that are worth watching, on one line."""
    validated = f"  validation {step['validation_exact']:.2f}" if "validation_exact" in step else ""
    if "reward" not in step:
        rate = f"  {step['tokens_per_s']:.0f} tokens/s" if "tokens_per_s" in step else ""
        return f"loss {step['loss']:.3f}{rate}{validated}"
    return (
        f"reward {step['reward']:.2f} (copying {step['reward_of_copying']:.2f})  spread {step['reward_std']:.2f}  "
        f"exact {step['exact']:.2f}  {step['num_tokens'] / step['seconds']:.0f} tokens/s{validated}"
    )


def _check_gpus(wanted: int) -> None:
    import torch

    count = torch.cuda.device_count()
    if count < wanted:
        raise RecipeError(
            f"hardware.gpus asks for {wanted} GPUs and this machine has {count}; lower it (see docs/scaling.md for what else has to change)"
        )


def _run_verl(recipe: PolicyRecipe, folder: Path) -> Path:
    """Write verl's files, train, and merge the last checkpoint; parts that are done are skipped."""
    verl_engine.check_installed()
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
    """Run a command to its end, showing its output, with these environment variables added to ours.

    Raises:
        RecodeError: it failed.
    """
    environment = {**os.environ, "TENSORBOARD_DIR": str(folder / "tensorboard"), **variables}
    done = subprocess.run(command, check=False, env=environment, preexec_fn=_ends_with_this_process())
    if done.returncode:
        raise RecodeError(
            f"{folder}: `{' '.join(command[:4])} …` ended with exit code {done.returncode} (its message is above); checkpoints are kept, "
            "and the same command resumes from the last one"
        )


def _ends_with_this_process() -> Callable[[], None] | None:
    """Return what makes a started process end with this one, even by SIGKILL; None if the system cannot do that.

    A trainer that outlived this process would share the folder with the next run of the same command.
    """
    if sys.platform != "linux":
        return None
    # Looked up before the fork: after it a thread that is gone may hold the loader's lock.
    control, parent = ctypes.CDLL(None).prctl, os.getpid()

    def end_with_parent() -> None:
        # Not SIGKILL: a launcher that receives SIGTERM ends its own processes first.
        control(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            # The parent had already ended.
            os._exit(1)

    return end_with_parent
