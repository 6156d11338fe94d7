"""The parts of a program that are evaluated as a whole, so that one of their instructions shows that an edit was run.

A line is too coarse: `def area(y): return f(y)` is executed when the module is imported, and `f(y) if y else 0` by tests that
take the other branch.
"""

from __future__ import annotations

import ast

from recode.migrate.source.tree import Tree

Spot = tuple[int, int, int, int]
"""Line, column, last line and end column of a node, as syntax trees have them: lines from 1, columns in UTF-8 bytes from 0."""
_SIMPLE = (
    ast.Expr | ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Return | ast.Delete | ast.Raise | ast.Assert | ast.Import | ast.ImportFrom
    | ast.Pass
)  # fmt: skip


def evaluated_spans(tree: Tree, start: int, end: int) -> list[frozenset[Spot]]:
    """Return the spans of code that a piece of a program belongs to, from offset `start` to `end`.

    Each is a set of nodes, any of which is evaluated only together with all of the span. Empty if nothing in the piece is
    evaluated.
    """
    inside: list[ast.AST] = []
    around: ast.AST | None = None
    size = len(tree.text) + 1
    for node in tree.nodes:
        if not isinstance(node, ast.expr | ast.stmt):
            continue
        first, last = tree.span(node)
        if start <= first and last <= end and first < last:
            inside.append(node)
        elif (first < start < last or first == start < end) and end <= last and last - first < size:
            around, size = node, last - first
    spans_of: dict[ast.AST, set[Spot]] = {}
    for node in [*inside, *([around] if around is not None else [])]:
        if isinstance(node, ast.expr | _SIMPLE):
            together = _together(tree, node)
            spans_of.setdefault(together[-1], set()).update(
                _spot(part) for part in together if not _ends_in_lambda(part)
            )
    return [frozenset(spots) for spots in spans_of.values()]


def _together(tree: Tree, node: ast.expr | ast.stmt) -> list[ast.expr | ast.stmt]:
    """Return a node and the nodes around it that are evaluated only after it, up to the nearest branch or statement."""
    together = [node]
    below: ast.AST = node
    for above in tree.above(node):
        if _branches(above, below) or isinstance(below, ast.stmt):
            break
        if isinstance(above, ast.expr | _SIMPLE):
            together.append(above)
        elif not isinstance(above, ast.keyword):
            break
        below = above
    return together


def _branches(above: ast.AST, below: ast.AST) -> bool:
    """Return whether a node may be evaluated without one of its children."""
    match above:
        case ast.IfExp():
            return below is not above.test
        case ast.BoolOp():
            return below is not above.values[0]
        case ast.Compare():
            return below not in (above.left, above.comparators[0])
        case ast.Assert():
            return below is not above.test
        case ast.AnnAssign():
            return below is above.annotation
    return isinstance(above, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp)


def _ends_in_lambda(node: ast.AST) -> bool:
    """Return whether a node ends with the body of a lambda, whose instructions run at another time."""
    return any(isinstance(inner, ast.Lambda) and _spot(inner)[2:] == _spot(node)[2:] for inner in ast.walk(node))


def _spot(node: ast.AST) -> Spot:
    return node.lineno, node.col_offset, node.end_lineno, node.end_col_offset  # type: ignore[attr-defined]
