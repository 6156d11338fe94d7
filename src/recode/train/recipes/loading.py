"""Reading and validating a recipe file."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import Field, TypeAdapter, ValidationError

from recode.errors import RecipeError
from recode.train.recipes.fine_tuning import SftRecipe
from recode.train.recipes.policy import PolicyRecipe
from recode.train.recipes.pretraining import PretrainRecipe

AnyRecipe = PretrainRecipe | SftRecipe | PolicyRecipe
Recipe = Annotated[AnyRecipe, Field(discriminator="method")]
_ADAPTER: TypeAdapter[Any] = TypeAdapter(Recipe)


def load_recipe(path: str | Path, overrides: dict[str, Any] | None = None) -> PretrainRecipe | SftRecipe | PolicyRecipe:
    """Read and validate a recipe.

    Args:
        path: the TOML file.
        overrides: values that replace the file's, by key, such as `{"seed": 3, "loss.clip_high": 0.28}`.

    Raises:
        RecipeError: the file cannot be read, is not TOML, or a key or value is wrong; names file and key, and for an
            unknown key the nearest known one.
    """
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(
            f"{path}: cannot be read ({error.strerror}); name a TOML file, such as those in recipes/"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not valid TOML: {error}") from None
    try:
        recipe: PretrainRecipe | SftRecipe | PolicyRecipe = _ADAPTER.validate_python(_replaced(values, overrides or {}))
    except ValidationError as error:
        raise RecipeError(f"{path}: {_explain(error)}") from None
    return recipe


def _replaced(values: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """Return the values with those at dotted keys replaced. A table given as a value replaces the whole table."""
    values = dict(values)
    for key, value in overrides.items():
        first, dot, rest = key.partition(".")
        inner = values.get(first, {})
        values[first] = _replaced(inner if isinstance(inner, dict) else {}, {rest: value}) if dot else value
    return values


def _explain(error: ValidationError) -> str:
    """Return one line about the first problem; for an unknown key it names the nearest known one."""
    first = error.errors()[0]
    # The first part of a location is the method, which selects the kind of recipe.
    where = [str(part) for part in first["loc"][1:]]
    if first["type"] != "extra_forbidden":
        return f"`{'.'.join(where) or 'method'}`: {first['msg'].removeprefix('Value error, ')}"
    known = _known_keys(str(first["loc"][0]), where[:-1])
    near = difflib.get_close_matches(where[-1], known, n=1, cutoff=0.5)
    hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(sorted(known))}"
    return f"unknown key `{'.'.join(where)}`; {hint}"


def _known_keys(method: str, tables: list[str]) -> list[str]:
    """Return the keys of the table at this path in the recipe of this method."""
    model: Any = {"pretrain": PretrainRecipe, "sft": SftRecipe}.get(method, PolicyRecipe)
    for table in tables:
        kind = model.model_fields[table].annotation
        # The type of an optional table is a union with None.
        model = next(part for part in get_args(kind) or (kind,) if part is not type(None))
    return list(model.model_fields)
