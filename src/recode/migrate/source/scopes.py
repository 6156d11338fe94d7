"""Which binding a name in a program means, by Python's rules of scope."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, eq=False)
class Binding:
    """One place that binds a name. `target` is the full name that an import binds; empty for everything else."""

    name: str
    node: ast.AST
    target: str = ""
    alias: ast.alias | None = None


@dataclass(eq=False)
class Scope:
    """A module, class, function, lambda or comprehension, with what is bound in it."""

    kind: Literal["module", "class", "function", "comprehension"]
    parent: Scope | None
    bindings: dict[str, list[Binding]] = field(default_factory=dict)
    elsewhere: dict[str, Literal["global", "nonlocal"]] = field(default_factory=dict)

    def bind(self, binding: Binding) -> None:
        """Take a binding here, or where a `global` or `nonlocal` statement says."""
        scope = self
        if self.elsewhere.get(binding.name) == "global":
            scope = self.module()
        elif self.elsewhere.get(binding.name) == "nonlocal" and self.parent is not None:
            scope = self.parent.owner(binding.name) or self
        scope.bindings.setdefault(binding.name, []).append(binding)

    def module(self) -> Scope:
        """Return the outermost scope."""
        return self if self.parent is None else self.parent.module()

    def owner(self, name: str) -> Scope | None:
        """Return the scope whose binding a name means when it stands here; None for a builtin, or what a star import brings."""
        if self.elsewhere.get(name) == "global":
            module = self.module()
            return module if name in module.bindings else None
        if name in self.bindings:
            return self
        above = self.parent
        while above is not None and above.kind == "class":
            above = above.parent
        return above.owner(name) if above is not None else None

    def resolve(self, name: str) -> list[Binding]:
        """Return every binding that a name may mean when it stands here.

        In a class's body that is also what it means around the class: until the body binds it, Python looks there.
        """
        owner = self.owner(name)
        if owner is None:
            return []
        bound = owner.bindings[name]
        if owner is self and self.kind == "class" and self.parent is not None:
            return [*bound, *(one for one in self.parent.around(name) if one not in bound)]
        return bound

    def around(self, name: str) -> list[Binding]:
        """Return what a name may mean in a scope that is opened here: the names of classes are not seen from within."""
        scope = self
        while scope.kind == "class" and scope.parent is not None:
            scope = scope.parent
        return scope.resolve(name)


class _Reader(ast.NodeVisitor):
    """Walks a module once."""

    def __init__(self, module: ast.Module) -> None:
        self.module = Scope("module", None)
        self.of: dict[ast.AST, Scope] = {}
        self.names: list[ast.Name] = []
        self.stars: list[str] = []
        self._scope = self.module
        for statement in module.body:
            self.visit(statement)

    # --- what binds names ---

    def visit(self, node: ast.AST) -> None:
        self.of[node] = self._scope
        super().visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        self.names.append(node)
        if not isinstance(node.ctx, ast.Load):
            self._scope.bind(Binding(node.id, node))

    def visit_Constant(self, node: ast.Constant) -> None:
        pass

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.of[alias] = self._scope
            first = alias.name.partition(".")[0]
            self._scope.bind(Binding(alias.asname or first, node, alias.name if alias.asname else first, alias))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = "." * node.level + (node.module or "")
        for alias in node.names:
            self.of[alias] = self._scope
            if alias.name == "*":
                self.stars.append(module)
                continue
            self._scope.bind(Binding(alias.asname or alias.name, node, f"{module}.{alias.name}", alias))

    def visit_Global(self, node: ast.Global) -> None:
        self._scope.elsewhere.update(dict.fromkeys(node.names, "global"))

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self._scope.elsewhere.update(dict.fromkeys(node.names, "nonlocal"))

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self._scope.bind(Binding(node.name, node))
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        if node.name:
            self._scope.bind(Binding(node.name, node))
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        if node.name:
            self._scope.bind(Binding(node.name, node))

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        if node.rest:
            self._scope.bind(Binding(node.rest, node))
        self.generic_visit(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        inner = self._scope
        # Within a comprehension, `:=` binds in the function around it.
        while self._scope.kind == "comprehension" and self._scope.parent is not None:
            self._scope = self._scope.parent
        self.visit(node.target)
        self._scope = inner

    # --- what opens a scope ---

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._scope.bind(Binding(node.name, node))
        self._each(node.decorator_list)
        self._arguments_outside(node.args)
        if node.returns is not None:
            self.visit(node.returns)
        self._inside("function", node.body, node.args)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._arguments_outside(node.args)
        self._inside("function", [node.body], node.args)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._scope.bind(Binding(node.name, node))
        self._each([*node.decorator_list, *node.bases, *node.keywords])
        self._inside("class", node.body)

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> None:
        self._comprehension(node.generators, [node.elt])

    visit_SetComp = visit_ListComp  # noqa: N815
    visit_GeneratorExp = visit_ListComp  # noqa: N815

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._comprehension(node.generators, [node.key, node.value])

    def _comprehension(self, generators: list[ast.comprehension], results: list[ast.expr]) -> None:
        self.visit(generators[0].iter)
        first = generators[0]
        rest: list[ast.AST] = [first.target, *first.ifs]
        self._inside("comprehension", [*rest, *generators[1:], *results])

    def _arguments_outside(self, arguments: ast.arguments) -> None:
        """Visit what the scope around a function computes: defaults and annotations."""
        self._each([*arguments.defaults, *(one for one in arguments.kw_defaults if one is not None)])
        for one in _all_arguments(arguments):
            if one.annotation is not None:
                self.visit(one.annotation)

    def _inside(
        self, kind: Literal["class", "function", "comprehension"], body: Iterable[ast.AST], arguments: ast.arguments | None = None
    ) -> None:  # fmt: skip
        self._scope = Scope(kind, self._scope)
        for one in _all_arguments(arguments) if arguments is not None else ():
            self._scope.bind(Binding(one.arg, one))
        body = list(body)
        for statement in body:
            # A `global` statement holds for the whole function, whatever stands before it.
            self._declare(statement)
        self._each(body)
        assert self._scope.parent is not None
        self._scope = self._scope.parent

    def _declare(self, node: ast.AST) -> None:
        if isinstance(node, ast.Global | ast.Nonlocal):
            self.visit(node)
        elif isinstance(node, ast.stmt) and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for child in ast.iter_child_nodes(node):
                self._declare(child)

    def _each(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)


class Scopes(_Reader):
    """The scopes of a module: `of` has the scope that each node stands in, `stars` the modules of star imports."""

    def uses(self, binding: Binding) -> list[ast.Name]:
        """Return the bare names that mean this binding, whether they read, set or delete it."""
        return [name for name in self.names if name.id == binding.name and binding in self.of[name].resolve(name.id)]


def _all_arguments(arguments: ast.arguments) -> list[ast.arg]:
    extra = [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *extra]
