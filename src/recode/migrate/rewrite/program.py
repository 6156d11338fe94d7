"""What the names of one program mean: which are taken, which are public, and which imports have run at a place."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from recode.migrate.source.scopes import Binding, ScopeKind, Scopes
from recode.migrate.source.tree import Tree, chain

Reaches = Callable[[str, str], bool | None]
"""`(module, dotted rest)` → whether the new release has the rest after `import module`; None if that is unknown."""
UsedElsewhere = Callable[[str], bool]
"""Whether another file of the project may import this name from the file at hand."""


class CannotRename(Exception):
    """Why a place cannot be renamed safely; never reaches a user as an error."""


@dataclass
class EditableProgram:
    """A parsed program, with what is needed to write new names into it.

    Attributes:
        tree: the syntax tree with its text.
        newline: the line end of added lines.
        reaches: asks the new release about names.
        used_elsewhere: asks the rest of the project about names.
        package: whether the file is an `__init__.py`, whose names are its interface.
    """

    tree: Tree
    newline: str = "\n"
    reaches: Reaches = lambda module, rest: None
    used_elsewhere: UsedElsewhere = lambda name: False
    package: bool = False

    @cached_property
    def scopes(self) -> Scopes:
        """Which binding each name means."""
        return self.tree.scopes

    @cached_property
    def public(self) -> frozenset[str]:
        """The names in `__all__`."""
        return _exported(self.tree.module)

    @cached_property
    def quoted(self) -> frozenset[str]:
        """The words in strings, such as quoted annotations, that some reader may evaluate."""
        return _words_in_strings(self.tree)

    @cached_property
    def bound(self) -> frozenset[str]:
        """Every name that means something anywhere in the program, builtins included."""
        names = {name for scope in self.scopes.all_scopes() for name in scope.bindings}
        names |= {name.id for name in self.scopes.names}
        return frozenset(names | set(dir(builtins)))

    def full_name(self, node: ast.Attribute) -> str:
        """Return the full name of a chain that begins with an imported name; empty for any other chain."""
        root, names = chain(node)
        if not isinstance(root, ast.Name):
            return ""
        targets = {binding.target for binding in self.scopes.of[root].resolve(root.id)}
        target = targets.pop() if len(targets) == 1 else ""
        return ".".join([target, *names]) if target else ""

    def always_runs(self, binding: Binding) -> bool:
        """Return whether a binding's statement stands in no branch, such as `if TYPE_CHECKING` or a `try`."""
        return isinstance(self.tree.parents.get(binding.node), ast.Module | ast.FunctionDef | ast.AsyncFunctionDef)

    def has_run(self, binding: Binding, at: ast.AST) -> bool:
        """Return whether an import has surely run when a place is evaluated.

        An import outside the function that the place is in may stand anywhere; otherwise it has to stand above.
        """
        if not self.always_runs(binding):
            return False
        own, scope = self.scopes.of[binding.node], self.scopes.of[at]
        while scope is not own and scope.parent is not None:
            if scope.kind is ScopeKind.FUNCTION:
                return True
            scope = scope.parent
        return self.tree.span(binding.node)[1] <= self.tree.span(at)[0]


def _exported(module: ast.Module) -> frozenset[str]:
    """Return the names in `__all__`, including those added by `+=`, `extend`, `append` and `insert`."""
    values = [value for statement in module.body for value in _values_of_all(statement)]
    return frozenset(
        node.value
        for value in values
        for node in ast.walk(value)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _values_of_all(statement: ast.stmt) -> list[ast.expr]:
    """Return the expressions that a statement puts into `__all__`."""
    match statement:
        case ast.Assign(targets=targets, value=value):
            return [value] if any(_is_all(target) for target in targets) else []
        case ast.AugAssign(target=target, value=value) | ast.AnnAssign(target=target, value=ast.expr() as value):
            return [value] if _is_all(target) else []
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner, attr=method), args=arguments)):
            return arguments if _is_all(owner) and method in ("append", "extend", "insert") else []
    return []


def _is_all(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "__all__"


def _words_in_strings(tree: Tree) -> frozenset[str]:
    """Return the words of a program's strings, except of strings that are statements, such as docstrings."""
    words: set[str] = set()
    for node in tree.nodes:
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and not isinstance(tree.parents[node], ast.Expr)
        ):
            words.update(re.findall(r"\w+", node.value))
    return frozenset(words)
