"""A recipe for verl: its Hydra configuration, its parquet file of prompts, its custom reward function, and the commands.

verl (arXiv 2409.19256) trains on a Ray cluster. It reads two files that are written here: `recipe.yaml`, composed over verl's own
`ppo_trainer` configuration, and `prompts.parquet`. Prompts have the same text as on TRL, and so the same tokens: they are rendered here, and
verl gets a chat template that passes a message through unchanged. Nothing in this module imports verl.
"""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from recode.errors import MissingExtraError, RecipeError
from recode.models import resolve
from recode.records import write_text
from recode.train.recipes import PolicyRecipe

PASS_THROUGH = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
"""A chat template for prompts that are already rendered."""
AGGREGATIONS = {"grpo": "seq-mean-token-mean", "dapo": "token-mean", "dr_grpo": "seq-mean-token-sum-norm"}
"""verl's names for the aggregations of a recipe."""
_NO_DUAL_CLIP = 1e9
"""verl always clips the loss of tokens with negative advantage. This bound is never reached."""


def check(recipe: Any) -> PolicyRecipe:
    """Return the recipe, if verl can run it as it is.

    Raises:
        RecipeError: a part of it has no counterpart in verl; names the key.
    """
    if not isinstance(recipe, PolicyRecipe):
        raise RecipeError(f"method `{recipe.method}` runs with --engine trl; verl runs grpo and dapo")
    faults = {
        # Its merger writes the base's weights as the model, and the adapter separately, with an alpha that may be 0.
        "adapter: verl's merger would leave it out of the trained model": recipe.adapter is not None,
        "loss.aggregation: verl has no bnpo": recipe.loss.aggregation not in AGGREGATIONS,
        "loss.scale_rewards: verl cannot scale by the batch": recipe.loss.scale_rewards == "batch",
        "loss.kl_correction: verl has none; set false": recipe.loss.kl > 0 and recipe.loss.kl_correction,
        "overlong.mask_truncated: verl has no such mask": recipe.overlong.mask_truncated,
        "optimization.precision: verl computes in bfloat16": recipe.optimization.precision == "float32",
        "optimization.schedule: verl has constant and cosine": recipe.optimization.schedule == "linear",
        "reward.weights.execution: it runs with --engine trl": "execution" in recipe.reward.weights,
        "rollout.turns: verl samples one answer": recipe.rollout.turns > 1,
        "validation: verl measures none": recipe.validation is not None,
        "vllm.mode: verl colocates vLLM by itself": recipe.vllm is not None and recipe.vllm.mode == "server",
        "rollout.minibatches: verl cuts a step between prompts; it must divide prompts_per_step": bool(
            recipe.rollout.prompts_per_step % recipe.rollout.minibatches
        ),
    }
    first = next((fault for fault, applies in faults.items() if applies), None)
    if first:
        raise RecipeError(f"{first} (or use --engine trl)")
    return recipe


def hydra_config(recipe: PolicyRecipe, out: Path) -> dict[str, Any]:
    """Return the configuration that is composed over verl's `ppo_trainer`.

    A step of verl is one batch of rollouts, however many minibatches it is cut into; a recipe counts optimiser steps.
    """
    return {
        "hydra": {"searchpath": ["pkg://verl.trainer.config"]},
        "defaults": ["ppo_trainer", "_self_"],
        "data": _data(recipe, out),
        "algorithm": _algorithm(recipe),
        "actor_rollout_ref": {
            "model": _model(recipe),
            "actor": _actor(recipe),
            "ref": {"log_prob_micro_batch_size_per_gpu": _sequences_at_once(recipe)},
            "rollout": _rollout(recipe),
        },
        "reward": _reward(recipe),
        "trainer": _trainer(recipe, out),
    }


def _sequences_at_once(recipe: PolicyRecipe) -> int:
    """Return the sequences of one forward pass on a GPU."""
    rollout = recipe.rollout
    per_gpu = rollout.prompts_per_step * rollout.samples_per_prompt // (rollout.minibatches * recipe.hardware.processes)
    return rollout.sequences_at_once or per_gpu


