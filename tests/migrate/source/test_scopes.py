"""Which scope a name belongs to, by Python's rules."""

from __future__ import annotations

import ast

import pytest

from recode.migrate.source.scopes import ScopeKind, Scopes

OWNERS = {
    "local": ("x = 1\ndef f():\n    x = 2\n    return x  #\n", "FUNCTION"),
    "module": ("x = 1\ndef f():\n    return x  #\n", "MODULE"),
    "global": ("x = 1\ndef f():\n    global x\n    x = 2\n    return x  #\n", "MODULE"),
    "global within a block": ("x = 1\ndef f():\n    try:\n        pass\n    except E:\n        global x\n    x = 2\n    x  #\n", "MODULE"),
    "global passes a function by": ("x = 1\ndef f():\n    x = 2\n    def g():\n        global x\n        x  #\n", "MODULE"),
    "nonlocal": ("x = 1\ndef f():\n    x = 2\n    def g():\n        nonlocal x\n        x = 3\n        return x  #\n", "FUNCTION"),
    "class body": ("x = 1\nclass A:\n    x = 2\n    x  #\n", "CLASS"),
    "method does not see the class": ("x = 1\nclass A:\n    x = 2\n    def f(self):\n        return x  #\n", "MODULE"),
    "comprehension": ("x = 1\n[x for x in range(3) if  # (\n x]\n", "COMPREHENSION"),
    "comprehension does not see the class": ("x = 1\nclass A:\n    x = 2\n    [0 for _ in y if  # (\n     x]\n", "MODULE"),
    "first loop is evaluated outside": ("x = 1\nclass A:\n    x = 2\n    [0 for _ in  # (\n     x]\n", "CLASS"),
    "walrus": ("def f():\n    [x := 1 for _ in y]\n    return x  #\n", "FUNCTION"),
    "parameter": ("x = 1\ndef f(x):\n    return x  #\n", "FUNCTION"),
    "default is evaluated outside": ("x = 1\ndef f(x=x):  #\n    pass\n", "MODULE"),
    "lambda": ("x = 1\nf = lambda x: (\n    x)  #\n", "FUNCTION"),
    "match": ("match y:\n    case {'a': 1, **x}:\n        x  #\n", "MODULE"),
    "builtin": ("len  #\n", None),
}  # fmt: skip


def marked_name(text: str, scopes: Scopes) -> ast.Name:
    """The last name `x` (or `len`) that is read on the line marked `#`, or on the one after `# (`."""
    lines = text.splitlines()
    line = next(number for number, one in enumerate(lines, start=1) if "#" in one)
    line += "# (" in lines[line - 1]
    return [
        one for one in scopes.names if one.lineno == line and isinstance(one.ctx, ast.Load) and one.id in ("x", "len")
    ][-1]


@pytest.mark.parametrize(("text", "kind"), OWNERS.values(), ids=OWNERS)
def test_the_owner_of_a_name(text: str, kind: str | None) -> None:
    scopes = Scopes(ast.parse(text))
    name = marked_name(text, scopes)
    owner = scopes.of[name].owner(name.id)
    assert (owner.kind if owner is not None else None) == (ScopeKind[kind] if kind else None)


def test_a_name_in_a_class_body_may_also_mean_what_is_around_the_class() -> None:
    scopes = Scopes(ast.parse("x = 1\nclass A:\n    x = x\n    class B:\n        x = x\n"))
    inner = scopes.names[-1]
    assert [binding.node for binding in scopes.of[inner].resolve("x")] == [scopes.names[-2], scopes.names[0]]


def test_every_scope_is_listed_once() -> None:
    scopes = Scopes(ast.parse("def f():\n    class A:\n        g = lambda: [x for x in y]\n"))
    kinds = [scope.kind.name for scope in scopes.all_scopes()]
    assert kinds == ["MODULE", "FUNCTION", "CLASS", "FUNCTION", "COMPREHENSION"]


def test_deeply_nested_expressions_need_no_recursion() -> None:
    text = "x = " + " + ".join(["y"] * 900) + "\n"
    assert len(Scopes(ast.parse(text)).names) == 901


def test_a_quoted_expression_is_read_in_its_scope() -> None:
    scopes = Scopes(ast.parse("def f(x): pass\n"))
    quoted = ast.parse("lambda y: x", mode="eval").body
    [function] = [scope for scope in scopes.all_scopes() if scope.kind is ScopeKind.FUNCTION]
    opened = scopes.opened_by(quoted, function)
    assert opened.parent is function
    assert opened.owner("x") is function


def test_opening_a_scope_does_not_read_the_module() -> None:
    module = ast.parse("def f():\n    global x\n    x = 1\n")
    scopes = Scopes(module)
    function = module.body[0]
    assert isinstance(function, ast.FunctionDef)
    opened = scopes.opened_by(function, scopes.module)
    assert not scopes.is_read
    assert opened.binds_in("x") is scopes.module
    assert not scopes.is_read
    assert list(scopes.module.bindings) == ["f", "x"]
    assert scopes.all_scopes() == [scopes.module, opened]


def test_a_nonlocal_name_is_found_in_a_scope_that_was_only_opened() -> None:
    module = ast.parse("def f():\n    x = 1\n    def g():\n        nonlocal x\n        x = 2\n")
    scopes = Scopes(module)
    outer = module.body[0]
    assert isinstance(outer, ast.FunctionDef)
    inner = outer.body[1]
    assert isinstance(inner, ast.FunctionDef)
    opened = scopes.opened_by(outer, scopes.module)
    assert scopes.opened_by(inner, opened).binds_in("x") is opened
