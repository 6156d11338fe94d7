"""Recipes on verl: its own validation takes our configuration, its own core functions compute the papers' losses, its own data set,
tokenisation and reward loop load our files. What needs a GPU, its rollouts and workers, is not run here."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from recode.errors import MissingExtraError, RecipeError
from recode.records import read_records
from recode.train import launch
from recode.train.recipes import Adapter, Optimization, Overlong, PolicyLoss, PolicyRecipe, load_recipe
from recode.train.verl import engine as verl_engine
from tests.train import papers
from tests.train.killed_run import MakePolicy
from tests.train.trl.test_parity import CASES, TOKENS, fixed_tensors, of_the_papers, with_loss

RECIPES = Path(__file__).parents[3] / "recipes"


def has_verl() -> bool:
    try:
        import verl  # noqa: F401
    except ImportError:
        return False
    return True


needs_verl = pytest.mark.skipif(not has_verl(), reason="verl is not installed (pip install 'recode-rl[verl]')")
VERL_RECIPES = sorted(
    path
    for path in RECIPES.rglob("*.toml")
    if ("dapo" in path.stem or "grpo-full" in path.stem) and path.parent.name not in ("study", "24gb")
)


def composed(recipe: PolicyRecipe, folder: Path) -> Any:
    """verl's whole configuration, composed by Hydra from the file that the engine writes."""
    from hydra import compose, initialize_config_dir

    path = verl_engine.write_config(recipe, folder)
    with initialize_config_dir(str(path.parent.resolve()), version_base=None):
        return compose("recipe")


def validated(recipe: PolicyRecipe, folder: Path) -> Any:
    from verl.trainer.ppo.utils import need_critic, need_reference_policy
    from verl.utils.config import validate_config

    config = composed(recipe, folder)
    assert need_reference_policy(config) == (recipe.loss.kl > 0)
    assert not need_critic(config)
    validate_config(config, use_reference_policy=need_reference_policy(config), use_critic=False)
    return config


@needs_verl
@pytest.mark.parametrize("path", VERL_RECIPES, ids=lambda path: str(path.relative_to(RECIPES)))
def test_verl_validates_the_shipped_recipes(path: Path, tmp_path: Path) -> None:
    recipe = load_recipe(path)
    assert isinstance(recipe, PolicyRecipe)
    config = validated(recipe, tmp_path)
    assert config.data.train_batch_size == recipe.rollout.prompts_per_step
    assert config.algorithm.filter_groups.enable == recipe.dynamic_sampling.enabled
    assert config.actor_rollout_ref.rollout.n == recipe.rollout.samples_per_prompt


@needs_verl
@pytest.mark.parametrize("case", [case for case in CASES if "corrected" not in case])
def test_verls_loss_under_our_configuration_is_the_papers(case: str, policy: MakePolicy, tmp_path: Path) -> None:
    from verl.trainer.ppo.core_algos import agg_loss, get_policy_loss_fn, kl_penalty
    from verl.utils.config import omega_conf_to_dataclass

    recipe = with_loss(policy(0), **CASES[case])
    recipe = recipe.model_copy(update={"rollout": recipe.rollout.model_copy(update={"max_new_tokens": TOKENS})})
    actor = omega_conf_to_dataclass(validated(recipe, tmp_path).actor_rollout_ref.actor)
    fixed = fixed_tensors()
    rule = get_policy_loss_fn(actor.policy_loss.loss_mode)
    # The trainer passes these with every minibatch.
    actor.global_batch_info["loss_scale_factor"] = actor.loss_scale_factor
    ours, _ = rule(
        old_log_prob=fixed["old"], log_prob=fixed["logp"], advantages=fixed["advantage"][:, None].expand(-1, TOKENS),
        response_mask=fixed["mask"], loss_agg_mode=actor.loss_agg_mode, config=actor,
    )  # fmt: skip
    if actor.use_kl_loss:
        penalty = kl_penalty(fixed["logp"], fixed["reference"], actor.kl_loss_type)
        ours = ours + actor.kl_loss_coef * agg_loss(penalty, fixed["mask"], actor.loss_agg_mode)
    theirs = of_the_papers(recipe.loss, fixed)
    torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-10)
    (gradient,), (expected,) = (torch.autograd.grad(loss, fixed["logp"]) for loss in (ours, theirs))
    torch.testing.assert_close(gradient, expected, rtol=1e-7, atol=1e-10)


