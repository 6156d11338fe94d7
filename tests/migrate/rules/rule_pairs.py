"""Pairs and rules for the tests of this folder."""

from __future__ import annotations

import ast

from recode.migrate.find.index import Index, build_index
from recode.migrate.rules.rule import RewriteRule, RuleProof
from recode.records import ApiUpdate, Kind, Migration
from recode.symbol import Symbol

INDEX: Index = build_index([], [])


def pair(
    old_code: str, new_code: str, number: int = 1, old: str = "numpy.asfarray", kind: Kind = "replaced"
) -> Migration:
    return Migration(
        id=f"family-{number}", family_id="family", library="numpy", old_version="1.26.4", new_version="2.4.6", removed_in="2.0.0",
        kind=kind, old_symbol=Symbol(old), new_symbol=Symbol(""), description="A change.", update_info="A change.",
        old_code=old_code, new_code=new_code, author="model",
    )  # fmt: skip


def same_tree(one: Migration, text: str) -> bool:
    return ast.dump(ast.parse(text)) == ast.dump(ast.parse(one.new_code))


def rule(
    pattern: str,
    template: str,
    receivers: dict[str, tuple[str, ...]] | None = None,
    old: str = "numpy.asfarray",
    kind: Kind = "replaced",
) -> RewriteRule:
    update = ApiUpdate(
        family_id="family", library="numpy", old_version="1.26.4", new_version="2.4.6", removed_in="2.0.0", kind=kind,
        old_symbol=Symbol(old), new_symbol=Symbol(""), description="A change.", update_info="A change.",
    )  # fmt: skip
    return RewriteRule(
        id=f"family-{pattern}", update=update, pattern=pattern, template=template, receivers=receivers or {}, origin="data set",
        proof=RuleProof(programs=("a", "b"), held_out=("a", "b"), family=2),
    )  # fmt: skip
