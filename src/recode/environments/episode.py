"""One episode of a task: the model answers, reads what its program did, and may answer again; the last answer is graded.

There are two ways to play it. In a conversation, `step` takes completions in the form that `recode.prompts` asks for. With
tools, `run` and `submit` take programs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from recode.environments.grading import Grade, Grader
from recode.environments.observations import is_clean, no_program, observation
from recode.environments.tasks import MigrationTask
from recode.prompts import CORRECT, PREFILL, parse_response, response
from recode.sandbox.execution import Execution
from recode.source import parses

TURNS = 2
"""The default number of answers: a first one, and a repair."""


@dataclass(frozen=True)
class EpisodeStep:
    """What follows an answer: the next message for the model, or the end with the grade (`observation` is then empty)."""

    observation: str
    grade: Grade | None = None

    @property
    def done(self) -> bool:
        """Whether the episode is over."""
        return self.grade is not None


def next_message(completion: str, release: str, run: Callable[[str], Execution]) -> str:
    """Return what follows an answer in a conversation: what its program did, and the request to correct it; empty if it ran clean.

    Args:
        completion: what the model wrote after `recode.prompts.PREFILL`.
        release: the release that the program has to work with, such as `numpy 2.4.6`.
        run: runs a program on that release.

    Raises:
        SandboxError: the sandbox failed.
    """
    program = parse_response(completion).code
    if program is None or not parses(program):
        said = no_program()
    else:
        done = run(program)
        if is_clean(done):
            return ""
        said = observation(done, program, release)
    return f"{said}\n{CORRECT}"


class Episode:
    """An episode of at most `turns` answers. It ends early with the first answer that runs without an error or a deprecation.

    With tools it is `turns - 1` runs and a submission. `messages` is the conversation so far, `grade` the last answer's grade
    once the episode is over.
    """

    def __init__(self, task: MigrationTask, grader: Grader, turns: int = TURNS) -> None:
        if turns < 1:
            raise ValueError(f"turns is {turns}; an episode has at least one")
        self.task, self.grader, self.turns = task, grader, turns
        self.messages: list[dict[str, str]] = []
        self.grade: Grade | None = None
        self.used = 0
        """Answers given, or programs run."""
        self.reset()

    def reset(self) -> list[dict[str, str]]:
        """Start from the beginning; return the messages that the model is asked with."""
        self.messages, self.grade, self.used = self.task.messages, None, 0
        return list(self.messages)

    def step(self, completion: str) -> EpisodeStep:
        """Take the model's next answer: what it wrote after `recode.prompts.PREFILL`.

        Raises:
            ValueError: the episode is over.
            SandboxError: the sandbox failed; the episode can be reset.
        """
        self._check_open()
        self.messages.append({"role": "assistant", "content": PREFILL + completion})
        self.used += 1
        message = "" if self.used == self.turns else self.observe(completion)
        if not message:
            self.grade = self.grader.grade(self.task, completion)
            return EpisodeStep("", self.grade)
        self.messages.append({"role": "user", "content": message})
        return EpisodeStep(message)

    def observe(self, completion: str) -> str:
        """Return the next message to a model that gave this answer; empty if its program ran clean. It is no turn by itself.

        Raises:
            SandboxError: the sandbox failed.
        """
        return next_message(completion, self.task.release, lambda program: self.grader.run(self.task, program))

    def run(self, program: str) -> str:
        """Run a program on the new release; return what happened, and how many runs are left.

        Raises:
            ValueError: the episode is over.
            SandboxError: the sandbox failed; the run does not count.
        """
        self._check_open()
        left = self.turns - 1 - self.used
        if left <= 0:
            return "No runs are left: submit the program."
        said = observation(self.grader.run(self.task, program), program, self.task.release)
        self.used += 1
        return f"{said}\nRuns left: {left - 1}."

    def submit(self, program: str) -> Grade:
        """End the episode with a program; return its grade.

        Raises:
            ValueError: the episode is over.
        """
        self._check_open()
        self.grade = self.grader.grade(self.task, response("", program))
        return self.grade

    def _check_open(self) -> None:
        if self.grade is not None:
            raise ValueError("the episode is over; call reset first")
