"""Rewrites a module's syntax tree so that its expressions report their values; positions stay as they are.

An expression `a.f(b)` becomes `@r(7, @r(6, @i(6, a).f)(@i(7, b)))`: nothing is called from another frame than before, so `super()`,
`locals()` and libraries that look at their caller see what they always saw. A statement is wrapped in `while True: try: …; break`, and its
expressions in `@g(7) if @M and @h(7) else …`, so that the recorder can repeat a statement that failed with some of its values given.
"""

from __future__ import annotations

import ast
from typing import Any, Callable, NamedTuple

_Expr = Any
"""Nodes are made here that type stubs of newer Pythons would reject."""
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp)
_ALL_COMPREHENSIONS = (*_COMPREHENSIONS, ast.GeneratorExp)


class Site(NamedTuple):
    """An expression or statement that reports to the recorder; columns count bytes, lines count from 1."""

    kind: str
    line: int
    column: int
    end_line: int
    end_column: int
    parent: int | None
    """The site that takes this value as an operand."""
    statement: int | None
    name: str
    """What it names: an attribute, a module member, a function; else empty."""


class Expressions:
    """Rewrites expressions; each site is added to a table, and its number is its place there."""

    def __init__(self, table: list[Site]) -> None:
        self.table = table
        self.statement: int | None = None

    # --- sites and calls of the recorder ---

    def _site(self, kind: str, node: Any, parent: int | None = None, name: str = "") -> int:
        self.table.append(
            Site(kind, node.lineno, node.col_offset, node.end_lineno, node.end_col_offset, parent, self.statement, name)
        )
        return len(self.table) - 1

    def _call(self, hook: str, at: Any, *arguments: Any) -> _Expr:
        values = [ast.Constant(value) if isinstance(value, (int, str)) else value for value in arguments]
        for value in values:
            if isinstance(value, ast.Constant) and not hasattr(value, "lineno"):
                ast.copy_location(value, at)
        name = ast.copy_location(ast.Name("@" + hook, ast.Load()), at)
        return ast.copy_location(ast.Call(name, values, []), at)

    def _do(self, hook: str, at: Any, *arguments: Any) -> Any:
        return ast.copy_location(ast.Expr(self._call(hook, at, *arguments)), at)

    def _replayable(self, site: int, at: Any, value: _Expr, hook: str = "r") -> _Expr:
        replaying = ast.copy_location(ast.Name("@M", ast.Load()), at)
        test = ast.copy_location(ast.BoolOp(ast.And(), [replaying, self._call("h", at, site)]), at)
        return ast.copy_location(ast.IfExp(test, self._call("g", at, site), self._call(hook, at, site, value)), at)

    # --- expressions ---

    def _expr(self, node: Any, parent: int | None = None) -> _Expr:
        """Return an expression that reports its parts; `parent` is the site that takes its value."""
        if node is None or isinstance(node, ast.Constant):
            return node
        visit: Callable[[Any, int | None], _Expr] | None = getattr(self, "_expr_" + type(node).__name__.lower(), None)
        if visit is not None:
            return visit(node, parent)
        if isinstance(node, _ALL_COMPREHENSIONS):
            return self._comprehension(node, parent)
        if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            node.elts = [self._expr(one, parent) for one in node.elts]
            return node
        # Anything else, such as a conditional expression, is one operand as a whole.
        for field, value in ast.iter_fields(node):
            if isinstance(value, ast.expr):
                setattr(node, field, self._expr(value))
            elif isinstance(value, list):
                setattr(node, field, [self._expr(one) if isinstance(one, ast.expr) else one for one in value])
        return node if parent is None else self._call("i", node, parent, node)

    def _expr_name(self, node: Any, parent: int | None) -> _Expr:
        return node if parent is None else self._call("i", node, parent, node)

    def _expr_starred(self, node: Any, parent: int | None) -> _Expr:
        node.value = self._expr(node.value, parent)
        return node

    def _expr_dict(self, node: Any, parent: int | None) -> _Expr:
        node.keys = [self._expr(key, parent) for key in node.keys]
        node.values = [self._expr(value, parent) for value in node.values]
        return node

    def _expr_slice(self, node: Any, parent: int | None) -> _Expr:
        node.lower, node.upper, node.step = (self._expr(one, parent) for one in (node.lower, node.upper, node.step))
        return node

    def _expr_index(self, node: Any, parent: int | None) -> _Expr:  # Python 3.8
        node.value = self._expr(node.value, parent)
        return node

    def _expr_extslice(self, node: Any, parent: int | None) -> _Expr:  # Python 3.8
        node.dims = [self._expr(one, parent) for one in node.dims]
        return node

    def _expr_call(self, node: Any, parent: int | None) -> _Expr:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        site = self._site("call", node, parent, name)
        # A plain name in front of the parentheses says nothing about the result, and `super` must stay one.
        if not isinstance(node.func, ast.Name):
            node.func = self._expr(node.func, site)
        node.args = [self._expr(one, site) for one in node.args]
        for keyword in node.keywords:
            keyword.value = self._expr(keyword.value, site)
        return self._replayable(site, node, node)

    def _expr_attribute(self, node: Any, parent: int | None) -> _Expr:
        site = self._site("attribute", node, parent, node.attr)
        node.value = self._expr(node.value, site)
        return self._replayable(site, node, node)

    def _expr_subscript(self, node: Any, parent: int | None) -> _Expr:
        site = self._site("subscript", node, parent)
        node.value, node.slice = self._expr(node.value, site), self._expr(node.slice, site)
        return self._replayable(site, node, node)

    def _expr_binop(self, node: Any, parent: int | None) -> _Expr:
        site = self._site("operation", node, parent)
        node.left, node.right = self._expr(node.left, site), self._expr(node.right, site)
        return self._replayable(site, node, node)

    def _expr_unaryop(self, node: Any, parent: int | None) -> _Expr:
        site = self._site("operation", node, parent)
        node.operand = self._expr(node.operand, site)
        return self._replayable(site, node, node)

    def _expr_compare(self, node: Any, parent: int | None) -> _Expr:
        site = self._site("comparison", node, parent)
        node.left = self._expr(node.left, site)
        node.comparators = [self._expr(one, site) for one in node.comparators]
        return self._replayable(site, node, node)

    def _expr_await(self, node: Any, parent: int | None) -> _Expr:
        site = self._site("await", node, parent)
        node.value = self._expr(node.value)
        return self._replayable(site, node, node)

    def _expr_yield(self, node: Any, parent: int | None) -> _Expr:
        site = self._site("yield", node, parent)
        node.value = self._expr(node.value)
        return self._replayable(site, node, node, "q")

    _expr_yieldfrom = _expr_yield

    def _expr_lambda(self, node: Any, parent: int | None) -> _Expr:
        self._defaults(node.args)
        outer, self.statement = self.statement, None
        node.body = self._expr(node.body)
        self.statement = outer
        return node

    def _expr_joinedstr(self, node: Any, parent: int | None) -> _Expr:
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                part.value = self._expr(part.value)
                if part.format_spec is not None:
                    self._expr_joinedstr(part.format_spec, None)
        return node if parent is None else self._call("i", node, parent, node)

    def _comprehension(self, node: Any, parent: int | None) -> _Expr:
        site = self._site("comprehension", node, parent) if isinstance(node, _COMPREHENSIONS) else None
        # Only the first iterable is evaluated where the comprehension stands; the rest cannot be repeated from there.
        node.generators[0].iter = self._expr(node.generators[0].iter, site)
        outer, self.statement = self.statement, None
        for number, part in enumerate(node.generators):
            part.iter = self._expr(part.iter) if number else part.iter
            part.ifs = [self._expr(one) for one in part.ifs]
        for field in ("elt", "key", "value"):
            if hasattr(node, field):
                setattr(node, field, self._expr(getattr(node, field)))
        self.statement = outer
        if site is None:
            return node
        return self._replayable(site, node, node)

    def _truth(self, node: Any) -> _Expr:
        """Return a test as a site whose value is its truth."""
        site = self._site("truth", node)
        negated = ast.copy_location(ast.UnaryOp(ast.Not(), self._expr(node, site)), node)
        return self._replayable(site, node, ast.copy_location(ast.UnaryOp(ast.Not(), negated), node))

    def _defaults(self, arguments: ast.arguments) -> None:
        arguments.defaults = [self._expr(one) for one in arguments.defaults]
        arguments.kw_defaults = [self._expr(one) for one in arguments.kw_defaults]
