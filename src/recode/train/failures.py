"""What stops a run for reasons that a user can fix. Each becomes one line that says what to do, and no finished work is lost."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import torch
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from recode.errors import RecipeError, RecodeError
from recode.train.distributed import server_command
from recode.train.recipes import PolicyRecipe, SftRecipe

_FULL = {errno.ENOSPC, errno.EDQUOT}
_ROOM = 4 << 20
"""Bytes; a disk with less free is full. Writers in C report a full disk in many ways, so the disk itself is checked."""
NEW_RUN = "in a new folder (--out)"
"""Where to follow advice that makes it another run: a folder refuses another recipe (train/folder.py)."""
LOWER_RATE = f"lower optimization.learning_rate {NEW_RUN}"


@contextmanager
def explained(recipe: SftRecipe | PolicyRecipe, folder: Path) -> Iterator[None]:
    """Turn failures of memory, disk and servers during training into a `RecodeError`; let everything else through."""
    held = f"{folder / 'checkpoints'} keeps everything up to the last checkpoint"
    kept = f"{held}, and the same command resumes from there"
    try:
        yield
    except torch.OutOfMemoryError:
        raise RecodeError(f"{folder}: the GPU's memory is full; {_less_memory(recipe)}. {kept}") from None
    except OSError as error:
        if error.errno in _FULL:
            raise RecodeError(f"{folder}: the disk is full; make room. {kept}") from None
        # TRL's client raises Python's own ConnectionError or one of `requests`, which is an OSError too.
        if _server(recipe) and (isinstance(error, ConnectionError) or type(error).__module__.startswith("requests")):
            raise RecodeError(f"{folder}: {_unreachable(recipe)}. {kept}") from None
        raise
    except Exception as error:
        # Safetensors and torch.save raise exceptions of their own when the disk is full.
        if "No space left" in str(error) or shutil.disk_usage(_existing(folder)).free < _ROOM:
            raise RecodeError(f"{folder}: the disk is full; make room. {kept}") from None
        if "probability tensor contains" in str(error):
            # Weights that are no longer numbers break sampling before they break a loss.
            raise RecodeError(
                f"{folder}: the policy's probabilities are not numbers any more; {LOWER_RATE}. {held}"
            ) from None
        if "can't allocate memory" in str(error):
            raise RecodeError(f"{folder}: the memory is full; {_less_memory(recipe)}. {kept}") from None
        raise


def guarded(reward: Callable[..., Any], folder: Path) -> Callable[..., Any]:
    """Return the reward function. If it raises, the error names it and says that the run can be resumed."""

    def call(*args: Any, **columns: Any) -> Any:
        try:
            return reward(*args, **columns)
        except RecodeError:
            raise
        except Exception as error:
            raise RecodeError(
                f"{folder}: the reward `{reward.__name__}` raised {type(error).__name__}: {error}; fix it, "
                f"or take it out of reward.weights {NEW_RUN}. Checkpoints are kept, and the same command resumes from the last one"
            ) from error

    call.__name__ = call.__qualname__ = reward.__name__
    return call


def check_server(recipe: SftRecipe | PolicyRecipe) -> None:
    """Make sure, before a model is loaded, that the vLLM server of a recipe answers; wait for it up to `vllm.timeout` seconds.

    Raises:
        RecodeError: it does not answer; the message gives the command that starts it.
    """
    if not _server(recipe):
        return
    assert isinstance(recipe, PolicyRecipe)
    assert recipe.vllm is not None
    health = f"{recipe.vllm.server.rstrip('/')}/health"
    retrying = Retrying(
        retry=retry_if_exception_type(httpx.HTTPError),
        stop=stop_after_delay(recipe.vllm.timeout),
        wait=wait_fixed(min(2.0, recipe.vllm.timeout)),
        reraise=True,
    )
    try:
        retrying(lambda: httpx.get(health, timeout=10).raise_for_status())
    except httpx.HTTPError:
        raise RecodeError(_unreachable(recipe)) from None


def check_context(rows: list[dict[str, Any]], model: Any, tokenizer: Any, new_tokens: int) -> None:
    """Make sure that the longest prompt and its completion fit into the model's context.

    Raises:
        RecipeError: they do not fit.
    """
    context = getattr(model.config, "max_position_embeddings", None)
    if context is None:
        return
    longest = max(len(ids) for ids in tokenizer([row["prompt"] for row in rows], add_special_tokens=False)["input_ids"])
    if longest + new_tokens > context:
        raise RecipeError(
            f"the longest prompt has {longest} tokens; with {new_tokens} new ones that is more than the model's context of {context}: "
            "lower data.max_prompt_tokens or rollout.max_new_tokens"
        )


def _server(recipe: SftRecipe | PolicyRecipe) -> bool:
    return isinstance(recipe, PolicyRecipe) and recipe.vllm is not None and recipe.vllm.mode == "server"


def _unreachable(recipe: SftRecipe | PolicyRecipe) -> str:
    assert isinstance(recipe, PolicyRecipe)
    assert recipe.vllm is not None
    return f"the vLLM server at {recipe.vllm.server} does not answer; start it with: {server_command(recipe)}"


def _less_memory(recipe: SftRecipe | PolicyRecipe) -> str:
    """Return what saves memory: first what this run can be resumed with, then what makes it another run."""
    hardware = recipe.hardware
    if isinstance(recipe, SftRecipe):
        key, at_once = "optimization.examples_at_once", recipe.optimization.examples_at_once
    else:
        share = recipe.rollout.prompts_per_step * recipe.rollout.samples_per_prompt // recipe.rollout.minibatches
        key, at_once = "rollout.sequences_at_once", recipe.rollout.sequences_at_once or share // hardware.processes
    ways = [f"lower {key} (now {at_once})"] if at_once > 1 else []
    if not recipe.optimization.gradient_checkpointing:
        ways.append("set optimization.gradient_checkpointing = true")
    if isinstance(recipe, PolicyRecipe) and recipe.vllm is not None and recipe.vllm.mode == "colocate":
        ways.append(f"lower vllm.memory_share (now {recipe.vllm.memory_share:g})")
    if recipe.adapter is None or not recipe.adapter.four_bit:
        ways.append(f"{'train an [adapter]' if recipe.adapter is None else 'set adapter.four_bit = true'} {NEW_RUN}")
    else:
        ways.append(f"train a smaller model {NEW_RUN}")
    return f"{', or '.join(ways)} (docs/scaling.md)"


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.resolve().parents) if path.exists())
