"""What expressions stand for, and the uses of updated APIs in them."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Container
from typing import Any

from recode.migrate.find.abstract_values import (
    NOTHING,
    UNKNOWN,
    ClassInfo,
    FunctionInfo,
    Scope,
    Value,
    Values,
    union,
    weaker,
)
from recode.migrate.find.guards import Releases
from recode.migrate.find.index import Index
from recode.migrate.find.uses import Uses

_BY_RETURN = 0.95
_BY_COLUMN = 0.85
_BY_STAR = 0.9
_BY_MODULE = 0.9
_BY_NAME = 0.6
_BY_LEAF = 0.55
_BY_LEAF_ELSEWHERE = 0.5
_NUMBERED = re.compile(r"_?\d+$")
_OPTIONAL = frozenset({"Optional", "Union", "Annotated", "Final", "ClassVar", "Type", "type"})


class Expressions:
    """Reads expressions in a scope; every use that the index knows goes to `uses`."""

    def __init__(self, index: Index, uses: Uses) -> None:
        self.index = index
        self.uses = uses
        self.scope = Scope("module")
        self.functions: dict[int, FunctionInfo] = {}
        self.classes: dict[int, ClassInfo] = {}
        self.imports: set[str] = set()
        self.releases = Releases(
            index.release_names, self.is_library, self.is_changed, lambda: self.scope, index.changed
        )
        self.readers: dict[type[ast.expr], Callable[[Any], Values]] = {
            ast.Name: self.name, ast.Attribute: self.attribute, ast.Call: self.call, ast.Constant: self.constant,
            ast.Subscript: self.subscript, ast.BinOp: self.binary, ast.IfExp: self.either, ast.BoolOp: self.several,
            ast.NamedExpr: self.walrus, ast.Await: self.inner, ast.Lambda: self.lambda_, ast.Compare: self.compare,
            ast.ListComp: self.comprehension, ast.SetComp: self.comprehension, ast.GeneratorExp: self.comprehension,
            ast.DictComp: self.comprehension, ast.UnaryOp: self.unary, ast.Starred: self.starred,
        }  # fmt: skip

    def read(self, node: ast.expr) -> Values:
        """Return what an expression may stand for; note the uses in it."""
        reader = self.readers.get(type(node))
        if reader is not None:
            return reader(node)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.read(child)
        return UNKNOWN

    # --- names and attributes ---

    def name(self, node: ast.Name) -> Values:
        """A name, as its scope has it."""
        found = self.scope.lookup(node.id)
        if found is None:
            found = self._from_stars(node.id)
            if found is None:
                return UNKNOWN
        for value in found:
            if value.kind == "name" and value.path in self.index.names:
                self.uses.name(value.path, node, node.id, value.sure, alone=len(found) == 1)
        return found

    def _from_stars(self, name: str) -> Values | None:
        for module in self.scope.module().stars:
            path = f"{module}.{name}"
            known = path in self.index.names or path in self.index.calls or path in self.index.returns
            if known or path in self.index.aliases or path in self.index.classes:
                return (Value("name", path, _BY_STAR),)
        return None

    def attribute(self, node: ast.Attribute) -> Values:
        """An attribute of whatever its owner may be."""
        mark = self.uses.mark()
        owners = self.read(node.value)
        attr = node.attr
        found: list[Values] = []
        for owner in owners:
            kind = owner.kind
            if kind == "name":
                found.append(self._below(owner, node, mark))
            elif kind == "instance":
                found.append(self._member(owner.path, owner.sure, node))
            elif kind == "object" or kind == "class":
                found.append(self._own(owner, node))
            elif kind == "module":
                found.append(self._passed_on(owner, node))
            elif kind == "unknown":
                found.append(self._guessed(node) if len(owners) == 1 else UNKNOWN)
            else:
                found.append(UNKNOWN)
        if not owners and attr in self.index.members:
            return UNKNOWN
        return found[0] if len(found) == 1 else union(*found)

    def _below(self, owner: Value, node: ast.Attribute, mark: int) -> Values:
        """What an attribute of a module or class is."""
        path = f"{owner.path}.{node.attr}"
        index = self.index
        if path not in index.names and path not in index.calls:
            better = index.aliases.get(path)
            if better is not None:
                path = better
            elif node.attr in index.members and index.is_class(owner.path):
                path = index.lost(owner.path, node.attr, index.names) or path
        if path in index.names:
            self.uses.forget_modules(mark)
            self.uses.name(path, node, node.attr, owner.sure)
        return (Value("name", path, owner.sure),)

    def _passed_on(self, owner: Value, node: ast.Attribute) -> Values:
        """What a module of the project passes on."""
        path = self.index.exports.get(owner.path, {}).get(node.attr)
        if not path:
            return UNKNOWN
        if path in self.index.names:
            self.uses.name(path, node, node.attr, _BY_MODULE)
        return (Value("name", path, _BY_MODULE),)

    def _member(self, cls: str, sure: float, node: ast.Attribute) -> Values:
        """What an attribute of an instance is."""
        index, attr = self.index, node.attr
        if attr in index.members:
            lost = index.lost(cls, attr, index.names)
            if lost is not None:
                self.uses.name(lost, node, attr, sure)
        for base in index.bases(cls):
            gives = index.returns.get(f"{base}.{attr}")
            if gives is not None:
                return (Value("method", f"{base}.{attr}", sure, ClassInfo(cls)),)
            if f"{base}.{attr}" in index.calls or f"{base}.{attr}" in index.hints.loop:
                return (Value("method", f"{base}.{attr}", sure, ClassInfo(cls)),)
        column = index.hints.attribute.get(cls)
        if column and not attr.startswith("_") and f"{cls}.{attr}" not in index.aliases:
            return (Value("instance", column, sure * _BY_COLUMN),)
        return UNKNOWN

    def _own(self, owner: Value, node: ast.Attribute) -> Values:
        """What an attribute of one of the program's own classes or their instances is."""
        info = owner.info
        if not isinstance(info, ClassInfo):
            return UNKNOWN
        if node.attr in info.members:
            return self._read_property(info.members[node.attr])
        for base in info.bases:
            if isinstance(base.info, ClassInfo) and node.attr in base.info.members:
                return self._read_property(base.info.members[node.attr])
        found = [self._member(path, sure * owner.sure, node) for path, sure in info.paths()]
        return union(*found) if found else UNKNOWN

    def _read_property(self, values: Values) -> Values:
        return union(
            *(
                value.info.returns if isinstance(value.info, FunctionInfo) and value.info.is_property else (value,)
                for value in values
            )
        )

    def _guessed(self, node: ast.Attribute) -> Values:
        """What an attribute of something unknown is, by what such a thing is habitually called, or by a telling name."""
        index, attr = self.index, node.attr
        cls = self.class_by_name(node.value)
        if cls is not None:
            return self._member(cls, _BY_NAME, node)
        path = self._told_by_leaf(attr, index.names)
        if path is not None:
            self.uses.name(path, node, attr, _BY_LEAF if self._is_imported(path) else _BY_LEAF_ELSEWHERE)
        return UNKNOWN

    def _told_by_leaf(self, leaf: str, table: Container[str]) -> str | None:
        """Return the member that a name alone tells: nothing else has one of that name, and its class is what people pass about."""
        index = self.index
        if leaf not in index.members or leaf in index.common or leaf.startswith("_"):
            return None
        for path in index.members[leaf]:
            likely = leaf in index.hints.guess or path.rpartition(".")[0] in index.likely
            if likely and path in table and (self._is_imported(path) or leaf in index.telling):
                return path
        return None

    def class_by_name(self, node: ast.expr) -> str | None:
        """Return the class that a variable's name suggests, in a file that imports the class's library."""
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
        return cls if cls and self._is_imported(cls) else None

    def _is_imported(self, path: str) -> bool:
        return path.partition(".")[0] in self.imports

    # --- calls ---

    def call(self, node: ast.Call) -> Values:
        """What a call gives; its arguments are looked at where the callee is known."""
        callees = self.read(node.func)
        for argument in node.args:
            self.read(argument)
        for keyword in node.keywords:
            self.read(keyword.value)
        found: list[Values] = []
        for callee in callees:
            if callee.kind == "name" or callee.kind == "method":
                found.append(self._called(callee, node))
            elif callee.kind == "function" and isinstance(callee.info, FunctionInfo):
                found.append(weaker(callee.info.returns, _BY_RETURN) or UNKNOWN)
            elif callee.kind == "class":
                self._constructed(callee, node)
                found.append((Value("object", callee.path, callee.sure, callee.info),))
            elif callee.kind == "instance":
                gives = self.index.returns.get(f"{callee.path}.__call__")
                found.append((Value("instance", gives, callee.sure * _BY_RETURN),) if gives else UNKNOWN)
            elif callee.kind == "unknown" and len(callees) == 1:
                self._guessed_call(node)
                found.append(UNKNOWN)
            else:
                found.append(UNKNOWN)
        if len(found) == 1:
            return found[0]
        return union(*found) if found else UNKNOWN

    def _called(self, callee: Value, node: ast.Call) -> Values:
        index, path = self.index, callee.path
        receiver = callee.info.name if isinstance(callee.info, ClassInfo) else ""
        if path in index.calls:
            self.uses.call(path, node, callee.sure)
        elif callee.kind == "name" and path in ("functools.partial", "partial") and node.args:
            self._put_off(node)
        gives = index.returns.get(path)
        if path in index.hints.loop and gives is None:
            return (callee,)
        if gives == "Self":
            return (Value("instance", receiver or path.rpartition(".")[0], callee.sure),)
        if gives is not None:
            return (Value("instance", gives, callee.sure * _BY_RETURN),)
        if callee.kind == "name" and index.is_class(path):
            return (Value("instance", path, callee.sure),)
        return UNKNOWN

    def _put_off(self, node: ast.Call) -> None:
        """`functools.partial(f, 1, p=2)` gives arguments to `f`."""
        for target in self.read_quietly(node.args[0]):
            if target.kind in ("name", "method") and target.path in self.index.calls:
                late = ast.copy_location(ast.Call(node.args[0], node.args[1:], node.keywords), node)
                self.uses.call(target.path, late, target.sure, partial=True)

    def _constructed(self, callee: Value, node: ast.Call) -> None:
        """Calling a class of the program's own that has no constructor calls its base's."""
        if isinstance(callee.info, ClassInfo) and "__init__" not in callee.info.members:
            for path, sure in callee.info.paths():
                if path in self.index.calls:
                    self.uses.call(path, node, sure * callee.sure)

    def _guessed_call(self, node: ast.Call) -> None:
        """A call of a method of something unknown, with a keyword that the method of one known class lost."""
        func = node.func
        if not isinstance(func, ast.Attribute) or not node.keywords:
            return
        path = self._told_by_leaf(func.attr, self.index.calls)
        if path is not None and self._is_imported(path):
            given = {keyword.arg for keyword in node.keywords}
            if any(given & set(entry.symbol.keywords) for entry in self.index.calls[path]):
                self.uses.call(path, node, _BY_LEAF)

    # --- everything else ---

    def is_library(self, node: ast.expr) -> bool | None:
        """Say whether an expression is one of the libraries, or something in them; None where that is not known."""
        found = [one for one in self.read_quietly(node) if one.kind == "name"]
        return any(one.path.partition(".")[0] in self.index.packages for one in found) if found else None

    def is_changed(self, node: ast.expr, name: str) -> bool:
        """Say whether updates take a name away from what an expression stands for, or bring it."""
        owners: set[str] = set()
        for one in self.settled(self.read_quietly(node)):
            if one.kind == "unknown":
                owners.add(self.class_by_name(node) or "")
            elif one.kind in ("name", "instance"):
                owners.update(self.index.bases(self.index.canonical(one.path)))
        return any(f"{owner}.{name}" in self.index.changed for owner in owners)

    def read_quietly(self, node: ast.expr) -> Values:
        """Return what an expression may stand for without noting uses a second time."""
        mark = self.uses.mark()
        found = self.read(node)
        self.uses.forget(mark)
        return found

    def constant(self, node: ast.Constant) -> Values:
        """None says nothing; no other constant is an instance of a library's class."""
        return NOTHING if node.value is None else UNKNOWN

    def subscript(self, node: ast.Subscript) -> Values:
        """What an element or a selection is."""
        owners = self.settled(self.read(node.value))
        self.read(node.slice)
        rules = self.index.hints.subscript
        if len(owners) == 1 and owners[0].kind == "unknown" and isinstance(node.value, ast.Name | ast.Attribute):
            guess = self.class_by_name(node.value)
            owners = (Value("instance", guess, _BY_NAME),) if guess else owners
        found: list[Values] = []
        for owner in owners:
            rule = rules.get(owner.path) if owner.kind == "instance" else None
            if rule is None:
                found.append(UNKNOWN)
                continue
            gives = rule[0] if _is_key(node.slice) else rule[1]
            found.append((Value("instance", gives, owner.sure * _BY_RETURN),) if gives else UNKNOWN)
        return union(*found) if found else UNKNOWN

    def settled(self, values: Values) -> Values:
        """Return values with properties read: what a member is when it is not called."""
        found: list[Value] = []
        for value in values:
            if value.kind == "method" and isinstance(value.info, ClassInfo):
                gives = self.index.returns.get(value.path)
                if gives:
                    value = Value("instance", value.info.name if gives == "Self" else gives, value.sure * _BY_RETURN)
            found.append(value)
        return tuple(found)

    def binary(self, node: ast.BinOp) -> Values:
        """Operators of arrays and frames give arrays and frames."""
        left, right = self.settled(self.read(node.left)), self.settled(self.read(node.right))
        closed = self.index.hints.closed
        found = [one for one in (*left, *right) if one.kind == "instance" and one.path in closed]
        return (found[0]._replace(sure=found[0].sure * _BY_RETURN),) if found else UNKNOWN

    def compare(self, node: ast.Compare) -> Values:
        """Comparisons of arrays and frames give such."""
        left = self.settled(self.read(node.left))
        for one in node.comparators:
            self.read(one)
        found = [one for one in left if one.kind == "instance" and one.path in self.index.hints.closed]
        return (found[0]._replace(sure=found[0].sure * _BY_RETURN),) if found and len(node.ops) == 1 else UNKNOWN

    def unary(self, node: ast.UnaryOp) -> Values:
        """The same."""
        found = self.settled(self.read(node.operand))
        return tuple(one for one in found if one.path in self.index.hints.closed) or UNKNOWN

    def either(self, node: ast.IfExp) -> Values:
        """One of two; a condition on the release makes them branches for one release each."""
        self.read(node.test)
        if self.releases.tells_apart(node.test):
            with self.uses.guarded():
                return weaker(union(self.read(node.body), self.read(node.orelse)), self.uses.GUARDED)
        return union(self.read(node.body), self.read(node.orelse))

    def several(self, node: ast.BoolOp) -> Values:
        """One of several."""
        if self.releases.tells_apart(node):
            with self.uses.guarded():
                return union(*[self.read(one) for one in node.values])
        found = [self.read(one) for one in node.values]
        return union(*found) if isinstance(node.op, ast.Or) else UNKNOWN

    def walrus(self, node: ast.NamedExpr) -> Values:
        """An assignment within an expression."""
        found = self.read(node.value)
        if isinstance(node.target, ast.Name):
            self.scope.assign(node.target.id, self.settled(found))
        return found

    def inner(self, node: ast.Await) -> Values:
        """What is awaited."""
        return self.read(node.value)

    def starred(self, node: ast.Starred) -> Values:
        """All elements of something."""
        self.read(node.value)
        return UNKNOWN

    def lambda_(self, node: ast.Lambda) -> Values:
        """A function without a name, in a scope of its own."""
        for default in [*node.args.defaults, *node.args.kw_defaults]:
            if default is not None:
                self.read(default)
        outer = self.scope
        self.scope = Scope("function", outer)
        for argument in arguments_of(node.args):
            self.scope.names[argument.arg] = UNKNOWN
        self.read(node.body)
        self.scope = outer
        return UNKNOWN

    def comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> Values:
        """A loop within an expression, in a scope of its own."""
        outer = self.scope
        self.scope = Scope("function", outer)
        for generator in node.generators:
            self.bind(generator.target, self.looped(generator.iter))
            for test in generator.ifs:
                self.read(test)
        if isinstance(node, ast.DictComp):
            self.read(node.key)
            self.read(node.value)
        else:
            self.read(node.elt)
        self.scope = outer
        return UNKNOWN

    def looped(self, node: ast.expr) -> list[Values] | Values:
        """Return what iterating over an expression assigns: one value, or one for each part of a tuple."""
        values = self.read(node)
        for value in values:
            rule = self.index.hints.loop.get(value.path)
            if rule is None and isinstance(node, ast.Call):
                callee = self.read_quietly(node.func)
                rule = next(
                    (self.index.hints.loop[one.path] for one in callee if one.path in self.index.hints.loop), None
                )
            if rule is not None:
                return [(Value("instance", one, value.sure * _BY_RETURN),) if one else UNKNOWN for one in rule]
        return UNKNOWN

    def bind(self, target: ast.expr, values: list[Values] | Values) -> None:
        """Assign to a target; a list holds a value for each part of it."""
        if isinstance(target, ast.Name):
            self.scope.assign(target.id, UNKNOWN if isinstance(values, list) else values)
        elif isinstance(target, ast.Tuple | ast.List):
            parts = values if isinstance(values, list) and len(values) == len(target.elts) else None
            for number, one in enumerate(target.elts):
                self.bind(one, parts[number] if parts else UNKNOWN)
        elif isinstance(target, ast.Starred):
            self.bind(target.value, UNKNOWN)
        elif isinstance(target, ast.Attribute):
            self._bind_attribute(target, UNKNOWN if isinstance(values, list) else values)
        elif isinstance(target, ast.Subscript):
            self.read(target.value)
            self.read(target.slice)

    def _bind_attribute(self, target: ast.Attribute, values: Values) -> None:
        for owner in self.read(target.value):
            if owner.kind == "object" and isinstance(owner.info, ClassInfo):
                known = owner.info.members.get(target.attr)
                owner.info.members[target.attr] = values if known is None else union(known, values)

    # --- annotations ---

    def annotated(self, node: ast.expr | None) -> Values:
        """Return what a variable of an annotation may hold; its uses are noted."""
        if node is None:
            return UNKNOWN
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                inner = ast.parse(node.value, mode="eval").body
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                return UNKNOWN
            mark = self.uses.mark()
            found = self.annotated(inner)
            # Positions within a string are not those of the file.
            self.uses.forget(mark)
            return found
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return union(self.annotated(node.left), self.annotated(node.right))
        if isinstance(node, ast.Subscript):
            base = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            self.read(node.value)
            if base not in _OPTIONAL:
                self.annotated_parts(node.slice)
                return UNKNOWN
            parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            return union(*[self.annotated(part) for part in parts[: 1 if base == "Annotated" else None]])
        found = self.read(node)
        return tuple(self._instance(value) for value in found) or NOTHING

    def annotated_parts(self, node: ast.expr) -> None:
        """Note the uses in the parameters of a generic type."""
        for part in node.elts if isinstance(node, ast.Tuple) else [node]:
            self.annotated(part)

    @staticmethod
    def _instance(value: Value) -> Value:
        if value.kind == "name":
            return value._replace(kind="instance")
        if value.kind == "class":
            return value._replace(kind="object")
        return UNKNOWN[0]


def _is_key(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant | ast.JoinedStr) or (isinstance(node, ast.Name) and not node.id.endswith("s"))


def arguments_of(node: ast.arguments) -> list[ast.arg]:
    """Return all parameters of a function."""
    rest = [one for one in (node.vararg, node.kwarg) if one is not None]
    return [*node.posonlyargs, *node.args, *node.kwonlyargs, *rest]
