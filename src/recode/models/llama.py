"""A decoder for small Llama models on a CPU, which reads a prompt once for all samples of its group.

At a few million parameters on a CPU, `generate` of `transformers` spends most of a step outside the arithmetic. This decoder takes the weights
of a loaded `LlamaForCausalLM`, keeps its key-value cache in preallocated tensors, attends to a prompt's keys and values once for all samples
of its group, and computes nothing but attention for samples that have ended. Its greedy output equals that of `generate`.

Suffixes name the dimensions of a tensor (`ids_pt` is (P, T)): P prompts, G samples per prompt, N = P·G rows, T prompt tokens, S new tokens,
A samples that have not ended, K key-value heads, R query heads per key-value head, D head size, C hidden size, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from recode.models.sampling import Sampling

_FEW_ROWS = 256


def supports(model: Any) -> bool:
    """Say whether this decoder supports the model: a plain Llama on the CPU, without biases, scaled positions, adapters or quantisation."""
    config: Any = getattr(model, "config", None)
    rope = getattr(config, "rope_parameters", None) or {}
    return (
        type(model).__name__ == "LlamaForCausalLM"
        and rope.get("rope_type", "default") == "default"
        and not config.attention_bias
        and not config.mlp_bias
        and config.hidden_act == "silu"
        and getattr(config, "quantization_config", None) is None
        and next(model.parameters()).device.type == "cpu"
    )


class _Weights:
    """The tensors of a Llama in float32, (outputs, inputs) each."""

    def __init__(self, model: Any) -> None:
        config = model.config
        self.heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads
        self.size = getattr(config, "head_dim", None) or config.hidden_size // self.heads
        self.epsilon = config.rms_norm_eps
        rope = getattr(config, "rope_parameters", None) or {}
        self.theta = float(rope.get("rope_theta", 10000.0))
        self.embedding = _plain(model.model.embed_tokens.weight)
        self.norm = _plain(model.model.norm.weight)
        self.head = _plain(model.lm_head.weight)
        self.layers = [_Layer(layer) for layer in model.model.layers]

    def rotary(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Return cosines and sines for positions of any shape (...), both (..., D)."""
        frequencies = self.theta ** (-torch.arange(0, self.size, 2, dtype=torch.float32) / self.size)
        angles = positions[..., None].float() * frequencies
        angles = torch.cat([angles, angles], dim=-1)
        return angles.cos(), angles.sin()


class _Layer:
    def __init__(self, layer: Any) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self.before, self.after = _plain(layer.input_layernorm.weight), _plain(layer.post_attention_layernorm.weight)
        self.qkv = torch.cat([_plain(p.weight) for p in (attention.q_proj, attention.k_proj, attention.v_proj)])
        self.out = _plain(attention.o_proj.weight)
        self.gate_up = torch.cat([_plain(mlp.gate_proj.weight), _plain(mlp.up_proj.weight)])
        self.down = _plain(mlp.down_proj.weight)


def _plain(weight: Tensor) -> Tensor:
    return weight.detach().float()


def _rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    return x * cosine + torch.cat([-x[..., half:], x[..., :half]], dim=-1) * sine


def _product(x: Tensor, weight: Tensor) -> Tensor:
    """Return x (..., C) through a layer of weight (outputs, C).

    For few rows the weight comes first: MKL then splits the large dimension among its threads, and is 1.2 to 1.6 times as fast.
    """
    rows = x.reshape(-1, x.shape[-1])
    if len(rows) > _FEW_ROWS:
        return functional.linear(x, weight)
    return (weight @ rows.t()).t().reshape(*x.shape[:-1], -1)


def _feed_forward(x: Tensor, layer: _Layer, epsilon: float) -> Tensor:
    gate, up = _product(functional.rms_norm(x, x.shape[-1:], layer.after, epsilon), layer.gate_up).chunk(2, dim=-1)
    return x + _product(functional.silu(gate) * up, layer.down)


