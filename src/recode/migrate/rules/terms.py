"""Syntax trees as terms: names are resolved to full symbols, and patterns are terms with metavariables.

In text, `$x` stands for an expression, `$*xs` for any number of arguments, elements or statements, and `$**rest` for any
further keywords (in a class body: for further assignments). `$x.$name` in a template is the attribute that the literal text
`$name` names. A dotted name such as `numpy.asarray` means that symbol, whatever
a program calls it.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from recode.migrate.source.scopes import all_arguments
from recode.migrate.source.tree import chain
from recode.source import parse_quietly

Resolve = Callable[[ast.expr], str]
"""The full path of a name or chain that begins with an import; empty for everything else."""

SYMBOL, NAME, ONE, MANY, REST = "Symbol", "Name", "$", "$*", "$**"
LIST, KEYWORDS, NOTHING, VALUE = "list", "keywords", "nothing", "value"
ASSIGNMENTS, DECORATORS = "assignments", "decorators"
"""Kinds of terms that are no nodes of a syntax tree. `assignments` is a class body that only assigns names."""

_PREFIXES = {ONE: "__one_", MANY: "__many_", REST: "__rest_"}
_MARKS = re.compile(r"(\*\*)?(\*)?__(one|many|rest)_(\w+?)__")
_VARIABLE = re.compile(r"\$(\*\*|\*)?([a-z]\w*)")
BUILTINS = frozenset(dir(builtins))
DISPLAYS = frozenset({"List", "Tuple", "Set"})
_BINDERS = frozenset({"comprehension", "withitem"})
_SKIPPED = frozenset({"ctx", "kind", "type_comment", "type_params"})


@dataclass(frozen=True)
class Term:
    """A node of a pattern or of a program; two are equal if they mean the same, wherever they stand.

    Attributes:
        kind: the name of the node's class, or one of this module's kinds.
        value: what is no node in it, such as an attribute's name or a constant, as text.
        parts: the terms below it.
        node: where it stands in a program; None in patterns and for lists.
    """

    kind: str
    value: str = ""
    parts: tuple[Term, ...] = ()
    node: ast.AST | None = field(default=None, compare=False, repr=False)

    @property
    def is_variable(self) -> bool:
        """Whether it is a metavariable."""
        return self.kind in _PREFIXES

    def walk(self) -> Iterator[Term]:
        """Yield the term and all terms below it, outermost first."""
        yield self
        for part in self.parts:
            yield from part.walk()

    def variables(self) -> frozenset[str]:
        """Return the metavariables in the term, as `$x`, `$*x` or `$**x`."""
        found = {term.kind + term.value for term in self.walk() if term.is_variable}
        return frozenset(found | {ONE + name for term in self.walk() if (name := term.name_variable)})

    @property
    def name_variable(self) -> str:
        """The metavariable whose text is the name of this attribute, as in `$x.$name`; empty for anything else."""
        found = _variable(self.value) if self.kind == "Attribute" else None
        return found[1] if found else ""

    def fresh_names(self) -> frozenset[str]:
        """Return the names that the term binds itself: in `with … as name` and in comprehensions."""
        bound = [term.parts[0 if term.kind == "comprehension" else 1] for term in self.walk() if term.kind in _BINDERS]
        return frozenset(term.value for one in bound for term in one.walk() if term.kind == NAME)

    def symbols(self) -> frozenset[str]:
        """Return the paths of the symbols in the term."""
        return frozenset(term.value for term in self.walk() if term.kind == SYMBOL)


# --- program → term ---


def term_of(node: ast.AST, resolve: Resolve) -> Term:
    """Return the term of a node of a program."""
    if isinstance(node, ast.Name | ast.Attribute):
        if path := resolve(node):
            return Term(SYMBOL, path, (), node)
        if isinstance(node, ast.Name):
            return Term(NAME, node.id, (), node)
    if isinstance(node, ast.Constant):
        return Term("Constant", repr(node.value), (), node)
    value, parts = [], []
    for name in node._fields:
        if name in _SKIPPED:
            continue
        inner: Any = getattr(node, name, None)
        if name == "keywords":
            parts.append(_keywords(inner, resolve))
        elif name == "body" and isinstance(node, ast.ClassDef) and _only_assigns(node):
            pairs = [_assigned(statement, resolve) for statement in node.body]
            parts.append(Term(ASSIGNMENTS, "", tuple(sorted(pairs, key=lambda pair: pair.value))))
        elif isinstance(inner, list):
            parts.append(_list(inner, resolve))
        elif isinstance(inner, ast.AST):
            parts.append(term_of(inner, resolve))
        elif inner is None and name not in ("name", "asname", "arg", "module"):
            parts.append(Term(NOTHING))
        else:
            value.append(str(inner))
    return Term(type(node).__name__, " ".join(value), tuple(parts), node)


def _list(nodes: list[ast.AST], resolve: Resolve) -> Term:
    parts = [
        term_of(one, resolve) if isinstance(one, ast.AST) else Term(NOTHING if one is None else VALUE, str(one))
        for one in nodes
    ]
    return Term(LIST, "", tuple(parts))


def _keywords(keywords: list[ast.keyword], resolve: Resolve) -> Term:
    """Return keywords as a set: in the order of their names."""
    pairs = [Term("keyword", one.arg or "**", (term_of(one.value, resolve),), one) for one in keywords]
    return Term(KEYWORDS, "", tuple(sorted(pairs, key=lambda pair: pair.value)))


def _only_assigns(node: ast.ClassDef) -> bool:
    """Say whether a class, such as `Config` or `Meta`, derives from nothing and only assigns names."""
    return not node.bases and all(
        (isinstance(one, ast.Assign) and len(one.targets) == 1 and isinstance(one.targets[0], ast.Name))
        or (isinstance(one, ast.Expr) and isinstance(one.value, ast.Name) and one.value.id.startswith(_PREFIXES[REST]))
        for one in node.body
    )


def _assigned(statement: ast.stmt, resolve: Resolve) -> Term:
    if isinstance(statement, ast.Assign):
        target = statement.targets[0]
        assert isinstance(target, ast.Name)
        return Term("keyword", target.id, (term_of(statement.value, resolve),), statement)
    assert isinstance(statement, ast.Expr)
    return Term("keyword", "**", (term_of(statement.value, resolve),), statement)


def parameters(node: ast.AST | None) -> str:
    """Return how many parameters a decorated function has, as text; empty for a class."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return ""
    return str(len(all_arguments(node.args)))


