"""Where expressions of a changed text were before."""

from __future__ import annotations

from recode.migrate.witnesses.runs.positions import moved_spots

OLD = b"import a\n\nx = a.old(1, b=2) + 3\ny = x\n"
NEW = "# é\nimport a\n\nx = a.renewed(1, c=2) + 3\ny = x\n".encode()


def test_an_expression_with_a_rewriting_in_it_is_where_it_was() -> None:
    moved = dict(moved_spots(OLD, NEW))
    assert moved[4, 4, 4, 25] == (3, 4, 3, 21)
    assert moved[4, 4, 4, 21] == (3, 4, 3, 17)
    assert moved[4, 4, 4, 13] == (3, 4, 3, 9)
    assert moved[5, 4, 5, 5] == (4, 4, 4, 5)
    assert moved_spots(OLD, OLD) == []
