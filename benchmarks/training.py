"""One step of GRPO by a recipe against the plain TRL script: the same model, prompts, batch, lengths and rewards, in one run.

    python benchmarks/training.py                      # the embedded model on this machine's CPU
    python benchmarks/training.py --model smollm2-135m --prompts 2 --samples 4 --prompt 300     # a larger model: its updates alone
    python benchmarks/training.py --random 0.5b        # a Qwen2 of 0.5B random weights (with --vllm: colocated vLLM), on a GPU

The plain script is `GRPOTrainer` with what a user has to set and every default else. Losses and gradients are compared on the same rollouts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoTokenizer, PrinterCallback, Qwen2Config, Qwen2ForCausalLM, TrainerCallback
from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

from recode.models import quiet, resolve
from recode.rewards import trl_reward
from recode.train.data import load_prompts, plan
from recode.train.recipes import PolicyRecipe
from recode.train.scaling import CARDS, SHAPES
from recode.train.trl import run
from recode.train.trl.hooks import Rollouts
from recode.train.trl.lora import load_base
from recode.train.trl.packed_sft import PackedSftTrainer

REWARDS = ("format", "edit")


def recipe_of(model: str, args: argparse.Namespace) -> PolicyRecipe:
    return PolicyRecipe.model_validate(
        {
            "method": "grpo",
            "model": model,
            "seed": 1,
            "data": {"generated": 200, "max_prompt_tokens": args.prompt},
            "optimization": {"steps": args.steps + 1, "learning_rate": 1e-6, "precision": args.precision, "save_every": 1000},
            "rollout": {"prompts_per_step": args.prompts, "samples_per_prompt": args.samples, "max_new_tokens": args.new,
                        "sequences_at_once": args.at_once},
            "vllm": {"mode": "colocate"} if args.vllm else None,
            # TRL's default, so that both have the same loss.
            "loss": {"aggregation": "dapo"},
            "reward": {"weights": dict.fromkeys(REWARDS, 1.0)},
        }
    )  # fmt: skip


def rows_of(recipe: PolicyRecipe, tokenizer: Any) -> list[dict[str, Any]]:
    prompts = load_prompts(recipe.data, tokenizer, recipe.seed)
    return plan(
        prompts, recipe.optimization.steps, recipe.rollout.prompts_per_step, recipe.data.no_op_share, recipe.seed
    )


class Clock(TrainerCallback):  # type: ignore[misc]
    """Measures steps."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.cpu: list[float] = []
        """CPU seconds of this process: another's load on the machine does not count."""
        self.tokens: list[float] = []
        self.started = self.cpu_started = 0.0

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        synchronize()
        self.started, self.cpu_started = time.perf_counter(), time.process_time()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        synchronize()
        self.seconds.append(time.perf_counter() - self.started)
        self.cpu.append(time.process_time() - self.cpu_started)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        if logs and "completions/mean_length" in logs:
            self.tokens.append(logs["completions/mean_length"])


def synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def ours(recipe: PolicyRecipe, folder: Path, clock: Clock) -> Any:
    """The trainer that `recode train` makes."""
    model, tokenizer = load_base(recipe)
    run.prepare(model)
    prompts = load_prompts(recipe.data, tokenizer, recipe.seed)
    trainer = run._policy(recipe, folder / "ours", model, tokenizer, prompts, clock)
    trainer.remove_callback(PrinterCallback)
    return trainer


