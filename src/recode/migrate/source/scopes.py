"""Which scope a name belongs to, by Python's rules.

Finding and rewriting both use the scopes of this module. They ask it who owns a name; the value of the name at one
point of the program is recorded by the finder (`find/flow.py`), not in the scopes.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any


class ScopeKind(Enum):
    """What opens a scope."""

    MODULE = auto()
    CLASS = auto()
    FUNCTION = auto()
    """A function or a lambda."""
    COMPREHENSION = auto()


class Declaration(Enum):
    """The statements that bind a name outside the scope they are in."""

    GLOBAL = auto()
    NONLOCAL = auto()


@dataclass(frozen=True, eq=False)
class Binding:
    """A place that binds a name. `target` is the full name that an import binds, and empty for everything else."""

    name: str
    node: ast.AST
    target: str = ""
    alias: ast.alias | None = None


@dataclass(eq=False)
class Scope:
    """A module, class, function, lambda or comprehension, with the names that it binds."""

    kind: ScopeKind
    parent: Scope | None
    program: Scopes = field(repr=False)
    """The scopes of the whole program, which this one belongs to."""
    declared: dict[str, Declaration] = field(default_factory=dict)
    module: Scope = field(init=False, repr=False)
    outer: Scope | None = field(init=False, repr=False)
    """The scope that is searched after this one: the nearest one around it that is not a class."""
    chain: tuple[Scope, ...] = field(init=False, repr=False)
    """This scope and those that are searched after it, the innermost first, if no statement declares names."""
    _bindings: dict[str, list[Binding]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:  # noqa: D105
        self.module = self if self.parent is None else self.parent.module
        self.outer = self.parent
        while self.outer is not None and self.outer.kind is ScopeKind.CLASS:
            self.outer = self.outer.parent
        self.chain = (self,) if self.outer is None else (self, *self.outer.chain)

    @property
    def bindings(self) -> dict[str, list[Binding]]:
        """The names that the scope binds, each with the places that bind it."""
        self.program.read()
        return self._bindings

    def searched(self, name: str) -> Iterator[Scope]:
        """Yield the scopes in which Python looks for a name that is used here, the innermost first."""
        for scope in self.chain:
            if scope.declared and scope.declared.get(name) is Declaration.GLOBAL:
                yield scope.module
                return
            yield scope

    def owner(self, name: str) -> Scope | None:
        """Return the scope that binds a name used here; None for a builtin or a name from a star import."""
        return next((scope for scope in self.searched(name) if name in scope.bindings), None)

    def binds_in(self, name: str) -> Scope:
        """Return the scope in which an assignment to a name in this scope binds it."""
        declaration = self.declared.get(name) if self.declared else None
        if declaration is None:
            return self
        if declaration is Declaration.GLOBAL:
            return self.module
        return (self.outer.owner(name) if self.outer is not None else None) or self

    def around_comprehensions(self) -> Scope:
        """Return the scope in which `:=` binds: the innermost one that is not a comprehension."""
        scope = self
        while scope.kind is ScopeKind.COMPREHENSION and scope.parent is not None:
            scope = scope.parent
        return scope

    def bind(self, binding: Binding) -> None:
        """Add a binding to the scope that it belongs to."""
        self.binds_in(binding.name)._bindings.setdefault(binding.name, []).append(binding)

    def resolve(self, name: str) -> list[Binding]:
        """Return every binding that a name used here may mean.

        In a class body these include the bindings around the class: Python looks there until the body binds the name.
        """
        owner = self.owner(name)
        if owner is None:
            return []
        bound = owner.bindings[name]
        if owner is self and self.kind is ScopeKind.CLASS and self.outer is not None:
            return [*bound, *(binding for binding in self.outer.resolve(name) if binding not in bound)]
        return bound


class Scopes:
    """The scopes of a module.

    Which scope a node opens (`opened_by`) is answered from the node alone. The first question about a name reads the
    whole module: finding rarely needs that, and it takes as long as the rest of finding.
    """

    def __init__(self, module: ast.Module) -> None:
        self.module = Scope(ScopeKind.MODULE, None, self)
        self._body = module.body
        self.is_read = False
        self._of: dict[ast.AST, Scope] = {}
        self._opened: dict[ast.AST, Scope] = {}
        self._names: list[ast.Name] = []
        self._stars: list[str] = []

    @property
    def of(self) -> dict[ast.AST, Scope]:
        """The scope that each node is in."""
        self.read()
        return self._of

    @property
    def names(self) -> list[ast.Name]:
        """All bare names, in the order of the text."""
        self.read()
        return self._names

    @property
    def stars(self) -> list[str]:
        """The modules of star imports."""
        self.read()
        return self._stars

    def uses(self, binding: Binding) -> list[ast.Name]:
        """Return the bare names that mean this binding, whether they read, set or delete it."""
        return [name for name in self.names if name.id == binding.name and binding in self.of[name].resolve(name.id)]

    def all_scopes(self) -> list[Scope]:
        """Return every scope, the module's first."""
        self.read()
        return [self.module, *self._opened.values()]

    def opened_by(self, node: ast.stmt | ast.expr, scope: Scope) -> Scope:
        """Return the scope that a function, class, lambda or comprehension opens; `scope` is the one that it is in."""
        opened = self._opened.get(node)
        if opened is None:
            opened = self._opened[node] = Scope(_KINDS[type(node)], scope, self)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                # A declaration holds for the whole body, including the statements before it.
                for declaration, names in _declarations(node.body):
                    opened.declared.update(dict.fromkeys(names, declaration))
        return opened

    def read(self) -> None:
        """Read the whole module, once. Needs no recursion, so deeply nested expressions do no harm."""
        if self.is_read:
            return
        self.is_read = True
        of, readers = self._of, self._readers()
        pending = _within(self._body, self.module)[::-1]
        while pending:
            node, scope = pending.pop()
            of[node] = scope
            reader = readers.get(type(node))
            if reader is not None:
                pending.extend(reversed(reader(node, scope)))
            else:
                pending.extend([(child, scope) for child in reversed(children(node))])

    def _readers(self) -> dict[type[ast.AST], Callable[[Any, Scope], _Pending]]:
        return {
            ast.Name: self._name, ast.Constant: self._leaf, ast.Import: self._import, ast.ImportFrom: self._import_from,
            ast.ExceptHandler: self._named, ast.MatchAs: self._named, ast.MatchStar: self._named,
            ast.MatchMapping: self._mapping, ast.NamedExpr: self._walrus,
            ast.FunctionDef: self._function, ast.AsyncFunctionDef: self._function, ast.Lambda: self._lambda,
            ast.ClassDef: self._class, ast.ListComp: self._comprehension, ast.SetComp: self._comprehension,
            ast.GeneratorExp: self._comprehension, ast.DictComp: self._comprehension,
        }  # fmt: skip

    # --- what binds names ---

    def _leaf(self, node: ast.AST, scope: Scope) -> _Pending:
        return ()

    def _name(self, node: ast.Name, scope: Scope) -> _Pending:
        self._names.append(node)
        if not isinstance(node.ctx, ast.Load):
            scope.bind(Binding(node.id, node))
        return ()

    def _import(self, node: ast.Import, scope: Scope) -> _Pending:
        for alias in node.names:
            self._of[alias] = scope
            first = alias.name.partition(".")[0]
            scope.bind(Binding(alias.asname or first, node, alias.name if alias.asname else first, alias))
        return ()

    def _import_from(self, node: ast.ImportFrom, scope: Scope) -> _Pending:
        module = "." * node.level + (node.module or "")
        for alias in node.names:
            self._of[alias] = scope
            if alias.name == "*":
                self._stars.append(module)
            else:
                scope.bind(Binding(alias.asname or alias.name, node, f"{module}.{alias.name}", alias))
        return ()

    def _named(self, node: ast.ExceptHandler | ast.MatchAs | ast.MatchStar, scope: Scope) -> _Pending:
        if node.name:
            scope.bind(Binding(node.name, node))
        return _within(children(node), scope)

    def _mapping(self, node: ast.MatchMapping, scope: Scope) -> _Pending:
        if node.rest:
            scope.bind(Binding(node.rest, node))
        return _within(children(node), scope)

    def _walrus(self, node: ast.NamedExpr, scope: Scope) -> _Pending:
        return [(node.value, scope), (node.target, scope.around_comprehensions())]

    # --- what opens a scope ---

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> _Pending:
        scope.bind(Binding(node.name, node))
        outside = [*node.decorator_list, *_outside(node.args), *([node.returns] if node.returns else [])]
        return [*_within(outside, scope), *self._inside(node, scope, node.body, node.args)]

    def _lambda(self, node: ast.Lambda, scope: Scope) -> _Pending:
        inside = self._inside(node, scope, [node.body], node.args)
        return [*_within(_outside(node.args), scope), *inside]

    def _class(self, node: ast.ClassDef, scope: Scope) -> _Pending:
        scope.bind(Binding(node.name, node))
        outside = [*node.decorator_list, *node.bases, *node.keywords]
        return [*_within(outside, scope), *self._inside(node, scope, node.body)]

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, scope: Scope
    ) -> _Pending:
        first, *others = node.generators
        results = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        inside = self._inside(node, scope, [first.target, *first.ifs, *others, *results])
        # What the first loop runs over is evaluated outside.
        return [(first.iter, scope), *inside]

    def _inside(
        self, node: ast.stmt | ast.expr, parent: Scope, body: Sequence[ast.AST], arguments: ast.arguments | None = None
    ) -> _Pending:
        scope = self.opened_by(node, parent)
        for argument in all_arguments(arguments) if arguments is not None else ():
            scope.bind(Binding(argument.arg, argument))
        return _within(body, scope)


