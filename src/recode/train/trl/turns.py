"""Episodes of several answers: the policy answers, reads what its program did, and answers again. Loss is on its own tokens only.

An episode is one sequence: the first answer, what the environment wrote, the next answer. Rewards look at the last answer, and a group's
advantages are those of whole episodes. Shapes: N sequences.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from recode.environments.episode import next_message
from recode.errors import EnvironmentBuildError, SandboxError
from recode.machine import cores
from recode.prompts import PREFILL
from recode.rewards import execution
from recode.sandbox.execution import Servers
from recode.sandbox.levels import best_level
from recode.shipped import shipped

LAST = "last_completion"
"""The column with the text of an episode's last answer, which is what rewards look at."""
Row = dict[str, Any]
Sample = Callable[[list[list[int]], int, int], list[list[int]]]
"""Takes prompts (token ids), completions of each run of equal prompts, and the turn's number; returns N completions (token ids)."""
_ADDRESS = re.compile(r"\b0x[0-9a-f]{4,}\b")
"""Where an object lies in memory differs from run to run, and a resumed run has to read the same."""


class Feedback:
    """Runs answers and says what happened. It holds fork servers, which end with it."""

    def __init__(self, locks: str = "data/locks") -> None:
        """Take the folder of locks of the releases.

        Raises:
            SandboxError: this machine supports no isolation.
        """
        best_level()
        self._locks = shipped(locks)
        self._servers = Servers()
        self._pool = ThreadPoolExecutor(cores(), thread_name_prefix="feedback")
        self.seconds = 0.0
        """Time spent in runs so far."""
        self.failed = 0
        """Runs that the sandbox or an environment failed; such an episode ends with the answer that it has."""

    def __call__(self, rows: Sequence[Row], completions: Sequence[str]) -> list[str]:
        """Return the message that follows each answer, N strings; empty where the episode ends.

        It ends if the program ran without an error or a deprecation, and if the entry cannot be run (a made-up library).
        """
        began = time.perf_counter()
        found = list(self._pool.map(self._message, rows, completions))
        self.seconds += time.perf_counter() - began
        return found

    def _message(self, row: Row, completion: str) -> str:
        try:
            environment = execution.environment_of(row["lock"], self._locks)
            if environment is None or row["stdout"] is None:
                return ""
            said = next_message(
                completion,
                row["release"],
                lambda program: execution.run_answer(environment, program, row["module"], self._servers),
            )
        except (SandboxError, EnvironmentBuildError):
            self.failed += 1
            return ""
        return _ADDRESS.sub("0x…", said)


@dataclass
class Episodes:
    """Episodes of one batch, N of each list."""

    prompt_ids: list[list[int]]
    completion_ids: list[list[int]]
    """All tokens after the prompt: the answers, and what stands between them."""
    own: list[list[int]]
    """1 for each token of `completion_ids` that the policy wrote, 0 for the environment's."""
    last: list[str]
    """The text of the last answer."""
    answers: list[int] = field(default_factory=list)
    """How many answers an episode has."""

    def as_rollout(self) -> dict[str, Any]:
        """Return what a `rollout_func` of TRL returns."""
        return {
            "prompt_ids": self.prompt_ids, "completion_ids": self.completion_ids, "logprobs": None, "env_mask": self.own,
            LAST: self.last,
        }  # fmt: skip


def play(
    rows: Sequence[Row], prompt_ids: list[list[int]], group: int, turns: int, *,
    tokenizer: Any, sample: Sample, feedback: Callable[[Sequence[Row], Sequence[str]], list[str]], longest: int,
) -> Episodes:  # fmt: skip
    """Play an episode for each row.

    Args:
        rows: the rows, one for each sequence, group by group.
        prompt_ids: their prompts.
        group: sequences of a group.
        turns: the most answers of an episode.
        tokenizer: the policy's.
        sample: samples answers.
        feedback: returns the message that follows each answer.
        longest: the most tokens of such a message, with what the chat template puts around it.
    """
    first = sample(prompt_ids, group, 0)
    episodes = Episodes(
        prompt_ids,
        [list(ids) for ids in first],
        [[1] * len(ids) for ids in first],
        _texts(tokenizer, first),
        [1] * len(first),
    )
    going = [place for place, ids in enumerate(first) if _ended(tokenizer, ids)]
    for turn in range(1, turns):
        messages = feedback([rows[place] for place in going], [episodes.last[place] for place in going])
        asked = {
            place: between(tokenizer, message, longest)
            for place, message in zip(going, messages, strict=True)
            if message
        }
        going = list(asked)
        if not going:
            break
        for place, ids in asked.items():
            episodes.completion_ids[place] += ids
            episodes.own[place] += [0] * len(ids)
        written = sample([prompt_ids[place] + episodes.completion_ids[place] for place in going], 1, turn)
        for place, ids, text in zip(going, written, _texts(tokenizer, written), strict=True):
            episodes.completion_ids[place] += ids
            episodes.own[place] += [1] * len(ids)
            episodes.last[place] = text
            episodes.answers[place] += 1
        going = [place for place, ids in zip(going, written, strict=True) if _ended(tokenizer, ids)]
    return episodes


def between(tokenizer: Any, message: str, longest: int) -> list[int]:
    """Return the token ids between an answer and the next one: a user's turn, and the beginning of the policy's.

    Of a message that is too long the end is kept, since errors and the request stand there.
    """
    before, after = _around(tokenizer)
    head, tail = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (before, after))
    body = tokenizer(message, add_special_tokens=False)["input_ids"]
    room = max(0, longest - len(head) - len(tail))
    return [*head, *(body[len(body) - room :] if len(body) > room else body), *tail]


def _around(tokenizer: Any) -> tuple[str, str]:
    """Return what stands before and after a message that follows an answer, up to where the next answer begins."""
    if not getattr(tokenizer, "chat_template", None):
        return "\n\n", f"\n\n{PREFILL}"
    turns = [
        {"role": "user", "content": "recode-question"},
        {"role": "assistant", "content": "recode-answer"},
        {"role": "user", "content": "recode-message"},
    ]
    text = str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
    before, _, after = text.partition("recode-answer")[2].partition("recode-message")
    end = tokenizer.eos_token
    if end and end in before:
        # The answer holds its end token already.
        before = before.partition(end)[2]
    return before, after if after.rstrip().endswith(PREFILL) else after + PREFILL


def on_last_answer(reward: Callable[..., Any]) -> Callable[..., Any]:
    """Return the reward function with the last answer of each episode in place of the whole episode."""

    def call(completions: Sequence[Any] = (), **columns: Any) -> Any:
        return reward(completions=columns.pop(LAST, completions), **columns)

    call.__name__ = call.__qualname__ = reward.__name__
    return call


def _ended(tokenizer: Any, ids: Sequence[int]) -> bool:
    return bool(ids) and ids[-1] == tokenizer.eos_token_id


def _texts(tokenizer: Any, completions: Sequence[Sequence[int]]) -> list[str]:
    texts: list[str] = tokenizer.batch_decode(completions, skip_special_tokens=True)
    return texts
