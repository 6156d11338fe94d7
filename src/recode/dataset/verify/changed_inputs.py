"""Variants of a program in which a literal that feeds the migrated call is replaced by another.

If none of them changes what a program prints, the output does not depend on the call and proves nothing about it.
"""

from __future__ import annotations

import ast
import copy
import difflib
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise, zip_longest
from typing import Any

from recode.source import parse_quietly

MAX_VARIANTS = 32
"""How many changed inputs are tried before an entry fails."""

Part = ast.stmt | ast.Call
"""What feeds an edited call: a statement (without those inside it), or one call of a statement."""

Replacements = dict[ast.AST, ast.expr]
"""Nodes of a tree, each with the node to put in its place. Nodes are compared by identity."""


def variants(old_code: str, new_code: str) -> Iterator[str]:
    """Yield up to `MAX_VARIANTS` different variants of `new_code`, the most promising first, each with one input changed."""
    tree = parse_quietly(new_code)
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
    """Return the lines of `new_code` (from 1) that the edit touched; for a deletion, the neighbouring ones."""
    matcher = difflib.SequenceMatcher(None, old_code.splitlines(), new_code.splitlines(), autojunk=False)
    lines: set[int] = set()
    for tag, _, _, start, end in matcher.get_opcodes():
        if tag == "delete":
            lines |= {start, start + 1}
        elif tag != "equal":
            lines |= set(range(start + 1, end + 1))
    return lines


def _feeding_literals(tree: ast.Module, edited: set[int]) -> list[ast.expr]:
    """Return the literals of the edited statements and of everything they take values from, in the program's order."""
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    definitions = [node for node in statements if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    imported = {name for node in statements for name in _imported(node)}
    feeding: list[Part] = list(_edited_parts(statements, edited))
    for node in feeding:  # grows while it is walked
        needed = _names(node) - imported
        enclosing = {definition.name for definition in definitions if node in ast.walk(definition)}
        for other in statements:
            gives = other.lineno <= node.lineno and _names(other) & needed and not _is_print(other)
            # A function or class gets its values from all places that call it.
            if other not in feeding and (gives or _names(other) & enclosing):
                feeding.append(other)
    distinct = dict.fromkeys(literal for node in feeding for literal in _literals(node))
    return sorted(distinct, key=lambda literal: (literal.lineno, literal.col_offset))


def _edited_parts(statements: list[ast.stmt], edited: set[int]) -> Iterator[Part]:
    """Yield the edited statements, and those elsewhere in which an edit has its effect or gets its inputs."""
    changed = [node for node in statements if _lines(node) & edited]
    moved = {name for node in changed for name in _imported(node)}
    changed += [node for node in statements if _names(node) & moved and node not in changed]
    yield from (node for node in changed if not _imported(node))
    for node in statements:
        # An edited `except` depends on the body of its `try`, and the effect of a `with` statement on its block.
        if (isinstance(node, ast.Try) and node in changed) or (
            isinstance(node, ast.With) and any(inner in changed for inner in node.body)
        ):
            yield from node.body
    # Where the edit is in how an object is made, the calls that the object takes part in give it its inputs.
    headers = [node for statement in changed for node in _header(statement)]
    made = {node.id for node in headers if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for statement in statements:
        yield from (node for node in _header(statement) if isinstance(node, ast.Call) and _takes_part(node, made))


def _takes_part(call: ast.Call, names: set[str]) -> bool:
    """Say whether a call (other than a print) is a method call on one of the names, or has one as an argument."""
    root: ast.expr = call.func
    while isinstance(root, ast.Attribute | ast.Call | ast.Subscript):
        root = root.func if isinstance(root, ast.Call) else root.value
    arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
    own = [node.id for node in (root, *arguments) if isinstance(node, ast.Name)]
    return bool(names.intersection(own)) and "print" not in own


def _header(part: Part) -> list[ast.AST]:
    """Return the nodes of a statement without those of the statements inside it, or all nodes of a call."""
    nodes: list[ast.AST] = [part]
    for node in nodes:  # grows while it is walked
        nodes += [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.stmt)]
    return nodes


def _lines(statement: ast.stmt) -> set[int]:
    """Return the lines of a statement's header."""
    placed = [node for node in _header(statement) if node is not statement and hasattr(node, "lineno")]
    spans = [range(node.lineno, (node.end_lineno or node.lineno) + 1) for node in placed if isinstance(node, ast.expr)]
    return {statement.lineno}.union(*spans)


def _names(part: Part) -> set[str]:
    return {node.id for node in _header(part) if isinstance(node, ast.Name)}


def _imported(statement: ast.stmt) -> set[str]:
    if not isinstance(statement, ast.Import | ast.ImportFrom):
        return set()
    return {(alias.asname or alias.name).split(".")[0] for alias in statement.names}


def _is_print(part: Part) -> bool:
    value = part.value if isinstance(part, ast.Expr) else None
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "print"


def _literals(part: Part) -> list[ast.expr]:
    """Return the literals and the displays (of more than one item) in a part that are not mere presentation."""
    shown = {inner for node in _header(part) for child in _presentation(node) for inner in ast.walk(child)}
    if _is_print(part):
        shown.update(_bare_text(part))
    return [node for node in _header(part) if isinstance(node, ast.expr) and node not in shown and _is_data(node)]


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


def _bare_text(part: Part) -> Iterator[ast.AST]:
    """Yield the nodes of a print that are printed as they are: those in no other call and in no comprehension."""
    waiting: list[ast.AST] = [part.value] if isinstance(part, ast.Expr) else []
    for node in waiting:  # grows while it is walked
        yield node
        waiting += [child for child in ast.iter_child_nodes(node) if not isinstance(child, _COMPUTED)]


def _is_data(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=value):
            return isinstance(value, int | float | complex | str | bytes)
        case ast.List(elts=items, ctx=ast.Load()) | ast.Tuple(elts=items, ctx=ast.Load()):
            return len(items) > 1
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant()):
            return True
    return False