_Pending = Sequence[tuple[ast.AST, Scope]]
"""Nodes that remain to be read, in the order of the text, each with its scope."""
_NO_CHILDREN = frozenset(
    {"ctx", "op", "ops", "id", "attr", "arg", "names", "rest", "kwd_attrs", "type_comment", "type_params", "is_async"}
)  # fmt: skip
"""Fields of a node below which no name is read or bound and no scope opens."""
_FIELDS: dict[type[ast.AST], tuple[str, ...]] = {
    kind: tuple(name for name in kind._fields if name not in _NO_CHILDREN)
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}


_KINDS: dict[type[ast.AST], ScopeKind] = {
    ast.FunctionDef: ScopeKind.FUNCTION, ast.AsyncFunctionDef: ScopeKind.FUNCTION, ast.Lambda: ScopeKind.FUNCTION,
    ast.ClassDef: ScopeKind.CLASS, ast.ListComp: ScopeKind.COMPREHENSION, ast.SetComp: ScopeKind.COMPREHENSION,
    ast.GeneratorExp: ScopeKind.COMPREHENSION, ast.DictComp: ScopeKind.COMPREHENSION,
}  # fmt: skip
"""The nodes that open a scope."""


def children(node: ast.AST) -> list[ast.AST]:
    """Return the nodes directly below a node, without operators and contexts."""
    found: list[ast.AST] = []
    for name in _FIELDS[type(node)]:
        value = getattr(node, name, None)
        if type(value) is list:
            found += [child for child in value if isinstance(child, ast.AST)]
        elif isinstance(value, ast.AST):
            found.append(value)
    return found