@needs_verl
@pytest.mark.parametrize("divide", [True, False])
def test_verls_advantages_are_those_of_the_papers(divide: bool, policy: MakePolicy, tmp_path: Path) -> None:
    from verl.trainer.ppo.core_algos import get_adv_estimator_fn

    recipe = with_loss(policy(0), scale_rewards="group" if divide else "none")
    algorithm = validated(recipe, tmp_path).algorithm
    rewards = torch.tensor([[3.0, -1.0], [0.5, 0.25]], dtype=torch.float64)
    at_the_end = torch.zeros(4, TOKENS, dtype=torch.float64)
    at_the_end[:, -1] = rewards.flatten()
    found, _ = get_adv_estimator_fn(algorithm.adv_estimator)(
        at_the_end, torch.ones(4, TOKENS), [0, 0, 1, 1], norm_adv_by_std_in_grpo=algorithm.norm_adv_by_std_in_grpo
    )
    torch.testing.assert_close(found[:, 0].view(2, 2), papers.advantages(rewards, divide), rtol=1e-4, atol=1e-6)


@needs_verl
def test_verl_reads_our_prompts_as_the_same_tokens(policy: MakePolicy, tmp_path: Path) -> None:
    from transformers import AutoTokenizer
    from verl.utils.dataset.rl_dataset import RLHFDataset
    from verl.utils.tokenizer.continuous_token_wiring import create_continuous_token_builder

    recipe = policy(3)
    config = validated(recipe, tmp_path)
    verl_engine.write_prompts(recipe, tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(recipe.model)
    original = tokenizer.chat_template
    tokenizer.chat_template = config.actor_rollout_ref.model.custom_chat_template
    dataset = RLHFDataset([config.data.train_files], tokenizer, config.data)
    assert len(dataset) == recipe.optimization.steps * recipe.rollout.prompts_per_step
    row = dataset[0]
    ids = create_continuous_token_builder(tokenizer, hf_model_type="llama").build_initial_tokens(row["raw_prompt"])
    tokenizer.chat_template = original
    from recode.train.data import load_prompts, plan

    prompts = load_prompts(recipe.data, tokenizer, recipe.seed)
    planned = plan(prompts, 5, 3, recipe.data.no_op_share, recipe.seed)
    assert list(ids) == tokenizer(planned[0]["prompt"], add_special_tokens=False)["input_ids"]
    assert row["reward_model"]["ground_truth"] == planned[0]["target"]


@needs_verl
@pytest.mark.parametrize("buffer", [0, 4])
def test_verls_reward_loop_scores_by_our_function(buffer: int, policy: MakePolicy, tmp_path: Path) -> None:
    import numpy as np
    from transformers import AutoTokenizer
    from verl import DataProto
    from verl.trainer.ppo.reward import get_custom_reward_fn, resolve_reward_manager_cls

    from recode.invent import gold_completion
    from recode.records import Migration

    recipe = policy(3).model_copy(update={"overlong": Overlong(buffer=buffer)})
    entry = read_records(recipe.data.migrations[0], Migration)[0]
    tokenizer = AutoTokenizer.from_pretrained(recipe.model)
    ids = tokenizer(gold_completion(entry, random.Random(1)), add_special_tokens=False)["input_ids"]
    # The gold takes all the room there is, so that a punishment is at its full.
    recipe = recipe.model_copy(update={"rollout": recipe.rollout.model_copy(update={"max_new_tokens": len(ids)})})
    config = validated(recipe, tmp_path)
    [row] = verl_engine.rows(recipe, [{"prompt": "p", "target": entry.new_code, "old_code": entry.old_code}])
    data = DataProto.from_dict(
        tensors={"responses": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids) + 1, dtype=torch.long)},
        non_tensors={key: np.array([row[key]], dtype=object) for key in ("data_source", "reward_model", "extra_info")},
    )

    async def scored() -> dict[str, Any]:
        manager = resolve_reward_manager_cls(config)(config, tokenizer, get_custom_reward_fn(config))
        return await manager.run_single(data)

    result = asyncio.run(scored())
    # The recipe's weights: the edit term alone, at most 2.
    assert float(result["reward_score"]) == (2.0 if not buffer else 1.0)
    assert result["reward_extra_info"]["exact"] == 2.0


