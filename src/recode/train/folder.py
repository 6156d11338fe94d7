"""A run's folder belongs to one recipe."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from recode.errors import RecipeError
from recode.records import write_text
from recode.train.recipes import PolicyRecipe, PretrainRecipe, SftRecipe


def claim(folder: Path, recipe: PretrainRecipe | SftRecipe | PolicyRecipe) -> None:
    """Write the recipe into the folder, or make sure that it is the one already there.

    Raises:
        RecipeError: the folder holds a run of another recipe.
    """
    path = folder / "recipe.json"
    if path.exists() and not holds(recipe, path.read_text(encoding="utf-8")):
        raise RecipeError(
            f"{folder}: holds a run of another recipe; choose another folder with --out, or delete this one"
        )
    write_text(path, json.dumps(recipe.model_dump(mode="json"), indent=1))


def holds(recipe: PretrainRecipe | SftRecipe | PolicyRecipe, text: str) -> bool:
    """Say whether a file's text is this recipe; keys that came later have their defaults in it."""
    try:
        return type(recipe).model_validate_json(text) == recipe
    except ValidationError:
        return False
