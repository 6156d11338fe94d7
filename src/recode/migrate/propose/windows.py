"""The smallest self-contained piece of a program around a place: what a model is shown, and where its lines came from."""

from __future__ import annotations

import ast
import io
import re
import textwrap
import tokenize
from dataclasses import dataclass

from recode.migrate.source.scopes import Scopes
from recode.migrate.source.tree import Tree
from recode.source import parse_quietly

FUNCTION_LINES = 40
"""Longest function, in lines, that is shown whole."""
STATEMENT_LINES = 20
"""Longest other block, in lines, that is shown with its body; only the head of a longer one is shown."""
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Window:
    """A small program: imports, then the code around a place without its indentation.

    Attributes:
        imports: the import statements that the code needs.
        imported: their text.
        code: the part after the imports.
        origins: for each line of the code, the offset in the file at which it begins.
        end: the offset in the file at which the code ends.
        indent: what each line lost; a line that was indented less lost less.
    """

    imports: tuple[ast.Import | ast.ImportFrom, ...]
    imported: str
    code: str
    origins: tuple[int, ...]
    end: int
    indent: str

    @property
    def program(self) -> str:
        """The program that the model is shown."""
        return f"{self.imported}\n\n{self.code}" if self.imported else self.code

    def offset(self, at: int) -> int:
        """Return the offset in the file of an offset in `code`."""
        if at >= len(self.code):
            return self.end
        line = self.code.count("\n", 0, at)
        return self.origins[line] + at - (self.code.rfind("\n", 0, at) + 1)


def windows(tree: Tree, scopes: Scopes, node: ast.AST) -> list[Window]:
    """Return the windows around a node, the smallest first: its statement, then its function where that is short."""
    statement = tree.statement(node)
    around = [_window(tree, scopes, statement)]
    for above in tree.above(statement):
        if isinstance(above, ast.FunctionDef | ast.AsyncFunctionDef):
            if _lines(tree, *tree.span(above)) <= FUNCTION_LINES:
                around.append(_window(tree, scopes, above))
            break
    return [window for window in around if window is not None]


def _window(tree: Tree, scopes: Scopes, statement: ast.stmt) -> Window | None:
    """Return the window of one statement; None if it is not a program by itself."""
    start, end = tree.span(statement)
    body = getattr(statement, "body", None)
    if body and _lines(tree, start, end) > (FUNCTION_LINES if hasattr(statement, "args") else STATEMENT_LINES):
        # Only the head, with a body that does nothing.
        end = tree.span(body[0])[0]
        end = len(tree.text[:end].rstrip())
        if tree.text[end - 1] != ":":
            return None
    begin = tree.starts[tree.line_of(start) - 1]
    indent = tree.text[begin:start]
    if indent.strip():
        # After a semicolon, or on the line of its block's head.
        indent, begin = "", start
    dedented = _dedented(tree.text[begin:end], begin, indent)
    if dedented is None:
        return None
    code, origins = dedented
    if end < tree.span(statement)[1]:
        code += "\n    pass"
        origins = (*origins, end)
    imports = _imports(tree, scopes, statement)
    imported = "\n".join(_one_line(tree.segment(node)) for node in imports)
    window = Window(imports, imported, code, origins, end, indent)
    try:
        parse_quietly(window.program)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return window


def _dedented(text: str, begin: int, indent: str) -> tuple[str, tuple[int, ...]] | None:
    """Remove the indentation of every line; None if a string spans lines, which would change with it."""
    ends = [match.end() for match in _LINE_END.finditer(text)]
    lines = _LINE_END.split(text)
    origins = []
    shown = []
    for line, start in zip(lines, [0, *ends], strict=True):
        cut = len(indent) if line.startswith(indent) else len(line) - len(line.lstrip())
        cut = min(cut, len(indent))
        origins.append(begin + start + cut)
        shown.append(line[cut:])
    code = "\n".join(shown)
    if indent and _spans_lines(code):
        return None
    return code, tuple(origins)


def _spans_lines(code: str) -> bool:
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    except (tokenize.TokenError, SyntaxError, ValueError):
        return True
    return any(token.type == tokenize.STRING and token.start[0] != token.end[0] for token in tokens)


def _imports(tree: Tree, scopes: Scopes, statement: ast.stmt) -> tuple[ast.Import | ast.ImportFrom, ...]:
    """Return the import statements that bind the names of a piece of code, in the order of the file."""
    inside = set(ast.walk(statement))
    statements: dict[ast.AST, None] = {}
    for name in scopes.names:
        if name in inside:
            for binding in scopes.of[name].resolve(name.id):
                if binding.alias is not None and binding.node not in inside:
                    statements[binding.node] = None
    ordered = sorted(statements, key=lambda node: tree.span(node)[0])
    return tuple(node for node in ordered if isinstance(node, ast.Import | ast.ImportFrom))


def _one_line(statement: str) -> str:
    """Return an import on one line, without comments."""
    try:
        return ast.unparse(parse_quietly(textwrap.dedent(statement)))
    except (SyntaxError, ValueError):
        return statement


def _lines(tree: Tree, start: int, end: int) -> int:
    return tree.line_of(end) - tree.line_of(start) + 1