def _changes(tree: ast.Module, literals: list[ast.expr]) -> Iterator[Replacements]:
    """Yield single changes of each kind in turn: data moved a little or far, reversed, exchanged, text changed."""
    displays = [node for node in literals if isinstance(node, ast.List | ast.Tuple)]
    constants = [node for node in literals if isinstance(node, ast.Constant)]
    numbers = _numbers(constants, displays)
    spread = _spread(numbers)
    texts = [node for node in constants if isinstance(node.value, str | bytes)]
    flags = [node for node in constants if isinstance(node.value, bool)]
    places = list(dict.fromkeys([*constants, *_keys_and_arguments(tree)]))
    kinds: list[list[Replacements]] = [
        [{node: _constant(_moved(node.value, 1))} for node in spread],
        [{node: _reversed(node)} for node in displays],
        [_everywhere(places, node.value, _other_texts(node.value)[0]) for node in texts],
        [{node: _constant(other)} for node in texts for other in _other_texts(node.value)],
        [{node: _constant(_moved(node.value, 7))} for node in spread],
        [_everywhere(places, node.value, _moved(node.value, 1)) for node in spread],
        [*_exchanged(displays), *_exchanged(numbers)],
        [{node: _constant(not node.value)} for node in flags],
    ]
    for turn in zip_longest(*kinds):
        yield from (change for change in turn if change is not None)


def _numbers(constants: list[ast.Constant], displays: Sequence[ast.List | ast.Tuple]) -> list[ast.Constant]:
    """Return the numbers among constants, those that are items of a display first."""
    items = {item for display in displays for item in display.elts}
    numbers = [node for node in constants if _is_number(node.value)]
    return sorted(numbers, key=lambda node: node not in items)


