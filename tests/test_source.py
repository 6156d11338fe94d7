"""Cleaning keeps the syntax tree; nothing here ever raises."""

from __future__ import annotations

import ast
import sysconfig
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recode.source import clean, compiles, parse_quietly, parses

# Pieces that meet badly: any program that some of them make must keep its syntax tree.
PIECES = [
    *[
        "x = 1",
        "if a:\n    b = 2",
        "\\\n",
        " ",
        "    ",
        "\n",
        "\r\n",
        "\r",
        "\f",
        "\t",
        "# c",
        "# c\\",
        "'",
        '"',
        "'''",
    ],
    *[
        '"""',
        "f'{a}'",
        "f'''{\na # c\n}'''",
        "f'{x!r:{w}}'",
        "f'{x=}'",
        'f"{d["#"]}"',
        "f'''{x\n\n=}'''",
        "(",
        ")",
        "{",
    ],
    *["}", "+", "\\", "#", "f'", 'f"""', "rb'\\\n'", "def f():\n  '''d\n\n  # n  \n  '''\n  return 1", "1", ";", "é"],
    *["℘", "\f\n", "\ufeff", "\x00", "\ud800", "pass", "else:", "a\u2028b", "\x1c", "\v", "if a:\n", "    \\\n"],
    *["y = 2 \\\n\n", "z = 3 \\\n# c\n", "# -*- coding: latin-1 -*-\n", "'#'", "'\\\n#'", "1if x else y", "'\\d'"],
]
SOUP = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)


def same_tree(one: str, other: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))


@settings(max_examples=300, deadline=None)
@given(SOUP | st.text())
def test_clean_keeps_the_tree_and_is_idempotent(code: str) -> None:
    cleaned = clean(code)
    if parses(code):
        assert same_tree(code, cleaned)
        assert clean(cleaned) == cleaned


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=[])))
def test_never_raises_on_any_text(code: str) -> None:
    clean(code)
    parses(code)


def test_clean_keeps_the_tree_of_real_programs() -> None:
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[:25]:
        code = path.read_text(encoding="utf-8")
        if len(code) < 60_000:
            cleaned = clean(code)
            assert same_tree(code, cleaned), path
            assert len(cleaned) <= len(code)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("", ""),
        ("# only\n\n  # comments\n", ""),
        ("x = 1  # one\n\n\ny = 2\t \n", "x = 1\ny = 2"),
        ("x = '#'  # real\n", "x = '#'"),
        ('x = """a\n\n# b  \n"""\n', 'x = """a\n\n# b  \n"""'),
        ("# don't\nx = 1\n# won't\n", "x = 1"),
        ("x = 1\r\ny = 2\rz = 3", "x = 1\ny = 2\nz = 3"),
        ("x = 1 + \\\n    2\n", "x = 1 + \\\n    2"),
        ("x = 1 \\\n\ny = 2\n", "x = 1\ny = 2"),
        ("x = 1 \\\n# c\ny = 2\n", "x = 1\ny = 2"),
        ("x = 1 \\\n\\\n\n", "x = 1"),
        ("x = '\\\n#'\n", "x = '\\\n#'"),
        ("\f\nx = 1\f\n", "x = 1"),
        ('x = "it\'s #1"  # isn\'t\ny = \'"#"\' # "', 'x = "it\'s #1"\ny = \'"#"\''),
        ("x = f'{a}#{b}'  # c", "x = f'{a}#{b}'"),
        ("x = f'''{a}\n\n# kept\n'''", "x = f'''{a}\n\n# kept\n'''"),
        ("# -*- coding: latin-1 -*-\nx = 'é'", "x = 'é'"),
        ("if a:\n\n\tb = (1,\n\n\t\t2)  # c\n", "if a:\n\tb = (1,\n\t\t2)"),
    ],
)
def test_clean(code: str, expected: str) -> None:
    assert clean(code) == expected


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from(["x", " = ", "'", '"', "#", "\n", " ", "1", "(", ")", "'#'", '"#"']), max_size=14).map(
        "".join
    )
)
def test_the_short_cut_agrees_with_the_tokenizer(code: str) -> None:
    if parses(code):
        # A continuation at the end, cleaned away again, sends the program to the tokenizer.
        assert clean(code) == clean(code + "\n\\\n\n")


def test_text_that_does_not_tokenize_is_cleaned_as_far_as_possible() -> None:
    assert clean("x = 1  # c\n\ny = '''open\n\n# not a comment") == "x = 1\ny = '''open\n\n# not a comment"


@pytest.mark.parametrize("code", ["", "x = 1", "x = 1 \\\n\n", "class A: ...", "x = '\\d'", "1if x else y", "return 1"])
def test_parses(code: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parses(code)


@pytest.mark.parametrize(
    "code",
    [
        "x =",
        "  x = 1",
        "x\x00",
        "'\ud800'",
        "(" * 100_000,
        "[" * 1_000 + "]" * 1_000,
        "-" * 100_000 + "1",
        "x" + ".x" * 100_000,
        "x" + " + x" * 100_000,
        "1" * 10_000,
        "".join(" " * depth + "if x:\n" for depth in range(200)),
        "{1:" * 10_000,
        "f(" * 10_000,
        "lambda: " * 10_000,
    ],
    ids=lambda code: f"{code[:8]!r}",
)
def test_hostile_programs_do_not_parse_and_take_little_time(code: str) -> None:
    start = time.process_time()
    assert not parses(code)
    clean(code)
    assert time.process_time() - start < 5


@pytest.mark.parametrize("code", ["x = '\\d'", "1if x else y"])
def test_parsing_quietly_never_warns_and_switches_no_filter(code: str) -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("error")
        before = list(warnings.filters)
        assert isinstance(parse_quietly(code), ast.Module)
        assert [one for one in warnings.filters if one in before] == before
        assert len(warnings.filters) <= len(before) + 1
        with pytest.raises(SyntaxError):
            ast.parse(code)
    assert seen == []


def test_threads_that_parse_quietly_leave_the_filters_alone() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parse_quietly("x = 1")
        before = list(warnings.filters)
        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(parses, ["x = '\\d'"] * 2000))
        assert list(warnings.filters) == before


def test_an_expression_is_parsed_quietly() -> None:
    assert isinstance(parse_quietly("'\\d'", "eval").body, ast.Constant)
    with pytest.raises(SyntaxError):
        parse_quietly("x = 1", "eval")


def test_a_bare_return_parses_but_does_not_compile() -> None:
    assert parses("return 1")
    assert not compiles("return 1")
    assert compiles("x = '\\d'")
    assert not compiles("x\x00")
