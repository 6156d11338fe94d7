"""Lists the public names of a Python release's own standard library, run by that release's interpreter.

`standard_library.py` runs this file next to `_walker.py`, which walks each module like a package of a library. Python 3.8 must be able to
run both.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import pkgutil
import sys
import sysconfig
import warnings
import zlib
from typing import Any

import _walker  # type: ignore[import-not-found]

SKIPPED = {
    "antigravity",
    "this",
    "idlelib",
    "test",
    "turtledemo",
    "pydoc_data",
    "lib2to3",
    "builtins",
    "site",
    "ensurepip",
    "venv",
}
"""Modules with side effects, and programs rather than modules to import. `lib2to3` has its own entry, as a module."""


def module_names() -> list[str]:
    """Return the top-level public modules."""
    folder = sysconfig.get_paths()["stdlib"]
    found = {info.name for info in pkgutil.iter_modules([folder, os.path.join(folder, "lib-dynload")])}
    names = found | set(sys.builtin_module_names)
    return sorted(name for name in names if not name.startswith("_") and name not in SKIPPED)


def below(file: str) -> str:
    """Return a path below the folder of the standard library, so that releases have the same paths."""
    return file.replace(os.sep, "/").rpartition("/lib/python" + ".".join(map(str, sys.version_info[:2])) + "/")[2]


def walk_all() -> dict[str, Any]:
    """Return the names of all modules, as `_walker.walk` does for one package."""
    _walker.below = below
    warnings.simplefilter("ignore")
    answer: dict[str, Any] = {"names": [], "modules": {}, "failures": {}, "unreadable": {}}
    for name in module_names():
        found = _walker.Walk(name)
        try:
            found.load()
            for path, module in sorted(found.modules.items()):
                found.list_module(path, module)
        except BaseException as error:
            answer["failures"][name] = _walker.reason(error)
            continue
        answer["names"] += found.found.values()
        answer["modules"].update(
            {path: below(getattr(one, "__file__", None) or "") for path, one in found.modules.items()}
        )
        answer["failures"].update(found.failures)
        answer["unreadable"].update(found.unreadable)
    for name in sorted(SKIPPED & {"lib2to3"}):
        with contextlib.suppress(ImportError):
            answer["modules"][name] = below(getattr(__import__(name), "__file__", None) or "")
    return answer


def probe(paths: list[str]) -> list[list[str]]:
    """Return what happens to a program that uses each path."""
    return _walker.probe(paths)  # type: ignore[no-any-return]


def main(call: str, argument: str) -> None:
    """Print the answer of one of the functions above, or of `_shape.describe`, compressed."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        if call == "walk":
            answer: Any = walk_all()
        elif call == "probe":
            answer = probe(json.loads(argument))
        else:
            import _shape  # type: ignore[import-not-found]

            answer = _shape.describe(json.loads(argument))
    print(base64.b85encode(zlib.compress(json.dumps(answer, sort_keys=True).encode(), 6)).decode())


if __name__ == "__main__":
    main(sys.argv[1], sys.stdin.read())
