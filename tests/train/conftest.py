from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from recode.invent import generate, generate_no_ops
from recode.records import write_records
from recode.train.recipes import PolicyRecipe, SftRecipe
from tests.train.killed_run import Kill, MakePolicy, MakeSft


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """The order of sums, and so the last bit of a weight, depends on the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The data table of a recipe: a few made-up tasks in files."""
    folder = tmp_path_factory.mktemp("data")
    write_records(folder / "train.jsonl", itertools.islice(generate(31), 12))
    write_records(folder / "no_op.jsonl", itertools.islice(generate_no_ops(31), 4))
    return {"migrations": (str(folder / "train.jsonl"),), "no_ops": (str(folder / "no_op.jsonl"),), "no_op_share": 0.25}


@pytest.fixture(scope="session")
def sft(tiny_model: Path, data: dict[str, Any]) -> MakeSft:
    """Return a maker of tiny SFT recipes, changed by whole tables or keys of `optimization`."""

    def make(model: Path = tiny_model, **optimization: Any) -> SftRecipe:
        settings = {"steps": 5, "learning_rate": 1e-2, "examples_per_step": 4, "examples_at_once": 4, "save_every": 2}
        return SftRecipe(method="sft", model=str(model), seed=3, data=data, optimization={**settings, **optimization})

    return make


@pytest.fixture(scope="session")
def policy(tiny_model: Path, data: dict[str, Any]) -> MakePolicy:
    """Return a maker of tiny DAPO recipes; `max_batches` 0 makes it GRPO without dynamic sampling."""

    def make(max_batches: int = 10, prompts_per_batch: int | None = None, **optimization: Any) -> PolicyRecipe:
        settings = {"steps": 5, "learning_rate": 1e-2, "save_every": 2}
        return PolicyRecipe(
            method="dapo" if max_batches else "grpo",
            model=str(tiny_model),
            seed=3,
            data=data,
            optimization={**settings, **optimization},
            rollout={"prompts_per_step": 3, "samples_per_prompt": 2, "max_new_tokens": 6},
            loss={"aggregation": "dapo", "clip_high": 0.28},
            dynamic_sampling={
                "enabled": max_batches > 0,
                "max_batches": max_batches or 1,
                "prompts_per_batch": prompts_per_batch,
            },
            reward={"weights": {"edit": 1.0}},
        )

    return make


@pytest.fixture(scope="session")
def kill() -> Kill:
    """Return a function that runs a recipe in a separate process, which is killed as it reports a step or while it saves it."""

    def run(recipe: Any, folder: Path, step: int, how: str = "at once") -> None:
        script = Path(__file__).with_name("killed_run.py")
        arguments = [json.dumps(recipe.model_dump(mode="json")), str(folder), str(step), how]
        # Output ends when the last process that writes to it does, so this waits for workers too: none may be left behind.
        done = subprocess.run(
            [sys.executable, str(script), *arguments],
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == -signal.SIGKILL, done.stderr

    return run
