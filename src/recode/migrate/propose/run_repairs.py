"""Rewritings that a run itself suggests: by what an expression gives in both releases, or by the error that it raises.

They need no knowledge of the library, and cover changes that have no name to look for: a value that is read-only, narrower, or
text instead of bytes; a method that no longer changes what it is called on; arguments that have to be given by name, or are refused.
A rewriting is only a proposal. It is kept where the runs then end as before. Sources: NEP 50 for NumPy's scalars, the pandas 3 notes on
copy-on-write.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from recode.knowledge.model import Shape
from recode.migrate.find.findings import Finding
from recode.migrate.rewrite.calls.binding import DoesNotBind
from recode.migrate.rewrite.calls.keyword_arguments import named_arguments
from recode.migrate.rewrite.changes import Change, EvidenceLevel, Method
from recode.migrate.rewrite.name_checks import UpgradeNames
from recode.migrate.rewrite.program import EditableProgram
from recode.migrate.source.edits import Edit
from recode.migrate.source.source_file import SourceFile
from recode.migrate.source.tree import Tree
from recode.migrate.witnesses.runs.recorded_command import DifferenceKind, RunDifference
from recode.records import ApiUpdate

_READ_ONLY = "read-only"
_OUT_OF_BOUNDS = "out of bounds for"
_ARRAY = re.compile(r"\b(u?int\d+|float\d+)\[")
_SCALAR = re.compile(r"\b(u?int|float)\d+\b")
_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.LShift, ast.Pow, ast.FloorDiv, ast.Mod, ast.Div)
_SUGGESTION = re.compile(r"has no attribute '(\w+)'\. Did you mean: '(\w+)'\?")
_POSITIONAL = re.compile(r"([\w.]+)\(\) takes .*positional arguments? but \d+ (?:was|were) given")
_UNEXPECTED = re.compile(r"(?P<called>[\w.]+)\(\) got an unexpected keyword argument '(?P<keyword>\w+)'")
_PLAIN_CALLS = frozenset({"int", "float", "len", "round", "ord", "sum", "range"})


@dataclass(frozen=True)
class _Repair:
    node: ast.expr
    edits: tuple[Edit, ...]
    remark: str


@dataclass(frozen=True)
class CalledNames:
    """What the releases answer about names, and the paths of the library's classes."""

    names: UpgradeNames
    classes: tuple[str, ...]
    renamed_keywords: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """The new name of a parameter, by what is called and the old one."""

    @classmethod
    def of(cls, names: UpgradeNames, shapes: Iterable[Shape], updates: Iterable[ApiUpdate]) -> CalledNames:
        """Return the names with the classes of a library's shapes, and with the keywords that updates rename."""
        renamed = {
            (one.old_symbol.path, one.old_symbol.parameter): one.new_symbol.parameter
            for one in updates
            if one.kind == "parameter_renamed" and one.old_symbol.parameter and one.new_symbol.parameter
        }
        return cls(names, tuple(path for shape in shapes for path in shape.classes), renamed)


def run_repairs(
    source: SourceFile, differences: Iterable[RunDifference], findings: Sequence[Finding], called: CalledNames
) -> list[Change]:
    """Return rewritings of one file that differences between the releases suggest; each settles the findings at its place.

    Args:
        source: the file.
        differences: what differs between the releases; those of other files are left out.
        findings: the file's findings.
        called: how the library's functions are called.
    """
    own = [one for one in differences if one.file == source.path]
    if not own or source.cells:
        return []
    tree, program = source.tree, EditableProgram(source.tree, source.newline)
    found = [*_copies(tree, own), *_wider(tree, own), *_assigned(tree, own), *_decoded(tree, own)]
    found += [
        *_suggested(tree, own),
        *_accepted(program, own, called),
        *_named(program, own, called),
    ]
    changes = []
    for repair in _distinct(found):
        settled = tuple(one for one in findings if not one.guarded and _overlaps(source, one, repair.node))
        if settled:
            changes.append(
                Change(
                    source.path, settled, repair.edits, Method.SYNTAX_TREE, EvidenceLevel.UNPROVEN, repair.remark
                )
            )  # fmt: skip
    return changes


