"""TRL's trainers with dynamic sampling, as a user of TRL alone has them; run by a launcher, one process of several.

python -m torch.distributed.run --nproc_per_node 2 plain_trainer.py MODEL FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from datasets import Dataset
from transformers import AutoTokenizer, LlamaForCausalLM
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

from recode.train.trl.dynamic_sampling import Drawn, WithDynamicSampling

GROUP, GROUPS = 4, 2


def rare(completion_ids: list[list[int]], **_: Any) -> list[float]:
    """A reward that few completions of a random model earn."""
    return [float(ids[0] % 5 == 0) for ids in completion_ids]


class Recording:
    """Keeps what each step chose and how it was scored. To be named before the trainer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.steps: list[tuple[list[dict[str, Any]], Drawn]] = []
        self.scored: list[dict[str, Any]] = []
        super().__init__(*args, **kwargs)

    def fill(self, rows: list[dict[str, Any]]) -> Any:
        self.steps.append(super().fill(rows))
        return self.steps[-1]

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> Any:
        self.scored.append(super()._generate_and_score_completions(inputs))
        return self.scored[-1]


class Grpo(Recording, WithDynamicSampling, GRPOTrainer):
    pass


class Rloo(Recording, WithDynamicSampling, RLOOTrainer):
    pass


def make(kind: type[Any], model: Path, folder: Path, reward: Any = rare, **settings: Any) -> Any:
    tokenizer = AutoTokenizer.from_pretrained(model)
    arguments = {
        "output_dir": str(folder), "max_steps": 4, "per_device_train_batch_size": GROUP * GROUPS, "num_generations": GROUP,
        "max_completion_length": 4, "learning_rate": 1e-2, "beta": 0.0, "logging_steps": 1, "save_steps": 2, "report_to": [],
        "disable_tqdm": True, "use_cpu": True, "bf16": False, "seed": 5, **settings,
    }  # fmt: skip
    config = RLOOConfig if issubclass(kind, RLOOTrainer) else GRPOConfig
    rows = [{"prompt": f"x = old({number})", "number": number} for number in range(12)]
    return kind(
        model=LlamaForCausalLM.from_pretrained(model), args=config(**arguments), reward_funcs=reward,
        processing_class=tokenizer, train_dataset=Dataset.from_list(rows),
    )  # fmt: skip


def main(model: str, folder: str) -> None:
    torch.set_num_threads(1)
    trainer = make(Grpo, Path(model), Path(folder), max_steps=3)
    trainer.train()
    place = PartialState().process_index
    said = {
        "groups": [[[row["number"] for row in rows], drawn.terms[:, 0].tolist()] for rows, drawn in trainer.steps],
        "advantages": [one["advantages"].tolist() for one in trainer.scored],
        "weights": sum(float(value.detach().double().abs().sum()) for value in trainer.model.parameters()),
        "log": [row for row in trainer.state.log_history if "loss" in row],
    }
    Path(folder, f"process-{place}.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main(*sys.argv[1:])
