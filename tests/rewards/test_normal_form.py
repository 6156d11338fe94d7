"""Exact match by tree: layout never counts, everything that the tree holds does, and no program stalls or breaks the comparison."""

from __future__ import annotations

import ast
import io
import json
import random
import subprocess
import sys
import time
import tokenize
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from recode.prompts import response
from recode.records import Migration, read_records
from recode.rewards import score
from recode.rewards.answer import MAX_CHARACTERS, program, same_program
from recode.rewards.lift import WORST
from recode.rewards.normal_form import MAX_DEPTH
from recode.shipped import shipped
from recode.source import clean, parses

FILES = (
    "train",
    "validation",
    "test_generated",
    "test_updates",
    "test_libraries",
    "no_op",
    "no_op_generated",
    "no_op_train",
)
ENTRIES = [entry for name in FILES for entry in read_records(shipped(f"data/{name}.jsonl"), Migration)]
GOLDS = sorted({entry.new_code for entry in ENTRIES})

EQUAL = [
    ("x = 'a'", 'x = "a"'),
    ("x = 'a'", "x = '''a'''"),
    ('x = "it\'s"', "x = 'it\\'s'"),
    ("x = '\\x41'", "x = 'A'"),
    ("x = r'\\d'", "x = '\\\\d'"),
    ("x = u'a'", "x = 'a'"),
    ("x = [U'a', 'u']", "x = ['a', 'u']"),
    ("x = 'a' 'b'", "x = 'ab'"),
    ("x = ('a'\n     'b')", "x = 'ab'"),
    ("x = 'a' u'b'", "x = 'ab'"),
    ("x = b'a' B\"b\"", "x = b'ab'"),
    ("x = rb'\\d'", "x = b'\\\\d'"),
    ("x = '''a\nb'''", "x = 'a\\nb'"),
    ("x = f'{y}'", 'x = F"{y}"'),
    ("x = f'{ y }'", "x = f'{y}'"),
    ("x = f'a' f'{y}'", "x = f'a{y}'"),
    ("x = 'a' f'{y}'", "x = f'a{y}'"),
    ("x = f'{y[\"k\"]}'", "x = f\"{y['k']}\""),
    ("x = f'{y=}'", "x = f'y={y!r}'"),
    ("x = f'{y:>{width}}'", 'x = f"{y:>{ width }}"'),
    ("x = 1.", "x = 1.0"),
    ("x = .5", "x = 0.5"),
    ("x = 1e0", "x = 1.0"),
    ("x = 1E3", "x = 1000.0"),
    ("x = 0x10", "x = 16"),
    ("x = 0B101", "x = 5"),
    ("x = 1_000", "x = 1000"),
    ("x = 2J", "x = 2j"),
    ("x = (1)", "x = 1"),
    ("x = (a + b) + c", "x = a + b + c"),
    ("x = a + (b * c)", "x = a + b * c"),
    ("x = (-1)", "x = -1"),
    ("x = - 1", "x = -1"),
    ("x = not (a)", "x = not a"),
    ("x = a, b", "x = (a, b)"),
    ("x = a,", "x = (a,)"),
    ("return_ = lambda: (1)", "return_ = lambda: 1"),
    ("f(a, b,)", "f(a, b)"),
    ("f(\n    a,\n    b,\n)", "f(a, b)"),
    ("x = [\n1,\n2,\n]", "x = [1, 2]"),
    ("x = {'a': 1,\n}", 'x = {"a": 1}'),
    ("x = a[(1, 2)]", "x = a[1, 2]"),
    ("x = a[1 : 2]", "x = a[1:2]"),
    ("f (a)", "f(a)"),
    ("f(a = 1)", "f(a=1)"),
    ("x=1", "x   =   1"),
    ("x = 1 + \\\n    2", "x = 1 + 2"),
    ("x = 1; y = 2", "x = 1\ny = 2"),
    ("x = 1;", "x = 1"),
    ("if x: y", "if x:\n    y"),
    ("if (x):\n  y", "if x:\n        y"),
    ("if x:\n    y\nelse:\n    if z:\n        w", "if x:\n    y\nelif z:\n    w"),
    ("if x: a; b", "if x:\n    a\n    b"),
    ("if x:\n\ty", "if x:\n    y"),
    ("for (a, b) in c:\n    d", "for a, b in c:\n    d"),
    ("with (a as b, c as d):\n    e", "with a as b, c as d:\n    e"),
    ("class A():\n    pass", "class A:\n    pass"),
    ("def f(a, b,): return (a)", "def f(a, b):\n    return a"),
    ("@(d)\ndef f(): pass", "@d\ndef f():\n    pass"),
    ("@d\n\n# why\ndef f(): pass", "@d\ndef f():\n    pass"),
    ("from a import (b, c)", "from a import b, c"),
    ("from a import (\n    b,\n    c,\n)\n", "from a import b, c"),
    ("assert (x), y", "assert x, y"),
    ("del (a), b", "del a, b"),
    ("x = 1  # why", "x = 1"),
    ("# why\n\nx = 1\n\n\ny = 2", "x = 1\ny = 2"),
    ("x = []  # type: list[int]", "x = []"),
    ("x = 1\r\ny = 2\r\n", "x = 1\ny = 2"),
    ("def f():\n    'Doc.'", 'def f():\n    """Doc."""'),
    ("'Doc.'\nx = 1", '"""Doc."""\nx = 1'),
    ("def f():\n\n    # why\n    return 1", "def f():\n    return 1"),
    ("try:\n    a\nexcept (B):\n    c", "try: a\nexcept B: c"),
    ("ﬁ = 1", "fi = 1"),  # The parser reads identifiers in their NFKC form.
]

