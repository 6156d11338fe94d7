"""Changed inputs: variants of a program in which a literal that feeds the migrated call is another one.

If no such change alters what a program prints, the print does not depend on the call and proves nothing about it.
"""

from __future__ import annotations

import ast
import copy
import difflib
from collections.abc import Iterator
from itertools import islice, zip_longest
from typing import Any, TypeGuard

MAX_VARIANTS = 16
"""How many changed inputs are tried before an entry is given up."""

Header = list[ast.AST]


def variants(old_code: str, new_code: str) -> Iterator[str]:
    """Yield up to `MAX_VARIANTS` variants of `new_code`, the most promising first, each with one input changed."""
    tree = ast.parse(new_code)
    literals = _feeding_literals(tree, _edited_lines(old_code, new_code))
    seen = {ast.unparse(tree)}
    for replacements in islice(_changes(tree, literals), 4 * MAX_VARIANTS):
        variant = ast.unparse(_replaced(tree, replacements))
        if variant not in seen:
            seen.add(variant)
            yield variant
        if len(seen) > MAX_VARIANTS:
            return


def _edited_lines(old_code: str, new_code: str) -> set[int]:
    """Return the lines of `new_code` (from 1) that the edit touched; beside a deletion, the neighbouring ones."""
    matcher = difflib.SequenceMatcher(None, old_code.splitlines(), new_code.splitlines(), autojunk=False)
    lines: set[int] = set()
    for tag, _, _, start, end in matcher.get_opcodes():
        if tag == "delete":
            lines |= {start, start + 1}
        elif tag != "equal":
            lines |= set(range(start + 1, end + 1))
    return lines


def _feeding_literals(tree: ast.Module, edited: set[int]) -> list[ast.expr]:
    """Return the literals of the edited statements and of those that they take values from, in order of the program."""
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    imported = {name for node in statements for name in _imported(node)}
    changed = [node for node in statements if _lines(node) & edited]
    moved = {name for node in changed for name in _imported(node)}
    changed += [node for node in statements if _names(node) & moved and node not in changed]
    made = {node.id for statement in changed for node in _header(statement) if _is_bound(node)}
    feeding = [node for node in changed if not _imported(node)]
    # Where the edit is in how an object is made, what is then put into the object is its input.
    feeding += [node for node in statements if _fills(node, made) and node not in feeding]
    # An edited `except` depends on what is tried.
    tried = [inner for node in changed if isinstance(node, ast.Try) for inner in node.body]
    feeding += [node for node in tried if node not in feeding]
    for node in feeding:  # grows while it is walked
        needed = _names(node) - imported
        definitions = [one for one in statements if isinstance(one, ast.FunctionDef | ast.ClassDef)]
        enclosing = {one.name for one in definitions if node in ast.walk(one)}
        for other in statements:
            gives = other.lineno <= node.lineno and _names(other) & needed and not _is_print(other)
            # A function or class gets its values from wherever it is called.
            if other not in feeding and (gives or _names(other) & enclosing):
                feeding.append(other)
    found = [literal for node in feeding for literal in _literals(node)]
    return sorted({id(one): one for one in found}.values(), key=lambda one: (one.lineno, one.col_offset))


def _header(statement: ast.stmt) -> Header:
    """Return the nodes of a statement without those of the statements inside it."""
    nodes: Header = [statement]
    for node in nodes:  # grows while it is walked
        nodes += [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.stmt)]
    return nodes


def _lines(statement: ast.stmt) -> set[int]:
    """Return the lines of a statement's header."""
    placed = [node for node in _header(statement) if node is not statement and hasattr(node, "lineno")]
    spans = [range(node.lineno, (node.end_lineno or node.lineno) + 1) for node in placed if isinstance(node, ast.expr)]
    return {statement.lineno}.union(*spans)


def _names(statement: ast.stmt) -> set[str]:
    return {node.id for node in _header(statement) if isinstance(node, ast.Name)}


def _imported(statement: ast.stmt) -> set[str]:
    if not isinstance(statement, ast.Import | ast.ImportFrom):
        return set()
    return {(alias.asname or alias.name).split(".")[0] for alias in statement.names}


