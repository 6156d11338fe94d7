"""Advantages and losses of the trainer that a recipe makes, on fixed tensors, against the papers' equations in float64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from recode.train.data import load_prompts
from recode.train.recipes import PolicyLoss, PolicyRecipe
from recode.train.trl import run
from recode.train.trl.lora import load_base
from recode.train.trl.policy import PolicyTrainer
from tests.train import papers
from tests.train.killed_run import MakePolicy

TOKENS = 6
CASES: dict[str, dict[str, Any]] = {
    "grpo": {"aggregation": "grpo"},
    "grpo with KL": {"aggregation": "grpo", "kl": 0.3, "kl_correction": False},
    "grpo with corrected KL": {"aggregation": "grpo", "kl": 0.3, "kl_correction": True},
    "dapo": {"aggregation": "dapo", "clip_high": 0.28},
    "dapo with dual clip": {"aggregation": "dapo", "clip_high": 0.28, "dual_clip": 1.5},
    "dr_grpo": {"aggregation": "dr_grpo", "scale_rewards": "none"},
    "gspo": {"aggregation": "grpo", "importance": "sequence", "clip_low": 0.03, "clip_high": 0.04},
}


def fixed_tensors() -> dict[str, torch.Tensor]:
    """Log-probabilities far enough apart that every clip is met, advantages of both signs, completions of any length."""
    torch.manual_seed(7)
    logp = -torch.rand(6, TOKENS, dtype=torch.float64) * 3
    lengths = torch.tensor([6, 1, 4, 5, 2, 6])
    return {
        "logp": logp.requires_grad_(),
        "old": logp.detach() + torch.randn(6, TOKENS, dtype=torch.float64) * 0.5,
        "reference": logp.detach() + torch.randn(6, TOKENS, dtype=torch.float64) * 0.3,
        "advantage": torch.tensor([1.2, -0.7, -1.9, 0.4, 0.0, -1.1], dtype=torch.float64),
        "mask": (torch.arange(TOKENS)[None] < lengths[:, None]).double(),
    }


def of_the_papers(loss: PolicyLoss, fixed: dict[str, torch.Tensor]) -> torch.Tensor:
    return papers.loss(
        fixed["logp"], fixed["old"], fixed["reference"], fixed["advantage"], fixed["mask"], how=loss.aggregation,
        low=loss.clip_low, high=loss.clip_high, c=loss.dual_clip, beta=loss.kl, longest=TOKENS,
        sequence=loss.importance == "sequence", weighed=loss.kl_correction,
    )  # fmt: skip


def trainer_of(recipe: PolicyRecipe, folder: Path) -> PolicyTrainer:
    model, tokenizer = load_base(recipe)
    prompts = load_prompts(recipe.data, tokenizer, recipe.seed)
    trainer = run._policy(recipe, folder, model, tokenizer, prompts, run._Watcher(folder, None))
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()
    return trainer


def with_loss(recipe: PolicyRecipe, **loss: Any) -> PolicyRecipe:
    return recipe.model_copy(update={"loss": PolicyLoss(**loss)})


@pytest.mark.parametrize("case", list(CASES))
def test_the_loss_and_its_gradient_are_the_papers(
    case: str, policy: MakePolicy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = with_loss(policy(0), **CASES[case])
    trainer, fixed = trainer_of(recipe, tmp_path), fixed_tensors()
    logps = lambda *_, **__: (fixed["logp"], torch.zeros_like(fixed["logp"]), None)  # noqa: E731
    monkeypatch.setattr(trainer, "_get_per_token_logps_and_entropies", logps)
    ids = torch.ones(6, TOKENS, dtype=torch.long)
    inputs = {
        "prompt_ids": ids, "prompt_mask": ids, "completion_ids": ids, "completion_mask": fixed["mask"],
        "advantages": fixed["advantage"], "old_per_token_logps": fixed["old"], "ref_per_token_logps": fixed["reference"],
        "num_items_in_batch": fixed["mask"].sum(),
    }  # fmt: skip
    ours = trainer._compute_loss(trainer.model, inputs)
    theirs = of_the_papers(recipe.loss, fixed)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
    (gradient,), (expected,) = (torch.autograd.grad(loss, fixed["logp"]) for loss in (ours, theirs))
    torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-12)
    assert gradient.abs().max() > 1e-3


@pytest.mark.parametrize("divide", [True, False])
def test_advantages_are_those_of_the_papers(
    divide: bool, policy: MakePolicy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewards = torch.tensor([[3.0, -1.0], [0.5, 0.25], [2.0, 2.0]], dtype=torch.float64)
    monkeypatch.setattr(run, "trl_reward", lambda name, family: lambda **_: rewards.flatten().tolist())
    recipe = with_loss(policy(0), scale_rewards="group" if divide else "none")
    monkeypatch.setattr(run, "guarded", lambda reward, folder: reward)
    trainer = trainer_of(recipe, tmp_path)
    rows = [trainer.train_dataset[place] for place in (0, 0, 1, 1, 2, 2)]
    found = trainer._generate_and_score_completions(rows)["advantages"].double().view(3, 2)
    expected = papers.advantages(rewards, divide)
    # TRL adds 1e-4 to the deviation, and a group without spread gets 0 where the paper divides by 0.
    assert found[2].abs().max() == 0
    torch.testing.assert_close(found[:2], expected[:2], rtol=1e-3, atol=1e-6)
    if divide:
        exact = expected[:2] * rewards[:2].std(1, keepdim=True) / (rewards[:2].std(1, keepdim=True) + 1e-4)
        torch.testing.assert_close(found[:2], exact, rtol=1e-5, atol=1e-6)