UNEQUAL = [
    ("x = 1", "x = 1.0"),
    ("x = 1", "x = True"),
    ("x = 0", "x = False"),
    ("x = 1.0", "x = 1 + 0j"),
    ("x = 0.0", "x = 0j"),
    ("x = 0.0", "x = -0.0"),
    ("x = -1", "x = 1"),
    ("x = -1", "x = --1"),
    ("x = +1", "x = 1"),
    ("x = 16", "x = '16'"),
    ("x = None", "x = 'None'"),
    ("x = ...", "x = Ellipsis"),
    ("x = b'a'", "x = 'a'"),
    ("x = r'\\n'", "x = '\\n'"),
    ("x = 'a b'", "x = 'a  b'"),
    ("x = 'a'", "x = 'A'"),
    ("x = '''a\n\nb'''", "x = '''a\nb'''"),
    ("x = '# a'", "x = ''"),
    ("x = 'a', 'b'", "x = 'a' 'b'"),
    ("x = f'a'", "x = 'a'"),
    ("x = f'{y}'", "x = '{y}'"),
    ("x = f'{{y}}'", "x = f'{y}'"),
    ("x = f'{y}'", "x = f'{y!s}'"),
    ("x = f'{y}'", "x = f'{y!r}'"),
    ("x = f'{y}'", "x = f'{y:}'"),
    ("x = f'{y:d}'", "x = f'{y:s}'"),
    ("x = f'{y}'", "x = str(y)"),
    ("def f():\n    'Doc.'\n    return 1", "def f():\n    return 1"),
    ("def f():\n    'Doc.'", "def f():\n    'Doc'"),
    ("def f():\n    '''Doc.\n    More.'''", "def f():\n    '''Doc.\n      More.'''"),
    ("'Doc.'\nx = 1", "x = 1"),
    ("f(a=1, b=2)", "f(b=2, a=1)"),
    ("f(1)", "f(a=1)"),
    ("f(a, *b)", "f(*b, a)"),
    ("f(a)", "f(a,)[0]"),
    ("f(a, b)", "f((a, b))"),
    ("x = {'a': 1, 'b': 2}", "x = {'b': 2, 'a': 1}"),
    ("x = {1, 2}", "x = {2, 1}"),
    ("x = [1]", "x = (1,)"),
    ("x = (1)", "x = (1,)"),
    ("x = a[1]", "x = a[1,]"),
    ("x = a[1:]", "x = a[1::]\ny"),
    ("x = a - (b - c)", "x = a - b - c"),
    ("x = a + (b + c)", "x = a + b + c"),
    ("x = (-1) ** 2", "x = -1 ** 2"),
    ("x = not a in b", "x = a not in b"),
    ("x = a < b < c", "x = a < b and b < c"),
    ("x = (a < b) < c", "x = a < b < c"),
    ("x = a and (b and c)", "x = a and b and c"),
    ("x = a == b", "x = a is b"),
    ("x = 2", "x = 1 + 1"),
    ("x = y = 1", "x = 1\ny = 1"),
    ("x += 1", "x = x + 1"),
    ("x: int = 1", "x = 1"),
    ("(x): int = 1", "x: int = 1"),
    ("x = 1\ny = 2", "y = 2\nx = 1"),
    ("import a\nimport b", "import b\nimport a"),
    ("import a, b", "import a\nimport b"),
    ("from a import b, c", "from a import c, b"),
    ("import a as a", "import a"),
    ("import a.b as b", "from a import b"),
    ("from . import a", "from .. import a"),
    ("del a, b", "del (a, b)"),
    ("with a, b:\n    c", "with ((a, b)):\n    c"),
    ("with a, b:\n    c", "with a:\n    with b:\n        c"),
    ("assert x, y", "assert (x, y)"),
    ("def f():\n    return", "def f():\n    return None"),
    ("def f(): pass", "async def f(): pass"),
    ("def f(a, b): pass", "def f(a, *, b): pass"),
    ("def f(a, /): pass", "def f(a): pass"),
    ("f = lambda: 1", "def f(): return 1"),
    ("if x:\n    y\nz", "if x:\n    y\n    z"),
    ("if x:\n    y", "if x:\n    y\nelse:\n    pass"),
    ("if x:\n    y\nelif z:\n    w", "if x:\n    y\nif z:\n    w"),
    ("for a in b:\n    c\nelse:\n    d", "for a in b:\n    c\nd"),
    ("try:\n    a\nexcept:\n    b", "try:\n    a\nexcept BaseException:\n    b"),
    ("raise A from None", "raise A"),
    ("global a, b", "global a\nglobal b"),
    ("x = 1", "x = 1\npass"),
    ("x = 1", ""),
    ("x = 1", "# x = 1"),
    ("x", "х"),  # The second is Cyrillic.
    ("x = [a for a in b]", "x = list(a for a in b)"),
    ("f(a for a in b)", "f([a for a in b])"),
    ("x = yield_", "x = (yield_)()"),
    ("print('a')", "print('a'), 1"),
]


