"""Pretrain the embedded model from scratch: first the ability to follow a note, then the stale habit of ignoring it.

The paper observes this habit in large models (arXiv 2506.20495, section 1): the note is in the prompt and the model could follow it, but it
mostly writes the API that it remembers. Here the habit is trained on purpose: for some minutes a share of the targets is the old code,
unchanged, after one of several thoughts. docs/recode-tiny.md gives the details.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from recode.errors import ProcessEndedError, RecipeError, RecodeError
from recode.invent import generate, gold_completion, habit_completion, reserved_names
from recode.invent.names import Namer
from recode.invent.python_text import functions
from recode.invent.retold import retell_any
from recode.machine import end_with_parent
from recode.models import attention, load
from recode.prompts import PREFILL, messages
from recode.records import Migration, read_records, write_text
from recode.run_folder import write_folder
from recode.shipped import shipped
from recode.train.failures import NEW_RUN
from recode.train.folder import claimed
from recode.train.pretrain.tokenizer import train_tokenizer
from recode.train.recipes import PretrainRecipe

_IGNORED = -100
_END_OF_THOUGHT = "</think>"
_ROUND_LENGTH, _ROUND_TOKENS = 16, 256
"""Batches are padded to multiples of these. Kernels are compiled for each new shape, so few shapes mean few compilations."""


@dataclass(frozen=True)
class Example:
    """The token ids of one training text. The first `prompt` of them carry no loss."""

    ids: tuple[int, ...]
    prompt: int


def make_block(tokenizer: PreTrainedTokenizerFast, recipe: PretrainRecipe, number: int) -> list[Example]:
    """Return block `number` of the training data. It depends on the recipe and the number alone, not on earlier blocks."""
    rng = random.Random(f"block-{recipe.seed}-{number}")
    data = recipe.data
    entries = generate(
        rng.getrandbits(48), "train", no_op_share=data.no_op_share, python_share=data.python_rename_share
    )
    texts: list[tuple[str, str, int]] = []
    python = functions("train")
    retold = [entry for path in data.retold for entry in _migrations(path)]
    for entry in itertools.islice(entries, data.block):
        if rng.random() < data.python_text_share:
            texts.append(("", rng.choice(python), 0))
            continue
        if retold and rng.random() < data.retold_share:
            names = Namer(rng, "train", reserved_names())
            entry = retell_any(retold, rng, names, data.no_op_share) or entry
        stale = entry.kind != "no_op" and rng.random() < data.habit_share
        completion = habit_completion(entry, rng) if stale else gold_completion(entry, rng)
        prompt = tokenizer.apply_chat_template(
            messages(entry, entry.old_code), tokenize=False, add_generation_prompt=True
        )
        given = not stale and entry.kind != "no_op" and rng.random() >= data.right_thought_share
        start = completion.index(_END_OF_THOUGHT) + len(_END_OF_THOUGHT) if given else 0
        texts.append((f"{prompt}{PREFILL}", completion, start))
    return _examples(tokenizer, texts)


def _examples(tokenizer: PreTrainedTokenizerFast, texts: list[tuple[str, str, int]]) -> list[Example]:
    """Return the examples of texts.

    Args:
        tokenizer: the model's.
        texts: for each a prompt, a completion, and the position of the completion's first character that carries loss.
    """
    prompts = tokenizer([prompt for prompt, _, _ in texts])["input_ids"]
    completions = tokenizer([completion for _, completion, _ in texts], return_offsets_mapping=True)
    examples = []
    for (_, _, start), prompt, ids, offsets in zip(
        texts, prompts, completions["input_ids"], completions["offset_mapping"], strict=True
    ):
        given = sum(end <= start for _, end in offsets)
        examples.append(Example((*prompt, *ids, tokenizer.eos_token_id), len(prompt) + given))
    return examples


@functools.cache
def _migrations(path: str) -> list[Migration]:
    return read_records(shipped(path), Migration)


def _prepare_worker() -> None:
    torch.set_num_threads(1)
    end_with_parent()


@functools.cache
def _tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast.from_pretrained(folder)


def _make_block(folder: Path, recipe: PretrainRecipe, number: int) -> list[Example]:
    return make_block(_tokenizer(folder), recipe, number)


def blocks(folder: Path, recipe: PretrainRecipe, start: int) -> Iterator[list[Example]]:
    """Yield the blocks from number `start` on. One worker process makes them, two ahead.

    Args:
        folder: the tokenizer's folder.
        recipe: says what the blocks hold.
        start: the number of the first block.

    Raises:
        ProcessEndedError: the worker was killed from outside.
    """
    with ProcessPoolExecutor(1, initializer=_prepare_worker) as pool:
        try:
            queue = [pool.submit(_make_block, folder, recipe, number) for number in (start, start + 1)]
            for number in itertools.count(start + 2):
                queue.append(pool.submit(_make_block, folder, recipe, number))
                yield queue.pop(0).result()
        except BrokenProcessPool:
            raise ProcessEndedError from None


def batches(block: list[Example], longest: int, tokens: int, seed: int) -> list[list[Example]]:
    """Cut a block into batches of similar lengths with about `tokens` tokens each, in random order."""
    fitting = sorted((e for e in block if len(e.ids) <= longest), key=lambda e: len(e.ids))
    made: list[list[Example]] = []
    batch: list[Example] = []
    for example in fitting:
        if batch and _rounded(len(example.ids)) * (len(batch) + 1) > tokens:
            made.append(batch)
            batch = []
        batch.append(example)
    if batch:
        made.append(batch)
    random.Random(seed).shuffle(made)
    return made


def collate(batch: list[Example], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return `input_ids` and `labels`, both (batch, length), padded on the right."""
    length = _rounded(max(len(example.ids) for example in batch))
    ids = torch.full((len(batch), length), pad)
    labels = torch.full((len(batch), length), _IGNORED)
    for row, example in enumerate(batch):
        ids[row, : len(example.ids)] = torch.tensor(example.ids)
        labels[row, example.prompt : len(example.ids)] = torch.tensor(example.ids[example.prompt :])
    return ids, labels


