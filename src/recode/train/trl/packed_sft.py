"""Supervised fine-tuning without padding: the examples of a forward pass lie back to back, and only completions meet the vocabulary."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from trl import SFTTrainer

from recode.models.packing import PackedGroup, hidden_states, pack
from recode.train.trl.lora import layers_of


class PackedSftTrainer(SFTTrainer):  # type: ignore[misc]
    """TRL's trainer with another forward pass. Loss and gradient are those of TRL's own, up to the rounding of sums."""

    def compute_loss(
        self, model: Any, inputs: dict[str, Tensor], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the mean negative log-likelihood of the completion tokens of a whole optimiser step.

        Args:
            model: the policy, wrapped or not.
            inputs: `input_ids`, `attention_mask` and `labels`, each (S, L), padded on the right; labels are -100 outside of completions.
            return_outputs: must be false: there are no logits to return.
            num_items_in_batch: how many completion tokens the step has, over all of its forward passes; None: those of `inputs`.
        """
        if return_outputs:
            raise ValueError("packed training returns no outputs")
        packed = pack(groups_of(inputs))
        policy = layers_of(self.accelerator.unwrap_model(model))
        logits = policy.lm_head(hidden_states(policy, packed)[packed.predictors_n]).float()
        count = len(packed.targets_n) if num_items_in_batch is None else num_items_in_batch
        loss = functional.cross_entropy(logits, packed.targets_n, reduction="sum") / count
        right = (logits.detach().argmax(-1) == packed.targets_n).float().mean()
        metrics = self._metrics["train" if self.model.training else "eval"]
        metrics["mean_token_accuracy"].append(float(right))
        if self.model.training:
            self._total_train_tokens += len(packed.ids_t)
        metrics["num_tokens"] = [self._total_train_tokens]
        return loss


def groups_of(inputs: dict[str, Tensor]) -> list[PackedGroup]:
    """Return the examples of a padded batch; those with the same prompt share it."""
    completions: dict[tuple[int, ...], list[list[int]]] = {}
    for ids, real, labels in zip(inputs["input_ids"], inputs["attention_mask"].bool(), inputs["labels"], strict=True):
        learnt = labels[real] != -100
        first = int(torch.nonzero(learnt)[0])
        whole = ids[real].tolist()
        completions.setdefault(tuple(whole[:first]), []).append(whole[first:])
    return [PackedGroup(list(prompt), group) for prompt, group in completions.items()]