def parsed(code: str) -> ast.Module:
    """Return the whole program's tree, without the prefix `u` of strings."""
    module = ast.parse(code)
    for node in ast.walk(module):
        if isinstance(node, ast.Constant):
            node.kind = None
    return module


def tree(code: str) -> str:
    """Return what decides whether two programs are the same."""
    return ast.dump(parsed(code))


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_layout_does_not_count(one: str, other: str) -> None:
    assert tree(one) == tree(other)
    for answer, gold in ((one, other), (other, one)):
        values = score(response("t", answer), gold, "unlike = 'both'").terms
        assert values == {"format": 1.0, "exact": 2.0, "edit": 2.0, "lift": 1.0, "progress": 1.0}
        # An answer that copies the old code in another layout has no lift.
        assert score(response("t", answer), "unlike = 'both'", gold)["lift"] == 0.0
        # A no-op is one in any layout.
        assert score(response("t", answer), answer, gold)["lift"] == 1.0
        assert score(response("t", gold), answer, gold)["lift"] == 1.0
    assert same_program(f"a()\n{one}\nb()", f"a()\n{other}\nb()")


def test_programs_that_differ_in_meaning_are_never_one() -> None:
    pairs = json.loads((Path(__file__).parent / "different_programs.json").read_text(encoding="utf-8"))
    assert [pair for pair in pairs if same_program(*pair)] == []


@pytest.mark.parametrize(("one", "other"), UNEQUAL)
def test_whatever_the_tree_holds_counts(one: str, other: str) -> None:
    for answer, gold in ((one, other), (other, one)):
        values = score(response("t", answer), gold, "unlike = 'both'").terms
        assert values["exact"] == -1.5
        assert values["edit"] is not None
        assert values["edit"] < 2.0
        assert values["lift"] is not None
        assert values["lift"] < 1.0
    assert not same_program(f"a()\n{one}\nb()", f"a()\n{other}\nb()")


