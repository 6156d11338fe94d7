"""Digests of what a recipe names: its data files, and the model that it starts from."""

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
    """Return a digest of each file and model that a recipe names; an empty one for what is missing, which is reported where it is read."""
    digests = {path: digest_of(shipped(path)) for path in data_files(recipe.model_dump(mode="json")["data"])}
    start = recipe.start if isinstance(recipe, PretrainRecipe) else recipe.model
    try:
        return {**digests, start: identity(start)} if start else digests
    except RecodeError:
        return {**digests, start: ""}


def identity(model: str, fingerprint: Callable[[str], str] = model_fingerprint) -> str:
    """Return a short digest of a model's files, or of its name if it is on the hub; empty for no model.

    Raises:
        RecodeError: there is no such model.
    """
    if not model:
        return ""
    is_local = Path(resolve(model)).is_dir()
    return hashlib.sha256((fingerprint(model) if is_local else model).encode()).hexdigest()[:8]


def digest_of(path: Path) -> str:
    """Return a short digest of a file; empty if there is none, which is reported where it is read."""
    if not path.is_file():
        return ""
    status = path.stat()
    return _digest(path, status.st_mtime_ns, status.st_size)


@functools.cache
def _digest(path: Path, changed: int, size: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:8]


def data_files(data: Mapping[str, Any]) -> list[str]:
    """Return the files that a recipe's `[data]` names."""
    listed = [value for value in data.values() if isinstance(value, list)]
    return [path for paths in listed for path in paths if isinstance(path, str)]
