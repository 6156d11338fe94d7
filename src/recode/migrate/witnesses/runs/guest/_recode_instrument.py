"""Rewrites a module's statements: each is tried, so that the recorder can repeat or skip one that fails in the new release only."""

from __future__ import annotations

import ast
import copy
import sys
from typing import TYPE_CHECKING, Any, Callable, Sequence

if TYPE_CHECKING:
    from recode.migrate.witnesses.runs.guest._recode_expressions import Expressions
else:
    from _recode_expressions import Expressions

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_HARMLESS = ("print", "len", "isinstance", "repr", "str", "id", "hasattr", "callable", "hash")
"""Functions that change none of their arguments."""
_PLAIN = (ast.Global, ast.Nonlocal, ast.Pass, ast.Break, ast.Continue)


_SIMPLE = (ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Delete, ast.Assert)


class Instrumenter(Expressions):
    """Rewrites one module."""

    def module(self, tree: ast.Module) -> ast.Module:
        """Rewrite a module in place and return it."""
        ast.fix_missing_locations(tree)
        tree.body = self._body(tree.body)
        return ast.fix_missing_locations(tree)

    def _body(self, body: Sequence[ast.stmt], in_class: bool = False) -> list[Any]:
        made: list[Any] = []
        for number, node in enumerate(body):
            if _stays(node, number) or isinstance(node, _PLAIN):
                made.append(node)
                continue
            outer = self.statement
            self.statement = None
            self.statement = self._site(type(node).__name__, node, None, _bound_name(node))
            plain = copy.deepcopy(node) if isinstance(node, _SIMPLE) else None
            statements = self._statement(node, self.statement)
            if plain is not None:
                statements = self._or_plain(plain, self.statement, statements)
            if in_class and _droppable(node):
                keep = self._call("keep", node, self.statement)
                statements = [ast.copy_location(ast.If(keep, statements, []), node)]
            made += statements
            self.statement = outer
        return made

    def _statement(self, node: Any, site: int) -> list[Any]:
        visit: Callable[[Any, int], list[Any]] | None = getattr(self, "_stmt_" + type(node).__name__.lower(), None)
        if visit is not None:
            return visit(node, site)
        for field in ("body", "orelse", "finalbody"):
            if getattr(node, field, None):
                setattr(node, field, self._body(getattr(node, field)))
        for handler in getattr(node, "handlers", ()):
            handler.type = self._expr(handler.type)
            handler.body = self._body(handler.body)
        return [node]

    def _tried(
        self, node: Any, site: int, run: Sequence[Any], roots: Sequence[str] = (), instead: Sequence[Any] = ()
    ) -> list[Any]:
        """Return the loop that runs a statement until it succeeds, is skipped or fails for good."""
        names: list[Any] = []
        for root in roots:
            names.append(ast.copy_location(ast.Name(root.partition(".")[0], ast.Load()), node))
        if roots:
            self.table[site] = self.table[site]._replace(name=",".join(roots))

        def at(made: Any) -> Any:
            return ast.copy_location(made, node)

        again = at(ast.If(self._call("f", node, site), [at(ast.Raise(None, None))], []))
        skipped = at(ast.If(self._call("k", node, site), [*instead, self._do("z", node, site), at(ast.Break())], []))
        handler = at(ast.ExceptHandler(at(ast.Name("BaseException", ast.Load())), None, [again, skipped]))
        after = self._do("o", node, site, *names)
        attempt = at(ast.Try([*run, after, at(ast.Break())], [handler], [], []))
        loop = at(ast.While(at(ast.Constant(True)), [attempt], []))
        return [self._do("s", node, site, *names), loop]

    def _watched(self, at: Any, site: int) -> Any:
        """Return the test whether a statement is still recorded: it is a list's item, because it is asked every time."""
        return ast.copy_location(
            ast.Subscript(ast.copy_location(ast.Name("@C", ast.Load()), at), _index(at, site), ast.Load()), at
        )

    def _or_plain(self, plain: Any, site: int, statements: list[Any]) -> list[Any]:
        """Return a statement as it was, for when it is no longer recorded, beside the statements that record it."""
        return [ast.copy_location(ast.If(self._watched(plain, site), statements, [plain]), plain)]

    def _hoisted(self, node: Any, site: int, is_test: bool = False) -> tuple[list[Any], Any]:
        """Return the statements that evaluate the head of a compound statement and hold its value, and what gives the value."""
        plain = copy.deepcopy(node)
        value = self._truth(node) if is_test else self._expr(node)
        head = ast.copy_location(ast.Expr(self._call("p", value, site, value)), value)
        made = ast.copy_location(ast.If(self._watched(node, site), self._tried(value, site, [head]), []), node)
        given = ast.copy_location(ast.IfExp(self._watched(node, site), self._call("t", node, site), plain), node)
        return [made], given

    def _stmt_expr(self, node: Any, site: int) -> list[Any]:
        roots = _call_roots(node.value)
        node.value = self._expr(node.value)
        return self._tried(node, site, [node], roots)

    def _stmt_assign(self, node: Any, site: int) -> list[Any]:
        roots = _store_roots(node.targets, node.value)
        node.value = self._expr(node.value)
        node.targets = [self._target(target, site) for target in node.targets]
        return self._tried(node, site, [node], roots)

    def _stmt_augassign(self, node: Any, site: int) -> list[Any]:
        roots = _store_roots([node.target], node.value)
        instead: list[Any] = []
        if isinstance(node.target, ast.Name):
            roots = [node.target.id]
            now = ast.copy_location(ast.Name(node.target.id, ast.Load()), node)
            target = ast.copy_location(ast.Name(node.target.id, ast.Store()), node)
            instead = [ast.copy_location(ast.Assign([target], self._call("w", node, site, now)), node)]
        node.value = self._expr(node.value, site)
        node.target = self._target(node.target, site)
        return self._tried(node, site, [node], roots, instead)

    def _stmt_annassign(self, node: Any, site: int) -> list[Any]:
        if node.value is None:
            return [node]
        node.value = self._expr(node.value)
        bare = ast.AnnAssign(node.target, node.annotation, None, node.simple)
        return self._tried(node, site, [node], (), [ast.copy_location(bare, node)])

    def _target(self, node: Any, site: int) -> Any:
        if isinstance(node, ast.Subscript):
            node.value, node.slice = self._expr(node.value, site), self._expr(node.slice, site)
        elif isinstance(node, ast.Attribute):
            node.value = self._expr(node.value, site)
        elif isinstance(node, (ast.Tuple, ast.List)):
            node.elts = [self._target(one, site) for one in node.elts]
        return node

    def _stmt_delete(self, node: Any, site: int) -> list[Any]:
        roots = _store_roots(node.targets, None)
        node.targets = [self._target(target, site) for target in node.targets]
        return self._tried(node, site, [node], roots)

    def _stmt_return(self, node: Any, site: int) -> list[Any]:
        if node.value is None or isinstance(node.value, ast.Constant):
            return [node]
        made, node.value = self._hoisted(node.value, site)
        return [*made, node]

    def _stmt_raise(self, node: Any, site: int) -> list[Any]:
        node.exc, node.cause = self._expr(node.exc), self._expr(node.cause)
        return [self._do("s", node, site), node]

    def _stmt_assert(self, node: Any, site: int) -> list[Any]:
        node.test, node.msg = self._truth(node.test), self._expr(node.msg)
        return self._tried(node, site, [node])

    def _stmt_if(self, node: Any, site: int) -> list[Any]:
        made, node.test = self._hoisted(node.test, site, is_test=True)
        node.body, node.orelse = self._body(node.body), self._body(node.orelse)
        return [*made, node]

    def _stmt_while(self, node: Any, site: int) -> list[Any]:
        if isinstance(node.test, ast.Constant):
            node.body, node.orelse = self._body(node.body), self._body(node.orelse)
            return [node]
        if node.orelse:
            node.test = self._truth(node.test)
            node.body, node.orelse = self._body(node.body), self._body(node.orelse)
            return [node]
        at = node.test
        made, value = self._hoisted(node.test, site, is_test=True)
        stop = ast.copy_location(ast.UnaryOp(ast.Not(), value), at)
        leave = ast.copy_location(ast.If(stop, [ast.copy_location(ast.Break(), at)], []), at)
        node.test = ast.copy_location(ast.Constant(True), at)
        node.body = [*made, leave, *self._body(node.body)]
        return [node]

    def _stmt_for(self, node: Any, site: int) -> list[Any]:
        made, node.iter = self._hoisted(node.iter, site)
        node.body, node.orelse = self._body(node.body), self._body(node.orelse)
        return [*made, node]

    _stmt_asyncfor = _stmt_for

    def _stmt_with(self, node: Any, site: int) -> list[Any]:
        made: list[Any] = []
        if len(node.items) == 1:
            item = node.items[0]
            made, item.context_expr = self._hoisted(item.context_expr, site)
        else:
            for item in node.items:
                item.context_expr = self._expr(item.context_expr)
        node.body = self._body(node.body)
        return [*made, node]

    _stmt_asyncwith = _stmt_with

    def _stmt_match(self, node: Any, site: int) -> list[Any]:
        made, node.subject = self._hoisted(node.subject, site)
        for case in node.cases:
            case.guard = self._expr(case.guard)
            case.body = self._body(case.body)
        return [*made, node]

    def _stmt_import(self, node: Any, site: int) -> list[Any]:
        names = [alias.asname or alias.name.partition(".")[0] for alias in node.names]
        modules = [alias.name if alias.asname else alias.name.partition(".")[0] for alias in node.names]
        return self._imported(node, site, names, modules)

    def _stmt_importfrom(self, node: Any, site: int) -> list[Any]:
        if any(alias.name == "*" for alias in node.names):
            return self._tried(node, site, [node])
        names = [alias.asname or alias.name for alias in node.names]
        module = "." * node.level + (node.module or "")
        return self._imported(node, site, names, [f"{module}:{alias.name}" for alias in node.names])

    def _imported(self, node: Any, site: int, names: Sequence[str], what: Sequence[str]) -> list[Any]:
        checks, instead = [], []
        for alias, name, member in zip(node.names, names, what):
            # From Python 3.10 on, each name of an import has its own position.
            number = self._site("import", alias if hasattr(alias, "lineno") else node, site, member)
            checks.append(self._do("n", node, number, ast.copy_location(ast.Name(name, ast.Load()), node)))
            target = ast.copy_location(ast.Name(name, ast.Store()), node)
            instead.append(ast.copy_location(ast.Assign([target], self._call("b", node, number)), node))
        return self._tried(node, site, [node, *checks], (), instead)

    # --- definitions ---

    def _stmt_functiondef(self, node: Any, site: int) -> list[Any]:
        decorated = bool(node.decorator_list)
        node.decorator_list = [self._call("d", one, site, self._expr(one)) for one in node.decorator_list]
        self._defaults(node.args)
        entry = self._site("function", node, None, node.name)
        body = self._body(node.body)
        start = 1 if ast.get_docstring(node, clean=False) is not None else 0
        enter = ast.copy_location(ast.If(self._watched(node, entry), [self._do("e", node, entry)], []), node)
        body.insert(start, enter)
        node.body = body
        return self._tried(node, site, [node]) if decorated or node.args.defaults or node.args.kw_defaults else [node]

    _stmt_asyncfunctiondef = _stmt_functiondef

    def _stmt_classdef(self, node: Any, site: int) -> list[Any]:
        node.decorator_list = [self._call("d", one, site, self._expr(one)) for one in node.decorator_list]
        node.bases = [self._expr(one) for one in node.bases]
        for keyword in node.keywords:
            keyword.value = self._expr(keyword.value)
        node.body = self._body(node.body, in_class=True)
        target = ast.copy_location(ast.Name(node.name, ast.Store()), node)
        instead = ast.copy_location(ast.Assign([target], self._call("c", node, site)), node)
        return self._tried(node, site, [node], (), [instead])


