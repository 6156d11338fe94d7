from __future__ import annotations

from recode.migrate.rules.learn.learning import PairOutcome, learn_family, rules_of_pairs
from recode.records import Migration
from tests.migrate.rules.rule_pairs import INDEX, pair, same_tree

ASFARRAY = [
    pair(
        "import numpy as np\nprint(np.asfarray(marks))\n",
        "import numpy as np\nprint(np.asarray(marks, dtype=float))\n",
        1,
    ),
    pair(
        "from numpy import asfarray\nx = asfarray([1, 2]).sum()\n",
        "from numpy import asarray\nx = asarray([1, 2], dtype=float).sum()\n",
        2,
    ),
]


def only(pairs: list[Migration]) -> tuple[str, str]:
    found = learn_family(pairs, INDEX, same_tree, "data set").rules
    assert len(found) == 1
    return found[0].pattern, found[0].template


def test_a_rule_is_admitted_if_the_others_repair_each_program() -> None:
    family = learn_family(ASFARRAY, INDEX, same_tree, "data set", ("test_updates",))
    (rule,) = family.rules
    assert (rule.pattern, rule.template) == ("numpy.asfarray($x, $**rest)", "numpy.asarray($x, dtype=float, $**rest)")
    assert rule.proof.held_out == ("family-1", "family-2")
    assert rule.judged_by == ("test_updates",)
    assert family.repaired == 2


def test_a_rule_that_does_not_verify_is_not_admitted() -> None:
    def judge(one: Migration, text: str) -> PairOutcome:
        return PairOutcome.VERIFIES if one.id != "family-2" else PairOutcome.INCOMPLETE

    assert learn_family(ASFARRAY, INDEX, judge, "data set").rules == ()


def test_a_rule_that_makes_another_program_of_the_family_wrong_is_not_admitted() -> None:
    third = pair("import numpy as np\nx = np.asfarray(c)\n", "import numpy as np\nx = np.array(c, dtype=float)\n", 3)
    assert learn_family([*ASFARRAY, third], INDEX, same_tree, "data set").rules == ()


def test_pairs_that_need_different_edits_give_no_rule() -> None:
    pairs = [
        pair("import numpy as np\nnp.asfarray(a)\n", "import numpy as np\nnp.asarray(a, dtype=float)\n", 1),
        pair("import numpy as np\nnp.asfarray(b)\n", "import numpy as np\nnp.array(b, dtype='f8')\n", 2),
    ]
    assert learn_family(pairs, INDEX, same_tree, "data set").rules == ()


def test_lists_and_arguments_of_any_length_are_bound() -> None:
    pairs = [
        pair("import lib\nlib.select([a, b])\n", "import lib\nlib.select(a, b)\n", 1, "lib.select"),
        pair(
            "from lib import select\nselect([c], order=1)\n",
            "from lib import select\nselect(c, order=1)\n",
            2,
            "lib.select",
        ),
    ]
    assert only(pairs) == ("lib.select([$*items], $**rest)", "lib.select($*items, $**rest)")


def test_a_value_of_a_dictionary_that_goes_elsewhere_is_bound() -> None:
    pairs = [
        pair("import lib\nlib.f(to={'all': 'a'})\n", "import lib\nlib.f(at='a')\n", 1, "lib.f(to)"),
        pair("import lib\nlib.f(to={'all': b})\n", "import lib\nlib.f(at=b)\n", 2, "lib.f(to)"),
    ]
    assert only(pairs) == ("lib.f($*items, to={'all': $x}, $**rest)", "lib.f($*items, at=$x, $**rest)")


def test_an_object_that_is_no_module_is_taken_from_the_import_of_the_pairs() -> None:
    pairs = [
        pair(
            "from lib import zone\nx = zone.old()\n",
            "from lib import zone\nx = zone.new(zone.utc)\n",
            1,
            "lib.zone.old",
        ),
        pair(
            "from lib import zone\ny = zone.old()\n",
            "from lib import zone\ny = zone.new(zone.utc)\n",
            2,
            "lib.zone.old",
        ),
    ]
    assert learn_family(pairs, INDEX, same_tree, "data set").rules[0].modules == ("lib",)


def test_what_an_edit_takes_away_stays_fixed_and_what_it_keeps_does_not() -> None:
    pairs = [
        pair("import lib\nlib.f(x, 1, mode='old')\n", "import lib\nlib.f(x, 1, mode='new')\n", 1, "lib.f"),
        pair("import lib\nlib.f(mode='old', size=3)\n", "import lib\nlib.f(mode='new', size=3)\n", 2, "lib.f"),
    ]
    assert only(pairs) == ("lib.f($*items, mode='old', $**rest)", "lib.f($*items, mode='new', $**rest)")


def test_the_keyword_that_an_update_is_about_has_to_be_there() -> None:
    pairs = [
        pair(
            "import lib\nt = lib.T()\nt.sum(level=0)\n",
            "import lib\nt = lib.T()\nt.group(level=0).sum()\n",
            1,
            "lib.T.sum(level)",
        ),
        pair(
            "import lib\nu = lib.T()\nu.sum(level=1)\n",
            "import lib\nu = lib.T()\nu.group(level=1).sum()\n",
            2,
            "lib.T.sum(level)",
        ),
    ]
    family = learn_family(pairs, INDEX, same_tree, "data set")
    assert family.rules[0].pattern == "$x.sum($*items, level=$x2, $**rest)"
    assert family.rules[0].template == "$x.group(level=$x2).sum($*items, $**rest)"
    assert family.rules[0].receivers == {"x": ("lib.T",)}


