"""How much memory and time a recipe takes on a GPU, derived from the model's shape. It is an estimate for choosing a card, not a measurement.

`python -m recode.train.scaling` prints the table of docs/scaling.md.

Sources of the formulas: FLOPs of a token, Kaplan et al. (arXiv 2001.08361, section 2.1); stored activations, Korthikanti et al. (arXiv
2205.05198), with fused attention, which stores no scores, and a gated feed-forward layer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from recode.train.recipes import Adapter, Hardware, PolicyLoss, PolicyRecipe, Rollout, Vllm

GIB = 1 << 30
BF16, FP32 = 2, 4
"""Bytes of a number."""
FOUR_BIT = 0.55
"""Bytes of a weight in 4-bit NormalFloat with doubly quantised scales (QLoRA, section 3: 4.127 bits, and layers that stay in 16 bits)."""
ADAM = 2 * FP32
"""Bytes of optimiser state for a trained weight: two moments."""
OVERHEAD = 1.5 * GIB
"""The CUDA context, the allocator's fragments and kernels' workspaces."""


@dataclass(frozen=True)
class DecoderShape:
    """The sizes of a decoder with grouped-query attention and a gated feed-forward layer."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    tied: bool
    qkv_bias: bool = False

    @property
    def linear(self) -> int:
        """Return the weights of all linear layers but the head."""
        attention = self.hidden * self.head_size * (2 * self.heads + 2 * self.kv_heads)
        return self.layers * (attention + 3 * self.hidden * self.intermediate)

    @property
    def parameters(self) -> int:
        """Return the number of all weights."""
        norms = self.hidden * (2 * self.layers + 1)
        biases = self.layers * self.head_size * (self.heads + 2 * self.kv_heads) if self.qkv_bias else 0
        return self.linear + norms + biases + self.vocabulary * self.hidden * (1 if self.tied else 2)

    def adapter_parameters(self, rank: int, magnitude: bool) -> int:
        """Return the weights of an adapter on every linear layer but the head; `magnitude`: with DoRA's vector for each."""
        query, key = self.heads * self.head_size, self.kv_heads * self.head_size
        sizes = [(self.hidden, query), (self.hidden, key), (self.hidden, key), (query, self.hidden),
                 (self.hidden, self.intermediate), (self.hidden, self.intermediate), (self.intermediate, self.hidden)]  # fmt: skip
        return self.layers * sum(rank * (i + o) + (o if magnitude else 0) for i, o in sizes)

    @property
    def cache_token(self) -> int:
        """Return the bytes of a token's keys and values in bfloat16."""
        return 2 * self.layers * self.kv_heads * self.head_size * BF16

    @property
    def layer_token(self) -> int:
        """Return the bytes that one layer stores of a token for its backward pass.

        Inputs of both norms, of attention's and the feed-forward layer's matrices, and attention's output: 6 hidden; queries, keys, values;
        gate, up, the activated gate, and its product with up: 4 intermediate.
        """
        return BF16 * (6 * self.hidden + (self.heads + 2 * self.kv_heads) * self.head_size + 4 * self.intermediate)


SHAPES = {
    "Qwen2.5-0.5B": DecoderShape(24, 896, 4864, 14, 2, 64, 151936, tied=True, qkv_bias=True),
    "Qwen2.5-1.5B": DecoderShape(28, 1536, 8960, 12, 2, 128, 151936, tied=True, qkv_bias=True),
    "Qwen2.5-7B": DecoderShape(28, 3584, 18944, 28, 4, 128, 152064, tied=False, qkv_bias=True),
    "Qwen2.5-32B": DecoderShape(64, 5120, 27648, 40, 8, 128, 152064, tied=False, qkv_bias=True),
    "deepseek-coder-7b": DecoderShape(30, 4096, 11008, 32, 32, 128, 102400, tied=False),
}
"""By the part of a hub name that identifies the model. Qwen2.5-Coder has the sizes of Qwen2.5."""


def shape_of(model: str) -> DecoderShape | None:
    """Return the shape of a model by its hub name; None if it is not in the table."""
    name = model.rpartition("/")[2].lower().replace("-coder", "") if "qwen" in model.lower() else model.lower()
    return next((shape for known, shape in SHAPES.items() if f"{known.lower()}" in name), None)


