"""Run as a script: train by a recipe and die by SIGKILL, as a machine that is switched off.

It dies at a given step or, by the last argument, in the middle of that step's checkpoint (`saving`) or of its first refill (`refilling`).
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter

from recode.train.pretrain import run as pretrain
from recode.train.recipes import PolicyRecipe, PretrainRecipe, Recipe, SftRecipe
from recode.train.trl import run
from recode.train.trl.policy import PolicyTrainer

MakePolicy = Callable[..., PolicyRecipe]
MakeSft = Callable[..., SftRecipe]
Kill = Callable[..., None]


def varied(completion_ids: list[list[int]], **_: Any) -> list[float]:
    """A reward with spread: random models get the same one from the rules, since they write nothing well-formed."""
    return [float(ids[0] % 2) for ids in completion_ids]


def few_functions(pool: str) -> tuple[str, ...]:
    """A little Python text, in place of the standard library."""
    return tuple(f"def f{n}(x):\n    return x + {n}\n" for n in range(5))


def die_while_saving(step: str) -> None:
    """Make the optimiser's file of this step's checkpoint stay half written."""
    save = torch.save

    def half(value: Any, path: Any, *args: Any, **kwargs: Any) -> None:
        if f"checkpoint-{step}/optimizer" in str(path):
            Path(path).write_bytes(b"PK half a file")
            os.kill(os.getpid(), signal.SIGKILL)
        save(value, path, *args, **kwargs)

    torch.save = half


def die_while_refilling(step: str) -> None:
    """Die as the first rollouts that replace dropped groups are there."""
    sample = PolicyTrainer.own_rollouts

    def last(trainer: PolicyTrainer, *args: Any) -> Any:
        sampled = sample(trainer, *args)
        if trainer.state.global_step + 1 >= int(step) and trainer.round == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return sampled

    PolicyTrainer.own_rollouts = last


def main(recipe_json: str, folder: str, last: str, how: str = "at once") -> None:
    torch.set_num_threads(1)
    recipe: Any = TypeAdapter(Recipe).validate_python(json.loads(recipe_json))

    def die(step: dict[str, float]) -> None:
        if step["step"] == int(last) and how == "at once":
            os.kill(os.getpid(), signal.SIGKILL)

    if how == "saving":
        die_while_saving(last)
    if how == "refilling":
        die_while_refilling(last)
    if isinstance(recipe, PretrainRecipe):
        pretrain.functions = few_functions
        pretrain.pretrain(recipe, Path(folder), on_step=die)
    else:
        run.trl_reward = lambda name, family: varied
        run.train(recipe, Path(folder), on_step=die)


if __name__ == "__main__":
    main(*sys.argv[1:])