def _within(nodes: Iterable[ast.AST], scope: Scope) -> list[tuple[ast.AST, Scope]]:
    return [(node, scope) for node in nodes]


def _declarations(body: Iterable[ast.AST]) -> Iterator[tuple[Declaration, list[str]]]:
    """Yield what a body declares by `global` and `nonlocal`, without the functions and classes in it."""
    for node in body:
        kind = type(node)
        if kind in _BLOCKS:
            yield from _declarations(children(node))
        elif isinstance(node, ast.Global):
            yield Declaration.GLOBAL, node.names
        elif isinstance(node, ast.Nonlocal):
            yield Declaration.NONLOCAL, node.names


_BLOCKS: frozenset[type[ast.AST]] = frozenset({
    ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.ExceptHandler, ast.Match,
    ast.match_case,
})  # fmt: skip
"""Statements, and parts of them, that hold statements and open no scope."""


def _outside(arguments: ast.arguments) -> list[ast.AST]:
    """Return what the scope around a function evaluates: defaults and annotations."""
    defaults = [*arguments.defaults, *arguments.kw_defaults]
    annotations = [argument.annotation for argument in all_arguments(arguments)]
    return [node for node in (*defaults, *annotations) if node is not None]


def all_arguments(arguments: ast.arguments) -> list[ast.arg]:
    """Return all parameters of a function, `*args` and `**kwargs` last."""
    extra = [argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *extra]
