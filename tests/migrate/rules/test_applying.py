from __future__ import annotations

from pathlib import Path

import pytest

from recode.migrate.rewrite.program import EditableProgram
from recode.migrate.rules.applying import matches, rewritten
from recode.migrate.rules.program_terms import ProgramTerms
from recode.migrate.source.source_file import SourceFile
from tests.migrate.rules.rule_pairs import INDEX, rule

ASFARRAY = rule("numpy.asfarray($x, $**rest)", "numpy.asarray($x, dtype=float, $**rest)")
SELECT = rule("lib.select([$*items], $**rest)", "lib.select($*items, $**rest)")
WHERE = rule("$x.find($x2)", "lib.find($x2, $x)")
CHECK = rule("@lib.check($*items, $**rest)\ndef function(p1, p2)", "@lib.field_check($*items, $**rest)\n@classmethod")
CONFIG = rule("class Config:\n    old = $x\n    $**rest", "config = lib.Config(new=$x, $**rest)", old="lib.Model(old)")
QUOTE = rule("lib.quote", "other.quote")
SPEC, UNPACK = rule("lib.spec", "lib.full"), rule("$x, $x2 = lib.spec($x3)", "[$x, $x2] = lib.full($x3)[:2]")


@pytest.mark.parametrize(
    ("rules", "old", "new"),
    [
        ([ASFARRAY], "import numpy as np\ny = np.asfarray(a)\n", "import numpy as np\ny = np.asarray(a, dtype=float)\n"),
        # The name imported before goes, and the new one comes.
        ([ASFARRAY], "from numpy import asfarray\ny = asfarray(a)\n", "from numpy import asarray\ny = asarray(a, dtype=float)\n"),
        (
            [ASFARRAY],
            "from numpy import asfarray, sin\ny = asfarray(sin(a))\nz = asfarray\n",
            "from numpy import asfarray, sin\nfrom numpy import asarray\ny = asarray(sin(a), dtype=float)\nz = asfarray\n",
        ),
        # What stays keeps its layout and comments.
        (
            [SELECT],
            "import lib\nq = lib.select([\n    a,  # first\n    b,\n], order=1)\n",
            "import lib\nq = lib.select(\n    a,  # first\n    b,\n order=1)\n",
        ),
        ([SELECT], "import lib\nlib.select([])\nlib.select([a for a in b])\n", "import lib\nlib.select()\nlib.select([a for a in b])\n"),
        # A match within another one.
        (
            [ASFARRAY],
            "import numpy as np\nnp.asfarray(np.asfarray(a))\n",
            "import numpy as np\nnp.asarray(np.asarray(a, dtype=float), dtype=float)\n",
        ),
        # Brackets where they are needed alone.
        ([WHERE], "import lib\n(a + b).find(c)\nd.find((1, 2))\n", "import lib\nlib.find(c, a + b)\nlib.find((1, 2), d)\n"),
        ([rule("lib.neg($x)", "-$x")], "import lib\ny = lib.neg(a + b) ** 2\n", "y = (-(a + b)) ** 2\n"),
        # Imports of modules that nothing uses any more.
        ([QUOTE], "import lib\nimport os\nx = lib.quote(a)\n", "from other import quote\nimport os\nx = quote(a)\n"),
        ([QUOTE], "import lib\nx = lib.quote(lib.b)\n", "import lib\nfrom other import quote\nx = quote(lib.b)\n"),
        ([QUOTE], "import os, lib\nx = lib.quote(os)\n", "import os\nfrom other import quote\nx = quote(os)\n"),
        ([QUOTE], "import lib\n__all__ = ['lib']\nx = lib.quote(a)\n", "import lib\nfrom other import quote\n__all__ = ['lib']\nx = quote(a)\n"),
        ([rule("lib.sub.f($x)", "lib.g($x)")], "from lib import sub\ny = sub.f(a)\n", "from lib import g\ny = g(a)\n"),
        # A rule for a statement goes before one for a name within it.
        ([SPEC, UNPACK], "import lib\na, b = lib.spec(f)\nlib.spec(g)\n", "import lib\n[a, b] = lib.full(f)[:2]\nlib.full(g)\n"),
        # Another meaning of the name.
        ([ASFARRAY], "import numpy as np\ndef asfarray(a): ...\nasfarray(1)\n", "import numpy as np\ndef asfarray(a): ...\nasfarray(1)\n"),
        ([ASFARRAY], "import numpy as np\nnp.asfarray(a, **k)\n", "import numpy as np\nnp.asfarray(a, **k)\n"),
        (
            [CHECK],
            "from lib import check\nclass A:\n    @check('a', b=1)\n    def f(cls, v): ...\n    @check('c')\n    def g(cls, v, w): ...\n",
            "from lib import check\nfrom lib import field_check\nclass A:\n    @field_check('a', b=1)\n    @classmethod\n"
            "    def f(cls, v): ...\n    @check('c')\n    def g(cls, v, w): ...\n",
        ),
        (
            [CONFIG],
            "import lib\nclass A(lib.Model):\n    class Config:\n        old = x\n        more = 2\n"
            "class B:\n    class Config:\n        old = 1\n",
            "import lib\nclass A(lib.Model):\n    config = lib.Config(new=x, more=2)\nclass B:\n    class Config:\n        old = 1\n",
        ),
    ],
)  # fmt: skip
def test_rules_rewrite_what_they_match_and_nothing_else(rules: list, old: str, new: str) -> None:
    assert rewritten(old, rules, INDEX) == new


