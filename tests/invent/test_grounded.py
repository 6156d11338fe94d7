"""Thoughts that quote: they name the note's API and the code at hand, and stand in no fixed sentence."""

from __future__ import annotations

import itertools

import pytest

from recode.invent import GroundedKind, already_migrated, generate, generate_hard_no_ops, generate_no_ops
from recode.invent.grounded import grounded_completion, grounded_thought
from recode.prompts import parse_response
from recode.records import Migration, read_records
from recode.shipped import shipped

MADE = [
    *itertools.islice(generate(11), 80),
    *itertools.islice(generate_no_ops(11), 20),
    *itertools.islice(generate_hard_no_ops(11), 40),
]
REAL = [entry for name in ("train", "no_op_train") for entry in read_records(shipped(f"@{name}"), Migration)][::10]


@pytest.mark.parametrize("kind", ["none", "quote", "edits"])
def test_every_completion_is_well_formed_and_holds_the_gold_program(kind: GroundedKind) -> None:
    for entry in [*MADE, *REAL]:
        answer = parse_response(grounded_completion(entry, kind))
        assert answer.well_formed, entry.id
        assert (answer.code or "").rstrip() == entry.new_code.rstrip()


def entry_of(old: str, new: str) -> Migration:
    made = MADE[0].model_dump() | {
        "library": "yaml", "old_symbol": "yaml.load", "new_symbol": "yaml.safe_load", "old_code": old, "new_code": new,
        "update_info": "A word before. `yaml.load(text)` is gone; call `yaml.safe_load`.",
    }  # fmt: skip
    return Migration.model_validate(made)


def test_a_quoting_thought_holds_the_sentence_and_the_line() -> None:
    entry = entry_of("import yaml\nconfig = yaml.load(text)\n", "import yaml\nconfig = yaml.safe_load(text)\n")
    assert grounded_thought(entry, "quote") == "`yaml.load(text)` is gone;\n`config = yaml.load(text)`"
    assert grounded_thought(entry, "edits") == "`yaml.load` -> `yaml.safe_load`"
    assert grounded_thought(entry, "none") == ""


@pytest.mark.parametrize(
    ("code", "thought"),
    [
        ("import yaml\nconfig = yaml.safe_load(text)\n", "`yaml.load` -> `safe_load`: `config = yaml.safe_load(text)`"),
        ("import json\nconfig = json.load(text)\n", "`yaml.load` of yaml, not `config = json.load(text)`"),
        ("import yaml\nprint(yaml.dump(rows))\n", "`yaml.load`, not `yaml.dump`"),
    ],
)
def test_a_thought_on_a_no_op_says_what_is_there_instead(code: str, thought: str) -> None:
    assert grounded_thought(entry_of(code, code), "edits") == thought


def test_hard_no_ops_hold_the_new_name_or_anothers_old_one() -> None:
    made = list(itertools.islice(generate_hard_no_ops(5), 60))
    assert made == list(itertools.islice(generate_hard_no_ops(5), 60))
    assert all(entry.kind == "no_op" and entry.old_code == entry.new_code for entry in made)
    others = [entry for entry in made if entry.id.endswith("-other")]
    assert 15 < len(others) < 45
    assert all(entry.library not in entry.old_code and entry.library in entry.update_info for entry in others)
    assert sum(entry.old_symbol.name in entry.old_code for entry in others) > len(others) / 2


def test_a_migrated_program_is_a_no_op_of_its_own_note() -> None:
    entry = next(generate(3))
    done = already_migrated(entry)
    assert done.old_code == done.new_code == entry.new_code
    assert done.update_info == entry.update_info
