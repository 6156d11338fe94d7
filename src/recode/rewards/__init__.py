"""Rule-based rewards: one table of terms per family, their weighted sum, and the adapters to TRL and verl.

Every term is a function of a completion (what a model wrote after `recode.prompts.PREFILL`), the gold program and, if it
is known, the old program. It returns a number, or None for what cannot be graded, never zero. The *strict* family is the
default. The *paper* family reproduces the published numbers, faults included (arXiv 2506.20495).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from recode.errors import RecipeError
from recode.prompts import response
from recode.rewards import edit, exact, execution, lift, paper, progress
from recode.rewards import format as well_formed
from recode.rewards.answer import gradable, same_program, text_of

__all__ = [
    "DEFAULT_WEIGHTS",
    "FAMILIES",
    "Scores",
    "compute_score",
    "copy_baseline",
    "gradable",
    "same_program",
    "score",
    "trl_reward",
]

Term = Callable[[str, str, str | None], float | None]
"""`(completion, target, old_code) -> score`; None if it cannot be graded."""

FAMILIES: Mapping[str, Mapping[str, Term]] = MappingProxyType(
    {
        "strict": {
            "format": well_formed.score,
            "exact": exact.score,
            "edit": edit.score,
            "lift": lift.score,
            "progress": progress.score,
        },
        "paper": {
            "format": paper.score_format,
            "exact": paper.score_exact,
            "edit": paper.score_edit,
            "lift": paper.score_lift,
        },
    }
)
"""All terms by family. A new term is its module and a line here."""

NEEDS_OLD_CODE = frozenset({"lift", "progress"})
"""Terms that compare with the old code; without it they are None."""

DEFAULT_WEIGHTS: Mapping[str, float] = MappingProxyType({"format": 1.0, "edit": 1.0})
"""The paper's default reward: format + ES*, at most 3."""


@dataclass(frozen=True)
class Scores:
    """The score of one completion in every term of a family, and their weighted sum.

    A term that cannot be graded is None. The total is None if any term with a weight is.
    """

    terms: Mapping[str, float | None]
    total: float | None

    def __getitem__(self, name: str) -> float | None:
        """Return a term's score by name; `total` is the weighted sum."""
        return self.total if name == "total" else self.terms[name]


def score(
    completion: str,
    target: str,
    old_code: str | None = None,
    family: str = "strict",
    weights: Mapping[str, float] = DEFAULT_WEIGHTS,
) -> Scores:
    """Score one completion in every term of a family.

    Args:
        completion: what the model wrote after the prefilled `<think>`.
        target: the gold program.
        old_code: the program before the update; without it `lift` and `progress` are None.
        family: `strict` or `paper`.
        weights: the terms of the total and their weights.

    Raises:
        RecipeError: there is no such family, or a weight names no term of it.
    """
    table = terms(family)
    unknown = sorted(weights.keys() - table.keys())
    if unknown:
        raise RecipeError(f"unknown reward term `{unknown[0]}`; choose from {', '.join(table)}")
    values = {name: term(completion, target, old_code) for name, term in table.items()}
    total = 0.0
    for name, weight in weights.items():
        value = values[name]
        if value is None:
            return Scores(values, None)
        total += weight * value
    return Scores(values, total)


def terms(family: str) -> Mapping[str, Term]:
    """Return the terms of a family by name.

    Raises:
        RecipeError: there is no such family.
    """
    if family not in FAMILIES:
        raise RecipeError(f"unknown reward family `{family}`; choose from {', '.join(FAMILIES)}")
    return FAMILIES[family]


def copy_baseline(
    target: str,
    old_code: str,
    family: str = "strict",
    weights: Mapping[str, float] = DEFAULT_WEIGHTS,
    *,
    runs: bool = False,
) -> Scores:
    """Return the scores of a well-formed answer that copies the old code unchanged. Show them next to every reward.

    A weight for `execution` adds nothing for a migration, since the old code does not behave on the new release as it should. It is added
    for a no-op if `runs` says that answers are executed on a release that is available.
    """
    text = {name: weight for name, weight in weights.items() if name != "execution"}
    scores = score(response("", old_code), target, old_code, family, text)
    if runs and same_program(old_code, target) and scores.total is not None:
        return Scores(scores.terms, scores.total + weights.get("execution", 0.0))
    return scores


def trl_reward(name: str, family: str = "strict") -> Callable[..., list[float | None]]:
    """Return a reward function for TRL's trainers: one term, named `<family>_<name>` in their logs.

    The function takes keyword arguments: the columns `completions` (strings, or lists of chat messages), `target` and, for `lift` and
    `progress`, `old_code`, each with one item per completion. It returns one score per completion; None for what cannot be graded.

    Raises:
        RecipeError: there is no such family or term.
    """
    if name == "execution":
        # The only term that runs the answer, which takes more than the programs' text.
        return execution.trl_reward()
    table = terms(family)
    if name not in table:
        raise RecipeError(f"unknown reward term `{name}`; choose from {', '.join(table)}")
    term = table[name]

    def reward(
        prompts: Sequence[Any] | None = None,
        completions: Sequence[Any] = (),
        target: Sequence[str] = (),
        old_code: Sequence[str | None] | None = None,
        **columns: object,
    ) -> list[float | None]:
        olds = [None] * len(completions) if old_code is None else old_code
        return [term(text_of(out), gold, old) for out, gold, old in zip(completions, target, olds, strict=True)]

    reward.__name__ = reward.__qualname__ = f"{family}_{name}"
    return reward


def compute_score(
    data_source: str, solution_str: str, ground_truth: str, extra_info: Mapping[str, Any] | None = None
) -> dict[str, float | None]:
    """Score one completion for verl: `score` (the total) and every term.

    `extra_info` may hold `old_code` (adds `lift` and `progress`), `family` and `weights`. verl does not accept None: when
    preparing the data, leave out rows whose gold is not `gradable`.

    Raises:
        RecipeError: there is no such family or term.
    """
    extra = extra_info or {}
    old_code = extra.get("old_code")
    scores = score(
        solution_str, ground_truth, old_code, extra.get("family", "strict"), extra.get("weights", DEFAULT_WEIGHTS)
    )
    shown = {name: value for name, value in scores.terms.items() if old_code is not None or name not in NEEDS_OLD_CODE}
    return {"score": scores.total, **shown}