def test_an_object_of_another_class_is_left_alone() -> None:
    find = rule("$x.old()", "$x.new()", receivers={"x": ("lib.A",)})
    text = "import lib\na, b = lib.A(), lib.B()\na.old()\nb.old()\nc.old()\n"
    assert rewritten(text, [find], INDEX) == "import lib\na, b = lib.A(), lib.B()\na.new()\nb.old()\nc.new()\n"


def test_the_most_special_rule_applies() -> None:
    general, special = rule("lib.f($x)", "lib.g($x)"), rule("lib.f(0)", "lib.zero()")
    assert (
        rewritten("import lib\nlib.f(0)\nlib.f(1)\n", [general, special], INDEX) == "import lib\nlib.zero()\nlib.g(1)\n"
    )


def test_a_comment_that_would_be_lost_prevents_the_edit() -> None:
    text = "import numpy as np\nnp.asfarray(a # why\n)\n"
    assert "# why" in rewritten(text, [ASFARRAY], INDEX)


def test_a_statement_in_a_class_body_is_rewritten_where_the_class_derives_from_the_rules() -> None:
    default = rule("$x: typing.Optional[$y]", "$x: typing.Optional[$y] = None").model_copy(
        update={"within": ("lib.Model",)}
    )
    text = (
        "import lib\nfrom typing import Optional\nclass A(lib.Model):\n    a: Optional[int]\n    b: Optional[int] = 3\n"
        "class B(A):\n    c: Optional[str]\nclass C:\n    d: Optional[int]\nx: Optional[int]\n"
    )
    new = text.replace("a: Optional[int]", "a: Optional[int] = None").replace(
        "c: Optional[str]", "c: Optional[str] = None"
    )
    assert rewritten(text, [default], INDEX) == new


def test_a_name_that_a_template_binds_is_no_name_of_the_place() -> None:
    run = rule("$x.run($*items)", "with $x.begin() as link:\n    link.run($*items)")
    text = "import lib\ndef f(e, link):\n    e.run(link)\ndef g(e):\n    e.run(1)\n"
    assert rewritten(text, [run], INDEX) == (
        "import lib\ndef f(e, link):\n    with e.begin() as link_:\n        link_.run(link)\n"
        "def g(e):\n    with e.begin() as link:\n        link.run(1)\n"
    )