@dataclass(frozen=True)
class Card:
    """A GPU: memory in bytes, dense bfloat16 FLOP/s and memory bandwidth in bytes/s, from its data sheet."""

    name: str
    memory: float
    flops: float
    bandwidth: float


CARDS = {
    24: Card("RTX 4090", 24 * GIB, 165e12, 1.008e12),
    80: Card("H100 SXM", 80 * GIB, 989e12, 3.35e12),
    141: Card("H200", 141 * GIB, 989e12, 4.8e12),
}
TRAINING_USE, DECODING_USE = 0.35, 0.5
"""The assumed shares of a card's FLOP/s that training reaches, and of its bandwidth that decoding reaches."""


@dataclass(frozen=True)
class Memory:
    """Bytes on each GPU while a step trains."""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    sampling: float
    """vLLM's weights and key-value cache if it is colocated, otherwise the cache of the process's own generation."""

    @property
    def peak(self) -> float:
        """Return the most that is held at a time. vLLM sleeps during updates, and gradients and activations are freed before it samples."""
        return self.weights + self.optimizer + max(self.gradients + self.activations, self.sampling) + OVERHEAD


def trained_parameters(recipe: PolicyRecipe, shape: DecoderShape) -> int:
    """Return how many weights are trained."""
    if recipe.adapter is None:
        return shape.parameters
    return shape.adapter_parameters(recipe.adapter.rank, recipe.adapter.kind == "dora")


def memory(recipe: PolicyRecipe, shape: DecoderShape, card: Card) -> Memory:
    """Return the memory of a policy recipe on each GPU.

    Trained weights are held in float32; a frozen base in bfloat16, or 4 bits. The reference model of a KL penalty is the base without
    its adapter, or a second copy if every weight is trained.
    """
    shards = recipe.hardware.processes if recipe.hardware.sharding == "full" else 1
    trained = trained_parameters(recipe, shape)
    frozen = 0.0
    if recipe.adapter:
        frozen = shape.parameters * (FOUR_BIT if recipe.adapter.four_bit else BF16)
    elif recipe.loss.kl:
        frozen = shape.parameters * FP32
    sequences = recipe.rollout.prompts_per_step * recipe.rollout.samples_per_prompt // recipe.hardware.processes
    at_once = recipe.rollout.sequences_at_once or sequences // recipe.rollout.minibatches
    tokens = at_once * _length(recipe)
    # Checkpointing keeps the input of each layer, and all activations of the one layer that is being recomputed.
    stored = shape.layers * shape.layer_token
    if recipe.optimization.gradient_checkpointing:
        stored = shape.layers * shape.hidden * BF16 + shape.layer_token
    sampling = float(sequences * _length(recipe) * shape.cache_token)
    if recipe.vllm is not None:
        sampling = recipe.vllm.memory_share * card.memory if recipe.vllm.mode == "colocate" else 0.0
    return Memory(
        weights=(frozen + trained * FP32) / shards,
        gradients=trained * FP32 / shards,
        optimizer=trained * ADAM / shards,
        activations=tokens * stored,
        sampling=sampling,
    )


