"""Measures of programs read off their text: the size of an edit, the statement at a line, the imports, the skeleton."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable, Iterator

from rapidfuzz.distance import Levenshtein

from recode.source import clean, parse_quietly, parses


def edited_lines(old_code: str, new_code: str) -> int:
    """Return the larger of the numbers of removed and added lines; comments and blank lines do not count."""
    old, new = clean(old_code).splitlines(), clean(new_code).splitlines()
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    edits = [code[1:] for code in matcher.get_opcodes() if code[0] != "equal"]
    return max(sum(end - start for start, end, _, _ in edits), sum(end - start for _, _, start, end in edits))


def without_one_place(old_code: str, new_code: str) -> Iterator[str]:
    """Yield the new program with one changed place as it was before, for each place; imports that were only taken out count as none."""
    old, new = old_code.splitlines(keepends=True), new_code.splitlines(keepends=True)
    for tag, start, end, first, last in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        before = old[start:end]
        only_imports = all(line.lstrip().startswith(("import ", "from ")) or not line.strip() for line in before)
        if tag != "equal" and not (first == last and only_imports):
            yield "".join([*new[:first], *before, *new[last:]])


def similarity(old_code: str, new_code: str) -> float:
    """Return the edit similarity of two cleaned programs, from 0 (nothing in common) to 1 (equal)."""
    return float(Levenshtein.normalized_similarity(clean(old_code), clean(new_code)))


def text_at(code: str, line: int) -> str:
    """Return the text of the innermost statement that covers a line (from 1).

    A call's name may be some lines above the line that fails. Of a compound statement, only the header counts.
    """
    lines = code.splitlines()
    covering = [
        node
        for node in ast.walk(parse_quietly(code))
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    if not covering:
        return lines[line - 1] if 0 < line <= len(lines) else ""
    node = max(covering, key=lambda node: (node.lineno, -(node.end_lineno or node.lineno)))
    body = getattr(node, "body", None)
    end = max(line, body[0].lineno - 1) if body else (node.end_lineno or node.lineno)
    return "\n".join(lines[node.lineno - 1 : end])


def imported_modules(codes: Iterable[str]) -> tuple[str, ...]:
    """Return everything that programs import, sorted: modules, and names imported from modules, which may be modules too."""
    modules: set[str] = set()
    for code in codes:
        if not parses(code):
            continue
        for node in ast.walk(parse_quietly(code)):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return tuple(sorted(modules))


def skeleton(code: str) -> str:
    """Return a program without its own names and data: bound names are numbered, literals and displays of literals emptied.

    Two programs with the same skeleton differ in names and data only.

    Raises:
        SyntaxError: it does not parse.
    """
    tree = parse_quietly(code)
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    bound |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    bound |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return ast.unparse(ast.fix_missing_locations(_Skeleton(bound).visit(tree)))


class _Skeleton(ast.NodeTransformer):
    """Numbers the names of `bound` in the order of their first use and empties literals."""

    def __init__(self, bound: set[str]) -> None:
        self._numbers: dict[str, str] = {}
        self._bound = bound

    def _name(self, name: str) -> str:
        return self._numbers.setdefault(name, f"v{len(self._numbers)}") if name in self._bound else name

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(self._name(node.id), node.ctx)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg(self._name(node.arg))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name = self._name(node.name)
        return self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant("" if isinstance(node.value, str) else 0)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        shown = [self.visit(part.value) for part in node.values if isinstance(part, ast.FormattedValue)]
        return ast.Call(ast.Name("str", ast.Load()), shown, [])

    def visit_List(self, node: ast.List) -> ast.AST:
        return self._display(node)

    def visit_Tuple(self, node: ast.Tuple) -> ast.AST:
        return self._display(node)

    def _display(self, node: ast.List | ast.Tuple) -> ast.AST:
        self.generic_visit(node)
        if node.elts and len({ast.dump(item) for item in node.elts}) == 1:
            node.elts = node.elts[:1]
        return node