def test_an_edit_that_would_be_made_twice_gives_no_rule() -> None:
    pairs = [
        pair("import lib\nlib.f(count=n)\n", "import lib\nlib.f(count=n + 1)\n", 1, "lib.f(count)"),
        pair("import lib\nlib.f(count=m)\n", "import lib\nlib.f(count=m + 1)\n", 2, "lib.f(count)"),
    ]
    assert learn_family(pairs, INDEX, same_tree, "data set").rules == ()


def test_a_text_that_is_wrapped_has_to_be_a_literal() -> None:
    pairs = [
        pair(
            "import lib\nc = lib.C()\nc.run('a')\n", "import lib\nc = lib.C()\nc.run(lib.text('a'))\n", 1, "lib.C.run"
        ),
        pair(
            "import lib\nc = lib.C()\nc.run('b', 2)\n",
            "import lib\nc = lib.C()\nc.run(lib.text('b'), 2)\n",
            2,
            "lib.C.run",
        ),
    ]
    (rule,) = learn_family(pairs, INDEX, same_tree, "data set").rules
    assert rule.template == "$x2.run(lib.text($x), $*items, $**rest)"
    assert rule.values == {"x": "text"}


def test_decorators_and_class_bodies_are_patterns() -> None:
    old = "import lib\nclass A(lib.Model):\n    @lib.check('a')\n    def f(cls, v):\n        return v\n"
    new = "import lib\nclass A(lib.Model):\n    @lib.field_check('a')\n    @classmethod\n    def f(cls, v):\n        return v\n"
    (rule,) = rules_of_pairs([pair(old, new, old="lib.check")], INDEX, "data set")
    assert rule.pattern == "@lib.check($*items, $**rest)\ndef function(p1, p2)"
    assert rule.template == "@lib.field_check($*items, $**rest)\n@classmethod"
    old = "import lib\nclass A(lib.Model):\n    class Config:\n        old = 1\n        more = 2\n"
    new = "import lib\nclass A(lib.Model):\n    config = lib.Config(new=1, more=2)\n"
    (rule,) = rules_of_pairs([pair(old, new, old="lib.Model(old)")], INDEX, "data set")
    assert rule.pattern == "class Config:\n    old = $x\n    $**rest"
    assert rule.template == "config = lib.Config(new=$x, $**rest)"


def test_one_statement_becomes_a_block_with_a_name_of_its_own() -> None:
    old, new = "import lib\nengine.run({0})\n", "import lib\nwith engine.begin() as link:\n    link.run({0})\n"
    pairs = [
        pair(old.format("a"), new.format("a"), 1, "lib.Engine.run"),
        pair(old.format("b, c, d=1"), new.format("b, c, d=1"), 2, "lib.Engine.run"),
    ]
    assert only(pairs) == (
        "$x.run($*items, $**rest)",
        "with $x.begin() as link:\n    link.run($*items, $**rest)",
    )


def test_a_text_can_become_the_name_of_an_attribute_of_what_stands_around() -> None:
    old, new = (
        "import lib\ns.query({0}).options(lib.load('{1}'))\n",
        "import lib\ns.query({0}).options(lib.load({0}.{1}))\n",
    )
    pairs = [
        pair(old.format("Author", "books"), new.format("Author", "books"), 1, "lib.load"),
        pair(old.format("m.City", "streets"), new.format("m.City", "streets"), 2, "lib.load"),
    ]
    (rule,) = learn_family(pairs, INDEX, same_tree, "data set").rules
    assert rule.template == "$x3.query($x).options(lib.load($x.$x2), $*items, $**rest)"
    assert rule.values == {"x": "name", "x2": "identifier"}


def test_a_statement_in_a_class_body_remembers_the_class() -> None:
    code = "import lib\nfrom typing import Optional\nclass A(lib.Model):\n    {0}: Optional[{1}]{2}\n"
    pairs = [
        pair(code.format(name, kind, ""), code.format(name, kind, " = None"), number, "lib.Model.Optional")
        for number, (name, kind) in enumerate([("a", "int"), ("b", "A.c"), ("d", "str")])
    ]
    (rule,) = learn_family(pairs, INDEX, same_tree, "data set").rules
    assert (rule.pattern, rule.template) == ("$x: typing.Optional[$x2]", "$x: typing.Optional[$x2] = None")
    assert rule.within == ("lib.Model",)


def test_kept_kinds_of_arguments_are_part_of_the_pattern() -> None:
    old, new = "import lib\nlink.run('{0}', ({1},))\n", "import lib\nlink.run_raw('{0}', ({1},))\n"
    pairs = [
        pair(old.format(text, values), new.format(text, values), number, "lib.Link.run")
        for number, (text, values) in enumerate([("q", "1"), ("r", "1, b"), ("s", "1, b, c")])
    ]
    (rule,) = learn_family(pairs, INDEX, same_tree, "data set", keeps=("Tuple", "Constant")).rules
    assert rule.pattern == "$x2.run($x, ($*items,), $**rest)"
    assert rule.values == {"x": "text"}


def test_a_text_is_not_taken_for_the_name_of_a_method() -> None:
    old, new = "import lib\nframe.fill(method='{0}')\n", "import lib\nframe.{0}()\n"
    pairs = [
        pair(old.format(name), new.format(name), number, "lib.Frame.fill") for number, name in enumerate(["up", "down"])
    ]
    assert learn_family(pairs, INDEX, same_tree, "data set").rules == ()
