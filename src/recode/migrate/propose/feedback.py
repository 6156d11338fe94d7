"""What is wrong with a model's rewriting, and the prompt that asks for another one. Each place is asked again once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from recode.migrate.prove.rewrite_options import RewriteOption
from recode.migrate.rewrite.changes import Change, Method
from recode.models.prompting import Prompt
from recode.prompts import CORRECT, PREFILL


@dataclass(frozen=True)
class FailedProposal:
    """A model's rewriting with which a run ends differently, and how."""

    change: Change
    error: str


def corrected(prompt: Prompt, answer: str, error: str) -> Prompt:
    """Return the prompt that follows an answer: the conversation so far, what is wrong with the answer, and the request to correct it."""
    turns = (("assistant", PREFILL + answer), ("user", f"This answer is not taken: {error}.\n{CORRECT}"))
    return replace(prompt, messages=(*prompt.messages, *turns))


def failed_in_runs(options: Sequence[RewriteOption], known: Sequence[FailedProposal]) -> list[FailedProposal]:
    """Return the model's rewritings that runs speak against, of places that have not been asked again because of a run.

    Args:
        options: the rewritings of all places, after the runs.
        known: those of earlier rounds.
    """
    asked = {finding for one in known for finding in one.change.findings}
    return [
        FailedProposal(change, error)
        for option in options
        for change, error in option.errors.items()
        if change.method is Method.MODEL and asked.isdisjoint(change.findings)
    ]
