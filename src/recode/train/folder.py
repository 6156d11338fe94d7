"""A run's folder belongs to one recipe, to what the recipe named when the run began, and to one run at a time."""

from __future__ import annotations

import errno
import fcntl
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from recode.errors import RecipeError, RecodeError
from recode.records import write_text
from recode.train.inputs import inputs_of
from recode.train.processes import is_main
from recode.train.recipes import PolicyRecipe, PretrainRecipe, SftRecipe

Recipe = PretrainRecipe | SftRecipe | PolicyRecipe

CHANGEABLE = (
    "optimization.examples_at_once", "optimization.gradient_checkpointing", "rollout.sequences_at_once",
    "vllm.memory_share", "vllm.server", "vllm.timeout",
)  # fmt: skip
"""Keys that say how a step is computed and not which: a run may go on with other values of them."""
_LEARNT = ("checkpoints/*", "log.jsonl", "model", "result.json", "checkpoint.pt", "tokenizer", "verl")
"""What a run of any kind writes after its recipe; a folder without it holds nothing that another recipe could spoil."""
_ELSEWHERE = "choose another folder with --out, or delete this one"


@contextmanager
def claimed(folder: Path, recipe: Recipe) -> Iterator[None]:
    """Hold a folder for a run of this recipe: new, or the one that is already there. Of several processes the main one holds it for all.

    Raises:
        RecipeError: the folder holds a run of another recipe, or what the recipe names has changed since the run began.
        RecodeError: another run is at work in the folder, or it cannot be written.
    """
    if not is_main():
        yield
        return
    with _alone(folder):
        _claim(folder, recipe)
        yield


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".running").open("w")
    except OSError as error:
        raise RecodeError(f"{folder}: cannot be written ({error.strerror}); choose another folder with --out") from None
    with file:
        try:
            # A lock of the process: a worker that outlives a killed run for a moment does not hold it.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise RecodeError(
                    f"{folder}: another run is at work in this folder; wait for it, or choose another folder with --out"
                ) from None
            # A file system without locks: the run does without.
        yield


def _claim(folder: Path, recipe: Recipe) -> None:
    path = folder / "recipe.json"
    if not path.exists() or not any(any(folder.glob(name)) for name in _LEARNT):
        write_text(folder / "inputs.json", json.dumps(inputs_of(recipe), indent=1))
    elif not holds(recipe, path.read_bytes()):
        raise RecipeError(f"{folder}: holds a run of another recipe; {_ELSEWHERE}")
    elif changed := _changed(folder, recipe):
        raise RecipeError(f"{folder}: `{changed}` has changed since this run began; {_ELSEWHERE}")
    write_text(path, json.dumps(recipe.model_dump(mode="json"), indent=1))


def _changed(folder: Path, recipe: Recipe) -> str | None:
    """Return the first file or model that is not what the run began with.

    What is gone is told where it is read, and a finished run does not need it. A run of an earlier release has no digests, and is believed.
    """
    path = folder / "inputs.json"
    if not path.exists():
        return None
    try:
        known = TypeAdapter(dict[str, str]).validate_json(path.read_bytes())
    except ValidationError:
        raise RecipeError(f"{path}: holds no digests; {_ELSEWHERE}") from None
    now = inputs_of(recipe)
    return next((name for name, digest in now.items() if digest and (known.get(name) or digest) != digest), None)


def holds(recipe: Recipe, text: str | bytes) -> bool:
    """Say whether a file's text is this recipe, but for keys that may change; keys that came later have their defaults in it."""
    try:
        return _fixed(type(recipe).model_validate_json(text)) == _fixed(recipe)
    except ValidationError:
        return False


def _fixed(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe's values without those that may change."""
    values: dict[str, Any] = recipe.model_dump()
    for key in CHANGEABLE:
        table, _, name = key.partition(".")
        (values.get(table) or {}).pop(name, None)
    return values


def whole(folder: Path, save: Callable[[Path], object]) -> None:
    """Make a folder in one step: half of one would be taken for the whole by the next run."""
    temporary = folder.with_name(f"{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    save(temporary)
    temporary.replace(folder)