class _Group:
    """The state of decoding: prompts' cache (P, K, T, D) per layer, samples' cache (P, G, K, S, D) per layer."""

    def __init__(self, weights: _Weights, prompts: list[list[int]], samples: int, room: int) -> None:
        self.weights, self.samples = weights, samples
        self.lengths_p = torch.tensor([len(prompt) for prompt in prompts])
        longest = int(self.lengths_p.max())
        ids_pt = torch.zeros(len(prompts), longest, dtype=torch.long)
        for row, prompt in enumerate(prompts):
            ids_pt[row, : len(prompt)] = torch.tensor(prompt)
        self.keys, self.values, self.last_pc = self._read(ids_pt)
        # Padded on the right: the padding follows a prompt's last token and is masked for its samples.
        self.padded_pt = torch.arange(longest)[None] >= self.lengths_p[:, None]
        shape = (len(prompts), samples, weights.kv_heads, room, weights.size)
        self.new_keys = [torch.empty(shape) for _ in weights.layers]
        self.new_values = [torch.empty(shape) for _ in weights.layers]

    def _read(self, ids_pt: Tensor) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """Run the prompts; return keys and values per layer and the hidden state of each prompt's last token."""
        w = self.weights
        x = w.embedding[ids_pt]
        prompts, longest = ids_pt.shape
        cosine, sine = w.rotary(torch.arange(longest))
        keys, values = [], []
        for layer in w.layers:
            q, k, v = self._project(x, layer)
            q, k = _rotate(q, cosine, sine), _rotate(k, cosine, sine)
            # After the projection, heads are stored within tokens, and every product with them would copy them first.
            keys.append(k.contiguous())
            values.append(v.contiguous())
            mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
            x = x + _product(mixed.transpose(1, 2).reshape(prompts, longest, -1), layer.out)
            x = _feed_forward(x, layer, w.epsilon)
        return keys, values, x[torch.arange(prompts), self.lengths_p - 1]

    def _project(self, x: Tensor, layer: _Layer) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries (batch, heads, length, D), keys and values (batch, K, length, D)."""
        w = self.weights
        qkv = _product(functional.rms_norm(x, x.shape[-1:], layer.before, w.epsilon), layer.qkv)
        parts = qkv.view(*x.shape[:2], -1, w.size).transpose(1, 2)
        return parts.split([w.heads, w.kv_heads, w.kv_heads], dim=1)

    def logits(self, hidden: Tensor) -> Tensor:
        """Return logits (..., V) for hidden states (..., C)."""
        w = self.weights
        return _product(functional.rms_norm(hidden, hidden.shape[-1:], w.norm, w.epsilon), w.head).contiguous()

    def step(self, tokens_pg: Tensor, open_pg: Tensor, at: int) -> Tensor:
        """Append one token to every open sample as its `at`-th new one; return the open samples' logits (A, V).

        Samples that have ended take part in attention alone, whose result for them is dropped: its shapes stay those of whole groups.
        """
        w, samples = self.weights, self.samples
        prompts, count = tokens_pg.shape[0], tokens_pg.numel()
        repeats = w.heads // w.kv_heads
        rows = open_pg.flatten().nonzero()[:, 0]
        x = w.embedding[tokens_pg.flatten()[rows]][:, None]
        cosine_pd, sine_pd = w.rotary(self.lengths_p + at)
        # (A, 1, 1, D): all samples of a prompt are at the same position.
        cosine, sine = (part[rows // samples][:, None, None] for part in (cosine_pd, sine_pd))
        q_nhd = x.new_zeros(count, w.heads, w.size)
        for number, layer in enumerate(w.layers):
            q, k, v = self._project(x, layer)
            q, k = _rotate(q, cosine, sine), _rotate(k, cosine, sine)
            self.new_keys[number].flatten(0, 1)[rows, :, at] = k[:, :, 0]
            self.new_values[number].flatten(0, 1)[rows, :, at] = v[:, :, 0]
            q_nhd[rows] = q[:, :, 0]
            mixed = self._attend(q_nhd.view(prompts, samples, w.kv_heads, repeats, w.size), number, at + 1)
            x = x + _product(mixed.reshape(count, 1, -1)[rows], layer.out)
            x = _feed_forward(x, layer, w.epsilon)
        return self.logits(x)[:, 0]

    def _attend(self, q_pgkrd: Tensor, layer: int, seen: int) -> Tensor:
        """Attend to the prompt's keys, once for the group, and to each sample's own; return (P, G, K, R, D)."""
        prompts, samples, kv_heads, repeats, size = q_pgkrd.shape
        q_shared = q_pgkrd.transpose(1, 2).reshape(prompts, kv_heads, samples * repeats, size)
        shared = q_shared @ self.keys[layer].transpose(-1, -2)
        shared.masked_fill_(self.padded_pt[:, None, None], float("-inf"))
        shared = shared.view(prompts, kv_heads, samples, repeats, -1).transpose(1, 2)
        own = q_pgkrd @ self.new_keys[layer][:, :, :, :seen].transpose(-1, -2)
        weights = torch.softmax(torch.cat([shared, own], dim=-1) * size**-0.5, dim=-1)
        on_shared, on_own = weights.split([shared.shape[-1], seen], dim=-1)
        on_shared = on_shared.transpose(1, 2).reshape(prompts, kv_heads, samples * repeats, -1)
        from_shared = (on_shared @ self.values[layer]).view(prompts, kv_heads, samples, repeats, size).transpose(1, 2)
        return from_shared + on_own @ self.new_values[layer][:, :, :, :seen]

    def keep(self, index: Tensor) -> None:
        """Keep only the prompts at `index`."""
        self.lengths_p, self.padded_pt = self.lengths_p[index], self.padded_pt[index]
        for caches in (self.keys, self.values, self.new_keys, self.new_values):
            for number, cache in enumerate(caches):
                caches[number] = cache[index]


def choose(logits_av: Tensor, sampling: Sampling, random_a: Tensor) -> Tensor:
    """Return the next tokens (A,): the most likely ones at temperature 0, otherwise drawn from the top-p nucleus by numbers from [0, 1)."""
    if sampling.temperature == 0:
        return logits_av.argmax(-1)
    probabilities = torch.softmax(logits_av / sampling.temperature, dim=-1)
    if sampling.top_p < 1:
        ordered, order = probabilities.sort(dim=-1, descending=True)
        ordered[ordered.cumsum(-1) - ordered >= sampling.top_p] = 0
        probabilities = torch.zeros_like(probabilities).scatter(-1, order, ordered)
    # One random number for each row; `multinomial` would draw one for every token of the vocabulary.
    summed = probabilities.cumsum(-1)
    total = summed[..., -1:]
    drawn = random_a[:, None] * total
    # Below the total even after rounding: tokens beyond it have no probability.
    drawn = torch.minimum(drawn, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(summed, drawn, right=True).squeeze(-1)


@torch.inference_mode()
def sample(
    model: Any, prompts: list[list[int]], samples: int, sampling: Sampling, end: int, *, together: int = 256
) -> list[list[list[int]]]:
    """Return `samples` completions for each prompt, as token ids that include `end` if it was reached.

    Prompts of similar length run together, at most `together` rows at a time. The result depends on the arguments alone.
    """
    weights = _Weights(model)
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    at_once = max(1, together // samples)
    results: list[list[list[int]]] = [[] for _ in prompts]
    for start in range(0, len(order), at_once):
        chosen = order[start : start + at_once]
        # A generator takes 64 bits.
        generator = torch.Generator().manual_seed((sampling.seed * 1_000_003 + start) % 2**63)
        for i, completions in zip(
            chosen, _run(weights, [prompts[i] for i in chosen], samples, sampling, end, generator), strict=True
        ):
            results[i] = completions
    return results


def _run(
    weights: _Weights, prompts: list[list[int]], samples: int, sampling: Sampling, end: int, generator: torch.Generator
) -> list[list[list[int]]]:
    group = _Group(weights, prompts, samples, sampling.max_new_tokens)
    written = torch.full((len(prompts), samples, sampling.max_new_tokens), end)
    alive = torch.arange(len(prompts))
    open_pg = torch.ones(len(prompts), samples, dtype=torch.bool)
    logits = group.logits(group.last_pc).repeat_interleave(samples, 0)
    for at in range(sampling.max_new_tokens):
        # A number for samples that have ended too: what one sample draws does not depend on when others end.
        random_pg = torch.rand(open_pg.shape, generator=generator)
        tokens = torch.full(open_pg.shape, end)
        tokens[open_pg] = choose(logits, sampling, random_pg[open_pg])
        written[alive, :, at] = tokens
        open_pg = open_pg & (tokens != end)
        open_p = open_pg.any(dim=1)
        if not open_p.any() or at + 1 == sampling.max_new_tokens:
            break
        # Compacting copies the caches, so it waits until a tenth of the prompts have ended.
        if (~open_p).sum() * 10 >= len(alive):
            index = open_p.nonzero()[:, 0]
            group.keep(index)
            alive, tokens, open_pg = alive[index], tokens[index], open_pg[index]
        logits = group.step(tokens, open_pg, at)
    return [[until(row.tolist(), end) for row in rows] for rows in written]


def until(ids: list[int], end: int) -> list[int]:
    """Return the ids up to and including the first `end`."""
    return ids[: ids.index(end) + 1] if end in ids else ids