def _overlaps(source: SourceFile, finding: Finding, node: ast.expr) -> bool:
    start, end = source.tree.span(node)
    try:
        first = source.offset(finding.line, finding.column)
        return first < end and start < source.offset(finding.end_line, finding.end_column)
    except ValueError:
        return False


def _distinct(repairs: Iterable[_Repair]) -> list[_Repair]:
    return list({repair.edits: repair for repair in repairs}.values())


def _at(tree: Tree, one: RunDifference) -> ast.expr | None:
    """Return the expression of a difference."""
    for node in tree.nodes:
        if isinstance(node, ast.expr) and one.spot == (
            node.lineno, node.col_offset, node.end_lineno, node.end_col_offset
        ):  # fmt: skip
            return node
    return None


# --- values that may not be written into any more ---


def _copies(tree: Tree, differences: Sequence[RunDifference]) -> Iterator[_Repair]:
    """Yield a copy where an expression gives a read-only array that is written into later."""
    for one in differences:
        node = _at(tree, one) if one.kind is DifferenceKind.LATENT and one.new == _READ_ONLY else None
        if node is not None and isinstance(node, ast.Attribute | ast.Call | ast.Subscript | ast.Name):
            end = tree.span(node)[1]
            yield _Repair(node, (Edit(end, end, ".copy()"),), "the array is written into and is read-only now")


# --- NumPy's scalars and arrays, which keep their width beside Python's numbers ---


def _wider(tree: Tree, differences: Sequence[RunDifference]) -> Iterator[_Repair]:
    """Yield arithmetic of Python's numbers, or of the wider type, where NumPy computes in a narrower one now."""
    by_root: dict[ast.BinOp, list[RunDifference]] = {}
    for one in differences:
        node = _at(tree, one)
        if isinstance(node, ast.BinOp) and _is_narrower(one):
            by_root.setdefault(_root(tree, node), []).append(one)
    for root, found in by_root.items():
        leaves = [leaf for leaf in _leaves(root) if not _is_plain(leaf)]
        dtype = next((match[1] for one in found if (match := _ARRAY.search(one.old))), "")
        if dtype and len(leaves) == 1:
            yield _Repair(root, _after(tree, leaves[0], f'.astype("{dtype}")'), f"NumPy computes in {dtype} no more")
        elif leaves and not dtype:
            name = "float" if any("float" in one.old + one.new for one in found) else "int"
            edits = [edit for leaf in leaves for edit in _called(tree, leaf, name)]
            yield _Repair(root, tuple(edits), f"NumPy's scalars keep their type beside Python's {name} now")


def _is_narrower(one: RunDifference) -> bool:
    if one.kind is DifferenceKind.RAISES:
        return _OUT_OF_BOUNDS in one.new
    return one.kind is DifferenceKind.VALUE and bool(_SCALAR.search(one.new)) and one.old != one.new


def _root(tree: Tree, node: ast.BinOp) -> ast.BinOp:
    """Return the largest arithmetic expression around an operation."""
    while isinstance(above := tree.parents.get(node), ast.BinOp) and isinstance(above.op, _ARITHMETIC):
        node = above
    return node


def _leaves(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, _ARITHMETIC):
        return [*_leaves(node.left), *_leaves(node.right)]
    return _leaves(node.operand) if isinstance(node, ast.UnaryOp) else [node]


def _is_plain(node: ast.expr) -> bool:
    """Say whether an operand is one of Python's own numbers."""
    called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _PLAIN_CALLS
    return called or isinstance(node, ast.Constant)


# --- methods that no longer change what they are called on ---


def _assigned(tree: Tree, differences: Sequence[RunDifference]) -> Iterator[_Repair]:
    """Yield the assignment of a method's result where `inplace=True` no longer reaches the object it was taken from."""
    for one in differences:
        node = _at(tree, one) if one.kind in (DifferenceKind.VALUE, DifferenceKind.STATE) else None
        match node:
            case ast.Call(func=ast.Attribute(value=receiver)) if isinstance(tree.parents.get(node), ast.Expr):
                word = next((word for word in node.keywords if word.arg == "inplace"), None)
                if (
                    word is None
                    or not isinstance(receiver, ast.Subscript | ast.Attribute)
                    or not _is_repeatable(receiver)
                ):
                    continue
                start = tree.span(node)[0]
                edits = (Edit(start, start, f"{tree.segment(receiver)} = "), _without_keyword(tree, node, word))
                yield _Repair(node, edits, "the method no longer changes what its object was taken from")


