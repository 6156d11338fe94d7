"""Run by a launcher: train a DAPO recipe with a reward that has spread; each process writes what it trained on."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from pydantic import TypeAdapter

from recode.train.recipes import Recipe
from recode.train.trl import run
from recode.train.trl.policy import PolicyTrainer
from tests.train.killed_run import varied


def main(recipe_json: str, folder: str) -> None:
    torch.set_num_threads(1)
    run.trl_reward = lambda name, family: varied
    batches: list[Any] = []
    fill = PolicyTrainer.fill

    def watched(trainer: PolicyTrainer, inputs: list[dict[str, Any]]) -> Any:
        rows, rollouts = fill(trainer, inputs)
        batches.append([[row["id"] for row in rows], [ids[0] % 2 for ids in rollouts.completion_ids]])
        return rows, rollouts

    PolicyTrainer.fill = watched
    finish = run._finish

    def told(trainer: PolicyTrainer, *given: Any) -> Any:
        weights = sum(float(value.detach().double().abs().sum()) for value in trainer.model.parameters())
        Path(folder, f"weights-{PartialState().process_index}.json").write_text(json.dumps(weights))
        return finish(trainer, *given)

    run._finish = told
    run.train(TypeAdapter(Recipe).validate_python(json.loads(recipe_json)), Path(folder))
    Path(folder, f"batches-{PartialState().process_index}.json").write_text(json.dumps(batches))


if __name__ == "__main__":
    main(*sys.argv[1:])
