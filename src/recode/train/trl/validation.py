"""Greedy answers to a few validation entries while a run trains: what rollouts on training prompts do not show."""

from __future__ import annotations

import random
from typing import Any

from recode.errors import RecipeError
from recode.models import Sampling, complete, render
from recode.prompts import parse_response
from recode.records import Migration, read_records
from recode.rewards import gradable, same_program
from recode.shipped import shipped
from recode.train.recipes import Validation
from recode.train.trl.lora import with_plain_weights


class GreedyValidation:
    """The entries of a run's validation, the same at every measurement."""

    def __init__(self, settings: Validation, tokenizer: Any, max_prompt_tokens: int) -> None:
        """Read and render the entries.

        Raises:
            RecipeError: no entry is left.
            RecordError: a file holds a bad line.
        """
        self.settings = settings
        self._tokenizer = tokenizer
        entries = [entry for path in settings.files for entry in read_records(shipped(path), Migration)]
        random.Random("validation").shuffle(entries)
        prompts = [(entry, render(tokenizer, entry, entry.old_code)) for entry in entries if gradable(entry.new_code)]
        lengths = tokenizer([prompt for _, prompt in prompts], add_special_tokens=False)["input_ids"] if prompts else []
        fitting = [pair for pair, ids in zip(prompts, lengths, strict=True) if len(ids) <= max_prompt_tokens]
        self._chosen = fitting[: settings.entries]
        if not self._chosen:
            raise RecipeError("validation: no entry to answer; check `validation.files` and `data.max_prompt_tokens`")

    def is_due(self, step: int, steps: int) -> bool:
        """Say whether to measure after this step; the last one is always measured."""
        return step % self.settings.every == 0 or step == steps

    def measure(self, policy: Any) -> dict[str, float]:
        """Return the shares of the entries that were answered exactly, by the old code unchanged, and well-formed.

        Args:
            policy: the model that is trained, with or without an adapter; its weights and its mode are left as they are.
        """
        training = policy.training
        model = with_plain_weights(policy).eval()
        greedy = Sampling(self.settings.max_new_tokens, temperature=0.0)
        answers = complete(model, self._tokenizer, [prompt for _, prompt in self._chosen], 1, greedy)
        policy.train(training)
        responses = [parse_response(group[0]) for group in answers]
        pairs = [(response.code, entry) for response, (entry, _) in zip(responses, self._chosen, strict=True)]
        moving = [(code, entry) for code, entry in pairs if not same_program(entry.old_code, entry.new_code)]
        return {
            "validation_exact": _share(
                [code is not None and same_program(code, entry.new_code) for code, entry in pairs]
            ),
            "validation_copy": _share(
                [code is not None and same_program(code, entry.old_code) for code, entry in moving]
            ),
            "validation_well_formed": _share([response.well_formed for response in responses]),
        }


def _share(values: list[bool]) -> float:
    return sum(values) / max(1, len(values))