def test_a_step_of_verl_is_a_batch_of_rollouts(policy: MakePolicy, tmp_path: Path) -> None:
    recipe = policy(3, steps=20, warmup_steps=4, save_every=6)
    recipe = recipe.model_copy(
        update={"rollout": recipe.rollout.model_copy(update={"prompts_per_step": 4, "minibatches": 2})}
    )
    config = verl_engine.hydra_config(recipe, tmp_path)
    assert config["trainer"]["total_training_steps"] == 10
    assert config["trainer"]["save_freq"] == 3
    assert config["actor_rollout_ref"]["actor"]["optim"]["lr_warmup_steps"] == 2
    assert config["actor_rollout_ref"]["actor"]["ppo_mini_batch_size"] == 2
    assert verl_engine.merge_command(recipe, tmp_path, tmp_path / "to")[7].endswith("global_step_10/actor")
    written = verl_engine.write_config(recipe, tmp_path).read_text()
    assert json.loads(written) == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"adapter": Adapter(dropout=0)}, "adapter: verl's merger would leave it out of the trained model"),
        ({"optimization": Optimization(steps=4, learning_rate=1e-3, precision="float32")}, r"optimization\.precision"),
        ({"loss": PolicyLoss(kl=0.1)}, "loss.kl_correction"),
        ({"overlong": Overlong(mask_truncated=True)}, "overlong.mask_truncated"),
    ],
)
def test_what_verl_cannot_do_is_refused_by_its_key(change: dict[str, Any], message: str, policy: MakePolicy) -> None:
    with pytest.raises(RecipeError, match=message):
        verl_engine.check(policy(3).model_copy(update=change))


def test_a_model_that_a_kill_left_half_merged_is_merged_again(
    policy: MakePolicy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[str] = []

    def stands_for_verl(command: list[str], folder: Path) -> None:
        commands.append(command[2])
        if "verl.model_merger" in command:
            target = Path(command[-1])
            target.mkdir(exist_ok=True)
            (target / "config.json").write_text("{}", encoding="utf-8")
            if commands.count("verl.model_merger") == 1:
                raise KeyboardInterrupt
            (target / "model.safetensors").write_bytes(b"weights")

    monkeypatch.setattr(launch, "_run", stands_for_verl)
    monkeypatch.setattr(verl_engine, "check_installed", lambda: None)
    with pytest.raises(KeyboardInterrupt):
        launch._run_verl(policy(3), tmp_path)
    assert not (tmp_path / "model").exists()
    for _ in range(2):
        model = launch._run_verl(policy(3), tmp_path)
        assert {path.name for path in model.iterdir()} == {"config.json", "model.safetensors"}
    assert commands == ["verl.trainer.main_ppo", "verl.model_merger"] * 2


def test_supervised_fine_tuning_is_for_the_other_engine(sft: Any) -> None:
    with pytest.raises(RecipeError, match="--engine trl"):
        verl_engine.check(sft())


@pytest.mark.skipif(has_verl(), reason="verl is installed")
def test_without_verl_its_extra_is_named() -> None:
    with pytest.raises(MissingExtraError, match=r"recode-rl\[verl\]"):
        verl_engine.check_installed()