def _is_repeatable(node: ast.expr) -> bool:
    """Say whether an expression may be evaluated twice: it calls nothing."""
    return not any(isinstance(inner, ast.Call | ast.Await | ast.NamedExpr | ast.Yield) for inner in ast.walk(node))


def _without_keyword(tree: Tree, call: ast.Call, word: ast.keyword) -> Edit:
    """Return the edit that takes a keyword out of a call, with the comma before it or after it."""
    return _without(tree.span(word), sorted(tree.span(one) for one in (*call.args, *call.keywords)))


def _without(one: tuple[int, int], given: Sequence[tuple[int, int]]) -> Edit:
    """Return the edit that takes one of several items out, with a comma."""
    number = given.index(one)
    if number:
        return Edit(given[number - 1][1], one[1], "")
    return Edit(one[0], given[1][0] if len(given) > 1 else one[1], "")


def _accepted(program: EditableProgram, differences: Sequence[RunDifference], called: CalledNames) -> Iterator[_Repair]:
    """Yield a call without the keyword that it is refused for, or with the keyword's new name if it has one."""
    tree = program.tree
    for one in differences:
        match = _UNEXPECTED.search(one.new) if one.kind is DifferenceKind.RAISES else None
        node = _at(tree, one) if match else None
        if match is None or not isinstance(node, ast.Call):
            continue
        paths = _paths(program, node, match["called"], called.classes)
        old = match["keyword"]
        new = next((called.renamed_keywords[path, old] for path in paths if (path, old) in called.renamed_keywords), "")
        word = next((word for word in node.keywords if word.arg == old), None)
        if new:
            start = tree.span(word)[0] if word is not None else 0
            edits = (Edit(start, start + len(old), new),) if word is not None else _keys(tree, node, old, new)
            if edits:
                yield _Repair(node, edits, f"`{old}` is called `{new}` now")
        elif word is not None:
            yield _Repair(node, (_without_keyword(tree, node, word),), f"`{old}` is not accepted any more")
        elif (edit := _without_key(tree, node, old)) is not None:
            yield _Repair(node, (edit,), f"`{old}` is not accepted any more")


def _keys(tree: Tree, call: ast.Call, old: str, new: str) -> tuple[Edit, ...]:
    """Return the edits that rename a key of the dictionaries that a call takes its keywords from, in the function around it."""
    keys = [key for node, names in _around(tree, call) for key in _keys_of(node, names)]
    spans = [tree.span(key) for key in keys if key is not None and _is_text(key, old)]
    return tuple(Edit(start + 1, end - 1, new) for start, end in spans if tree.text[start + 1 : end - 1] == old)


def _without_key(tree: Tree, call: ast.Call, key: str) -> Edit | None:
    """Return the edit that takes a key out of the one display that a call takes its keywords from; None if the key is used otherwise."""
    used = [(node, one) for node, names in _around(tree, call) for one in _keys_of(node, names) if _is_text(one, key)]
    if (
        len(used) != 1
        or not isinstance(used[0][0], ast.Assign)
        or not isinstance(display := used[0][0].value, ast.Dict)
    ):
        return None
    spans = [
        (tree.span(one)[0] if one is not None else tree.span(value)[0] - 2, tree.span(value)[1])
        for one, value in zip(display.keys, display.values, strict=True)
    ]
    return _without(spans[display.keys.index(used[0][1])], spans)


def _around(tree: Tree, call: ast.Call) -> Iterator[tuple[ast.AST, frozenset[str]]]:
    """Yield the nodes of the function around a call, each with the names of the dictionaries that the call takes keywords from."""
    names = frozenset(word.value.id for word in call.keywords if word.arg is None and isinstance(word.value, ast.Name))
    around = tree.parents.get(call)
    while around is not None and not isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
        around = tree.parents.get(around)
    yield from ((node, names) for node in ast.walk(around or call))