def test_every_shipped_gold_is_exact_and_every_copy_has_no_lift() -> None:
    assert len(GOLDS) > 2000
    for entry in ENTRIES:
        gold = score(response("t", entry.new_code), entry.new_code, entry.old_code)
        copy = score(response("t", entry.old_code), entry.new_code, entry.old_code)
        unchanged = entry.old_code == entry.new_code
        assert (gold["exact"], gold["edit"], gold["lift"], gold["progress"]) == (2.0, 2.0, 1.0, 1.0)
        assert (copy["exact"], copy["lift"]) == ((2.0, 1.0) if unchanged else (-1.5, 0.0))
        assert program(entry.new_code).normal is not None  # type: ignore[union-attr]


def test_a_formatter_keeps_golds_exact(tmp_path: Path) -> None:
    golds = random.Random(1).sample(GOLDS, 300)
    styles = [("40", "single"), ("200", "double"), ("20", "preserve")]
    for width, quotes in styles:
        for number, gold in enumerate(golds):
            (tmp_path / f"{number}.py").write_text(gold, encoding="utf-8")
        options = ["--isolated", "--line-length", width, "--config", f"format.quote-style='{quotes}'"]
        subprocess.run([sys.executable, "-m", "ruff", "format", "-q", *options, str(tmp_path)], check=True)
        formatted = [(tmp_path / f"{number}.py").read_text(encoding="utf-8") for number in range(len(golds))]
        assert sum(clean(text) != clean(gold) for text, gold in zip(formatted, golds, strict=True)) > 10
        assert [
            text
            for text, gold in zip(formatted, golds, strict=True)
            if score(response("t", text), gold)["exact"] != 2.0
        ] == []


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(GOLDS), st.randoms(use_true_random=False))
def test_reformatting_a_gold_keeps_it_exact(gold: str, rng: random.Random) -> None:
    assert score(response("t", ast.unparse(ast.parse(gold))), gold)["exact"] == 2.0
    # Break lines, and put blank ones and comments, wherever a bracket is open or a statement ends.
    tokens = list(tokenize.generate_tokens(io.StringIO(gold).readline))
    assume("\\\n" not in gold and all(tokenize.tok_name[item.type] != "FSTRING_START" for item in tokens))
    depth, text, end, lines = 0, "", (1, 0), gold.splitlines(keepends=True)
    for item in tokens:
        if not item.string:
            # The end of a block or of the file takes no room.
            continue
        gap = end[1] if item.start[0] == end[0] else 0
        text += lines[item.start[0] - 1][gap : item.start[1]]
        text += item.string
        end = item.end
        if item.type == tokenize.OP:
            depth += (item.string in "([{") - (item.string in ")]}")
        if depth and item.type == tokenize.OP and rng.random() < 0.3:
            text += rng.choice(["\n", "  # why\n", "\n\n\n  ", " "])
        if item.type == tokenize.NEWLINE and rng.random() < 0.3:
            text += rng.choice(["\n", "# why\n", "   # (\n"])
    assert score(response("t", text), gold)["exact"] == 2.0


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(GOLDS), st.randoms(use_true_random=False))
def test_one_other_token_is_exact_only_if_the_tree_is_the_same(gold: str, rng: random.Random) -> None:
    kinds = (tokenize.NAME, tokenize.NUMBER, tokenize.STRING, tokenize.OP)
    tokens = [item for item in tokenize.generate_tokens(io.StringIO(gold).readline) if item.type in kinds]
    item = rng.choice(tokens)
    assume(item.start[0] == item.end[0])
    other = {
        tokenize.NAME: ["x", "not", "None", "import", item.string + "_"],
        tokenize.NUMBER: ["0", "1.0", "True", item.string + ".0", f"({item.string})", f"-{item.string}"],
        tokenize.STRING: [
            "'x'",
            "b" + item.string,
            "f" + item.string,
            item.string + "''",
            f"({item.string})",
            "r" + item.string,
        ],
        tokenize.OP: ["+", "-", "==", ",", "", ";", item.string * 2],
    }
    lines = gold.splitlines(keepends=True)
    line = lines[item.start[0] - 1]
    lines[item.start[0] - 1] = line[: item.start[1]] + rng.choice(other[item.type]) + line[item.end[1] :]
    changed = "".join(lines)
    assume(parses(changed))
    assert (score(response("t", changed), gold)["exact"] == 2.0) == (tree(changed) == tree(gold))