def _spread(numbers: list[ast.Constant]) -> list[ast.Constant]:
    """Return the numbers with the first, the middle and the last one at the front."""
    picked = [numbers[index] for index in (0, len(numbers) // 2, len(numbers) - 1)] if numbers else []
    return list(dict.fromkeys([*picked, *numbers]))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | complex) and not isinstance(value, bool)


def _moved(value: object, step: int) -> int | float | complex:
    """Return another number, a little larger or far away; far away, a complex number becomes a real one."""
    assert isinstance(value, int | float | complex)
    if isinstance(value, complex) and step > 1:
        return abs(value) + step
    return value + step if isinstance(value, int) else value * (1 + step / 8) + step


def _other_texts(text: object) -> list[str | bytes]:
    """Return other texts, those of the same form first: one digit counted on, all digits, one letter more, reversed."""
    if isinstance(text, bytes):
        as_text = [str(other).encode("latin-1") for other in _other_texts(text.decode("latin-1"))]
        return [*as_text, text[:-1] + bytes([(text[-1] + 1) % 256])] if text else [b"q"]
    assert isinstance(text, str)
    places = [index for index in range(len(text)) if text[index] in "0123456789"]
    some = dict.fromkeys(places[index * (len(places) - 1) // 5] for index in (5, 0, 1, 2, 3, 4)) if places else {}
    counted = [text[:index] + str(int(text[index]) % 8 + 1) + text[index + 1 :] for index in some]
    everywhere = "".join(str(int(letter) % 8 + 1) if index in places else letter for index, letter in enumerate(text))
    others = dict.fromkeys([*counted, everywhere, text + "q", text[:1] + text, text[::-1]])
    return [other for other in others if other != text]


def _exchanged(nodes: Sequence[ast.expr]) -> list[Replacements]:
    """Return changes that put two nodes in each other's place: neighbours, and the first and the last."""
    pairs = [*pairwise(nodes), (nodes[0], nodes[-1])] if len(nodes) > 1 else []
    return [
        {left: right, right: left}
        for left, right in pairs
        if right not in ast.walk(left) and left not in ast.walk(right)
    ]


def _constant(value: object) -> ast.expr:
    return parse_quietly(repr(value), "eval").body


def _reversed(node: ast.List | ast.Tuple) -> ast.expr:
    other = copy.copy(node)
    other.elts = node.elts[::-1]
    return other


def _everywhere(places: list[ast.Constant], value: object, other: object) -> Replacements:
    """Return the change of a value in every place that holds an equal one of the same type."""
    return {node: _constant(other) for node in places if node.value == value and type(node.value) is type(value)}


def _keys_and_arguments(tree: ast.Module) -> Iterator[ast.Constant]:
    """Yield the literals that have to change along with an equal input: keys in brackets, and arguments of calls."""
    shown = {part for node in ast.walk(tree) for part in _presentation(node)}
    for node in ast.walk(tree):
        for part in _key_or_arguments(node):
            items = part.elts if isinstance(part, ast.List | ast.Tuple) else [part]
            yield from (item for item in items if isinstance(item, ast.Constant) and item not in shown)


def _key_or_arguments(node: ast.AST) -> list[ast.expr]:
    match node:
        case ast.Subscript(slice=key):
            return [key]
        case ast.Call(func=ast.Name(id="print")):
            return []
        case ast.Call(args=arguments, keywords=keywords):
            return [*arguments, *(keyword.value for keyword in keywords)]
    return []


def _replaced(tree: ast.Module, replacements: Replacements) -> ast.Module:
    """Return a copy of the tree with some nodes replaced."""
    twin = copy.deepcopy(tree)
    # A copy is walked in the order of its original.
    pairs = zip(ast.walk(tree), list(ast.walk(twin)), strict=True)
    wanted = {copied: replacements[node] for node, copied in pairs if node in replacements}
    return ast.fix_missing_locations(ast.Module(_Replace(wanted).visit(twin).body, []))


class _Replace(ast.NodeTransformer):
    """Puts other nodes in the place of some."""

    def __init__(self, replacements: Replacements) -> None:
        self._replacements = replacements

    def visit(self, node: ast.AST) -> Any:
        return self._replacements[node] if node in self._replacements else super().visit(node)
