"""Folders of adapters: which base each belongs to, by name and by the digest of its weights, and merging one into its base."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from recode.errors import MissingExtraError, RecodeError
from recode.records import write_text

CONFIG = "adapter_config.json"
"""peft's configuration of an adapter; a folder that holds it, and no whole model, is an adapter's."""
BASE = "base.json"
"""The base's name and digest, which peft does not keep."""


def base_of(folder: Path) -> str | None:
    """Return the name or folder of an adapter's base model; None if the folder holds a whole model.

    Raises:
        RecodeError: the folder names no base.
    """
    path = folder / CONFIG
    if not path.exists() or (folder / "config.json").exists():
        return None
    try:
        base = json.loads(path.read_text(encoding="utf-8"))["base_model_name_or_path"]
    except (ValueError, KeyError, TypeError):
        base = None
    if not isinstance(base, str) or not base:
        raise RecodeError(
            f"{path}: names no base model (`base_model_name_or_path`); save the adapter with peft"
        ) from None
    return base


def tie(folder: Path, name: str, base: Path) -> None:
    """Record in an adapter's folder which model it was trained on: by its name, and by its weights if they are in a folder.

    Args:
        folder: the adapter's.
        name: what the user calls the base.
        base: the base's folder; a hub name has none, and only the name is recorded.
    """
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    write_text(folder / CONFIG, json.dumps({**config, "base_model_name_or_path": name}, indent=1))
    write_text(folder / BASE, json.dumps({"model": name, "weights": weights_digest(base)}, indent=1))


def check_base(folder: Path, base: Path) -> None:
    """Make sure that an adapter is loaded on the weights that it was trained on, if its folder records them.

    Raises:
        RecodeError: the base's weights are others.
    """
    path = folder / BASE
    if not path.exists():
        return
    try:
        recorded = json.loads(path.read_text(encoding="utf-8"))
        name, expected = str(recorded["model"]), str(recorded["weights"])
    except (ValueError, KeyError, TypeError):
        raise RecodeError(f"{path}: holds no name and digest of a base model; get the adapter again") from None
    found = weights_digest(base)
    if expected and found != expected:
        raise RecodeError(
            f"{folder}: made for the weights {expected[:12]}… of `{name}`, and {base} holds {found[:12] or 'none'}…; "
            "get the base again, or train the adapter on this one"
        )


def weights_digest(folder: Path) -> str:
    """Return the SHA-256 of a folder's weights, in hexadecimal; empty if it holds none."""
    files = sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
    digests = []
    for path in files:
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    return hashlib.sha256("\n".join(digests).encode()).hexdigest() if len(digests) > 1 else "".join(digests)


def merged(model: Any, folder: str) -> Any:
    """Return the model with an adapter merged into its weights, so that it runs as fast as without one.

    Raises:
        MissingExtraError: peft is not installed.
    """
    try:
        from peft import PeftModel
    except ImportError:
        raise MissingExtraError(f"{folder}: an adapter needs peft; run: pip install 'recode-rl[train]'") from None
    return PeftModel.from_pretrained(model, folder).merge_and_unload()