def _index(at: Any, number: int) -> Any:
    value = ast.copy_location(ast.Constant(number), at)
    # Python 3.8 wraps what stands between the brackets.
    return value if sys.version_info >= (3, 9) else ast.copy_location(ast.Index(value), at)


def _stays(node: ast.stmt, number: int) -> bool:
    """Return whether a statement must stay as and where it is: a docstring, or `from __future__ import`."""
    if isinstance(node, ast.ImportFrom):
        return node.module == "__future__"
    return number == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _droppable(node: ast.stmt) -> bool:
    """Return whether a class may be made without one of its statements."""
    if isinstance(node, _DEFINITIONS):
        return isinstance(node, ast.ClassDef) or bool(node.decorator_list)
    return isinstance(node, (ast.Assign, ast.AnnAssign))


def _bound_name(node: ast.stmt) -> str:
    """Return the name that a statement binds, if it binds one."""
    if isinstance(node, _DEFINITIONS):
        return node.name
    target: Any = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
    return target.id if isinstance(target, ast.Name) else ""


def _walrus(value: ast.AST | None) -> dict[str, bool]:
    named = getattr(ast, "NamedExpr", ())
    return {node.target.id: True for node in ast.walk(value) if isinstance(node, named)} if value is not None else {}


def _root(node: Any) -> str:
    """Return the name and attributes that a chain starts with, such as `self.table`; empty if it does not start with a name."""
    attributes: list[str] = []
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred, ast.Call)):
        attributes = [node.attr, *attributes] if isinstance(node, ast.Attribute) else []
        node = node.func if isinstance(node, ast.Call) else node.value
    return ".".join([node.id, *attributes]) if isinstance(node, ast.Name) else ""


def _store_roots(targets: Sequence[Any], value: ast.AST | None) -> list[str]:
    """Return the objects that a statement stores into; `self.x = …` alone is known by its value."""
    bound = _walrus(value)
    found = []
    for target in targets:
        is_own = isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name)
        if isinstance(target, (ast.Attribute, ast.Subscript)) and not is_own:
            found.append(_root(target))
    return [name for name in dict.fromkeys(found) if name and name.partition(".")[0] not in bound]


def _call_roots(value: ast.AST) -> list[str]:
    """Return the objects that a call whose value is unused may change: its receiver and its arguments."""
    if not isinstance(value, ast.Call) or getattr(value.func, "id", "") in _HARMLESS:
        return []
    bound = _walrus(value)
    found = [_root(value.func)] if isinstance(value.func, ast.Attribute) else []
    found += [argument.id for argument in value.args if isinstance(argument, ast.Name)]
    return [name for name in dict.fromkeys(found) if name and name.partition(".")[0] not in bound][:4]