def _data(recipe: PolicyRecipe, out: Path) -> dict[str, Any]:
    prompts = str((out / "verl" / "prompts.parquet").resolve())
    return {
        "train_files": prompts,
        # verl requires a file here too; nothing is validated on it during training (see `trainer.test_freq`).
        "val_files": prompts,
        "train_batch_size": recipe.rollout.prompts_per_step,
        "max_prompt_length": recipe.data.max_prompt_tokens,
        "max_response_length": recipe.rollout.max_new_tokens,
        # The plan is already in its order.
        "shuffle": False,
        "seed": recipe.seed,
    }


def _algorithm(recipe: PolicyRecipe) -> dict[str, Any]:
    return {
        "adv_estimator": "grpo",
        "norm_adv_by_std_in_grpo": recipe.loss.scale_rewards == "group",
        "use_kl_in_reward": False,
        "filter_groups": {
            "enable": recipe.dynamic_sampling.enabled,
            "metric": "reward",
            "max_num_gen_batches": recipe.dynamic_sampling.max_batches,
        },
    }


def _actor(recipe: PolicyRecipe) -> dict[str, Any]:
    return {
        **_loss(recipe),
        "ppo_mini_batch_size": recipe.rollout.prompts_per_step // recipe.rollout.minibatches,
        "ppo_micro_batch_size_per_gpu": _sequences_at_once(recipe),
        "ppo_epochs": 1,
        "grad_clip": recipe.optimization.max_grad_norm,
        "optim": _optimizer(recipe),
        "data_loader_seed": recipe.seed,
    }


def _trainer(recipe: PolicyRecipe, out: Path) -> dict[str, Any]:
    return {
        "total_training_steps": recipe.batches,
        # The number of steps ends the run, never the number of passes over the file.
        "total_epochs": 10**6,
        "n_gpus_per_node": recipe.hardware.gpus,
        "nnodes": recipe.hardware.machines,
        "save_freq": recipe.optimization.save_every // recipe.rollout.minibatches,
        "max_actor_ckpt_to_keep": 2,
        "test_freq": -1,
        "val_before_train": False,
        "resume_mode": "auto",
        "default_local_dir": str((out / "checkpoints").resolve()),
        "project_name": "recode",
        "experiment_name": out.name,
        "logger": ["console", "tensorboard"],
    }


def _model(recipe: PolicyRecipe) -> dict[str, Any]:
    return {
        "path": resolve(recipe.model),
        "custom_chat_template": PASS_THROUGH,
        "enable_gradient_checkpointing": recipe.optimization.gradient_checkpointing,
    }


def _loss(recipe: PolicyRecipe) -> dict[str, Any]:
    loss = recipe.loss
    return {
        "clip_ratio_low": loss.clip_low,
        "clip_ratio_high": loss.clip_high,
        "clip_ratio_c": loss.dual_clip or _NO_DUAL_CLIP,
        "loss_agg_mode": AGGREGATIONS[loss.aggregation],
        # Without it verl divides by the length of the longest completion, which differs from batch to batch.
        "loss_scale_factor": recipe.rollout.max_new_tokens if loss.aggregation == "dr_grpo" else None,
        "policy_loss": {"loss_mode": "gspo" if loss.importance == "sequence" else "vanilla"},
        "use_kl_loss": loss.kl > 0,
        "kl_loss_coef": loss.kl,
        "kl_loss_type": "low_var_kl",
        "entropy_coeff": 0,
    }