def cache_room(recipe: PolicyRecipe, shape: DecoderShape, card: Card) -> int:
    """Return how many sequences of full length colocated vLLM holds at a time; 0 if its weights do not fit."""
    assert recipe.vllm is not None
    spread = recipe.vllm.tensor_parallel
    room = recipe.vllm.memory_share * card.memory - shape.parameters * BF16 / spread
    return max(0, int(room // (shape.cache_token / spread * _length(recipe))))


@dataclass(frozen=True)
class Seconds:
    """Seconds of one batch of rollouts, and of the updates on it."""

    sampling: float
    training: float

    @property
    def total(self) -> float:
        """Return the time of both."""
        return self.sampling + self.training


def seconds(recipe: PolicyRecipe, shape: DecoderShape, card: Card) -> Seconds:
    """Return the time of a batch of rollouts and its updates, if every sequence has the full length.

    Training takes 6 FLOPs for each weight and token, 2 more if activations are recomputed, and 2 for each pass without gradients: that of the
    old policy (if a batch is cut into minibatches) and that of the reference. With frozen weights, whose gradients are not computed, it is 4
    instead of 6. Decoding reads the weights and the cache once for each token position.
    """
    processes = recipe.hardware.processes
    sequences = recipe.rollout.prompts_per_step * recipe.rollout.samples_per_prompt / processes
    passes = 4 if recipe.adapter else 6
    passes += 2 * (recipe.optimization.gradient_checkpointing + (recipe.rollout.minibatches > 1) + (recipe.loss.kl > 0))
    tokens = sequences * _length(recipe)
    scores = shape.layers * shape.heads * shape.head_size * _length(recipe)
    training = tokens * passes * (shape.parameters + scores) / (card.flops * TRAINING_USE)
    new = recipe.rollout.max_new_tokens
    mean_cache = sequences * shape.cache_token * (recipe.data.max_prompt_tokens + new / 2)
    decoding = new * (shape.parameters * BF16 + mean_cache) / (card.bandwidth * DECODING_USE)
    reading = recipe.rollout.prompts_per_step / processes * recipe.data.max_prompt_tokens * 2 * shape.parameters
    return Seconds(decoding + reading / (card.flops * TRAINING_USE), training)


def _length(recipe: PolicyRecipe) -> int:
    return recipe.data.max_prompt_tokens + recipe.rollout.max_new_tokens


def _example(model: str, hardware: Hardware, adapter: Adapter | None, share: float) -> PolicyRecipe:
    """Return the published sizes: 8 prompts of 2,048 tokens by 8 samples of 1,024, one sequence at once."""
    return PolicyRecipe(
        method="grpo",
        model=model,
        adapter=adapter,
        hardware=hardware,
        optimization={"steps": 1, "learning_rate": 1e-6, "gradient_checkpointing": True},  # type: ignore[arg-type]
        rollout=Rollout(sequences_at_once=1),
        loss=PolicyLoss(),
        vllm=Vllm(memory_share=share, tensor_parallel=1),
    )


def table() -> str:
    """Return the table of docs/scaling.md: memory, and time of a batch of 64 rollouts, for each model, way of training and card."""
    ways: dict[str, Adapter | None] = {
        "QLoRA r 64": Adapter(four_bit=True), "LoRA r 64": Adapter(), "every weight": None,
    }  # fmt: skip
    names = [f"{size} GB ({card.name})" for size, card in CARDS.items()]
    lines = [
        f"| model | trained | GPUs | weights | optimiser | gradients + activations | sampling | peak | {' | '.join(names)} |",
        f"| {' | '.join(['---'] * (8 + len(names)))} |",
    ]
    for name in ("Qwen2.5-0.5B", "Qwen2.5-1.5B", "Qwen2.5-7B", "Qwen2.5-32B"):
        for way, adapter in ways.items():
            for gpus in (1, 8):
                # Quantised weights are not sharded.
                if gpus == 1 or adapter is None or not adapter.four_bit:
                    hardware = Hardware(gpus=gpus, sharding="full" if gpus > 1 else "none")
                    lines.append(_row(name, way, adapter, hardware))
    return "\n".join(lines)


def _row(name: str, way: str, adapter: Adapter | None, hardware: Hardware) -> str:
    """Return a row: the memory with room for 16 sequences of full length in vLLM, and the seconds on each card that is large enough."""
    shape = SHAPES[name]
    sampling = shape.parameters * BF16 + 16 * 3072 * shape.cache_token
    cells = []
    for card in CARDS.values():
        recipe = _example(name, hardware, adapter, min(0.99, sampling / card.memory))
        time = seconds(recipe, shape, card)
        held = replace(memory(recipe, shape, card), sampling=sampling)
        cells.append(f"{time.sampling:.0f} + {time.training:.0f} s" if held.peak <= card.memory else "no")
    parts = (held.weights, held.optimizer, held.gradients + held.activations, held.sampling, held.peak)
    numbers = " | ".join(f"{part / GIB:.1f}" for part in parts)
    return f"| {name} | {way} | {hardware.gpus} | {numbers} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table. With a file as argument, such as docs/scaling.md, replace the table between its marks."""
    import sys

    if len(sys.argv) < 2:
        print(table())
        return
    path = Path(sys.argv[1])
    before, mark, rest = path.read_text(encoding="utf-8").partition("<!-- table -->\n")
    path.write_text(f"{before}{mark}{table()}\n<!-- end -->{rest.partition('<!-- end -->')[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
