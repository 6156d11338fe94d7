"""Narrowing an update to values of a parameter, by its programs."""

from __future__ import annotations

from typing import Any

import pytest

from recode.dataset.sources import SourceUpdate
from recode.knowledge.narrowing import narrowed
from recode.records import Evidence

EVIDENCE = Evidence(source="docstring", package_version="1.0", file="a.py", line=1, quote="q")


def update(old: str, new: str, **fields: Any) -> SourceUpdate:
    given = {
        "id": "lib-loss",
        "kind": "replaced",
        "old_symbol": "lib.Model(loss)",
        "new_symbol": "lib.Model(loss)",
        "description": "A loss has another name.",
        "update_info": "Write `log_loss` for `log`.",
        "evidence": [EVIDENCE.model_dump()],
        "program": [{"context": "fit", "old": old, "new": new}],
    }
    return SourceUpdate.model_validate({**given, **fields})


def test_only_the_values_that_go_are_told() -> None:
    old = 'Model(loss="log", kind="a")\nModel(loss="hinge")\nother(loss="sum")\n'
    new = 'Model(loss="log_loss", kind="a")\nModel(loss="hinge")\nother(loss="mean")\n'
    assert narrowed(update(old, new), None) == ["lib.Model(loss='log')"]


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "parameter_renamed"},
        {"old_symbol": "lib.Model", "new_symbol": "lib.Other"},
        {"new_symbol": "lib.Model(other)"},
    ],
)
def test_what_goes_as_a_whole_stays_whole(fields: dict[str, str]) -> None:
    one = update('Model(loss="log")\n', 'Model(loss="log_loss")\n', **fields)
    assert narrowed(one, None) == [one.old_symbol]


def test_where_no_program_shows_a_value_nothing_is_told() -> None:
    assert narrowed(update("Model(loss=name)\n", "Model(loss=other)\n"), None) == []
