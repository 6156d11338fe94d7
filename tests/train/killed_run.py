"""Run as a script: train by a recipe and die by SIGKILL at a given step, as a machine that is switched off."""

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

from recode.train import pretrain, run
from recode.train.recipes import PolicyRecipe, PretrainRecipe, Recipe, SftRecipe

MakePolicy = Callable[..., PolicyRecipe]
MakeSft = Callable[..., SftRecipe]
Kill = Callable[[Any, Path, int], None]


def varied(completion_ids: list[list[int]], **_: Any) -> list[float]:
    """A reward with spread: random models get the same one from the rules, since they write nothing well-formed."""
    return [float(ids[0] % 2) for ids in completion_ids]


def few_functions(pool: str) -> tuple[str, ...]:
    """A little Python text, in place of the standard library."""
    return tuple(f"def f{n}(x):\n    return x + {n}\n" for n in range(5))


def main(recipe_json: str, folder: str, last: str) -> None:
    torch.set_num_threads(1)
    recipe: Any = TypeAdapter(Recipe).validate_python(json.loads(recipe_json))

    def die(step: dict[str, float]) -> None:
        if step["step"] == int(last):
            os.kill(os.getpid(), signal.SIGKILL)

    if isinstance(recipe, PretrainRecipe):
        pretrain.functions = few_functions
        pretrain.pretrain(recipe, Path(folder), on_step=die)
    else:
        run.trl_reward = lambda name, family: varied
        run.train(recipe, Path(folder), on_step=die)


if __name__ == "__main__":
    main(*sys.argv[1:])
