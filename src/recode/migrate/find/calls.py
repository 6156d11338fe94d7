"""What calls give, and the uses in their arguments."""

from __future__ import annotations

import ast

from recode.migrate.find.abstract_values import (
    UNKNOWN,
    AbstractKind,
    ClassInfo,
    FunctionInfo,
    Value,
    Values,
    union,
    weaker,
)
from recode.migrate.find.attributes import BY_MEMBER, AttributeReader
from recode.migrate.find.expressions import BY_RETURN
from recode.migrate.find.index import Index
from recode.migrate.source.scopes import Scopes


class CallReader(AttributeReader):
    """Reads calls."""

    def __init__(self, index: Index, scopes: Scopes) -> None:
        super().__init__(index, scopes)
        self.readers[ast.Call] = self.call

    def call(self, node: ast.Call) -> Values:
        """A call: what its callee gives. Its arguments are checked where the callee is known."""
        callees = self.read(node.func)
        for argument in node.args:
            self.read(argument)
        for keyword in node.keywords:
            self.read(keyword.value)
        if len(callees) == 1:
            if callees[0].kind is AbstractKind.UNKNOWN:
                self._guessed_call(node)
                return UNKNOWN
            return self._result(callees[0], node)
        return union(*[self._result(callee, node) for callee in callees]) if callees else UNKNOWN

    def _result(self, callee: Value, node: ast.Call) -> Values:
        """Return what a call of one possibility gives."""
        kind = callee.kind
        # Guards rather than `match`, as in `AttributeReader._attribute_of`.
        if kind is AbstractKind.NAME or kind is AbstractKind.METHOD:
            return self._called(callee, node)
        if kind is AbstractKind.FUNCTION and isinstance(callee.info, FunctionInfo):
            return weaker(callee.info.returns, BY_RETURN) or UNKNOWN
        if kind is AbstractKind.CLASS:
            self._constructed(callee, node)
            return (Value(AbstractKind.OBJECT, callee.path, callee.confidence, callee.info),)
        if kind is AbstractKind.INSTANCE:
            gives = self.index.returns.get(f"{callee.path}.__call__")
            return (Value(AbstractKind.INSTANCE, gives, callee.confidence * BY_RETURN),) if gives else UNKNOWN
        return UNKNOWN

    def _called(self, callee: Value, node: ast.Call) -> Values:
        """Return what a call of a library's function, class or method gives."""
        index, path = self.index, callee.path
        receiver = callee.info.name if isinstance(callee.info, ClassInfo) else ""
        if path in index.calls:
            self.uses.call(path, node, callee.confidence)
        elif callee.kind is AbstractKind.NAME and path in ("functools.partial", "partial") and node.args:
            self._partial(node)
        gives = index.returns.get(path)
        if path in index.hints.loop and gives is None:
            return (callee,)
        if gives == "Self":
            return (Value(AbstractKind.INSTANCE, receiver or path.rpartition(".")[0], callee.confidence),)
        if gives is not None:
            return (Value(AbstractKind.INSTANCE, gives, callee.confidence * BY_RETURN),)
        if callee.kind is AbstractKind.NAME and index.is_class(path):
            return (Value(AbstractKind.INSTANCE, path, callee.confidence),)
        return UNKNOWN

    def _partial(self, node: ast.Call) -> None:
        """Note the arguments that `functools.partial(f, 1, p=2)` gives to `f`."""
        for target in self.read_quietly(node.args[0]):
            if target.kind in (AbstractKind.NAME, AbstractKind.METHOD) and target.path in self.index.calls:
                late = ast.copy_location(ast.Call(node.args[0], node.args[1:], node.keywords), node)
                self.uses.call(target.path, late, target.confidence, partial=True)

    def _constructed(self, callee: Value, node: ast.Call) -> None:
        """Note the arguments that a class of the program without a constructor passes to its base's."""
        if isinstance(callee.info, ClassInfo) and "__init__" not in callee.info.members:
            for path, confidence in callee.info.paths():
                if path in self.index.calls:
                    self.uses.call(path, node, confidence * callee.confidence)

    def _guessed_call(self, node: ast.Call) -> None:
        """Note a call of a method of something unknown, with a keyword that the method of one known class lost."""
        func = node.func
        if not isinstance(func, ast.Attribute) or not node.keywords:
            return
        path = self.telling_path(func.attr, self.index.calls)
        if path is not None and self.is_imported(path):
            given = {keyword.arg for keyword in node.keywords}
            if any(given & set(entry.symbol.keywords) for entry in self.index.calls[path]):
                self.uses.call(path, node, BY_MEMBER)
