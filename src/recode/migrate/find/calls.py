"""What calls give, and the uses in their arguments."""

from __future__ import annotations

import ast

from recode.migrate.find.abstract_values import (
    NOTHING,
    UNKNOWN,
    AbstractKind,
    ClassInfo,
    DictInfo,
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
        if (made := self._of_dictionary(node)) is not None:
            for keyword in node.keywords:
                self.read(keyword.value)
            return made
        callees = self.read(node.func)
        by_position = [self.read(argument) for argument in node.args]
        by_name = {keyword.arg: self.read(keyword.value) for keyword in node.keywords}
        for callee in callees:
            if isinstance(callee.info, FunctionInfo | ClassInfo):
                self._give(callee, node, by_position, by_name)
        if self.index.hints.part:
            self._part_call(node)
        if len(callees) == 1:
            if callees[0].kind is AbstractKind.UNKNOWN:
                self._guessed_call(node)
                return UNKNOWN
            return self._result(callees[0], node)
        return union(*[self._result(callee, node) for callee in callees]) if callees else UNKNOWN

    def _give(
        self, callee: Value, node: ast.Call, by_position: list[Values], by_name: dict[str | None, Values]
    ) -> None:
        """Note what a call gives the parameters of a function of the program, or of the method that makes an object of its class."""
        function, bound = callee.info, isinstance(node.func, ast.Attribute)
        if callee.kind is AbstractKind.CLASS and isinstance(callee.info, ClassInfo):
            made = callee.info.members.get("__init__", NOTHING)
            function, bound = next((one.info for one in made), None), True
        if not isinstance(function, FunctionInfo):
            return
        arguments = function.node.args
        names = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
        for name, argument, values in zip(
            names[1 if bound and function.has_receiver else 0 :], node.args, by_position, strict=False
        ):
            if isinstance(argument, ast.Starred):
                break
            function.give(name, self.settled(values))
        for keyword, values in by_name.items():
            if keyword is not None:
                function.give(keyword, self.settled(values))

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
            self.uses.call(path, node, callee.confidence, spread=self._spread(node))
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

    def _part_call(self, node: ast.Call) -> None:
        """Note a method that is called on a part of an object, such as a column of a frame: `frame["a"].fillna(0, inplace=True)`."""
        func, hints = node.func, self.index.hints
        if not isinstance(func, ast.Attribute) or not isinstance(func.value, ast.Subscript | ast.Attribute):
            return
        part = func.value
        if isinstance(part, ast.Subscript) and not is_key(part.slice):
            return
        for owner in self.settled(self.read_quietly(part.value)):
            cls, confidence = owner.path, owner.confidence
            if owner.kind is AbstractKind.UNKNOWN and any(one.arg in hints.keywords for one in node.keywords):
                cls, confidence = self.class_by_name(part.value, anywhere=True) or "", BY_MEMBER
            elif owner.kind is not AbstractKind.INSTANCE:
                continue
            path = f"{hints.part.get(cls, '')}.{func.attr}"
            is_own = isinstance(part, ast.Attribute) and f"{cls}.{part.attr}" in self.index.returns
            if path in self.index.calls and not is_own:
                self.uses.call(path, node, confidence)

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
                    self.uses.call(path, node, confidence * callee.confidence, spread=self._spread(node))

    def _spread(self, node: ast.Call) -> dict[ast.expr, dict[str, ast.expr | None]]:
        """Return the known keys of the dictionaries that a call spreads."""
        found: dict[ast.expr, dict[str, ast.expr | None]] = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                keys: dict[str, ast.expr | None] = {}
                for value in self.read_quietly(keyword.value):
                    if isinstance(value.info, DictInfo):
                        keys |= value.info.keys
                if keys:
                    found[keyword.value] = keys
        return found

    def _of_dictionary(self, node: ast.Call) -> Values | None:
        """Return what a call does with a dictionary of the program: `dict(a=1)`, `options.update(a=1)`, `options.setdefault("a", 1)`."""
        func = node.func
        given = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg is not None}
        if isinstance(func, ast.Name):
            return (
                (Value(AbstractKind.BUILTIN, info=DictInfo(dict(given))),)
                if func.id == "dict" and not node.args
                else None
            )
        if not isinstance(func, ast.Attribute) or func.attr not in ("setdefault", "update", "pop"):
            return None
        for owner in self.read_quietly(func.value):
            if isinstance(owner.info, DictInfo):
                first = node.args[0] if node.args else None
                key = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
                if func.attr == "pop":
                    owner.info.keys.pop(key or "", None)
                elif key is not None:
                    owner.info.keys[key] = node.args[1] if len(node.args) > 1 else None
                elif func.attr == "update":
                    owner.info.keys.update(keys_of(first) if isinstance(first, ast.Dict) else given)
        return None

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


def keys_of(node: ast.Dict) -> dict[str, ast.expr | None]:
    """Return the keys of a dictionary's literal that are constant texts, with their values."""
    pairs = zip(node.keys, node.values, strict=True)
    return {key.value: value for key, value in pairs if isinstance(key, ast.Constant) and isinstance(key.value, str)}


def is_key(node: ast.expr) -> bool:
    """Say whether a subscript looks like one key, and not like a slice, a mask or a list of keys."""
    return isinstance(node, ast.Constant | ast.JoinedStr) or (isinstance(node, ast.Name) and not node.id.endswith("s"))
