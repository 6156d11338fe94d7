"""Code that asks which release it has: both programs of an entry in one, which needs no migration."""

from __future__ import annotations

import ast
import difflib
import textwrap
from collections.abc import Iterator

from packaging.version import Version

from recode.records import Migration
from recode.source import parse_quietly, parses

_INDENT = "    "


def guarded(entry: Migration, changed_in: str) -> str | None:
    """Return a program that runs the old code in releases before `changed_in` and the new code from then on.

    Returns:
        None where the two programs differ in more than one place, or in a place that is no whole statement.
    """
    old, new = entry.old_code.splitlines(), entry.new_code.splitlines()
    places = [
        code for code in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes() if code[0] != "equal"
    ]
    if len(places) != 1 or places[0][0] != "replace":
        return None
    _, start, end, first, last = places[0]
    before, after = old[start:end], new[first:last]
    if not (_whole(before) and _whole(after)):
        return None
    indent = before[0][: len(before[0]) - len(before[0].lstrip())]
    if not after[0].startswith(indent) or after[0].startswith(f"{indent} "):
        return None
    heads = _heads(entry, before, after, changed_in)
    if heads is None:
        return None
    inner = [f"{_INDENT}{line}" for line in after], [f"{_INDENT}{line}" for line in before]
    lines = [*new[:first], f"{indent}{heads[0]}", *inner[0], f"{indent}{heads[1]}", *inner[1], *new[last:]]
    code = "\n".join(lines) + "\n"
    return code if parses(code) else None


def _whole(lines: list[str]) -> bool:
    """Say whether lines are whole statements without texts that span lines."""
    text = textwrap.dedent("\n".join(lines))
    if not text.strip() or not lines[0].strip() or '"""' in text or "'''" in text or not parses(text):
        return False
    body = parse_quietly(text).body
    return not any(isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Return) for node in body)


def _heads(entry: Migration, before: list[str], after: list[str], changed_in: str) -> tuple[str, str] | None:
    """Return the lines above the new and the old statements; None where nothing in the program can tell the releases apart."""
    both = [
        *parse_quietly(textwrap.dedent("\n".join(before))).body,
        *parse_quietly(textwrap.dedent("\n".join(after))).body,
    ]
    if all(isinstance(node, ast.Import | ast.ImportFrom) for node in both):
        return "try:", "except ImportError:"
    if any(isinstance(node, ast.Import | ast.ImportFrom) for node in both):
        return None
    modules = dict(_modules(entry.new_code))
    new = entry.new_symbol
    if (
        new.parent in modules
        and not new.parameters
        and not entry.old_symbol.parameters
        and new.path != entry.old_symbol.path
    ):
        return f'if hasattr({modules[new.parent]}, "{new.name}"):', "else:"
    package = modules.get(entry.old_symbol.package)
    if package is None or not changed_in:
        return None
    wanted = (*Version(changed_in).release, 0)[:2]
    return f'if tuple(map(int, {package}.__version__.split(".")[:2])) >= {wanted}:', "else:"


def _modules(code: str) -> Iterator[tuple[str, str]]:
    """Yield each module that a program imports at its top, and the name that it has there."""
    for node in parse_quietly(code).body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname or "." not in alias.name:
                    yield alias.name, alias.asname or alias.name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield f"{node.module}.{alias.name}", alias.asname or alias.name
