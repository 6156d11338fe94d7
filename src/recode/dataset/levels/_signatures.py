"""Prints the signatures and docstrings of names, from within a library's environment.

`signatures.py` runs this file as a program there, so it uses only the standard library of the oldest supported Python. The host
appends the last statement, a call of `print_signatures`. Output is compressed and cut into parts, because a program's output is
limited.
"""

from __future__ import annotations

import base64
import contextlib
import importlib
import inspect
import io
import json
import os
import sys
import warnings
import zlib
from typing import Any


def signatures(paths: list[str]) -> dict[str, object]:
    """Return path → signature, docstring, file and line of those that exist."""
    warnings.simplefilter("ignore")
    found: dict[str, object] = {}
    for path in paths:
        with contextlib.suppress(BaseException):
            found[path] = described(path)
    return found


def described(path: str) -> dict[str, object]:
    """Return what a path leads to."""
    value = reached(path)
    file, line = "", 0
    with contextlib.suppress(BaseException):
        target: Any = value.fget if isinstance(value, property) else inspect.unwrap(value)
        file, line = inspect.getsourcefile(target) or "", inspect.getsourcelines(target)[1]
    if not file:
        with contextlib.suppress(BaseException):
            file = sys.modules[getattr(value, "__module__", None) or path.rpartition(".")[0]].__file__ or ""
    signature = ""
    with contextlib.suppress(BaseException):
        signature = str(inspect.signature(value))
    own = isinstance(value, property) or callable(value) or inspect.ismodule(value)
    doc = inspect.getdoc(value) if own else ""
    kind = (
        "module"
        if inspect.ismodule(value)
        else "class"
        if inspect.isclass(value)
        else "function"
        if callable(value)
        else ""
    )
    if isinstance(value, property):
        kind = "property"
    return {"kind": kind, "signature": signature, "doc": doc or "", "file": below(file), "line": max(line, 1)}


def reached(path: str) -> Any:
    """Return what a dotted path leads to.

    Raises:
        ModuleNotFoundError: no part of the path is a module.
        AttributeError: a module or class lacks a part.
    """
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        try:
            value: Any = importlib.import_module(".".join(parts[:end]))
        except ImportError:
            continue
        for name in parts[end:]:
            value = getattr(value, name)
        return value
    raise ModuleNotFoundError(path)


def below(file: str) -> str:
    """Return a file relative to the folder of installed packages; only its name for other files."""
    _, _, inner = file.replace(os.sep, "/").rpartition("/site-packages/")
    return inner if inner != file.replace(os.sep, "/") else file.replace(os.sep, "/").rpartition("/")[2]


def print_signatures(paths: list[str], part: int, size: int) -> None:
    """Print `number of parts`, a space, and one part of the compressed answer in base 85."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        answer = signatures(paths)
    text = base64.b85encode(zlib.compress(json.dumps(answer, sort_keys=True).encode(), 6)).decode()
    parts = [text[start : start + size] for start in range(0, len(text), size)] or [""]
    print(len(parts), parts[part])