# --- text → pattern ---


def read_pattern(text: str, *, statement: bool = False) -> Term:
    """Return the pattern that a text stands for: an expression, statements, or decorators (lines that begin with `@`).

    Args:
        text: the text.
        statement: whether a lone expression is a statement.

    Raises:
        SyntaxError: it is no pattern.
    """
    marked = _VARIABLE.sub(_mark, text.strip())
    if marked.startswith("@"):
        counted = re.search(r"\ndef \w+\(.*\)$", marked)
        definition = parse_quietly(marked + (": pass" if counted else "\ndef f(): pass\n")).body[0]
        assert isinstance(definition, ast.FunctionDef)
        value = parameters(definition) if counted else ""
        return Term(DECORATORS, value, tuple(_read(one) for one in definition.decorator_list))
    statements = parse_quietly(marked).body
    if len(statements) == 1 and isinstance(statements[0], ast.Expr) and not statement:
        return _read(statements[0].value)
    if len(statements) == 1:
        return _read(statements[0])
    return Term(LIST, "", tuple(_read(one) for one in statements))


def _mark(match: re.Match[str]) -> str:
    stars = match[1] or ""
    prefix = _PREFIXES["$" + stars]
    line = match.string[match.string.rfind("\n", 0, match.start()) + 1 : match.start()]
    # A variable that is a statement of its own has no stars that Python would accept.
    alone = not line.strip() and match.string[match.end() : match.end() + 1] in ("", "\n")
    return f"{'' if alone else stars}{prefix}{match[2]}__"


def _read(node: ast.AST) -> Term:
    inner = [one for one in ast.walk(node) if isinstance(one, ast.comprehension | ast.withitem)]
    targets = [one.target if isinstance(one, ast.comprehension) else one.optional_vars for one in inner]
    fresh = {one.id for target in targets if target for one in ast.walk(target) if isinstance(one, ast.Name)}

    def symbol(node: ast.expr) -> str:
        root, names = chain(node)
        if not isinstance(root, ast.Name) or not names or _variable(root.id) or root.id in BUILTINS | fresh:
            return ""
        return ".".join([root.id, *names])

    return _with_variables(term_of(node, symbol))


def name_as_variable(name: str) -> str:
    """Return how an attribute's name is written that is the text of a metavariable."""
    return f"{_PREFIXES[ONE]}{name}__"


def _variable(name: str) -> tuple[str, str] | None:
    for kind, prefix in _PREFIXES.items():
        if name.startswith(prefix):
            return kind, name.removeprefix(prefix).removesuffix("__")
    return None


