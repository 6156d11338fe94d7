"""Reads a module's statements in order, through branches, functions and classes, and returns the uses in it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from recode.migrate.find.abstract_values import (
    NOTHING,
    UNKNOWN,
    AbstractKind,
    ClassInfo,
    DictInfo,
    FunctionInfo,
    Value,
    Values,
    merged,
    union,
    weaker,
)
from recode.migrate.find.declarations import Declarations
from recode.migrate.find.expressions import is_known
from recode.migrate.find.flow import Frame
from recode.migrate.find.guards import as_try, catches_missing, imports_any
from recode.migrate.find.imports import ImportReader
from recode.migrate.find.index import Index
from recode.migrate.find.operators import PartValues
from recode.migrate.find.uses import Use, Uses, leaf_of
from recode.migrate.source.scopes import all_arguments, children
from recode.migrate.source.source_file import SourceFile
from recode.migrate.source.text import lines_of

Function = ast.FunctionDef | ast.AsyncFunctionDef
_BY_ARGUMENT = 0.85
"""Factor on the confidence of what a call gives a parameter: other files may call the function with something else."""
_PASSED = frozenset({AbstractKind.INSTANCE, AbstractKind.OBJECT, AbstractKind.UNKNOWN})


def uses_in(source: SourceFile, index: Index) -> list[Use]:
    """Return the uses of updated APIs in a file, in no particular order; each place once for each name.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: the file does not parse, or is nested too deeply to be read.
    """
    module = source.tree.module
    reader = _StatementReader(index, source)
    if index.members:
        # Only after a first reading is it known what functions return and what methods assign to `self`.
        reader.module(module)
        reader.uses.forget(0)
    reader.module(module)
    # Two updates of one name or parameter, one of them more specific, are one use.
    best: dict[tuple[str, int, int], Use] = {}
    for use in reader.uses.uses:
        key = (use.entry.symbol.path, use.line, use.column)
        if key not in best or best[key].confidence < use.confidence:
            best[key] = use
    return list(best.values())


def guarded_lines(source: SourceFile, index: Index) -> frozenset[int]:
    """Return the lines of a program, from 1, that run in some releases of the libraries only. Raises as `uses_in` does."""
    reader = _StatementReader(index, source)
    reader.module(source.tree.module)
    return frozenset(reader.uses.guarded_lines)


def values_in(source: SourceFile, index: Index) -> dict[ast.expr, Values]:
    """Return what the expressions of a program may stand for. Raises as `uses_in` does."""
    reader = _RecordingReader(index, source)
    # Only after a first reading is it known what functions return and what methods assign to `self`.
    reader.module(source.tree.module)
    reader.module(source.tree.module)
    return reader.values


class _Deferred(NamedTuple):
    """A function whose body is read after the module's own statements."""

    node: Function
    frame: Frame
    """The frame that it is defined in."""
    receiver: Values
    """What its first parameter stands for, if it is a method."""
    guards: int


