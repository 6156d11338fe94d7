"""Dynamic sampling on a GRPOTrainer of your own: an import and two lines.

    pip install 'recode-rl[train]'
    python examples/dynamic_sampling.py [--steps 60] [--plain]

A model of 30,000 random parameters learns to repeat a letter. At first most groups of eight completions fail as a whole, later most succeed
as a whole; both teach nothing. With dynamic sampling every step still has eight groups that do. `--plain` runs TRL's trainer as it is, for
comparison. The last line says how many letters the trained model repeats greedily.
"""

from __future__ import annotations

import argparse
import tempfile

import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, PrinterCallback, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from recode.train.trl.dynamic_sampling import WithDynamicSampling

LETTERS = "abcdefghijklmnop"


class Trainer(WithDynamicSampling, GRPOTrainer):
    max_rounds = 8


def right(prompts: list[str], completions: list[str], **_: object) -> list[float]:
    """Whether a completion begins with the letter that its prompt begins with."""
    return [float(completion.strip()[:1] == prompt[0]) for prompt, completion in zip(prompts, completions, strict=True)]


def new_model() -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    words = {word: number for number, word in enumerate(["<pad>", "<end>", ":", *LETTERS])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=48, intermediate_size=96, num_hidden_layers=1, num_attention_heads=4,
        num_key_value_heads=4, bos_token_id=None, eos_token_id=1, pad_token_id=0,
    )  # fmt: skip
    return LlamaForCausalLM(config), PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<end>"
    )


class Watch(TrainerCallback):
    """Keep and print what a step says of itself."""

    def __init__(self) -> None:
        self.rewards: list[float] = []

    def on_log(self, args: object, state: object, control: object, logs: dict[str, float], **_: object) -> None:
        if "reward" in logs:
            self.rewards.append(logs["rewards/right/mean"])
            flat, dropped = logs["frac_reward_zero_std"], logs.get("dynamic_sampling/groups_dropped", 0)
            print(f"step {len(self.rewards)}: trained on {1 - flat:.0%} groups with a spread, dropped {dropped:.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--plain", action="store_true")
    options = parser.parse_args()
    torch.manual_seed(0)
    model, tokenizer = new_model()
    watch = Watch()
    with tempfile.TemporaryDirectory() as folder:
        arguments = GRPOConfig(
            output_dir=folder, max_steps=options.steps, per_device_train_batch_size=64, num_generations=8,
            max_completion_length=2, learning_rate=5e-3, scale_rewards="none", loss_type="dapo", beta=0.0,
            logging_steps=1, save_strategy="no", report_to=[], disable_tqdm=True, use_cpu=not torch.cuda.is_available(),
            bf16=False,
        )  # fmt: skip
        trainer = (GRPOTrainer if options.plain else Trainer)(
            model=model, args=arguments, reward_funcs=right, processing_class=tokenizer, callbacks=[watch],
            train_dataset=Dataset.from_list([{"prompt": f"{letter}:"} for letter in LETTERS]),
        )  # fmt: skip
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        inputs = tokenizer([f"{letter}:" for letter in LETTERS], return_tensors="pt").to(trainer.model.device)
        with torch.no_grad():
            ids = trainer.model(inputs["input_ids"]).logits[:, -1].argmax(-1)
    exact = sum(tokenizer.decode(one) == letter for one, letter in zip(ids.tolist(), LETTERS, strict=True))
    print(f"{exact} of {len(LETTERS)} letters are repeated greedily")


if __name__ == "__main__":
    main()
