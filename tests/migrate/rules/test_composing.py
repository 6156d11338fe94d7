from __future__ import annotations

from recode.migrate.rules.applying import rewritten
from recode.migrate.rules.composing import composed
from tests.migrate.rules.rule_pairs import INDEX, rule

LEAST = rule("lib.Field($*items, min_items=$x2, $**rest)", "lib.Field($*items, min_length=$x2, $**rest)")
MOST = rule("lib.Field($*items2, max_items=$x, $**rest2)", "lib.Field($*items2, max_length=$x, $**rest2)")
OFF = rule("lib.Field($*items, const=True, $**rest)", "lib.Field($*items, $**rest)")
OTHER = rule("lib.Field($*items, min_items=$x, $**rest)", "lib.Other($*items, size=$x, $**rest)")


def test_rules_that_differ_in_keywords_alone_become_one() -> None:
    joined = composed([LEAST, MOST, OFF])
    assert joined.proof.held_out
    text = "import lib\nlib.Field(1, const=True, max_items=3, title='t', min_items=2)\n"
    assert rewritten(text, [joined], INDEX) == "import lib\nlib.Field(1, max_length=3, title='t', min_length=2)\n"


def test_a_place_that_several_rules_match_is_rewritten_at_once() -> None:
    config = [
        rule(f"class Config:\n    {old} = $x\n    $**rest", f"config = lib.Config({new}=$x, $**rest)", old="lib.Model")
        for old, new in (("old", "new"), ("first", "last"))
    ]
    text = "import lib\nclass A(lib.Model):\n    class Config:\n        old = 1\n        more = 2\n        first = 3\n"
    assert (
        rewritten(text, config, INDEX)
        == "import lib\nclass A(lib.Model):\n    config = lib.Config(new=1, more=2, last=3)\n"
    )


def test_rules_about_one_keyword_or_with_other_templates_stay_apart() -> None:
    assert composed([LEAST, OTHER]) is LEAST
    assert composed([LEAST, LEAST]) is LEAST


def test_lists_that_several_rules_give_one_keyword_are_joined() -> None:
    rules = [
        rule(f"lib.train($*items, {old}=$x, $**rest)", f"lib.train($*items, callbacks=[lib.{new}($x)], $**rest)")
        for old, new in (("stop", "early"), ("log", "logged"), ("kept", "recorded"))
    ]
    text = "import lib\nlib.train(1, kept=c, stop=5, log=0)\n"
    joined = "import lib\nlib.train(1, callbacks=[lib.early(5), lib.logged(0), lib.recorded(c)])\n"
    assert rewritten(text, [composed(rules)], INDEX) == joined


def test_a_keyword_that_several_rules_give_other_values_is_not_joined() -> None:
    stop = rule("lib.train($*items, stop=$x, $**rest)", "lib.train($*items, callbacks=[lib.early($x)], $**rest)")
    log = rule("lib.train($*items, log=$x, $**rest)", "lib.train($*items, callbacks=lib.logged($x), $**rest)")
    assert composed([stop, log]) is stop