def _with_variables(term: Term) -> Term:
    if term.kind == NAME and (found := _variable(term.value)):
        return Term(*found)
    parts = tuple(map(_with_variables, term.parts))
    if term.kind in ("Starred", "Expr", "keyword") and parts and parts[0].kind in (MANY, REST):
        return parts[0]
    if term.kind in (KEYWORDS, ASSIGNMENTS):
        parts = tuple(sorted(parts, key=lambda part: (part.kind == REST, part.value)))
    return Term(term.kind, term.value, parts)


def is_statement(term: Term) -> bool:
    """Say whether a term is a statement."""
    kind = getattr(ast, term.kind, None)
    return isinstance(kind, type) and issubclass(kind, ast.stmt)


# --- term → text ---


def pattern_text(term: Term) -> str:
    """Return the text of a pattern, as `read_pattern` reads it."""

    def shown(match: re.Match[str]) -> str:
        return {"one": "$", "many": "$*", "rest": "$**"}[match[3]] + match[4]

    return _MARKS.sub(shown, marked_text(term))


def marked_text(term: Term) -> str:
    """Return a pattern as Python, in which each metavariable is a name that `MARK` matches."""
    if term.kind == DECORATORS:
        lines = [f"@{_unparsed(part)}" for part in term.parts]
        if term.value:
            lines.append(f"def function({', '.join(f'p{number + 1}' for number in range(int(term.value)))})")
        return "\n".join(lines)
    if term.kind == LIST:
        return "\n".join(_unparsed(part) for part in term.parts)
    return _unparsed(term)


MARK = _MARKS
"""Matches a metavariable in `marked_text`; its third group is the kind's word, the fourth its name."""


def _unparsed(term: Term) -> str:
    node = _node(term)
    if isinstance(node, ast.keyword):
        return ast.unparse(node.value)
    return ast.unparse(ast.fix_missing_locations(node))


def _node(term: Term) -> ast.AST:
    match term.kind:
        case "$":
            return ast.Name(f"__one_{term.value}__", ast.Load())
        case "$*":
            return ast.Starred(ast.Name(f"__many_{term.value}__", ast.Load()), ast.Load())
        case "$**":
            return ast.keyword(None, ast.Name(f"__rest_{term.value}__", ast.Load()))
        case "Symbol":
            node: ast.expr = ast.Name(term.value.split(".")[0], ast.Load())
            for name in term.value.split(".")[1:]:
                node = ast.Attribute(node, name, ast.Load())
            return node
        case "Name":
            return ast.Name(term.value, ast.Load())
        case "Constant":
            return ast.Constant(ast.literal_eval(term.value) if term.value != "Ellipsis" else ...)
        case "keyword":
            value = _node(term.parts[0])
            assert isinstance(value, ast.expr)
            return ast.keyword(None if term.value == "**" else term.value, value)
    return _general_node(term)


def _general_node(term: Term) -> ast.AST:
    kind: type[ast.AST] = getattr(ast, term.kind)
    words, parts = iter(term.value.split(" ")), iter(term.parts)
    fields: dict[str, object] = {}
    for name in kind._fields:
        if name in _SKIPPED:
            if name == "ctx":
                fields[name] = ast.Load()
            elif name == "type_params":
                fields[name] = []
            continue
        if name in (
            "attr",
            "id",
            "name",
            "asname",
            "arg",
            "module",
            "rest",
            "level",
            "conversion",
            "simple",
            "is_async",
        ):
            word = next(words, "")
            number = name in ("level", "conversion", "simple", "is_async")
            fields[name] = int(word) if number else (None if word == "None" else word)
            continue
        part = next(parts)
        if part.kind == NOTHING:
            fields[name] = None
        elif part.kind in (LIST, KEYWORDS):
            nodes = [_element(one) for one in part.parts]
            blocks = name in ("body", "orelse", "finalbody")
            fields[name] = [ast.Expr(one) if blocks and isinstance(one, ast.expr) else one for one in nodes]
        elif part.kind == ASSIGNMENTS:
            fields[name] = [_assignment(one) for one in part.parts]
        else:
            fields[name] = _node(part)
    node: ast.AST = kind(**fields)
    return node


def _element(term: Term) -> object:
    if term.kind in (NOTHING, VALUE):
        return None if term.kind == NOTHING else term.value
    return _node(term)


def _assignment(term: Term) -> ast.stmt:
    node = _node(term)
    assert isinstance(node, ast.keyword)
    if node.arg is None:
        return ast.Expr(node.value)
    return ast.Assign([ast.Name(node.arg, ast.Store())], node.value, lineno=0)
