"""Real entries retold: the shape stays, the names go."""

from __future__ import annotations

import ast
import random
import re

from recode.invent import reserved_names
from recode.invent.names import Namer
from recode.invent.retold import retell, retell_any
from recode.records import Migration

ENTRY = Migration(
    id="numlib-row-1", family_id="numlib-row", library="num-lib", old_version="1.0", new_version="2.25", kind="renamed",
    old_symbol="numlib.row_stack", new_symbol="numlib.vstack", description="",
    update_info="Num-Lib 2.25 removed `numlib.row_stack`; call `nl.vstack(parts)` of `numlib`.",
    old_code='import os\nimport numlib as nl\n\nparts = [[1, 25], [3, 25]]\nprint(nl.row_stack(parts).shape, "\\nrow", f"{len(parts):.2f}")\n',
    new_code='import os\nimport numlib as nl\n\nparts = [[1, 25], [3, 25]]\nprint(nl.vstack(parts).shape, "\\nrow", f"{len(parts):.2f}")\n',
    author="person",
)  # fmt: skip


def namer(seed: int) -> tuple[random.Random, Namer]:
    rng = random.Random(seed)
    return rng, Namer(rng, "train", reserved_names())


def shape(code: str) -> list[str]:
    return [type(node).__name__ for node in ast.walk(ast.parse(code))]


def test_names_go_and_the_shape_stays() -> None:
    for seed in range(30):
        told = retell(ENTRY, *namer(seed))
        assert told is not None
        for text in (told.old_code, told.new_code, told.update_info, told.old_symbol, told.library):
            assert not re.search(r"numlib|num-lib|row|stack", text, re.IGNORECASE)
        assert "25" not in told.old_code + told.new_code
        assert shape(told.old_code) == shape(ENTRY.old_code)
        assert shape(told.new_code) == shape(ENTRY.new_code)
        assert "import os\n" in told.old_code
        assert "parts = [[1, " in told.old_code
        assert ":.2f}" in told.old_code
        old_name, new_name = (symbol.split(".")[1] for symbol in (told.old_symbol, told.new_symbol))
        assert old_name in told.old_code
        assert old_name in told.update_info
        assert new_name in told.new_code
        assert new_name in told.update_info
        assert told.library in told.update_info
        made = set(re.findall(r"[A-Za-z_]\w*", told.old_code + told.new_code)) - set(re.findall(r"\w+", ENTRY.old_code))
        assert not {name for name in made if len(name) > 3} & reserved_names()


def test_a_note_on_something_else_changes_nothing() -> None:
    other = ENTRY.model_copy(update={"id": "other", "library": "otherlib"})
    kinds = {
        told.kind: told for seed in range(40) if (told := retell_any([ENTRY, other], *namer(seed), no_op_share=0.5))
    }
    assert set(kinds) == {"no_op", "renamed"}
    assert kinds["no_op"].old_code == kinds["no_op"].new_code


def test_a_program_that_breaks_is_left_out() -> None:
    # The exchange turns the number after the name into another name's part and never parses.
    broken = ENTRY.model_copy(update={"old_code": "print('\n"})
    assert retell(broken, *namer(1)) is None
