"""What containers, operators, lambdas, comprehensions and annotations stand for, and what loops and assignments bind."""

from __future__ import annotations

import ast

from recode.migrate.find.abstract_values import (
    BUILTIN,
    NOTHING,
    UNKNOWN,
    AbstractKind,
    ClassInfo,
    DictInfo,
    Value,
    Values,
    union,
)
from recode.migrate.find.calls import CallReader, is_key, keys_of
from recode.migrate.find.expressions import BY_NAME, BY_RETURN
from recode.migrate.find.index import Index
from recode.migrate.source.scopes import Scopes, all_arguments, children
from recode.source import parse_quietly

_TRANSPARENT = frozenset({"Optional", "Union", "Annotated", "Final", "ClassVar", "Type", "type"})
"""Generic types whose parameters say what a variable holds."""
PartValues = list[Values] | Values
"""The values of an assigned expression: a list holds those of each part, for a target that unpacks them."""


class OperatorReader(CallReader):
    """Reads containers, operators, lambdas, comprehensions and annotations."""

    def __init__(self, index: Index, scopes: Scopes) -> None:
        super().__init__(index, scopes)
        self.readers |= {
            ast.Subscript: self.subscript, ast.BinOp: self.binary, ast.Compare: self.compare, ast.UnaryOp: self.unary,
            ast.Lambda: self.lambda_, ast.ListComp: self.comprehension, ast.SetComp: self.comprehension,
            ast.GeneratorExp: self.comprehension, ast.DictComp: self.comprehension, ast.Dict: self.dictionary,
            ast.List: self.container, ast.Tuple: self.container, ast.Set: self.container, ast.JoinedStr: self.container,
        }  # fmt: skip

    # --- containers and operators ---

    def container(self, node: ast.expr) -> Values:
        """A list, a tuple, a set or a text, and what is in it."""
        for child in children(node):
            if isinstance(child, ast.expr):
                self.read(child)
        return BUILTIN

    def dictionary(self, node: ast.Dict) -> Values:
        """A dictionary: its constant keys may become keywords of a call (`**options`)."""
        self.container(node)
        return (Value(AbstractKind.BUILTIN, info=DictInfo(keys_of(node))),)

    def subscript(self, node: ast.Subscript) -> Values:
        """`a[b]`: an element, or a selection of elements."""
        owners = self.settled(self.read(node.value))
        self.read(node.slice)
        self._note_items(node, owners)
        rules = self.index.hints.subscript
        is_unknown = len(owners) == 1 and owners[0].kind is AbstractKind.UNKNOWN
        if is_unknown and isinstance(node.value, ast.Name | ast.Attribute):
            guess = self.class_by_name(node.value)
            owners = (Value(AbstractKind.INSTANCE, guess, BY_NAME),) if guess else owners
        found: list[Values] = []
        for owner in owners:
            rule = rules.get(owner.path) if owner.kind is AbstractKind.INSTANCE else None
            gives = "" if rule is None else rule[0] if is_key(node.slice) else rule[1]
            found.append((Value(AbstractKind.INSTANCE, gives, owner.confidence * BY_RETURN),) if gives else UNKNOWN)
        return union(*found) if found else UNKNOWN

    def _note_items(self, node: ast.Subscript, owners: Values) -> None:
        """Note `x[key]` where updates are about the class's `__getitem__`, or some keys of it."""
        index = self.index
        if "__getitem__" not in index.members or not isinstance(node.ctx, ast.Load):
            return
        for owner in owners:
            if owner.kind is AbstractKind.INSTANCE:
                path = index.lost(owner.path, "__getitem__", index.calls)
                if path is not None:
                    self.uses.call(
                        path, ast.copy_location(ast.Call(node.value, [node.slice], []), node), owner.confidence
                    )
        self.protocol("__getitem__", node, node.value)

    def binary(self, node: ast.BinOp) -> Values:
        """`a + b`: arrays and frames give arrays and frames."""
        return self._closed((*self.settled(self.read(node.left)), *self.settled(self.read(node.right))))

    def compare(self, node: ast.Compare) -> Values:
        """`a < b`: arrays and frames give arrays and frames."""
        left = self.settled(self.read(node.left))
        for operand in node.comparators:
            self.read(operand)
        return self._closed(left) if len(node.ops) == 1 else UNKNOWN

    def _closed(self, operands: Values) -> Values:
        """Return the first operand whose class is closed under operators."""
        for value in operands:
            if value.kind is AbstractKind.INSTANCE and value.path in self.index.hints.closed:
                return (value._replace(confidence=value.confidence * BY_RETURN),)
        return UNKNOWN

    def unary(self, node: ast.UnaryOp) -> Values:
        """`-a`: arrays and frames give arrays and frames."""
        values = self.settled(self.read(node.operand))
        return tuple(value for value in values if value.path in self.index.hints.closed) or UNKNOWN

    # --- lambdas, comprehensions and loops ---

    def lambda_(self, node: ast.Lambda) -> Values:
        """A lambda: its body is read where it is defined, with parameters of which nothing is known."""
        for default in [*node.args.defaults, *node.args.kw_defaults]:
            if default is not None:
                self.read(default)
        with self.flow.opened(node) as frame:
            for argument in all_arguments(node.args):
                frame.names[argument.arg] = UNKNOWN
            self.read(node.body)
        return UNKNOWN

    def comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> Values:
        """A comprehension, which gives a value of a builtin type."""
        first = self.looped(node.generators[0].iter)
        with self.flow.opened(node):
            for number, generator in enumerate(node.generators):
                self.bind(generator.target, self.looped(generator.iter) if number else first)
                for test in generator.ifs:
                    self.read(test)
            for result in [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]:
                self.read(result)
        return BUILTIN

    def looped(self, node: ast.expr) -> PartValues:
        """Return what iterating over an expression assigns."""
        values = self.read(node)
        rules = self.index.hints.loop
        for value in values:
            rule = rules.get(value.path)
            if rule is None and isinstance(node, ast.Call):
                callees = self.read_quietly(node.func)
                rule = next((rules[callee.path] for callee in callees if callee.path in rules), None)
            if rule is not None:
                confidence = value.confidence * BY_RETURN
                if len(rule) == 1:
                    return (Value(AbstractKind.INSTANCE, rule[0], confidence),)
                return [(Value(AbstractKind.INSTANCE, path, confidence),) if path else UNKNOWN for path in rule]
        return UNKNOWN

    # --- bindings ---

    def bind(self, target: ast.expr, values: PartValues) -> None:
        """Assign values to a target."""
        whole = UNKNOWN if isinstance(values, list) else values
        match target:
            case ast.Name():
                self.flow.assign(target.id, whole)
            case ast.Tuple() | ast.List():
                parts = values if isinstance(values, list) and len(values) == len(target.elts) else None
                for number, part in enumerate(target.elts):
                    self.bind(part, parts[number] if parts else UNKNOWN)
            case ast.Starred():
                self.bind(target.value, UNKNOWN)
            case ast.Attribute():
                self._bind_attribute(target, whole)
            case ast.Subscript():
                owners = self.read(target.value)
                self.read(target.slice)
                self.protocol("__setitem__", target, target.value)
                for owner in owners:
                    if isinstance(owner.info, DictInfo) and isinstance(target.slice, ast.Constant):
                        owner.info.keys[str(target.slice.value)] = None

    def _bind_attribute(self, target: ast.Attribute, values: Values) -> None:
        for owner in self.read(target.value):
            if owner.kind is AbstractKind.OBJECT and isinstance(owner.info, ClassInfo):
                known = owner.info.members.get(target.attr)
                owner.info.members[target.attr] = values if known is None else union(known, values)

    # --- annotations ---

    def annotated(self, node: ast.expr | None) -> Values:
        """Return what a variable with an annotation may hold, and note the uses in the annotation."""
        match node:
            case None:
                return UNKNOWN
            case ast.Constant(value=str(text)):
                return self._quoted(text)
            case ast.BinOp(op=ast.BitOr()):
                return union(self.annotated(node.left), self.annotated(node.right))
            case ast.Subscript():
                return self._generic(node)
        return tuple(_instance(value) for value in self.read(node)) or NOTHING

    def _quoted(self, text: str) -> Values:
        try:
            inner = parse_quietly(text, "eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return UNKNOWN
        mark = self.uses.mark()
        values = self.annotated(inner)
        # Positions within a string are not those of the file.
        self.uses.forget(mark)
        return values

    def _generic(self, node: ast.Subscript) -> Values:
        base = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
        self.read(node.value)
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if base not in _TRANSPARENT:
            for part in parts:
                self.annotated(part)
            return UNKNOWN
        return union(*[self.annotated(part) for part in parts[: 1 if base == "Annotated" else None]])


def _instance(value: Value) -> Value:
    if value.kind is AbstractKind.NAME:
        return value._replace(kind=AbstractKind.INSTANCE)
    if value.kind is AbstractKind.CLASS:
        return value._replace(kind=AbstractKind.OBJECT)
    return UNKNOWN[0]