def _optimizer(recipe: PolicyRecipe) -> dict[str, Any]:
    settings, minibatches = recipe.optimization, recipe.rollout.minibatches
    return {
        "lr": settings.learning_rate,
        "lr_warmup_steps": -(-settings.warmup // minibatches),
        "lr_scheduler_type": settings.schedule,
        "weight_decay": settings.weight_decay,
        "betas": [0.9, settings.adam_beta2],
        "clip_grad": settings.max_grad_norm,
    }


def _rollout(recipe: PolicyRecipe) -> dict[str, Any]:
    rollout, vllm = recipe.rollout, recipe.vllm
    return {
        "name": "vllm",
        "n": rollout.samples_per_prompt,
        "temperature": rollout.temperature,
        "top_p": rollout.top_p,
        "seed": recipe.seed,
        "max_model_len": recipe.data.max_prompt_tokens + rollout.max_new_tokens,
        "tensor_model_parallel_size": vllm.tensor_parallel if vllm else 1,
        "gpu_memory_utilization": vllm.memory_share if vllm else 0.5,
        "log_prob_micro_batch_size_per_gpu": _sequences_at_once(recipe),
        # vLLM receives all weights before it samples.
        "load_format": "dummy",
    }


def _reward(recipe: PolicyRecipe) -> dict[str, Any]:
    # By package name: a file loaded by its path is outside its package, where its dataclasses cannot be made.
    function = {"path": "pkg://recode.rewards", "name": "compute_score"}
    reward: dict[str, Any] = {"custom_reward_function": function, "reward_manager": {"name": "naive"}}
    if recipe.overlong.buffer:
        longest = recipe.rollout.max_new_tokens
        buffer = {"enable": True, "len": recipe.overlong.buffer, "penalty_factor": 1.0, "log": False}
        reward["reward_manager"]["name"] = "dapo"
        reward["reward_kwargs"] = {"overlong_buffer_cfg": buffer, "max_resp_len": longest}
    return reward


def rows(recipe: PolicyRecipe, planned: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return verl's rows for planned prompts: the rendered prompt, the gold program, and what else `compute_score` needs."""
    return [
        {
            "data_source": "recode",
            "prompt": [{"role": "user", "content": row["prompt"]}],
            "ability": "code migration",
            "reward_model": {"style": "rule", "ground_truth": row["target"]},
            "extra_info": {
                "index": index,
                "old_code": row["old_code"],
                "family": recipe.reward.family,
                "weights": dict(recipe.reward.weights),
            },
        }
        for index, row in enumerate(planned)
    ]


def write_config(recipe: PolicyRecipe, out: Path) -> Path:
    """Write `verl/recipe.yaml`; return its path. It is JSON, which is valid YAML and never reads a string as something else."""
    path = out / "verl" / "recipe.yaml"
    write_text(path, json.dumps(hydra_config(recipe, out), indent=1))
    return path


def write_prompts(recipe: PolicyRecipe, out: Path) -> Path:
    """Write `verl/prompts.parquet`, the prompts of the whole run in their order; return its path.

    Raises:
        RecodeError: the data or the model's tokenizer cannot be read.
    """
    from datasets import Dataset

    from recode.models.loading import load_tokenizer
    from recode.train.data import load_prompts, plan

    tokenizer = load_tokenizer(recipe.model)
    prompts = load_prompts(recipe.data, tokenizer, recipe.seed)
    planned = plan(prompts, recipe.batches, recipe.rollout.prompts_per_step, recipe.data.no_op_share, recipe.seed)
    path = out / "verl" / "prompts.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    Dataset.from_list(rows(recipe, planned)).to_parquet(str(temporary))
    temporary.replace(path)
    return path


def train_command(out: Path) -> list[str]:
    """Return the command that trains; verl resumes from the last checkpoint by itself."""
    folder = str((out / "verl").resolve())
    return [sys.executable, "-m", "verl.trainer.main_ppo", "--config-path", folder, "--config-name", "recipe"]


def merge_command(recipe: PolicyRecipe, out: Path, target: Path) -> list[str]:
    """Return the command that merges the shards of the last checkpoint into a Hugging Face folder, `target`."""
    actor = out / "checkpoints" / f"global_step_{recipe.batches}" / "actor"
    return [sys.executable, "-m", "verl.model_merger", "merge", "--backend", "fsdp",
            "--local_dir", str(actor.resolve()), "--target_dir", str(target.resolve())]  # fmt: skip


def check_installed() -> None:
    """Make sure that verl is installed.

    Raises:
        MissingExtraError: it is not.
    """
    if find_spec("verl") is None:
        raise MissingExtraError("--engine verl needs verl and vLLM; install them with `pip install 'recode-rl[verl]'`")
