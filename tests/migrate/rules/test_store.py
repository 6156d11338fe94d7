from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.version import Version

from recode.errors import RecordError
from recode.migrate.rules.learn.building import TEST_SPLITS
from recode.migrate.rules.learn.general_edit import GeneralEdit
from recode.migrate.rules.store import add_project_rules, libraries_with_rules, project_rules, rules_for, shipped_rules
from recode.records import Migration, read_records
from recode.shipped import shipped
from tests.migrate.rules.rule_pairs import rule


def test_rules_of_a_project_are_kept_and_replaced_by_their_id(tmp_path: Path) -> None:
    first, second = rule("lib.f($x)", "lib.g($x)"), rule("lib.h($x)", "lib.g($x)")
    assert project_rules(tmp_path) == []
    assert add_project_rules(tmp_path, [first, second]) == tmp_path / ".recode" / "rules.jsonl"
    add_project_rules(tmp_path, [first.model_copy(update={"template": "lib.k($x)"})])
    assert [one.template for one in project_rules(tmp_path, "numpy")] == ["lib.g($x)", "lib.k($x)"]
    assert project_rules(tmp_path, "pandas") == []


def test_a_pattern_that_is_no_python_is_named(tmp_path: Path) -> None:
    add_project_rules(tmp_path, [rule("lib.f($x", "lib.g($x)")])
    with pytest.raises(RecordError, match=r"rules.jsonl: rule `family-lib.f\(\$x`: its pattern"):
        project_rules(tmp_path)


def test_rules_apply_from_the_release_that_their_update_is_of(tmp_path: Path) -> None:
    add_project_rules(tmp_path, [rule("lib.f($x)", "lib.g($x)")])

    def ids(old: str, new: str) -> list[str]:
        return [one.id for one in rules_for("numpy", tmp_path, Version(old), Version(new)) if "lib.f" in one.id]

    assert ids("1.26.4", "2.1.0") == ["family-lib.f($x)"]
    assert ids("1.26.0", "1.26.4") == []
    assert ids("2.0.0", "2.1.0") == []


def test_shipped_rules_are_proven_and_hold_no_pair_of_a_test_split() -> None:
    held_out = {entry.id for split in TEST_SPLITS for entry in read_records(shipped(f"@{split}"), Migration)}
    rules = [one for library in libraries_with_rules() for one in shipped_rules(library)]
    assert len(rules) > 300
    for one in rules:
        assert len(one.proof.held_out) >= 2, one.id
        assert set(one.proof.held_out) == set(one.proof.programs), one.id
        assert len(one.proof.locks) == 2, one.id
        assert not held_out & set(one.proof.programs), one.id
        edit = GeneralEdit(one.pattern_term, one.template_term)
        assert edit.template.variables() <= edit.pattern.variables(), one.id


def test_every_file_of_pairs_gives_rules() -> None:
    for file in shipped("data/rules/pairs").glob("*.toml"):
        library = tomllib.loads(file.read_text(encoding="utf-8"))["library"]
        written = {rule.update.family_id for rule in shipped_rules(library) if rule.origin == "rule pairs"}
        assert written, file.name