def _is_text(node: ast.expr | None, text: str) -> bool:
    return isinstance(node, ast.Constant) and node.value == text


def _keys_of(node: ast.AST, names: Collection[str]) -> Sequence[ast.expr | None]:
    """Return the expressions that stand for keys of dictionaries of some names in one node."""
    match node:
        case ast.Subscript(value=ast.Name(id=name), slice=key) if name in names:
            return [key]
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id=name), attr="get" | "pop" | "setdefault"), args=[key, *_]
        ) if name in names:
            return [key]
        case ast.Compare(left=key, ops=[ast.In() | ast.NotIn()], comparators=[ast.Name(id=name)]) if name in names:
            return [key]
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict(keys=keys)) if name in names:
            return keys
    return []


# --- text instead of bytes ---


def _decoded(tree: Tree, differences: Sequence[RunDifference]) -> Iterator[_Repair]:
    """Yield a call without its `.decode()` where the library gives text now."""
    for one in differences:
        node = _at(tree, one)
        if one.kind is not DifferenceKind.VALUE or node is None:
            continue
        if not (one.old.startswith(("b'", 'b"')) and one.new.startswith(("'", '"'))):
            continue
        method = tree.parents.get(node)
        call = tree.parents.get(method) if isinstance(method, ast.Attribute) and method.attr == "decode" else None
        if isinstance(call, ast.Call) and call.func is method:
            # A deletion alone would be reached by nothing.
            yield _Repair(call, (Edit(*tree.span(call), tree.segment(node)),), "the library gives text now")


# --- names that Python suggests, and arguments by name ---


def _suggested(tree: Tree, differences: Sequence[RunDifference]) -> Iterator[_Repair]:
    """Yield the attribute that Python's own error suggests."""
    for one in differences:
        node, match = _at(tree, one), _SUGGESTION.search(one.new)
        if one.kind is not DifferenceKind.RAISES or match is None:
            continue
        attribute = node.func if isinstance(node, ast.Call) else node
        if isinstance(attribute, ast.Attribute) and attribute.attr == match[1]:
            end = tree.span(attribute)[1]
            edit = Edit(end - len(match[1]), end, match[2])
            yield _Repair(attribute, (edit,), f"Python suggests `{match[2]}`, which need not do the same")


def _named(program: EditableProgram, differences: Sequence[RunDifference], called: CalledNames) -> Iterator[_Repair]:
    """Yield a call with its arguments by name where an error says that they may not be given by position."""
    for one in differences:
        node, match = _at(program.tree, one), _POSITIONAL.search(one.new)
        if one.kind is not DifferenceKind.RAISES or match is None or not isinstance(node, ast.Call):
            continue
        for path in _paths(program, node, match[1], called.classes):
            try:
                edits, _ = named_arguments(program, node, path, called.names)
            except DoesNotBind:
                continue
            yield _Repair(node, edits, f"the arguments of `{path}` have to be given by name")
            break


def _paths(program: EditableProgram, call: ast.Call, name: str, classes: Sequence[str]) -> list[str]:
    """Return what a call may call, given the name in an error, such as `DataFrame.drop` or `__init__`."""
    owner, _, last = name.rpartition(".")
    of_class = [path for path in classes if path.rpartition(".")[2] == owner.rpartition(".")[2]]
    if last == "__init__":
        return of_class
    written = program.full_name(call.func) if isinstance(call.func, ast.Attribute) else ""
    if isinstance(call.func, ast.Name):
        targets = {binding.target for binding in program.scopes.of[call.func].resolve(call.func.id)}
        written = targets.pop() if len(targets) == 1 else ""
    return [*([written] if written else []), *(f"{path}.{last}" for path in of_class)]


def _after(tree: Tree, node: ast.expr, text: str) -> tuple[Edit, ...]:
    start, end = tree.span(node)
    if isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.Call):
        return (Edit(end, end, text),)
    return (Edit(start, start, "("), Edit(end, end, ")" + text))


def _called(tree: Tree, node: ast.expr, name: str) -> tuple[Edit, ...]:
    start, end = tree.span(node)
    return (Edit(start, start, f"{name}("), Edit(end, end, ")"))
