"""What of a project can be run without being asked: scripts, and the tests, within a time that a user waits for."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from recode.migrate.project.files import project_files
from recode.migrate.source.source_file import read_source
from recode.migrate.source.text import Unreadable

FOUND_SECONDS = 60.0
"""Wall time of a command that the user did not ask for."""
MOST_SCRIPTS = 6
_NOT_SCRIPTS = frozenset(
    {"setup.py", "conftest.py", "noxfile.py", "manage.py", "conf.py", "__init__.py", "fabfile.py", "tasks.py"}
)
_NOT_HERE = frozenset({"docs", "doc", "build", "dist", "benchmarks", "tests", "test"})
_SETTINGS = re.compile(r"^(logging|warnings|sys|os)\.|\b(basicConfig|setup|configure|register\w*|use|rcParams.*)$")
"""Calls that only prepare something for others."""
_TESTS = "python -m pytest -q"


@dataclass(frozen=True)
class FoundCommands:
    """What can be run: commands, the files of scripts among them, and the scripts that are left out."""

    commands: tuple[str, ...] = ()
    scripts: frozenset[Path] = frozenset()
    left_out: tuple[Path, ...] = ()


def found_commands(root: Path) -> FoundCommands:
    """Return the commands that run a project's own scripts and tests.

    A script is a Python file with a `__main__` guard, or one that does more than define names and that no other file imports.
    """
    folder = root.parent if root.is_file() else root
    trees = dict(_trees(folder, project_files(root)))
    imported = {name for tree in trees.values() for name in _imported(tree)}
    scripts = sorted(
        (path for path, tree in trees.items() if _is_script(path, tree, imported)),
        key=lambda path: (path.stem not in ("main", "__main__"), len(path.parts), path.as_posix()),
    )
    commands = [f"python {shlex.quote(path.as_posix())}" for path in scripts[:MOST_SCRIPTS]]
    if any(is_test(path) for path in trees):
        commands.append(_TESTS)
    return FoundCommands(tuple(commands), frozenset(scripts), tuple(scripts[MOST_SCRIPTS:]))


def is_test(path: Path) -> bool:
    """Return whether pytest collects a file by its name."""
    return path.suffix == ".py" and (path.name.startswith("test_") or path.stem.endswith("_test"))


def _trees(folder: Path, files: Sequence[Path]) -> Iterable[tuple[Path, ast.Module]]:
    for path in files:
        if path.suffix != ".py":
            continue
        try:
            yield path, ast.parse(read_source(folder, path).program)
        except (Unreadable, SyntaxError, ValueError, RecursionError, MemoryError):
            continue


def _is_script(path: Path, tree: ast.Module, imported: set[str]) -> bool:
    if path.name in _NOT_SCRIPTS or is_test(path) or not _NOT_HERE.isdisjoint(path.parts[:-1]):
        return False
    if any(_is_main_guard(statement) for statement in tree.body):
        return True
    return path.stem not in imported and any(_does_something(statement) for statement in tree.body)


def _is_main_guard(statement: ast.stmt) -> bool:
    match statement:
        case ast.If(test=ast.Compare(left=left, comparators=[right])):
            sides = [
                side.value if isinstance(side, ast.Constant) else getattr(side, "id", "") for side in (left, right)
            ]
            return "__name__" in sides and "__main__" in sides
    return False


def _does_something(statement: ast.stmt) -> bool:
    """Return whether a statement at the top of a file does more than define, import or configure."""
    match statement:
        case ast.Expr(value=ast.Call(func=called)):
            return not _SETTINGS.search(ast.unparse(called))
        case ast.For() | ast.While() | ast.Assert():
            return True
        case ast.With(body=body) | ast.If(body=body):
            return any(_does_something(inner) for inner in body)
    return False


def _imported(tree: ast.Module) -> Iterable[str]:
    """Yield the last part of each module that a file imports, and the names that it imports from packages."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.rpartition(".")[2] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").rpartition(".")[2]
            yield from (alias.name for alias in node.names)
