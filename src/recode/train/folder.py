"""A run's folder belongs to one recipe, to the data and the model that the recipe named when the run began, and to one run at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from recode.errors import RecipeError
from recode.records import write_text
from recode.run_folder import Claim, exclusive
from recode.train.distributed import is_main
from recode.train.input_digests import inputs_of
from recode.train.recipes import AnyRecipe

CHANGEABLE = (
    "optimization.examples_at_once", "optimization.gradient_checkpointing", "optimization.packed", "rollout.sequences_at_once",
    "validation", "vllm.memory_share", "vllm.server", "vllm.timeout",
)  # fmt: skip
"""Keys and tables that change how a step is computed, or what is measured beside it, but not which step it is: a run may resume with others."""
_RESULTS = ("checkpoints/*", "log.jsonl", "model", "result.json", "checkpoint.pt", "tokenizer", "verl")
"""What a run of any kind writes after its recipe. A folder without any of it holds nothing that another recipe could spoil."""


@contextmanager
def claimed(folder: Path, recipe: AnyRecipe) -> Iterator[None]:
    """Hold a folder for a run of this recipe, new or resumed. In a run of several processes only the main one claims it.

    Raises:
        RecipeError: the folder holds a run of another recipe, or data or model changed since the run began.
        RecodeError: another run is at work in the folder, or it cannot be written.
    """
    if not is_main():
        yield
        return
    with exclusive(folder):
        _claim(folder, recipe)
        yield


def _claim(folder: Path, recipe: AnyRecipe) -> None:
    claim = Claim(folder, "recipe.json", "a run of another recipe", _RESULTS)
    if not claim.check(lambda content: same_run(recipe, content)):
        write_text(folder / "inputs.json", json.dumps(inputs_of(recipe), indent=1))
    elif changed := _changed_input(folder, recipe):
        raise RecipeError(
            f"{folder}: `{changed}` has changed since this run began; choose another folder with --out, or delete this one"
        )
    write_text(claim.path, json.dumps(recipe.model_dump(mode="json"), indent=1))


def _changed_input(folder: Path, recipe: AnyRecipe) -> str | None:
    """Return the first file or model that differs from what the run began with; None if there is none.

    A missing file is not a change: it is reported where it is read, and a finished run does not need it. A run of an earlier release
    recorded no digests and is accepted.
    """
    path = folder / "inputs.json"
    if not path.exists():
        return None
    try:
        recorded = TypeAdapter(dict[str, str]).validate_json(path.read_bytes())
    except ValidationError:
        raise RecipeError(f"{path}: holds no digests; choose another folder with --out, or delete this one") from None
    now = inputs_of(recipe)
    return next((name for name, digest in now.items() if digest and (recorded.get(name) or digest) != digest), None)


def same_run(recipe: AnyRecipe, content: str | bytes) -> bool:
    """Say whether the content of a `recipe.json` is this recipe, apart from keys that may change.

    Keys that were added to recipes later have their defaults in it.
    """
    try:
        return _fixed(type(recipe).model_validate_json(content)) == _fixed(recipe)
    except ValidationError:
        return False


def _fixed(recipe: AnyRecipe) -> dict[str, Any]:
    """Return a recipe's values without those that may change."""
    values: dict[str, Any] = recipe.model_dump()
    for key in CHANGEABLE:
        table, _, name = key.partition(".")
        if name:
            (values.get(table) or {}).pop(name, None)
        else:
            values.pop(table, None)
    return values