def _is_bound(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def _fills(statement: ast.stmt, names: set[str]) -> bool:
    """Say whether a statement is a bare call with one of the names, such as `graph.add_edge(1, 2)`."""
    bare = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
    return bare and not _is_print(statement) and bool(_names(statement) & names)


def _is_print(statement: ast.stmt) -> bool:
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "print"


def _literals(statement: ast.stmt) -> list[ast.expr]:
    """Return the literals and the displays (of more than one item) in a statement that are not mere presentation."""
    dropped: set[int] = set()
    for node in _header(statement):
        for child in _presentation(node):
            dropped |= {id(inner) for inner in ast.walk(child)}
    if _is_print(statement):
        dropped |= {id(node) for node in _bare_text(statement)}
    kept = [node for node in _header(statement) if id(node) not in dropped]
    return [
        node for node in kept if isinstance(node, ast.Constant | ast.List | ast.Tuple | ast.UnaryOp) and _is_data(node)
    ]


def _presentation(node: ast.AST) -> list[ast.AST]:
    """Return the parts of a node that only say how a value is shown."""
    match node:
        case ast.Call(func=ast.Name(id="round"), args=[_, digits]):
            return [digits]
        case ast.Call(func=ast.Name(id="print"), keywords=keywords):
            return list(keywords)
        case ast.Call(func=ast.Attribute(value=ast.Constant() as text, attr="format" | "join")):
            return [text]
        case ast.JoinedStr(values=values):
            return [part for part in values if isinstance(part, ast.Constant)]
        case ast.FormattedValue(format_spec=ast.AST() as spec):
            return [spec]
    return []


_COMPUTED = (ast.Call, ast.Attribute, ast.FormattedValue, ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)


def _bare_text(statement: ast.stmt) -> Iterator[ast.AST]:
    """Yield the nodes of a print that are printed as they are: those in no other call and in no comprehension."""
    waiting: list[ast.AST] = [statement.value] if isinstance(statement, ast.Expr) else []
    for node in waiting:  # grows while it is walked
        yield node
        waiting += [child for child in ast.iter_child_nodes(node) if not isinstance(child, _COMPUTED)]


def _is_data(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float | complex | str | bytes)
    if isinstance(node, ast.List | ast.Tuple):
        return len(node.elts) > 1 and isinstance(node.ctx, ast.Load)
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant)


Replacements = dict[int, ast.expr]
"""What to put in the place of which node, by the node's `id`."""


def _changes(tree: ast.Module, literals: list[ast.expr]) -> Iterator[Replacements]:
    """Yield single changes: by turns from displays reversed, data moved a little, data moved far, and text."""
    displays = [node for node in literals if isinstance(node, ast.List | ast.Tuple)]
    inside = {id(item) for node in displays for item in node.elts}
    numbers = [node for node in literals if isinstance(node, ast.Constant) and _is_number(node.value)]
    numbers.sort(key=lambda node: id(node) not in inside)
    spread = [numbers[index] for index in dict.fromkeys([0, len(numbers) // 2, len(numbers) - 1]) if numbers]
    spread += [node for node in numbers if node not in spread]
    text = [node for node in literals if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)]
    flags = [node for node in literals if isinstance(node, ast.Constant) and isinstance(node.value, bool)]
    kinds: list[list[Replacements]] = [
        [{id(node): _constant(_moved(node.value, 1))} for node in spread if isinstance(node, ast.Constant)],
        [{id(node): _reversed(node)} for node in displays],
        [_everywhere(tree, node.value, _other_text(node.value)) for node in text],
        [{id(node): _constant(_other_text(node.value))} for node in text],
        [{id(node): _constant(_moved(node.value, 7))} for node in spread if isinstance(node, ast.Constant)],
        [{id(node): _constant(not node.value)} for node in flags],
    ]
    for turn in zip_longest(*kinds):
        yield from (change for change in turn if change is not None)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | complex) and not isinstance(value, bool)


def _moved(value: object, step: int) -> int | float | complex:
    assert isinstance(value, int | float | complex)
    return value + step if isinstance(value, int) else value * (1 + step / 8) + step


def _other_text(text: object) -> object:
    """Return another text of the same form: the last digit counted on, or a letter more."""
    if isinstance(text, bytes):
        return str(_other_text(text.decode("latin-1"))).encode("latin-1")
    assert isinstance(text, str)
    for index in reversed(range(len(text))):
        if text[index] in "0123456789":
            return text[:index] + str(int(text[index]) % 8 + 1) + text[index + 1 :]
    return text + "q"


def _constant(value: object) -> ast.expr:
    return ast.parse(repr(value), mode="eval").body


def _reversed(node: ast.List | ast.Tuple) -> ast.expr:
    other = copy.copy(node)
    other.elts = node.elts[::-1]
    return other


def _everywhere(tree: ast.Module, text: object, other: object) -> Replacements:
    same = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value == text]
    return {id(node): _constant(other) for node in same}


def _replaced(tree: ast.Module, replacements: Replacements) -> ast.Module:
    """Return a copy of the tree with some nodes replaced."""
    twins = copy.deepcopy(tree)
    same_order = zip(ast.walk(tree), list(ast.walk(twins)), strict=True)
    wanted = {id(twin): replacements[id(node)] for node, twin in same_order if id(node) in replacements}
    return ast.fix_missing_locations(ast.Module(_Replace(wanted).visit(twins).body, []))


class _Replace(ast.NodeTransformer):
    """Puts other nodes in the place of some, by their `id`."""

    def __init__(self, wanted: Replacements) -> None:
        self._wanted = wanted

    def visit(self, node: ast.AST) -> Any:
        return self._wanted[id(node)] if id(node) in self._wanted else super().visit(node)
