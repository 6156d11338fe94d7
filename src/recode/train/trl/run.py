"""SFT, GRPO and DAPO with TRL. Each run has a folder; the same call starts it, resumes it after a kill, and returns at once when it is done.

A run's folder holds `recipe.json`, `checkpoints/`, `log.jsonl` (one line a step) and `tensorboard/`. At the end it also holds `adapter/` if the
recipe has one, `model/` (a Hugging Face model folder with its card, with any adapter merged into it) and `result.json`.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from datasets import Dataset
from transformers import PrinterCallback, TrainerCallback, TrainingArguments, set_seed
from trl import GRPOConfig, SFTConfig, SFTTrainer
from trl.rewards import get_soft_overlong_punishment

from recode.errors import MissingExtraError, RecipeError, RecodeError
from recode.machine import keep_freed_memory
from recode.models import attention, llama, resolve
from recode.models.adapters import tie
from recode.records import write_jsonl, write_text
from recode.rewards import trl_reward
from recode.train.data import Prompts, load_prompts, plan
from recode.train.failures import LOWER_RATE, check_context, check_server, explained, guarded
from recode.train.folder import claimed
from recode.train.model_card import write_card
from recode.train.recipes import Optimization, PolicyRecipe, SftRecipe
from recode.train.trl.lora import computing, load_base, peft_config, save_merged
from recode.train.trl.packed_sft import PackedSftTrainer
from recode.train.trl.policy import PolicyTrainer
from recode.train.trl.turns import on_last_answer
from recode.train.trl.validation import GreedyValidation

OnStep = Callable[[dict[str, float]], None]


def train(recipe: SftRecipe | PolicyRecipe, folder: Path, *, on_step: OnStep | None = None) -> Path:
    """Run a recipe in a folder, or resume it; return the folder of the trained model.

    Args:
        recipe: what to train.
        folder: where the run is kept.
        on_step: called after every step with its numbers.


    Raises:
        RecipeError: the folder holds a run of another recipe, a file or model of the recipe has changed since, or it does not fit the data.
        RecodeError: another run is at work in the folder, the model cannot be loaded, or the loss is not finite any more.
    """
    with claimed(folder, recipe):
        if not (folder / "result.json").exists():
            with explained(recipe, folder):
                _train(recipe, folder, on_step)
    return folder / "model"


def _train(recipe: SftRecipe | PolicyRecipe, folder: Path, on_step: OnStep | None) -> None:
    check_server(recipe)
    set_seed(recipe.seed)
    model, tokenizer = load_base(recipe)
    prepare(model)
    check_fits(recipe, model)
    if recipe.optimization.packed:
        keep_freed_memory()
    if tokenizer.eos_token_id is None:
        raise RecipeError(
            f"{recipe.model}: its tokenizer has no end token (eos_token), so completions would never end; add one"
        )
    prompts = load_prompts(recipe.data, tokenizer, recipe.seed, getattr(recipe, "reward", None))
    validation = (
        GreedyValidation(recipe.validation, tokenizer, recipe.data.max_prompt_tokens) if recipe.validation else None
    )
    watcher = _Watcher(folder, on_step, validation)
    with _processes().main_process_first():
        last = _last_checkpoint(folder / "checkpoints")
    make = _sft if isinstance(recipe, SftRecipe) else _policy
    trainer = make(recipe, folder, model, tokenizer, prompts, watcher)  # type: ignore[arg-type]
    # It prints the numbers of every step, which are in the log and on the progress display already.
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=last)
    _finish(trainer, recipe, prompts, folder, watcher)


def prepare(model: Any) -> None:
    """Choose the attention that is fastest for a small model on a CPU."""
    if llama.supports(model):
        model.set_attn_implementation(attention.register())


def check_fits(recipe: SftRecipe | PolicyRecipe, model: Any) -> None:
    """Make sure that what the recipe asks for fits the model and the processes.

    Raises:
        RecipeError: sequences of this model, or in several processes, cannot be packed; or validation is asked for in several.
    """
    if recipe.validation is not None and _processes().num_processes > 1:
        raise RecipeError("validation: only in one process; leave the table out")
    if recipe.optimization.packed and not (llama.supports(model) and _processes().num_processes == 1):
        raise RecipeError("optimization.packed: only for Llama models on a CPU, in one process; leave the key out")


def _last_checkpoint(folder: Path) -> str | None:
    """Return the newest complete checkpoint; delete those that a kill left incomplete."""
    complete = []
    for path in sorted(folder.glob("checkpoint-*"), key=lambda p: int(p.name.split("-")[1])):
        try:
            # The trainer writes this file last.
            json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
            complete.append(path)
        except (OSError, ValueError):
            shutil.rmtree(path)
    return str(complete[-1]) if complete else None


def _arguments(recipe: SftRecipe | PolicyRecipe, folder: Path) -> dict[str, Any]:
    """Return the arguments that all trainers of TRL share."""
    settings: Optimization = recipe.optimization
    schedule = {"constant": "constant_with_warmup"}.get(settings.schedule, settings.schedule)
    on_cpu = not torch.cuda.is_available()
    # TensorBoard's callback reads its folder from the environment.
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(folder / "tensorboard")
    return {
        "output_dir": str(folder / "checkpoints"),
        "max_steps": settings.steps,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": schedule,
        "warmup_steps": settings.warmup,
        "weight_decay": settings.weight_decay,
        "adam_beta2": settings.adam_beta2,
        "max_grad_norm": settings.max_grad_norm,
        "bf16": computing(settings) == "bfloat16",
        "use_cpu": on_cpu,
        "gradient_checkpointing": settings.gradient_checkpointing,
        "save_steps": settings.save_every,
        "save_total_limit": 2,
        "logging_steps": 1,
        # The filter would log the mean of earlier losses in place of a loss that is not a number, and the run would continue.
        "logging_nan_inf_filter": False,
        "report_to": ["tensorboard"],
        "disable_tqdm": True,
        "seed": recipe.seed,
        "dataloader_pin_memory": not on_cpu,
    }


def _policy(
    recipe: PolicyRecipe, folder: Path, model: Any, tokenizer: Any, prompts: Prompts, watcher: TrainerCallback
) -> PolicyTrainer:
    """Return the trainer of a GRPO or DAPO recipe. Its numbers of sequences are for each process."""
    rollout, loss = recipe.rollout, recipe.loss
    sequences = _dealt(rollout.prompts_per_step * rollout.samples_per_prompt, "sequences of a step")
    minibatch = sequences // rollout.minibatches
    at_once = rollout.sequences_at_once or minibatch
    rows = plan(prompts, recipe.batches, rollout.prompts_per_step, recipe.data.no_op_share, recipe.seed)
    check_context(rows, model, tokenizer, rollout.longest)
    rewards: list[Any] = [guarded(trl_reward(name, recipe.reward.family), folder) for name in recipe.reward.weights]
    if rollout.turns > 1:
        rewards = [on_last_answer(reward) for reward in rewards]
    weights = list(recipe.reward.weights.values())
    if recipe.overlong.buffer:
        rewards.append(get_soft_overlong_punishment(rollout.max_new_tokens, recipe.overlong.buffer))
        weights.append(1.0)
    arguments = GRPOConfig(
        **_arguments(recipe, folder),
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=minibatch // at_once,
        steps_per_generation=sequences // at_once,
        num_generations=rollout.samples_per_prompt,
        max_completion_length=rollout.longest,
        temperature=rollout.temperature,
        top_p=rollout.top_p,
        beta=loss.kl,
        use_bias_correction_kl=loss.kl_correction,
        epsilon=loss.clip_low,
        epsilon_high=loss.clip_high,
        delta=loss.dual_clip,
        loss_type=loss.aggregation,
        importance_sampling_level=loss.importance,
        scale_rewards=loss.scale_rewards,
        mask_truncated_completions=recipe.overlong.mask_truncated,
        reward_weights=weights,
        # The plan is already in its order; shuffled again, it could not be resumed in a later epoch.
        shuffle_dataset=False,
        **_vllm(recipe),
    )
    return PolicyTrainer(
        recipe=recipe,
        model=model,
        args=arguments,
        reward_funcs=rewards,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=peft_config(recipe.adapter),
        callbacks=[watcher],
    )


def _processes() -> PartialState:
    """Return the processes of this run. Without GPUs they only find each other if asked to use CPUs."""
    return PartialState(cpu=not torch.cuda.is_available())


def _dealt(count: int, what: str) -> int:
    """Return the share of one process."""
    processes = _processes().num_processes
    if count % processes:
        raise RecipeError(
            f"the {count} {what} cannot be divided among {processes} processes; change [hardware] or the recipe's numbers"
        )
    return count // processes


def _vllm(recipe: PolicyRecipe) -> dict[str, Any]:
    """Return TRL's arguments for sampling by vLLM.

    Raises:
        MissingExtraError: vLLM is not installed.
    """
    if recipe.vllm is None:
        return {}
    if find_spec("vllm") is None:
        raise MissingExtraError(
            "[vllm] needs vLLM; install it with `pip install 'recode-rl[vllm]'`, or leave the table out"
        )
    shared = {"use_vllm": True, "vllm_mode": recipe.vllm.mode}
    if recipe.vllm.mode == "server":
        return {**shared, "vllm_server_base_url": recipe.vllm.server, "vllm_server_timeout": recipe.vllm.timeout}
    return {
        **shared,
        "vllm_gpu_memory_utilization": recipe.vllm.memory_share,
        "vllm_tensor_parallel_size": recipe.vllm.tensor_parallel,
        "vllm_max_model_length": recipe.data.max_prompt_tokens + recipe.rollout.max_new_tokens,
        "vllm_enable_sleep_mode": True,
    }


def _sft(
    recipe: SftRecipe, folder: Path, model: Any, tokenizer: Any, prompts: Prompts, watcher: TrainerCallback
) -> SFTTrainer:
    """Return the trainer of an SFT recipe, with next-token loss on the gold completion only."""
    settings = recipe.optimization
    share = _dealt(settings.examples_per_step, "examples of a step")
    rows = plan(prompts, settings.steps, settings.examples_per_step, recipe.data.no_op_share, recipe.seed)
    dataset = Dataset.from_list([_tokens(row, tokenizer) for row in rows])
    arguments = SFTConfig(
        **_arguments(recipe, folder),
        per_device_train_batch_size=settings.examples_at_once,
        gradient_accumulation_steps=share // settings.examples_at_once,
        completion_only_loss=True,
        max_length=None,
        # The plan is already in its order.
        train_sampling_strategy="sequential",
    )
    trainer = PackedSftTrainer if settings.packed else SFTTrainer
    return trainer(
        model=model,
        args=arguments,
        train_dataset=dataset,
        processing_class=tokenizer,
        peft_config=peft_config(recipe.adapter),
        callbacks=[watcher],
    )


def _tokens(row: dict[str, Any], tokenizer: Any) -> dict[str, list[int]]:
    """Return the tokens of prompt, gold completion and end; `completion_mask` is 1 for the last two.

    Prompt and completion are tokenized separately, as they are when the policy writes: no token spans both. A rendered prompt has its special
    tokens already, so none is added.
    """
    prompt, gold = tokenizer([row["prompt"], row["gold"]], add_special_tokens=False)["input_ids"]
    gold = [*gold, tokenizer.eos_token_id]
    return {"input_ids": prompt + gold, "completion_mask": [0] * len(prompt) + [1] * len(gold)}


class _Watcher(TrainerCallback):  # type: ignore[misc]
    """Writes `log.jsonl` after every step, reports progress, and stops a run whose loss is no longer finite."""

    def __init__(self, folder: Path, on_step: OnStep | None, validation: GreedyValidation | None = None) -> None:
        self._folder = folder
        self._on_step = on_step
        self._validation = validation
        self._started = time.monotonic()
        self.seconds = 0.0

    def on_train_begin(self, args: TrainingArguments, state: Any, control: Any, **_: Any) -> None:
        """Start the clock; the log says how long earlier parts of a resumed run took."""
        spent = [entry["seconds"] for entry in state.log_history if "seconds" in entry]
        # A run that was killed after its last step has no steps left, so its time is that of the log.
        self.seconds = spent[-1] if spent else 0.0
        self._started = time.monotonic() - self.seconds

    def on_log(
        self, args: TrainingArguments, state: Any, control: Any, logs: dict[str, Any] | None = None, **others: Any
    ) -> None:
        """Write the log and report the step."""
        if not logs or "loss" not in logs:
            return
        if self._validation and self._validation.is_due(state.global_step, state.max_steps):
            logs = {**logs, **self._validation.measure(others["model"])}
            state.log_history[-1].update(logs)
        # Rounded here and nowhere else, so that a resumed run, which reads the log, reports the same time.
        self.seconds = round(time.monotonic() - self._started, 2)
        state.log_history[-1]["seconds"] = self.seconds
        if not state.is_world_process_zero:
            return
        write_jsonl(self._folder / "log.jsonl", [entry for entry in state.log_history if "loss" in entry])
        loss = logs["loss"]
        if not math.isfinite(loss):
            raise RecodeError(f"{self._folder}: the loss is not a number at step {state.global_step}; {LOWER_RATE}. "
                              "Checkpoints up to here are kept")  # fmt: skip
        if self._on_step:
            self._on_step({"step": state.global_step, "steps": state.max_steps, "seconds": self.seconds, **logs})


def _finish(trainer: Any, recipe: SftRecipe | PolicyRecipe, prompts: Prompts, folder: Path, watcher: _Watcher) -> None:
    """Write the model and its card, then `result.json`, which marks the run as done."""
    adapter = folder / "adapter" if recipe.adapter else None
    # Every process takes part, because saving gathers sharded weights.
    trainer.save_model(str(adapter or folder / "model"))
    if not trainer.is_world_process_zero():
        return
    if adapter:
        tie(adapter, recipe.model, Path(resolve(recipe.model)))
        save_merged(recipe, adapter, folder / "model")
    for pickled in folder.glob("*/training_args.bin"):
        pickled.unlink()
    history = [entry for entry in trainer.state.log_history if "loss" in entry]
    last = {key: value for key, value in history[-1].items() if isinstance(value, int | float)}
    counts = {"migrations": len(prompts.migrations), "no_ops": len(prompts.no_ops), "left_out": prompts.skipped}
    result = {
        "steps": trainer.state.global_step, "seconds": watcher.seconds, "prompts": counts, "last": last,
    }  # fmt: skip
    # peft leaves an empty card, which names a path of this machine.
    for place in (folder / "model", *([adapter] if adapter else [])):
        write_card(place, recipe, prompts, result, adapter)
    write_text(folder / "result.json", json.dumps(result, indent=1))
