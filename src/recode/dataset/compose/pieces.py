"""A program taken apart: its imports, its definitions, and the statements that make up its body."""

from __future__ import annotations

import ast
import builtins
import symtable
from dataclasses import dataclass

from recode.source import parse_quietly

_FORBIDDEN = frozenset({"exec", "eval", "globals", "locals", "vars", "__name__", "__file__"})
"""Names that mean something else inside a function."""


class NotComposable(Exception):
    """A program that would mean something else as a function of another one."""


@dataclass(frozen=True)
class Import:
    """One imported name: `module` is empty for `import path`; `bound` is the name that the program gets."""

    module: str
    path: str
    alias: str

    @property
    def bound(self) -> str:
        """The name that it binds."""
        return self.alias or (self.path if self.module else self.path.partition(".")[0])


@dataclass(frozen=True)
class Pieces:
    """A program's imports, the texts of the definitions that stand alone, and the lines of its body."""

    imports: tuple[Import, ...]
    definitions: tuple[str, ...]
    body: tuple[str, ...]
    names: frozenset[str]
    """The names of its definitions that stand alone."""


def pieces(code: str) -> Pieces:
    """Take a program apart.

    Definitions that use variables of the body stay in the body, in their place.

    Raises:
        NotComposable: it would mean something else as a function, or it has a text of several lines in its body.
    """
    tree = parse_quietly(code)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    if used & _FORBIDDEN or any(isinstance(node, ast.Global | ast.Nonlocal) for node in ast.walk(tree)):
        raise NotComposable("uses names that depend on their place")
    lines = code.splitlines()
    imports: list[Import] = []
    rest: list[ast.stmt] = []
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports += _imports(node)
        else:
            rest.append(node)
    alone = _standing_alone(rest, code)
    kept = [node for node in rest if node not in alone]
    if any(_spans_lines(node, lines) for node in kept):
        raise NotComposable("has a text of several lines in its body")
    if not kept:
        raise NotComposable("has no body")
    names = frozenset(node.name for node in alone if isinstance(node, ast.FunctionDef | ast.ClassDef))
    return Pieces(
        tuple(imports), tuple("\n".join(_lines_of(node, tree, lines)).strip("\n") for node in alone),
        tuple(line for node in kept for line in _lines_of(node, tree, lines)), names,
    )  # fmt: skip


def _imports(node: ast.Import | ast.ImportFrom) -> list[Import]:
    if isinstance(node, ast.Import):
        return [Import("", alias.name, alias.asname or "") for alias in node.names]
    if node.level or any(alias.name == "*" for alias in node.names):
        raise NotComposable("imports everything, or relatively")
    return [Import(node.module or "", alias.name, alias.asname or "") for alias in node.names]


def _standing_alone(statements: list[ast.stmt], code: str) -> list[ast.stmt]:
    """Return the definitions that use no variable of the body, nor a definition that does."""
    definitions = [node for node in statements if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    inside = _bound([node for node in statements if node not in definitions])
    alone = list(definitions)
    while True:
        bound = inside | {node.name for node in definitions if node not in alone}
        left = [node for node in alone if not bound & _free(node)]
        if len(left) == len(alone):
            return list(alone)
        alone = left


def _bound(statements: list[ast.stmt]) -> set[str]:
    found = set()
    for statement in statements:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.add(node.name)
            elif isinstance(node, ast.alias):
                found.add((node.asname or node.name).partition(".")[0])
    return found


def _free(node: ast.stmt) -> set[str]:
    """Return the names that a definition takes from outside; names of its own that are also used outside count as well."""
    table = symtable.symtable(ast.unparse(node), "definition", "exec")
    found: set[str] = set()

    def walk(one: symtable.SymbolTable) -> None:
        for symbol in one.get_symbols():
            if symbol.is_global() or (
                one.get_type() == "module" and symbol.is_referenced() and not symbol.is_assigned()
            ):
                found.add(symbol.get_name())
        for child in one.get_children():
            walk(child)

    walk(table)
    return found - set(dir(builtins))


def _spans_lines(statement: ast.stmt, lines: list[str]) -> bool:
    """Say whether a statement has a text that spans lines: indenting it would change the text."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Constant | ast.JoinedStr) and node.lineno != node.end_lineno:
            value = node.value if isinstance(node, ast.Constant) else ""
            if isinstance(node, ast.JoinedStr) or isinstance(value, str | bytes):
                segment = "\n".join(lines[node.lineno - 1 : node.end_lineno])
                if '"""' in segment or "'''" in segment or segment.count("\\\n"):
                    return True
    return any(line.rstrip().endswith("\\") for line in lines[statement.lineno - 1 : statement.end_lineno])


def _lines_of(node: ast.stmt, tree: ast.Module, lines: list[str]) -> list[str]:
    """Return the lines of a statement with its decorators and the comments above it; blank lines above it as one."""
    start = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))])
    ends = [other.end_lineno or other.lineno for other in tree.body if (other.end_lineno or other.lineno) < start]
    if any(
        other is not node and other.lineno <= (node.end_lineno or 0) and (other.end_lineno or 0) >= start
        for other in tree.body
    ):
        raise NotComposable("has several statements on one line")
    above = lines[max(ends, default=0) : start - 1]
    comments = [line for line in above if line.strip()]
    blank = [""] if any(not line.strip() for line in above) else []
    return [*blank, *comments, *lines[start - 1 : node.end_lineno]]