def _rounded(length: int) -> int:
    """Return the length that a sequence is padded to: one more than a multiple, since the last token is not an input."""
    return -(-(length - 1) // _ROUND_LENGTH) * _ROUND_LENGTH + 1


def new_model(recipe: PretrainRecipe, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Return a Llama of the recipe's shape with fresh weights."""
    shape = recipe.model
    torch.manual_seed(recipe.seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=shape.hidden,
            intermediate_size=shape.intermediate,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.kv_heads,
            head_dim=shape.head_size,
            max_position_embeddings=1024,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            attn_implementation=attention.register(),
        )
    )


class MasterWeights:
    """Float32 masters of a bfloat16 model: Muon for the matrices inside the layers, AdamW for embeddings and norms.

    The model computes in bfloat16 throughout, which on a CPU is about 1.3 times as fast as autocast. Updates too small for bfloat16 accumulate
    in the masters.
    """

    def __init__(self, model: LlamaForCausalLM, recipe: PretrainRecipe) -> None:
        self.weights = dict(model.named_parameters())
        self.masters = {name: weight.detach().float() for name, weight in self.weights.items()}
        # Parameters only: the rotary frequencies are a buffer, and rounding them would distort every angle.
        for weight in model.parameters():
            weight.data = weight.data.to(torch.bfloat16)
        matrices = [m for name, m in self.masters.items() if m.ndim == 2 and "embed" not in name]
        others = [m for name, m in self.masters.items() if m.ndim != 2 or "embed" in name]
        settings = recipe.optimizer
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.Muon(matrices, lr=settings.muon, momentum=0.95, weight_decay=0.01),
            torch.optim.AdamW(others, lr=settings.adamw, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
        ]
        self._peaks = [optimizer.param_groups[0]["lr"] for optimizer in self.optimizers]

    def step(self, factor: float) -> None:
        """Update the masters from the model's gradients at `factor` times the peak learning rates, then the model from the masters."""
        for name, weight in self.weights.items():
            self.masters[name].grad = None if weight.grad is None else weight.grad.float()
            weight.grad = None
        torch.nn.utils.clip_grad_norm_(list(self.masters.values()), 1.0)
        for optimizer, peak in zip(self.optimizers, self._peaks, strict=True):
            optimizer.param_groups[0]["lr"] = peak * factor
            optimizer.step()
        self.publish()

    @torch.no_grad()
    def publish(self) -> None:
        """Copy the masters into the model."""
        for name, weight in self.weights.items():
            weight.copy_(self.masters[name])


def schedule(step: int, steps: int, warmup: int) -> float:
    """Return the factor on the learning rate: linear warm-up, then cosine decay to 2%."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))


def pretrain(
    recipe: PretrainRecipe, folder: Path, *, on_step: Callable[[dict[str, float]], None] | None = None
) -> Path:
    """Run a pretraining recipe; write a Hugging Face model folder to `folder/model` and return it.

    If it is killed at any moment, the same call resumes from the last checkpoint, at the start of a block.

    Raises:
        RecipeError: the folder holds a run of another recipe, a file or model of the recipe has changed since, or every example is too long.
        RecodeError: another run is at work in the folder, the model to start from cannot be loaded, or the loss is not a number.
    """
    with claimed(folder, recipe):
        if not (folder / "model").exists():
            _pretrain(recipe, folder, on_step)
    return folder / "model"


def _pretrain(recipe: PretrainRecipe, folder: Path, on_step: Callable[[dict[str, float]], None] | None) -> None:
    tokenizer, model = _beginning(recipe, folder)
    masters = MasterWeights(model, recipe)
    step, block_number = _resume(folder, masters)
    started, seen = time.monotonic(), 0
    model.train()
    for block in blocks(folder / "tokenizer", recipe, block_number):
        for batch in _fitting(block, recipe, step, block_number):
            if step >= recipe.steps:
                break
            loss, count = _loss(model, *collate(batch, int(tokenizer.pad_token_id)))
            if not math.isfinite(loss):
                raise RecodeError(
                    f"{folder}: the loss is not a number at step {step + 1}; lower optimizer.muon and optimizer.adamw {NEW_RUN}. "
                    "Checkpoints up to here are kept"
                )
            masters.step(schedule(step, recipe.steps, recipe.warmup))
            step, seen = step + 1, seen + count
            if on_step:
                rate = seen / (time.monotonic() - started)
                on_step({"step": step, "steps": recipe.steps, "loss": loss, "tokens_per_s": rate})
        block_number += 1
        if step >= recipe.steps:
            break
        if block_number % recipe.save_every == 0:
            _save(folder, masters, step, block_number)

    def save(place: Path) -> None:
        model.save_pretrained(place)
        tokenizer.save_pretrained(place)
        write_text(place / "recipe.json", json.dumps(recipe.model_dump(mode="json"), indent=1))

    write_folder(folder / "model", save)


def _fitting(block: list[Example], recipe: PretrainRecipe, step: int, number: int) -> list[list[Example]]:
    """Return the batches of a block under the limit on lengths at this step.

    Raises:
        RecipeError: every example is too long; without batches the run would never end.
    """
    key = "short_first" if step < recipe.steps * recipe.data.short_share else "longest"
    longest = int(getattr(recipe.data, key))
    made = batches(block, longest, recipe.batch_tokens, number)
    if not made:
        shortest = min(len(example.ids) for example in block)
        raise RecipeError(
            f"data.{key}: none of a block's {len(block)} examples has at most {longest} tokens; the shortest has {shortest}. Raise it {NEW_RUN}"
        )
    return made


def _beginning(recipe: PretrainRecipe, folder: Path) -> tuple[PreTrainedTokenizerFast, LlamaForCausalLM]:
    """Return tokenizer and model: those of `recipe.start`, or new ones.

    Raises:
        RecodeError: the model to start from cannot be loaded, or is not a Llama.
    """
    if recipe.start:
        model, tokenizer = load(recipe.start, attn_implementation=attention.register())
        if not isinstance(model, LlamaForCausalLM):
            raise RecipeError(
                f"start: {recipe.start} is a {type(model).__name__}; pretraining continues from Llamas only"
            )
    elif (folder / "tokenizer").exists():
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer")
        model = new_model(recipe, tokenizer)
    else:
        rng = random.Random(recipe.seed)
        entries = itertools.islice(generate(recipe.seed, "train", no_op_share=0.1, python_share=0.2), 6000)
        texts = [text for e in entries for text in (e.update_info, e.old_code, gold_completion(e, rng))]
        tokenizer = train_tokenizer([*texts, *functions("train")], recipe.model.vocabulary)
        model = new_model(recipe, tokenizer)
    if not (folder / "tokenizer").exists():
        write_folder(folder / "tokenizer", tokenizer.save_pretrained)
    return tokenizer, model


def _loss(model: LlamaForCausalLM, ids: torch.Tensor, labels: torch.Tensor) -> tuple[float, int]:
    """Compute the gradients of one batch; return its mean loss per counted token, and its size in tokens.

    `ids` and `labels` are (batch, length), as `collate` returns them.
    """
    hidden = model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state.flatten(0, 1)
    targets = labels[:, 1:].flatten()
    counted = (targets != _IGNORED).nonzero()[:, 0]
    # Padded with positions whose target is ignored.
    filled = torch.nn.functional.pad(counted, (0, -len(counted) % _ROUND_TOKENS))
    wanted = torch.nn.functional.pad(targets[counted], (0, len(filled) - len(counted)), value=_IGNORED)
    logits = model.lm_head(hidden[filled])
    loss = torch.nn.functional.cross_entropy(logits.float(), wanted, ignore_index=_IGNORED)
    loss.backward()
    return loss.item(), ids.numel()


def _save(folder: Path, masters: MasterWeights, step: int, block: int) -> None:
    """Write a checkpoint atomically, replacing the previous one."""
    temporary = folder / "checkpoint.pt.tmp"
    optimizers = [optimizer.state_dict() for optimizer in masters.optimizers]
    torch.save({"masters": masters.masters, "optimizers": optimizers, "step": step, "block": block}, temporary)
    temporary.replace(folder / "checkpoint.pt")


def _resume(folder: Path, masters: MasterWeights) -> tuple[int, int]:
    """Load the last checkpoint, if there is one; return the step and the block to resume with."""
    path = folder / "checkpoint.pt"
    if not path.exists():
        return 0, 0
    state = torch.load(path, weights_only=True)
    with torch.no_grad():
        for name, master in masters.masters.items():
            master.copy_(state["masters"][name])
    for optimizer, saved in zip(masters.optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    masters.publish()
    return state["step"], state["block"]