class _StatementReader(ImportReader):
    """Reads statements. Each kind has a method, which returns True if the statement leaves its block for good."""

    def __init__(self, index: Index, source: SourceFile) -> None:
        super().__init__(index, source.scopes)
        self.lines = lines_of(source.program)
        self.declarations = Declarations(index, self.uses, source.path, self.lines)
        self.deferred: list[_Deferred] = []
        self.module_flags: set[str] = set()
        self.statements: dict[type[ast.stmt], Callable[[Any], bool | None]] = {
            ast.Import: self.import_, ast.ImportFrom: self.import_from, ast.Assign: self.assign, ast.AnnAssign: self.ann_assign,
            ast.AugAssign: self.aug_assign, ast.Expr: self.expression, ast.Return: self.return_, ast.If: self.if_, ast.For: self.for_,
            ast.AsyncFor: self.for_, ast.While: self.while_, ast.With: self.with_, ast.AsyncWith: self.with_, ast.Try: self.try_,
            ast.TryStar: self.try_, ast.FunctionDef: self.function, ast.AsyncFunctionDef: self.function, ast.ClassDef: self.class_,
            ast.Delete: self.delete, ast.Raise: self.raise_, ast.Assert: self.assert_, ast.Match: self.match, ast.Break: self.leave,
            ast.Continue: self.leave,
        }  # fmt: skip

    def module(self, tree: ast.Module) -> None:
        """Read a module: first its own statements, then the functions, which run when all names are bound."""
        self.flow.restart()
        self.deferred = []
        self.block(tree.body)
        # Flags that functions set by `global` are known only after a first reading.
        flags = self.flow.module.flags
        flags |= self.module_flags
        # Reading a body adds the functions defined in it.
        for function in self.deferred:
            self.body(function)
        self.module_flags = flags

    def block(self, body: Sequence[ast.stmt]) -> bool:
        """Read statements; return whether the block never reaches its end."""
        guards = self.uses.guards
        left = False
        for statement in body:
            if self.uses.guards and statement.end_lineno is not None:
                self.uses.guarded_lines.update(range(statement.lineno, statement.end_lineno + 1))
            reader = self.statements.get(type(statement))
            if reader is None:
                for child in children(statement):
                    if isinstance(child, ast.expr):
                        self.read(child)
            elif reader(statement):
                left = True
        self.uses.guards = guards
        return left

    # --- bindings ---

    def assign(self, node: ast.Assign) -> None:
        if self.declarations.is_settings and self.flow.frame is self.flow.module:
            self.declarations.setting(node)
        values: PartValues = self.value_of(node.value)
        for target in node.targets:
            self.releases.note_assigned(target, node.value)
            if isinstance(target, ast.Tuple | ast.List) and isinstance(node.value, ast.Tuple | ast.List):
                values = [self.quiet_value_of(part) for part in node.value.elts]
            self.bind(target, values)

    def value_of(self, node: ast.expr) -> Values:
        """Read an assigned value. An updated name in it is noted here, and hardly counts where the variable is used."""
        values = self.settled(self.read(node))
        return tuple(
            value._replace(confidence=value.confidence * Uses.GUARDED)
            if value.kind is AbstractKind.NAME and value.path in self.index.names
            else value
            for value in values
        )

    def quiet_value_of(self, node: ast.expr) -> Values:
        """Return an assigned value without noting uses, for a part of an expression that was read as a whole."""
        mark = self.uses.mark()
        values = self.value_of(node)
        self.uses.forget(mark)
        return values

    def ann_assign(self, node: ast.AnnAssign) -> None:
        declared = self.annotated(node.annotation)
        given = self.value_of(node.value) if node.value is not None else UNKNOWN
        if node.value is not None:
            self.releases.note_assigned(node.target, node.value)
        self.bind(node.target, declared if is_known(declared) else given)

    def aug_assign(self, node: ast.AugAssign) -> None:
        self.read(node.value)
        self.protocol(
            "__setitem__", node.target, node.target.value if isinstance(node.target, ast.Subscript) else node.target
        )
        if isinstance(node.target, ast.Name):
            self.read(ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target))
        else:
            self.read(node.target)

    def delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.flow.assign(target.id, UNKNOWN)
            else:
                self.read(target)

    # --- control flow ---

    def expression(self, node: ast.Expr) -> None:
        self.read(node.value)

    def leave(self, node: ast.stmt) -> bool:
        return True

    def raise_(self, node: ast.Raise) -> bool:
        for part in (node.exc, node.cause):
            if part is not None:
                self.read(part)
        return True

    def return_(self, node: ast.Return) -> bool:
        values = self.settled(self.read(node.value)) if node.value is not None else NOTHING
        info = self.flow.frame.info
        if isinstance(info, FunctionInfo):
            info.returns = union(info.returns, values) if info.returns else values
        return True

    def assert_(self, node: ast.Assert) -> None:
        self.test(node.test)
        self._narrow(node.test)

    def if_(self, node: ast.If) -> bool:
        self.test(node.test)
        guard = self.releases.distinguishes(node.test)
        self.uses.guards += guard
        frame = self.flow.frame
        before = frame.names
        frame.names = dict(before)
        self._narrow(node.test)
        narrowed = self.narrowed
        self.narrowed = narrowed | {name: values for name, values in self.checked(node.test).items() if "." in name}
        left = self.block(node.body)
        self.narrowed = narrowed
        then = frame.names
        frame.names = dict(before)
        left_else = self.block(node.orelse)
        other = frame.names
        self.uses.guards -= guard
        if left and not left_else:
            frame.names = other
            if isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not):
                self._narrow(node.test.operand)
        else:
            frame.names = then if left_else and not left else merged(then, other)
        if guard and left != left_else and not isinstance((node.body if left else node.orelse)[-1], ast.Raise):
            # What follows an early return is the branch for the other releases.
            self.uses.guards += 1
        return left and left_else

    def _narrow(self, test: ast.expr) -> None:
        """Bind the names that a condition checks."""
        for name, values in self.checked(test).items():
            if name.isidentifier():
                self.flow.assign(name, values)

    def for_(self, node: ast.For | ast.AsyncFor) -> None:
        self.bind(node.target, self.looped(node.iter))
        self._maybe(node.body)
        self._maybe(node.orelse)

    def while_(self, node: ast.While) -> None:
        self.test(node.test)
        self._maybe(node.body)
        self._maybe(node.orelse)

    def _maybe(self, body: Sequence[ast.stmt]) -> None:
        """Read a block that may not run."""
        frame = self.flow.frame
        before = dict(frame.names)
        self.block(body)
        frame.names = merged(before, frame.names)

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
        frame = self.flow.frame
        before = dict(frame.names)
        left = self.block(node.body) or self.block(node.orelse)
        after = frame.names if not left else None
        returns_early = left and guard and self._lacks(node.body)
        for handler in node.handlers:
            frame.names = dict(before)
            if handler.type is not None:
                self.read(handler.type)
            if handler.name:
                self.flow.assign(handler.name, UNKNOWN)
            if not self.block(handler.body):
                after = frame.names if after is None else merged(after, frame.names)
        self.uses.guards -= guard
        frame.names = before if after is None else after
        ended = self.block(node.finalbody) or after is None
        # What follows runs only where the body failed.
        self.uses.guards += returns_early and not ended
        return ended

    def _lacks(self, body: Sequence[ast.stmt]) -> bool:
        """Say whether a `try` that returns early fails only for what the library lacks."""
        return imports_any(body, self.index.packages) or self.releases.may_lack(body)

    def match(self, node: ast.Match) -> None:
        self.read(node.subject)
        frame = self.flow.frame
        for case in node.cases:
            before = dict(frame.names)
            for part in ast.walk(case.pattern):
                if isinstance(part, ast.MatchAs | ast.MatchStar) and part.name:
                    self.flow.assign(part.name, UNKNOWN)
                elif isinstance(part, ast.MatchMapping) and part.rest:
                    self.flow.assign(part.rest, UNKNOWN)
                elif isinstance(part, ast.MatchClass):
                    self.read(part.cls)
                elif isinstance(part, ast.MatchValue):
                    self.read(part.value)
            if case.guard is not None:
                self.read(case.guard)
            self.block(case.body)
            frame.names = merged(before, frame.names)

    # --- functions and classes ---

    def function(self, node: Function) -> None:
        for decorator in node.decorator_list:
            self.read(decorator)
        arguments = node.args
        for default in [*arguments.defaults, *arguments.kw_defaults]:
            if default is not None:
                self.read(default)
        info = self.functions.setdefault(node, FunctionInfo(node))
        declared = self.annotated(node.returns)
        if is_known(declared):
            info.returns = declared
        names = {leaf_of(one.func if isinstance(one, ast.Call) else one) for one in node.decorator_list}
        info.is_property = bool(names & {"property", "cached_property"})
        is_plain = not node.decorator_list or info.is_property or bool(names & {"staticmethod", "classmethod"})
        values = (Value(AbstractKind.FUNCTION, node.name, 1.0, info),) if is_plain else UNKNOWN
        self.flow.assign(node.name, values)
        frame = self.flow.frame
        receiver: Values = UNKNOWN
        if isinstance(frame.info, ClassInfo) and "staticmethod" not in names:
            kind = AbstractKind.CLASS if "classmethod" in names else AbstractKind.OBJECT
            receiver = (Value(kind, "", 1.0, frame.info),)
            info.has_receiver = True
            frame.info.members.setdefault(node.name, values)
        self.deferred.append(_Deferred(node, frame, receiver, self.uses.guards))

    def body(self, function: _Deferred) -> None:
        """Read a function's body, in the scope that it was defined in."""
        node, outer = function.node, function.frame
        self.uses.guards = function.guards
        with self.flow.opened(node, self.functions[node], within=outer) as frame:
            for number, argument in enumerate(all_arguments(node.args)):
                is_receiver = number == 0 and self.functions[node].has_receiver and argument.annotation is None
                values = function.receiver if is_receiver else self.annotated(argument.annotation)
                if argument.annotation is None and not is_receiver:
                    values = self._given(self.functions[node], argument.arg)
                frame.names[argument.arg] = values
            if node.args.kwarg is not None:
                frame.names[node.args.kwarg.arg] = (Value(AbstractKind.BUILTIN, info=DictInfo()),)
            self.block(node.body)
        self.uses.guards = 0

    def _given(self, function: FunctionInfo, name: str) -> Values:
        """Return what a parameter without an annotation holds, by the calls of its function that were read."""
        some = union(*function.given.get(name, ()))
        return weaker(tuple(value for value in some if value.kind in _PASSED), _BY_ARGUMENT) or UNKNOWN

    def class_(self, node: ast.ClassDef) -> None:
        bases = [self.read(base) for base in node.bases]
        for expression in [*node.decorator_list, *[keyword.value for keyword in node.keywords]]:
            self.read(expression)
        info = self.classes.setdefault(node, ClassInfo(node.name))
        info.bases = tuple(_as_class(value) for values in bases for value in values if is_known((value,)))
        if named := self.declarations.named_base(node):
            info.bases = (Value(AbstractKind.NAME, named),)
        self.declarations.class_body(node, info.paths())
        self.flow.assign(node.name, (Value(AbstractKind.CLASS, node.name, 1.0, info),))
        with self.flow.opened(node, info) as frame:
            self.block(node.body)
        for name, values in frame.names.items():
            known = info.members.get(name)
            info.members[name] = values if known is None or values[:1] == known[:1] else union(known, values)


class _RecordingReader(_StatementReader):
    """Keeps what each expression stands for."""

    def __init__(self, index: Index, source: SourceFile) -> None:
        super().__init__(index, source)
        self.values: dict[ast.expr, Values] = {}

    def read(self, node: ast.expr) -> Values:
        values = super().read(node)
        self.values[node] = self.settled(values)
        return values


def _as_class(value: Value) -> Value:
    """Return a base class that a call gave (such as SQLAlchemy's declarative base), and which looks like an instance."""
    return value._replace(kind=AbstractKind.NAME) if value.kind is AbstractKind.INSTANCE else value
