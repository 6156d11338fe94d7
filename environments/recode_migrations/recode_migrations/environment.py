"""How an episode is played: the model answers, and with more than one turn reads what its program did and may answer again."""

from __future__ import annotations

import asyncio

import verifiers.v1 as vf
from pydantic import Field

from recode.environments.episode import Episode
from recode_migrations.taskset import MigrationTask, last_answer


class MigrationEnvConfig(vf.EnvConfig):
    """The agent, and how many answers it may give."""

    agent: vf.AgentConfig = vf.AgentConfig(harness={"id": "null"}, runtime={"type": "subprocess"})
    """A plain chat without tools, which needs no container. Programs run in ReCode's sandbox."""
    turns: int = Field(1, ge=1)
    """1: single-turn. 2: an answer, what happened when its program ran on the new release, and a repair."""


class MigrationEnv(vf.Env[MigrationEnvConfig]):
    """One agent that migrates a program."""

    async def run(self, task: MigrationTask, agents: vf.Agents) -> None:
        """Play one episode. It ends with the first answer that runs clean, or with the last turn."""
        if self.config.turns == 1:
            await agents.agent.run(task)
            return
        episode = Episode(task.recode_task, task.grader, self.config.turns)
        async with agents.agent.interaction(task) as conversation:
            segment = await conversation.turn()
            for _ in range(self.config.turns - 1):
                if segment.terminated:
                    return
                happened = await asyncio.to_thread(episode.observe, last_answer(conversation.trace))
                if not happened:
                    return
                segment = await conversation.turn(happened)
