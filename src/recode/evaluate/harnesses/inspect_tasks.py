"""Tasks for Inspect (`pip install inspect-ai`): `inspect eval recode/test_updates --model openai/...`.

The package registers them, so no file has to be copied. The model gets our prompt as a system and a user message; what it writes, with any
thought that its server sends apart, is read like every other completion.
"""

from __future__ import annotations

import asyncio

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageSystem, ChatMessageUser, ContentReasoning, ContentText, GenerateConfig
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import TaskState, generate

from recode.evaluate.harnesses.documents import SCORES, documents, scores
from recode.prompts import completion_of

MAX_TOKENS = 4096
"""Thinking models need many more than the answers have."""


@scorer(metrics={name: [mean(), stderr()] for name in SCORES})
def judged() -> Scorer:
    """Score by the project\'s own judge, in its sandbox; a score that cannot be graded is not a number, and left out of the means."""

    async def score(state: TaskState, target: Target) -> Score:
        completion = _completion(state)
        found = await asyncio.to_thread(scores, state.metadata, completion)
        return Score(value={name: found.get(name, float("nan")) for name in SCORES}, answer=completion)

    return score


def _completion(state: TaskState) -> str:
    content = state.output.message.content if state.output.choices else ""
    if isinstance(content, str):
        return completion_of(content)
    thought = "".join(part.reasoning for part in content if isinstance(part, ContentReasoning))
    return completion_of("".join(part.text for part in content if isinstance(part, ContentText)), thought)


def _task(benchmark: str, data: str | None) -> Task:
    samples = [
        Sample(
            id=document["id"],
            input=[ChatMessageSystem(content=document["system"]), ChatMessageUser(content=document["user"])],
            target=document["gold"],
            metadata=document,
        )
        for document in documents(benchmark, data=data)
    ]
    return Task(
        dataset=MemoryDataset(samples, name=f"recode/{benchmark}"), solver=generate(), scorer=judged(),
        config=GenerateConfig(max_tokens=MAX_TOKENS, temperature=0.0), name=benchmark,
    )  # fmt: skip


@task
def test_generated(data: str | None = None) -> Task:
    """Updates of libraries that do not exist: their programs are compared, not run."""
    return _task("test_generated", data)


@task
def test_updates(data: str | None = None) -> Task:
    """Unseen updates of libraries seen in training."""
    return _task("test_updates", data)


@task
def test_libraries(data: str | None = None) -> Task:
    """Updates of libraries not seen in training."""
    return _task("test_libraries", data)


@task
def no_op(data: str | None = None) -> Task:
    """Programs that the note does not concern: right is to change nothing."""
    return _task("no_op", data)