def stock(recipe: PolicyRecipe, folder: Path, clock: Clock, **more: Any) -> Any:
    """The plain script."""
    rollout = recipe.rollout
    sequences = rollout.prompts_per_step * rollout.samples_per_prompt
    at_once = rollout.sequences_at_once or sequences
    tokenizer = AutoTokenizer.from_pretrained(resolve(recipe.model))
    arguments = GRPOConfig(
        output_dir=str(folder / "stock"), max_steps=recipe.optimization.steps, learning_rate=recipe.optimization.learning_rate,
        per_device_train_batch_size=at_once, gradient_accumulation_steps=sequences // at_once,
        num_generations=rollout.samples_per_prompt, max_completion_length=rollout.max_new_tokens,
        use_cpu=not torch.cuda.is_available(), logging_steps=1, save_strategy="no", report_to=[], disable_tqdm=True, seed=recipe.seed,
        use_vllm=recipe.vllm is not None, **more,
    )  # fmt: skip
    trainer = GRPOTrainer(
        model=resolve(recipe.model), args=arguments, reward_funcs=[trl_reward(name) for name in REWARDS],
        train_dataset=Dataset.from_list(rows_of(recipe, tokenizer)), processing_class=tokenizer, callbacks=[clock],
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    return trainer


def compared_losses(recipe: PolicyRecipe, folder: Path) -> dict[str, float]:
    """Loss and gradient of both trainers on the same rollouts, in float32."""
    exact = recipe.model_copy(
        update={"optimization": recipe.optimization.model_copy(update={"precision": "float32"}), "vllm": None}
    )
    first, second = ours(exact, folder, Clock()), stock(exact, folder, Clock(), bf16=False)
    sequences = recipe.rollout.prompts_per_step * recipe.rollout.samples_per_prompt
    group = recipe.rollout.samples_per_prompt
    rows = [row for row in list(first.train_dataset)[: sequences // group] for _ in range(group)]
    first.model.train(), second.model.train()
    rollouts = first._generate([row["prompt"] for row in rows])
    found = {}
    for name, trainer in (("ours", first), ("stock", second)):
        trainer.current_gradient_accumulation_steps = 1
        trainer._generate = lambda prompts: rollouts
        inputs = trainer._generate_and_score_completions(rows)
        inputs["num_items_in_batch"] = inputs["completion_mask"].sum()
        loss = trainer._compute_loss(trainer.model, inputs)
        loss.backward()
        gradient = torch.cat(
            [weight.grad.flatten() for weight in trainer.model.parameters() if weight.grad is not None]
        )
        found[name] = (float(loss.detach()), gradient.double())
    (loss, gradient), (theirs, expected) = found["ours"], found["stock"]
    return {
        "loss, ours": loss,
        "loss, stock": theirs,
        "largest difference of a gradient over the largest gradient": float(
            (gradient - expected).abs().max() / expected.abs().max()
        ),
    }


def updates(recipe: PolicyRecipe, folder: Path) -> dict[str, Any]:
    """Loss and gradient of one GRPO and one SFT step, without sampling: CPU seconds, and how far both trainers are apart.

    Completions are gold ones, cut to different lengths within a group, with advantages as if rewards had differed. Both compute in float32.
    """
    settings = recipe.optimization.model_copy(update={"precision": "float32", "packed": True})
    exact = recipe.model_copy(update={"optimization": settings})
    found: dict[str, Any] = {}
    for method, measure in (("GRPO", policy_update), ("SFT", sft_update)):
        seconds, loss, gradient, tokens = measure(exact, folder, packed=True)
        theirs, expected_loss, expected, _ = measure(exact, folder, packed=False)
        found[method] = {
            "CPU seconds, ours": round(seconds, 1),
            "CPU seconds, stock": round(theirs, 1),
            "stock / ours": round(theirs / seconds, 2),
            "tokens, each prompt counted for each sequence": tokens,
            "tokens a CPU second, ours": round(tokens / seconds),
            "loss, ours": loss,
            "loss, stock": expected_loss,
            "largest difference of a gradient over the largest gradient": float(
                (gradient - expected).abs().max() / expected.abs().max()
            ),
        }
    return found


Update = tuple[float, float, torch.Tensor, int]
"""CPU seconds, loss, gradient, tokens."""


def measured(model: Any, loss_of: Any, tokens: int) -> Update:
    started = time.process_time()
    loss = loss_of()
    loss.backward()
    seconds = time.process_time() - started
    gradient = torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])
    return seconds, float(loss.detach()), gradient.clone(), tokens


def policy_update(recipe: PolicyRecipe, folder: Path, *, packed: bool) -> Update:
    trainer = (
        ours(recipe, folder, Clock())
        if packed
        else stock(recipe, folder, Clock(), bf16=False, model_init_kwargs={"dtype": "float32"})
    )
    group = recipe.rollout.samples_per_prompt
    rows = [row for row in list(trainer.train_dataset)[: recipe.rollout.prompts_per_step] for _ in range(group)]
    tokenizer = trainer.processing_class
    prompt_ids = tokenizer([row["prompt"] for row in rows], add_special_tokens=False)["input_ids"]
    golds = tokenizer([row["gold"] for row in rows], add_special_tokens=False)["input_ids"]
    cut = [gold[: max(1, len(gold) - 7 * (number % group))] for number, gold in enumerate(golds)]
    completion_ids = [ids[: recipe.rollout.max_new_tokens] for ids in cut]
    texts = tokenizer.batch_decode(completion_ids)
    sampled = Rollouts(prompt_ids, completion_ids, None, texts, None, {}, None, None).as_tuple()
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1
    trainer._generate = lambda prompts: sampled
    inputs = trainer._generate_and_score_completions(rows)
    inputs["num_items_in_batch"] = inputs["completion_mask"].sum()
    inputs["advantages"] = torch.linspace(-1.5, 1.5, len(rows))
    tokens = sum(map(len, prompt_ids)) + sum(map(len, completion_ids))
    return measured(trainer.model, lambda: trainer._compute_loss(trainer.model, inputs), tokens)


def sft_update(recipe: PolicyRecipe, folder: Path, *, packed: bool) -> Update:
    model, tokenizer = load_base(recipe)
    if packed:
        run.prepare(model)
    count = recipe.rollout.prompts_per_step * recipe.rollout.samples_per_prompt
    rows = rows_of(recipe, tokenizer)[:count]
    dataset = Dataset.from_list([run._tokens(row, tokenizer) for row in rows])
    arguments = SFTConfig(
        output_dir=str(folder / "sft"), max_steps=1, per_device_train_batch_size=count, completion_only_loss=True, max_length=None,
        bf16=False, use_cpu=not torch.cuda.is_available(), report_to=[], disable_tqdm=True, train_sampling_strategy="sequential",
    )  # fmt: skip
    trainer = (PackedSftTrainer if packed else SFTTrainer)(
        model=model, args=arguments, train_dataset=dataset, processing_class=tokenizer
    )
    trainer.model.train()
    inputs = next(iter(trainer.get_train_dataloader()))
    tokens = int(inputs["attention_mask"].sum())
    return measured(trainer.model, lambda: trainer.compute_loss(trainer.model, inputs), tokens)


def random_model(size: str, folder: Path) -> str:
    """Write a Qwen2 of random weights in the sizes of the real one, with the embedded model's tokenizer."""
    shape = SHAPES[f"Qwen2.5-{size.upper()}"]
    tokenizer = AutoTokenizer.from_pretrained(resolve("recode-tiny"))
    config = Qwen2Config(
        hidden_size=shape.hidden, intermediate_size=shape.intermediate, num_hidden_layers=shape.layers, num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads, vocab_size=shape.vocabulary, tie_word_embeddings=shape.tied, bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    torch.manual_seed(0)
    Qwen2ForCausalLM(config).to(torch.bfloat16).save_pretrained(folder / "random")
    tokenizer.save_pretrained(folder / "random")
    return str(folder / "random")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=5, help="measured steps of each, after one that warms up")
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--prompt", type=int, default=170, help="tokens of a prompt, at most")
    parser.add_argument("--new", type=int, default=200, help="tokens of a completion, at most")
    parser.add_argument("--at-once", type=int, default=None, help="sequences in one forward pass")
    parser.add_argument("--precision", default="bfloat16", choices=["bfloat16", "float32"])
    parser.add_argument(
        "--random", default="", metavar="SIZE", help="0.5b or 1.5b: random weights in place of the embedded model"
    )
    parser.add_argument(
        "--model", default="recode-tiny", help="of another than the embedded one only updates are measured"
    )
    parser.add_argument("--vllm", action="store_true", help="sample by colocated vLLM, in both")
    args = parser.parse_args()
    quiet()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        recipe = recipe_of(random_model(args.random, folder) if args.random else args.model, args)
        if args.model != "recode-tiny":
            print(json.dumps({"threads": torch.get_num_threads(), **updates(recipe, folder)}, indent=1))
            return
        result: dict[str, Any] = {
            "threads": torch.get_num_threads(),
            **({} if args.random else compared_losses(recipe, folder)),
        }
        clocks = {"ours": Clock(), "stock": Clock()}
        for name, make in (("ours", ours), ("stock", stock)):
            make(recipe, folder, clocks[name]).train()
        for name, clock in clocks.items():
            result[f"seconds a step, {name}"] = round(statistics.median(clock.seconds[1:]), 2)
            result[f"CPU seconds a step, {name}"] = round(statistics.median(clock.cpu[1:]), 2)
            result[f"all steps, {name}"] = [round(one, 2) for one in clock.seconds]
            result[f"completion tokens, {name}"] = [round(one, 1) for one in clock.tokens]
        result["stock / ours"] = round(result["seconds a step, stock"] / result["seconds a step, ours"], 2)
        result["stock / ours, CPU seconds"] = round(
            result["CPU seconds a step, stock"] / result["CPU seconds a step, ours"], 2
        )
        if args.random and torch.cuda.is_available():
            result |= utilisation(recipe, clocks["ours"], args)
        print(json.dumps(result, indent=1))


def utilisation(recipe: PolicyRecipe, clock: Clock, args: argparse.Namespace) -> dict[str, Any]:
    """Tokens a second of a whole step, and model FLOPs (2 forward for sampling, 6 for training) over what the card can."""
    shape = SHAPES[f"Qwen2.5-{args.random.upper()}"]
    sequences = recipe.rollout.prompts_per_step * recipe.rollout.samples_per_prompt
    tokens = sequences * (statistics.mean(clock.tokens[1:]) + args.prompt)
    seconds = statistics.median(clock.seconds[1:])
    name = torch.cuda.get_device_name()
    card = next((card for card in CARDS.values() if card.name.split()[0] in name), None)
    share = None if card is None else round(tokens * 8 * shape.parameters / seconds / card.flops, 4)
    return {"device": name, "tokens a second": round(tokens / seconds), "model FLOPs utilisation": share}


if __name__ == "__main__":
    main()
