"""What expressions stand for: the common ground of the readers of expressions.

The readers form a chain, one subject each: `ExpressionReader` (here) ← `AttributeReader` (names and attributes) ←
`CallReader` (calls) ← `OperatorReader` (containers, operators, comprehensions and annotations) ← `ImportReader` ←
`_StatementReader` (statements).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from recode.migrate.find.abstract_values import (
    BUILTIN,
    NOTHING,
    UNKNOWN,
    AbstractKind,
    ClassInfo,
    FunctionInfo,
    Value,
    Values,
    union,
    weaker,
)
from recode.migrate.find.flow import Flow
from recode.migrate.find.guards import Releases
from recode.migrate.find.index import Index
from recode.migrate.find.uses import Uses, place_of
from recode.migrate.source.scopes import Scopes, children

BY_RETURN = 0.95
"""Factor on the confidence of what a call or an operator gives."""
BY_NAME = 0.6
"""Confidence of an object whose class is guessed from a variable's name."""
BY_CHECK = 0.95
"""Factor on the confidence of a class that `isinstance` checks for."""
_NUMBERED = re.compile(r"_?\d+$")


class ExpressionReader:
    """Reads expressions in a scope; notes every use of what the index knows."""

    def __init__(self, index: Index, scopes: Scopes) -> None:
        self.index = index
        self.uses = Uses(index)
        self.flow = Flow(scopes)
        self.functions: dict[ast.AST, FunctionInfo] = {}
        self.classes: dict[ast.AST, ClassInfo] = {}
        self.imports: set[str] = set()
        """Top-level packages that the program imports."""
        self.releases = Releases(index.release_names, self.is_library, self.is_changed, self.flow, index.changed)
        self.narrowed: dict[str, Values] = {}
        """Attributes, as they are written, that the condition around what is read now checks."""
        self.readers: dict[type[ast.expr], Callable[[Any], Values]] = {
            ast.Constant: self.constant, ast.IfExp: self.either, ast.BoolOp: self.several, ast.NamedExpr: self.walrus,
            ast.Await: self.awaited, ast.Starred: self.starred,
        }  # fmt: skip

    def read(self, node: ast.expr) -> Values:
        """Return what an expression may stand for, and note the uses in it."""
        reader = self.readers.get(type(node))
        if reader is not None:
            return reader(node)
        for child in children(node):
            if isinstance(child, ast.expr):
                self.read(child)
        return UNKNOWN

    def read_quietly(self, node: ast.expr) -> Values:
        """Return what an expression may stand for, for expressions whose uses are noted elsewhere."""
        mark = self.uses.mark()
        values = self.read(node)
        self.uses.forget(mark)
        return values

    def settled(self, values: Values) -> Values:
        """Return values with properties evaluated: a member that is not called stands for what it holds."""
        for value in values:
            if value.kind is AbstractKind.METHOD:
                return tuple(map(self._settled, values))
        return values

    def _settled(self, value: Value) -> Value:
        if value.kind is AbstractKind.METHOD and isinstance(value.info, ClassInfo):
            gives = self.index.returns.get(value.path)
            if gives:
                path = value.info.name if gives == "Self" else gives
                return Value(AbstractKind.INSTANCE, path, value.confidence * BY_RETURN)
        return value

    # --- questions about expressions ---

    def class_by_name(self, node: ast.expr, *, anywhere: bool = False) -> str | None:
        """Return the class that a variable's name suggests, in a file that imports the class's library (or `anywhere`)."""
        if isinstance(node, ast.Attribute):
            name = node.attr
        elif isinstance(node, ast.Name):
            name = node.id
        else:
            return None
        hints = self.index.hints
        cls = hints.names.get(name)
        if cls is None and hints.suffixes:
            plain = _NUMBERED.sub("", name.lower())
            last = plain.rpartition("_")[2]
            cls = hints.names.get(plain) or hints.suffixes.get(last)
        return cls if cls and (anywhere or self.is_imported(cls)) else None

    def is_imported(self, path: str) -> bool:
        """Say whether the program imports the package that a path begins with."""
        return path.partition(".")[0] in self.imports

    def is_library(self, node: ast.expr) -> bool | None:
        """Say whether an expression is one of the libraries or something in one; None where that is unknown."""
        values = [value for value in self.read_quietly(node) if value.kind is AbstractKind.NAME]
        return any(value.path.partition(".")[0] in self.index.packages for value in values) if values else None

    def is_changed(self, node: ast.expr, name: str) -> bool:
        """Say whether updates remove a name from what an expression stands for, or add it."""
        owners: set[str] = set()
        for value in self.settled(self.read_quietly(node)):
            if value.kind is AbstractKind.UNKNOWN:
                owners.add(self.class_by_name(node) or "")
            elif value.kind in (AbstractKind.NAME, AbstractKind.INSTANCE):
                owners.update(self.index.bases(self.index.canonical(value.path)))
        return any(f"{owner}.{name}" in self.index.changed for owner in owners)

    # --- constants, alternatives and assignments ---

    def constant(self, node: ast.Constant) -> Values:
        """A constant: no use follows from None, and no other one is an instance of a library's class."""
        return NOTHING if node.value is None else BUILTIN

    def either(self, node: ast.IfExp) -> Values:
        """`a if b else c`: one of two, each for some releases only where the condition is about a release."""
        self.test(node.test)
        if self.releases.distinguishes(node.test):
            with self.uses.guarded(node):
                return weaker(union(self.read(node.body), self.read(node.orelse)), self.uses.GUARDED)
        with self.where(node.test):
            body = self.read(node.body)
        return union(body, self.read(node.orelse))

    @contextmanager
    def where(self, test: ast.expr) -> Iterator[None]:
        """Read within where a condition holds: after `isinstance(x, C)`, `x` is a `C`."""
        frame = self.flow.frame
        names, narrowed = frame.names, self.narrowed
        checked = self.checked(test)
        if checked:
            plain = {name: values for name, values in checked.items() if name.isidentifier()}
            frame.names = names | plain
            self.narrowed = narrowed | {name: values for name, values in checked.items() if name not in plain}
        try:
            yield
        finally:
            frame.names, self.narrowed = names, narrowed

    def checked(self, test: ast.expr) -> dict[str, Values]:
        """Return what a condition checks: names and attributes, as they are written, with the classes that they then have."""
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            found: dict[str, Values] = {}
            for operand in test.values:
                found |= self.checked(operand)
            return found
        if not isinstance(test, ast.Call) or not test.args or not isinstance(test.args[0], ast.Name | ast.Attribute):
            return {}
        values = self._checked_classes(test)
        return {ast.unparse(test.args[0]): weaker(values, BY_CHECK)} if is_known(values) else {}

    def _checked_classes(self, test: ast.Call) -> Values:
        """Return what the argument of a check is an instance of: `isinstance(x, C)`, `issparse(x)`."""
        if isinstance(test.func, ast.Name) and test.func.id == "isinstance" and len(test.args) == 2:
            classes = test.args[1].elts if isinstance(test.args[1], ast.Tuple) else [test.args[1]]
            mark = self.uses.mark()
            values = union(*[self.annotated(cls) for cls in classes])
            self.uses.forget(mark)
            return values
        checks = self.index.hints.checks
        if not checks or len(test.args) != 1:
            return UNKNOWN
        callees = self.read_quietly(test.func)
        return union(*[(Value(AbstractKind.INSTANCE, checks[one.path]),) for one in callees if one.path in checks])

    def annotated(self, node: ast.expr | None) -> Values:
        """Return what a variable with an annotation may hold; `OperatorReader` reads annotations."""
        raise NotImplementedError

    def several(self, node: ast.BoolOp) -> Values:
        """`a or b`: one of several; `a and b` gives nothing known."""
        if self.releases.distinguishes(node):
            with self.uses.guarded(node):
                return union(*[self.read(operand) for operand in node.values])
        if isinstance(node.op, ast.Or):
            return union(*[self.read(operand) for operand in node.values])
        first, *others = node.values
        self.test(first)
        with self.where(first):
            for operand in others:
                self.read(operand)
        return UNKNOWN

    def test(self, node: ast.expr) -> None:
        """Read an expression whose truth value is taken."""
        values = self.settled(self.read(node))
        if "__bool__" in self.index.members:
            self._note_protocol("__bool__", node, values)

    def protocol(self, method: str, place: ast.expr, owner: ast.expr) -> None:
        """Note that a program uses an operator of an object, such as `x[...] = y` (`__setitem__`)."""
        if method in self.index.members:
            self._note_protocol(method, place, self.settled(self.read_quietly(owner)))

    def _note_protocol(self, method: str, place: ast.expr, values: Values) -> None:
        for value in values:
            if value.kind is AbstractKind.INSTANCE:
                path = self.index.lost(value.path, method, self.index.names)
                if path is not None:
                    self.uses.place(path, place_of(place), value.confidence)

    def walrus(self, node: ast.NamedExpr) -> Values:
        """`a := b`: binds and gives a value."""
        values = self.read(node.value)
        if isinstance(node.target, ast.Name):
            self.flow.assign_walrus(node.target.id, self.settled(values))
        return values

    def awaited(self, node: ast.Await) -> Values:
        """`await a`, taken to give what `a` stands for."""
        return self.read(node.value)

    def starred(self, node: ast.Starred) -> Values:
        """`*a`: elements that nothing is known of."""
        self.read(node.value)
        return UNKNOWN


def is_known(values: Values) -> bool:
    """Say whether something is known of an expression."""
    return any(value.kind is not AbstractKind.UNKNOWN for value in values)