PARTS = [
    "x = 1\n", "if x:\n", "  ", "y\n", "else:\n", "elif z:\n", "\\\n", "'''", '"', "'", "(", ")", "]\n", "@d\n", "def f(): pass\n", "# c\n",
    "\n", "\r", "\f", "try:\n", "except A:\n", "finally:\n", "match x:\n", "case 1:\n", ";", "f'{x}'\n", "u'a'\n", "\t", "\u00a0", "{\n", "}\n",
]  # fmt: skip


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.sampled_from(PARTS), max_size=14).map("".join))
def test_reading_by_pieces_agrees_with_reading_the_whole(code: str) -> None:
    read = program(code)
    assert (read is not None) == parses(code)
    if read is not None:
        assert read.normal == "\n".join(map(ast.unparse, parsed(code).body))


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("x = " + "(" * 150 + "1" + ")" * 150, id="parentheses"),
        pytest.param("x = " + "[" * 150 + "]" * 150, id="lists"),
        pytest.param("x = " + "-" * 2000 + "1", id="signs"),
        pytest.param("x = " + "1 + " * 2000 + "1", id="sum"),
        pytest.param("x = a" + ".b()" * 500, id="chain"),
        pytest.param("x = " + "lambda: " * 150 + "1", id="lambdas"),
        pytest.param("if x:\n    a\n" + "elif x:\n    a\n" * 300, id="elif"),
        pytest.param(
            "".join(" " * n + "if x:\n" for n in range(95)) + " " * 95 + "a;" * 20_000 + "\n", id="indentation grows"
        ),
        pytest.param("x = '" + "\u200b" * 90_000 + "'", id="escapes grow"),
        pytest.param("x = 0x" + "f" * 90_000, id="a long integer"),
        pytest.param("x = 1e999", id="infinity"),
        pytest.param("x = '" + "a" * 90_000 + "'", id="a long string"),
        pytest.param("x;" * 40_000, id="one line"),
        pytest.param("\n".join(f"a{n} = {n}" for n in range(7_000)), id="many statements"),
        pytest.param("x = '\\ud800'", id="an escaped surrogate"),
        pytest.param("x = '\ud800'", id="a surrogate"),
        pytest.param("x = '\x00'", id="a null byte"),
        pytest.param("x = f'" + "{a}" * 10_000 + "'", id="a long formatted string"),
        pytest.param("x = f'''" + "\n{a!r:>{b}}" * 2_000 + "'''", id="lines in a formatted string"),
    ],
)
def test_no_program_stalls_or_breaks_the_comparison(code: str) -> None:
    start = time.process_time()
    gold = program(code)
    as_answer = score(response("t", code), "other = 1", "y = 2")
    assert as_answer["lift"] is not None
    assert as_answer["exact"] == (-2.0 if gold is None else -1.5)
    as_gold = score(response("t", code), code, "y = 2")
    assert (as_gold["exact"], as_gold["lift"]) == ((None, None) if gold is None else (2.0, 1.0))
    assert score(response("t", "x = 1"), "y = 1", code)["lift"] is not None
    spaced = f"\n{code}  # why\n"
    assert gold is None or score(response("t", spaced), code, "y = 2")["exact"] == 2.0
    assert time.process_time() - start < 10


def test_deep_trees_and_old_code_that_does_not_parse_are_compared_by_text() -> None:
    deep = "x = " + "-" * MAX_DEPTH + "1"
    assert program(deep).normal is None  # type: ignore[union-attr]
    assert not same_program(deep, deep.replace("= -", "= - "))
    assert program("x = " + "-" * (MAX_DEPTH // 2) + "1").normal is not None  # type: ignore[union-attr]
    long = "\n".join(f"{'a' * 90} = {number}" for number in range(MAX_CHARACTERS // 100))
    assert score(response("t", long), long)["exact"] == 2.0
    broken = "x = old('a'"
    assert score(response("t", "x = new('a')"), 'x = new("a")', broken)["lift"] == 1.0
    assert score(response("t", broken), "x = new('a')", broken)["lift"] == WORST
    assert same_program(broken + "  # why", broken)
    assert not same_program(broken, broken + ")")
