"""What a recipe names, told by content: its data files, and the model that it starts from."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from recode.errors import RecodeError
from recode.models import resolve
from recode.models.local import model_fingerprint
from recode.shipped import shipped
from recode.train.recipes import PolicyRecipe, PretrainRecipe, SftRecipe


def inputs_of(recipe: PretrainRecipe | SftRecipe | PolicyRecipe) -> dict[str, str]:
    """Return a digest of each file and model that a recipe names; an empty one of what is not there, which is told where it is read."""
    found = {path: digest_of(shipped(path)) for path in data_files(recipe.model_dump(mode="json")["data"])}
    start = recipe.start if isinstance(recipe, PretrainRecipe) else recipe.model
    try:
        return {**found, start: identity(start)} if start else found
    except RecodeError:
        return {**found, start: ""}


def identity(model: str, fingerprint: Callable[[str], str] = model_fingerprint) -> str:
    """Return a short digest of a model's files; of a name on the hub, of the name. Empty for no model.

    Raises:
        RecodeError: there is no such model.
    """
    if not model:
        return ""
    known = Path(resolve(model)).is_dir()
    return hashlib.sha256((fingerprint(model) if known else model).encode()).hexdigest()[:8]


def digest_of(path: Path) -> str:
    """Return a short digest of a file; of one that is not there (which is told where it is read), of nothing."""
    if not path.is_file():
        return ""
    about = path.stat()
    return _digest(path, about.st_mtime_ns, about.st_size)


@functools.cache
def _digest(path: Path, changed: int, size: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:8]


def data_files(data: Mapping[str, Any]) -> list[str]:
    """Return the files that a recipe's `[data]` names."""
    listed = [value for value in data.values() if isinstance(value, list)]
    return [one for values in listed for one in values if isinstance(one, str)]
