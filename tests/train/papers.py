"""The papers' equations in short float64 code, written from the papers alone. TRL and verl are compared with them.

GRPO: arXiv 2402.03300, equations 3 and 4 and section 4.1.2. DAPO: arXiv 2503.14476, equations 8 and 9. Dr. GRPO: arXiv 2503.20783, section 3.1.
GSPO: arXiv 2507.18071, equations 5 to 7. Dual clip: arXiv 1912.09729, equation 5. KL weighed by the ratio:
arXiv 2512.02556. All maximise; a loss is the negative.
"""

from __future__ import annotations

import torch
from torch import Tensor


def advantages(rewards_pg: Tensor, divide: bool) -> Tensor:
    """Return (r - mean) / std of each group, or, for Dr. GRPO, the numerator."""
    centred = rewards_pg - rewards_pg.mean(1, keepdim=True)
    return centred / rewards_pg.std(1, keepdim=True) if divide else centred


def surrogate(ratio: Tensor, advantage: Tensor, low: float, high: float, c: float | None = None) -> Tensor:
    """Return min(ratio A, clip(ratio, 1 - low, 1 + high) A); with dual clip, at least c A where A is negative."""
    value = torch.minimum(ratio * advantage, ratio.clamp(1 - low, 1 + high) * advantage)
    return value if c is None else torch.where(advantage < 0, torch.maximum(value, c * advantage), value)


def kl(logp: Tensor, reference: Tensor) -> Tensor:
    """Return the unbiased estimate pi_ref / pi - log(pi_ref / pi) - 1 of each token."""
    return torch.exp(reference - logp) - (reference - logp) - 1


def loss(
    logp: Tensor, old: Tensor, reference: Tensor, advantage: Tensor, mask: Tensor, *,
    how: str, low: float, high: float, c: float | None, beta: float, longest: int, sequence: bool, weighed: bool,
) -> Tensor:  # fmt: skip
    """Return the loss of a batch; tensors are (sequences, tokens), `advantage` (sequences,), sequences right-padded."""
    value = torch.zeros((), dtype=logp.dtype)
    terms = []
    for row in range(len(logp)):
        n = int(mask[row].sum())
        ratio = torch.exp(logp[row, :n] - old[row, :n])
        if sequence:
            ratio = torch.exp((logp[row, :n] - old[row, :n]).sum() / n).expand(n)
        penalty = kl(logp[row, :n], reference[row, :n]) * (ratio if weighed else 1)
        terms.append(surrogate(ratio, advantage[row], low, high, c) - beta * penalty)
    if how == "grpo":
        value = torch.stack([term.mean() for term in terms]).mean()
    elif how == "dapo":
        value = torch.cat(terms).sum() / sum(len(term) for term in terms)
    elif how == "dr_grpo":
        value = torch.stack([term.sum() for term in terms]).mean() / longest
    return -value
