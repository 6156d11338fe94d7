"""Reads a module's statements in order, with scopes, branches and functions, and returns the uses in it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

from recode.migrate.find.abstract_values import (
    NOTHING,
    UNKNOWN,
    ClassInfo,
    FunctionInfo,
    Scope,
    Value,
    Values,
    merged,
    union,
    weaker,
)
from recode.migrate.find.expressions import Expressions, arguments_of
from recode.migrate.find.guards import as_try, catches_missing, imports_any
from recode.migrate.find.index import Index
from recode.migrate.find.uses import Use, Uses, leaf_of

_BY_CHECK = 0.95
_PASSED = 0.9
Function = ast.FunctionDef | ast.AsyncFunctionDef


def uses_in(tree: ast.Module, lines: Sequence[str], index: Index) -> list[Use]:
    """Return the uses of updated APIs in a module, in no certain order; a place is told once for each name."""
    reader = _Reader(index, lines)
    if index.members:
        # What functions return and methods assign to `self` is known after a first reading.
        reader.module(tree)
        reader.uses.forget(0)
    reader.module(tree)
    # Two updates of one name or parameter, of which one says more closely what is meant, are one use.
    best: dict[tuple[str, int, int], Use] = {}
    for use in reader.uses.found:
        key = (use.entry.symbol.path, use.line, use.column)
        if key not in best or best[key].confidence < use.confidence:
            best[key] = use
    return list(best.values())


class _Reader(Expressions):
    # A method for each kind of statement; those that leave their block for good say so by returning True.

    def __init__(self, index: Index, lines: Sequence[str]) -> None:
        super().__init__(index, Uses(index))
        self.lines = lines
        self.later: list[tuple[Function, Scope, Values, int]] = []
        self.flags: set[str] = set()
        self.statements: dict[type[ast.stmt], Callable[[Any], bool | None]] = {
            ast.Import: self.import_, ast.ImportFrom: self.import_from, ast.Assign: self.assign, ast.AnnAssign: self.ann_assign,
            ast.AugAssign: self.aug_assign, ast.Expr: self.expression, ast.Return: self.return_, ast.If: self.if_, ast.For: self.for_,
            ast.AsyncFor: self.for_, ast.While: self.while_, ast.With: self.with_, ast.AsyncWith: self.with_, ast.Try: self.try_,
            ast.TryStar: self.try_, ast.FunctionDef: self.function, ast.AsyncFunctionDef: self.function, ast.ClassDef: self.class_,
            ast.Delete: self.delete, ast.Global: self.global_, ast.Nonlocal: self.nonlocal_, ast.Raise: self.raise_,
            ast.Assert: self.assert_, ast.Match: self.match, ast.Break: self.leave, ast.Continue: self.leave,
        }  # fmt: skip

    def module(self, tree: ast.Module) -> None:
        """Read a module: first its own statements, then the functions, which run when all names are there."""
        self.scope = Scope("module")
        self.later = []
        self.block(tree.body)
        module = self.scope
        # What functions set by `global` is known after a first reading.
        module.flags |= self.flags
        for function, scope, receiver, guards in self.later:
            self.body(function, scope, receiver, guards)
        self.flags = module.flags

    def block(self, body: Sequence[ast.stmt]) -> bool:
        """Read statements; say whether the block never reaches its end."""
        guards = self.uses.guards
        left = False
        for statement in body:
            reader = self.statements.get(type(statement))
            if reader is None:
                for child in ast.iter_child_nodes(statement):
                    if isinstance(child, ast.expr):
                        self.read(child)
            elif reader(statement):
                left = True
        self.uses.guards = guards
        return left

    # --- imports ---

    def import_(self, node: ast.Import) -> None:
        for alias in node.names:
            self.imports.add(alias.name.partition(".")[0])
            self._import_names(alias.name, alias.lineno, alias.col_offset)
            stem = alias.name.rpartition(".")[2]
            is_own = alias.name.partition(".")[0] not in self.index.packages and stem in self.index.exports
            if is_own and (alias.asname or "." not in alias.name):
                self._take_module(alias.asname or alias.name, stem)
            elif alias.asname:
                self.scope.assign(alias.asname, self._imported(alias.name))
            else:
                top = alias.name.partition(".")[0]
                self.scope.assign(top, (Value("name", top),))

    def _import_names(self, module: str, line: int, column: int) -> None:
        """Note the longest part of an imported module's name that updates are about."""
        parts = module.split(".")
        for count in range(len(parts), 0, -1):
            path = ".".join(parts[:count])
            if path in self.index.names:
                start = column + len(".".join(parts[: count - 1])) + (1 if count > 1 else 0)
                self.uses.place(path, (line, start, line, column + len(path)))
                return

    def import_from(self, node: ast.ImportFrom) -> None:
        stem = (node.module or "").rpartition(".")[2]
        is_own = bool(node.level) or (node.module or "").partition(".")[0] not in self.index.packages
        if is_own and (
            node.level or stem in self.index.exports or any(one.name in self.index.exports for one in node.names)
        ):
            self._import_own(stem, node.names)
            return
        if node.module is None:
            return
        self.imports.add(node.module.partition(".")[0])
        told = False
        for alias in node.names:
            if alias.name == "*":
                self.scope.module().stars.append(node.module)
                continue
            path = f"{node.module}.{alias.name}"
            if path not in self.index.names:
                path = self.index.canonical(path)
            if path in self.index.names:
                width = len(alias.name.encode())
                self.uses.place(path, (alias.lineno, alias.col_offset, alias.lineno, alias.col_offset + width))
                told = True
            self.scope.assign(alias.asname or alias.name, self._imported(path))
            self.releases.note_imported(alias.asname or alias.name, alias.name, node.module in self.index.packages)
        if not told:
            line, column = self._module_place(node)
            self._import_names(node.module, line, column)

    def _import_own(self, stem: str, names: list[ast.alias]) -> None:
        """Import from a module of the project's own, which may pass on a library."""
        passed = self.index.exports.get(stem, {})
        for alias in names:
            if alias.name == "*":
                for name, path in passed.items():
                    self._take(name, path)
            elif passed.get(alias.name):
                path = passed[alias.name]
                if path in self.index.names:
                    width = len(alias.name.encode())
                    self.uses.place(
                        path, (alias.lineno, alias.col_offset, alias.lineno, alias.col_offset + width), _PASSED
                    )
                self._take(alias.asname or alias.name, path)
            else:
                self._take_module(alias.asname or alias.name, alias.name)

    def _take(self, name: str, path: str) -> None:
        if path:
            self.imports.add(path.partition(".")[0])
        self.scope.assign(name, (Value("name", path, _PASSED),) if path else UNKNOWN)

    def _take_module(self, name: str, stem: str) -> None:
        """Bind a module of the project's own, if it passes on a library."""
        passed = self.index.exports.get(stem)
        if passed:
            self.imports |= {path.partition(".")[0] for path in passed.values() if path}
        self.scope.assign(name, (Value("module", stem),) if passed else UNKNOWN)

    def _imported(self, path: str) -> Values:
        """What an imported name is; where another branch imports another, its uses are nobody's fault."""
        better = path if path in self.index.names or path in self.index.calls else self.index.canonical(path)
        sure = Uses.GUARDED if self.uses.guards and better in self.index.names else 1.0
        return (Value("name", better, sure),)

    def _module_place(self, node: ast.ImportFrom) -> tuple[int, int]:
        """Where the module's name stands in `from module import …`: the syntax tree does not say."""
        line = self.lines[node.lineno - 1].encode() if node.lineno <= len(self.lines) else b""
        at = line.find((node.module or "").encode(), node.col_offset + 4)
        return node.lineno, at if at >= 0 else node.col_offset

    # --- bindings ---

    def assign(self, node: ast.Assign) -> None:
        values: list[Values] | Values = self.value_of(node.value)
        for target in node.targets:
            self.releases.note_assigned(target, node.value)
            if isinstance(target, ast.Tuple | ast.List) and isinstance(node.value, ast.Tuple | ast.List):
                values = [self.quiet_value_of(one) for one in node.value.elts]
            self.bind(target, values)

    def value_of(self, node: ast.expr) -> Values:
        """Read what is assigned; a name that updates are about was told here, so it is not told where the variable is used."""
        values = self.settled(self.read(node))
        return tuple(
            one._replace(sure=one.sure * Uses.GUARDED) if one.kind == "name" and one.path in self.index.names else one
            for one in values
        )

    def quiet_value_of(self, node: ast.expr) -> Values:
        """The same for a part that was read already."""
        mark = self.uses.mark()
        values = self.value_of(node)
        self.uses.forget(mark)
        return values

    def ann_assign(self, node: ast.AnnAssign) -> None:
        told = self.annotated(node.annotation)
        given = self.value_of(node.value) if node.value is not None else UNKNOWN
        if node.value is not None:
            self.releases.note_assigned(node.target, node.value)
        sure = told if any(one.kind != "unknown" for one in told) else given
        self.bind(node.target, sure)

    def aug_assign(self, node: ast.AugAssign) -> None:
        self.read(node.value)
        if isinstance(node.target, ast.Name):
            self.read(ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target))
        else:
            self.read(node.target)

    def delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.scope.assign(target.id, UNKNOWN)
            else:
                self.read(target)

    def global_(self, node: ast.Global) -> None:
        for name in node.names:
            self.scope.foreign[name] = self.scope.module()

    def nonlocal_(self, node: ast.Nonlocal) -> None:
        for name in node.names:
            scope = self.scope.parent
            while scope is not None and scope.kind == "function" and name not in scope.names:
                scope = scope.parent
            if scope is not None:
                self.scope.foreign[name] = scope

    # --- control flow ---

    def expression(self, node: ast.Expr) -> None:
        self.read(node.value)

    def leave(self, node: ast.stmt) -> bool:
        return True

    def raise_(self, node: ast.Raise) -> bool:
        for one in (node.exc, node.cause):
            if one is not None:
                self.read(one)
        return True

    def return_(self, node: ast.Return) -> bool:
        values = self.settled(self.read(node.value)) if node.value is not None else NOTHING
        info = self.scope.info
        if isinstance(info, FunctionInfo):
            info.returns = union(info.returns, values) if info.returns else values
        return True

    def assert_(self, node: ast.Assert) -> None:
        self.read(node.test)
        self._narrow(node.test)

    def if_(self, node: ast.If) -> bool:
        self.read(node.test)
        guard = self.releases.tells_apart(node.test)
        self.uses.guards += guard
        before = self.scope.names
        self.scope.names = dict(before)
        self._narrow(node.test)
        left = self.block(node.body)
        then = self.scope.names
        self.scope.names = dict(before)
        left_else = self.block(node.orelse)
        other = self.scope.names
        self.uses.guards -= guard
        if left and not left_else:
            self.scope.names = other
            if isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not):
                self._narrow(node.test.operand)
        else:
            self.scope.names = then if left_else and not left else merged(then, other)
        if guard and left != left_else and not isinstance((node.body if left else node.orelse)[-1], ast.Raise):
            # What follows an early return is the branch for the other releases.
            self.uses.guards += 1
        return left and left_else

    def _narrow(self, test: ast.expr) -> None:
        """After `isinstance(x, C)`, `x` is a C."""
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            for one in test.values:
                self._narrow(one)
        elif isinstance(test, ast.Call) and isinstance(test.func, ast.Name) and test.func.id == "isinstance":
            self._narrow_to(test.args)

    def _narrow_to(self, arguments: list[ast.expr]) -> None:
        if len(arguments) != 2 or not isinstance(arguments[0], ast.Name):
            return
        classes = arguments[1].elts if isinstance(arguments[1], ast.Tuple) else [arguments[1]]
        mark = self.uses.mark()
        values = weaker(union(*[self.annotated(one) for one in classes]), _BY_CHECK)
        self.uses.forget(mark)
        if any(one.kind != "unknown" for one in values):
            self.scope.assign(arguments[0].id, values)

    def for_(self, node: ast.For | ast.AsyncFor) -> None:
        self.bind(node.target, self.looped(node.iter))
        self._maybe(node.body)
        self._maybe(node.orelse)

    def while_(self, node: ast.While) -> None:
        self.read(node.test)
        self._maybe(node.body)
        self._maybe(node.orelse)

    def _maybe(self, body: Sequence[ast.stmt]) -> None:
        """Read a block that may not run."""
        before = dict(self.scope.names)
        self.block(body)
        self.scope.names = merged(before, self.scope.names)

    def with_(self, node: ast.With | ast.AsyncWith) -> bool:
        for item in node.items:
            values = self.settled(self.read(item.context_expr))
            if item.optional_vars is not None:
                self.bind(item.optional_vars, values)
        suppressing = as_try(node)
        return self.block(node.body) if suppressing is None else self.try_(suppressing)

    def try_(self, node: ast.Try | ast.TryStar) -> bool:
        guard = False
        if isinstance(node, ast.Try) and catches_missing(node, self.index.packages):
            guard = True
            self.releases.note_tried(node)
        self.uses.guards += guard
        before = dict(self.scope.names)
        left = self.block(node.body) or self.block(node.orelse)
        after = self.scope.names if not left else None
        returns_early = left and guard and self._lacks(node.body)
        for handler in node.handlers:
            self.scope.names = dict(before)
            if handler.type is not None:
                self.read(handler.type)
            if handler.name:
                self.scope.assign(handler.name, UNKNOWN)
            if not self.block(handler.body):
                after = self.scope.names if after is None else merged(after, self.scope.names)
        self.uses.guards -= guard
        self.scope.names = before if after is None else after
        ended = self.block(node.finalbody) or after is None
        # What follows runs only where the body failed.
        self.uses.guards += returns_early and not ended
        return ended

    def _lacks(self, body: Sequence[ast.stmt]) -> bool:
        """Say whether a `try` that returns early fails only for what the library lacks."""
        return imports_any(body, self.index.packages) or self.releases.may_lack(body)

    def match(self, node: ast.Match) -> None:
        self.read(node.subject)
        for case in node.cases:
            before = dict(self.scope.names)
            for part in ast.walk(case.pattern):
                if isinstance(part, ast.MatchAs | ast.MatchStar) and part.name:
                    self.scope.assign(part.name, UNKNOWN)
                elif isinstance(part, ast.MatchMapping) and part.rest:
                    self.scope.assign(part.rest, UNKNOWN)
                elif isinstance(part, ast.MatchClass):
                    self.read(part.cls)
                elif isinstance(part, ast.MatchValue):
                    self.read(part.value)
            if case.guard is not None:
                self.read(case.guard)
            self.block(case.body)
            self.scope.names = merged(before, self.scope.names)

    # --- functions and classes ---

    def function(self, node: Function) -> None:
        decorators = [self.read(one) for one in node.decorator_list]
        arguments = node.args
        for default in [*arguments.defaults, *arguments.kw_defaults]:
            if default is not None:
                self.read(default)
        info = self.functions.setdefault(id(node), FunctionInfo(node))
        told = self.annotated(node.returns)
        if any(one.kind != "unknown" for one in told):
            info.returns = told
        names = {leaf_of(one.func if isinstance(one, ast.Call) else one) for one in node.decorator_list}
        info.is_property = bool(names & {"property", "cached_property"})
        is_plain = not decorators or info.is_property or bool(names & {"staticmethod", "classmethod"})
        self.scope.assign(node.name, (Value("function", node.name, 1.0, info),) if is_plain else UNKNOWN)
        receiver: Values = UNKNOWN
        if self.scope.kind == "class" and isinstance(self.scope.info, ClassInfo) and "staticmethod" not in names:
            receiver = (Value("class" if "classmethod" in names else "object", "", 1.0, self.scope.info),)
            self.scope.info.members.setdefault(node.name, self.scope.names[node.name])
        self.later.append((node, self.scope, receiver, self.uses.guards))

    def body(self, node: Function, outer: Scope, receiver: Values, guards: int) -> None:
        """Read a function's body, in the scope that it was defined in."""
        self.scope = Scope("function", outer, info=self.functions[id(node)])
        self.uses.guards = guards
        arguments = arguments_of(node.args)
        for number, argument in enumerate(arguments):
            is_receiver = number == 0 and outer.kind == "class" and argument.annotation is None
            values = receiver if is_receiver else self.annotated(argument.annotation)
            self.scope.names[argument.arg] = values
        self.block(node.body)
        self.uses.guards = 0

    def class_(self, node: ast.ClassDef) -> None:
        bases: list[Values] = [self.read(one) for one in node.bases]
        for one in [*node.decorator_list, *[keyword.value for keyword in node.keywords]]:
            self.read(one)
        info = self.classes.setdefault(id(node), ClassInfo(node.name))
        info.bases = tuple(_as_class(value) for values in bases for value in values if value.kind != "unknown")
        outer = self.scope
        outer.assign(node.name, (Value("class", node.name, 1.0, info),))
        self.scope = Scope("class", outer, info=info)
        self.block(node.body)
        for name, values in self.scope.names.items():
            known = info.members.get(name)
            info.members[name] = values if known is None or values[:1] == known[:1] else union(known, values)
        self.scope = outer


def _as_class(value: Value) -> Value:
    """A base that a call gave, such as SQLAlchemy's declarative base, is a class though it looks like an instance."""
    return value._replace(kind="name") if value.kind == "instance" else value