def test_what_is_written_twice_may_not_run_twice() -> None:
    fill = rule("$x.fill(how=$y)", "$x.up() if $y else $x.down()").model_copy(update={"values": {"x": "name"}})
    text = "import lib\na.b.fill(how=c)\nf().fill(how=c)\n"
    assert rewritten(text, [fill], INDEX) == "import lib\na.b.up() if c else a.b.down()\nf().fill(how=c)\n"


def test_super_is_handed_on_as_the_object() -> None:
    moved = rule("$x._check($*items)", "lib.check($x, $*items)")
    text = "import lib\nclass A(lib.B):\n    def fit(me, X):\n        return super()._check(X)\nsuper()._check(1)\n"
    assert rewritten(text, [moved], INDEX) == text.replace("super()._check(X)", "lib.check(me, X)")


def test_an_item_is_rewritten_only_of_an_object_of_the_class() -> None:
    item = rule("$x[$y]", "$x._mapping[$y]", receivers={"x": ("lib.Row",)}).model_copy(update={"values": {"y": "text"}})
    text = "import lib\nrow = lib.Row()\nrow['a'], row[0], other['a']\n"
    assert rewritten(text, [item], INDEX) == text.replace("row['a']", "row._mapping['a']")


def test_the_names_of_own_modules_are_no_symbols() -> None:
    source = SourceFile.from_bytes(Path("main.py"), b"from models import Order\nOrder.old()\n")
    view = ProgramTerms(source, EditableProgram(source.tree, source.newline), INDEX, frozenset({"models"}))
    found = matches(view, [rule("$x.old", "$x.new")])
    assert [match.rule.pattern for match in found] == ["$x.old"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("O = {'n': 1, 'old': 'x'}\nlib.F(**O)\n", "O = {'n': 1, 'new': 'x'}\nlib.F(**O)\n"),
        ("def f():\n    o = {\"old\": 1}\n    return lib.F(2, **o)\n", "def f():\n    o = {\"new\": 1}\n    return lib.F(2, **o)\n"),
        ("lib.F(**{'old': 1, 'mode': 'auto'})\n", "lib.F(**{'new': 1, 'mode': 'sqrt'})\n"),
        # The dictionary is used elsewhere, too, or holds what cannot be seen.
        ("O = {'old': 'x'}\nlib.F(**O)\nprint(O)\n", None),
        ("O = {'old': 'x', **more}\nlib.F(**O)\n", None),
        ("O = {'old': 'x'}\nO = {}\nlib.F(**O)\n", None),
        ("O = {'old': 'x'}\nlib.G(**O)\n", None),
    ],
)  # fmt: skip
def test_keywords_in_a_dictionary_are_exchanged_there(old: str, new: str | None) -> None:
    rules = [
        rule("lib.F($*items, old=$x, $**rest)", "lib.F($*items, new=$x, $**rest)"),
        rule("lib.F($*items, mode='auto', $**rest)", "lib.F($*items, mode='sqrt', $**rest)"),
    ]
    text = rewritten(rewritten("import lib\n" + old, rules, INDEX), rules, INDEX)
    assert text == "import lib\n" + (old if new is None else new)


@pytest.mark.parametrize(
    ("strings", "expected"),
    [('a = "x"\n', '"ME"'), ("a = 'x'\n", "'ME'"), ("", "'ME'"), ('"""Text."""\na = \'x\'\n', "'ME'")],
)
def test_a_new_string_has_the_quotes_of_the_program(strings: str, expected: str) -> None:
    given = rule("lib.grid($x, 'M')", "lib.grid($x, 'ME')")
    text = f"{strings}import lib\nlib.grid(1, 'M')\n" if "'" in expected else f'{strings}import lib\nlib.grid(1, "M")\n'
    assert rewritten(text, [given], INDEX).endswith(f"lib.grid(1, {expected})\n")
