from __future__ import annotations

from recode.migrate.rewrite.name_checks import Relation, ReleaseNames, UpgradeNames
from recode.migrate.rules.shipped_relations import SHOWN, renamed_paths, shipped_relations
from recode.records import ApiUpdate
from recode.symbol import Symbol


class Unasked(ReleaseNames):
    """A release that must not be asked how names relate."""

    def relation(self, old: str, new: str) -> Relation:
        raise AssertionError(old)


def test_a_relation_that_a_release_showed_before_is_not_asked_again() -> None:
    names = UpgradeNames(Unasked(None), Unasked(None), {("lib.old", "lib.new"): Relation.FORWARDS})
    assert names.relation(Symbol("lib.old"), Symbol("lib.new")) is Relation.FORWARDS


def test_only_names_without_parameters_are_compared() -> None:
    def update(old: str, new: str) -> ApiUpdate:
        return ApiUpdate(
            family_id="a", library="lib", old_version="1", new_version="2", kind="replaced", old_symbol=Symbol(old),
            new_symbol=Symbol(new), description="", update_info="",
        )  # fmt: skip

    updates = [update("lib.a", "lib.b"), update("lib.a", "lib.b"), update("lib.f(x)", "lib.g(x)"), update("lib.c", "")]
    assert renamed_paths(updates) == [("lib.a", "lib.b")]


def test_shipped_relations_show_something() -> None:
    relations = shipped_relations()
    assert relations[("scipy.integrate.simps", "scipy.integrate.simpson")] in SHOWN
    assert set(relations.values()) <= set(SHOWN)
    assert len(relations) > 100
