from __future__ import annotations

import pytest

from recode.migrate.rules.applying import rewritten
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
