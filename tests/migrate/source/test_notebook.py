"""Notebooks: their cells, and the positions of the cells' text."""

from __future__ import annotations

import json

import pytest

from recode.migrate.source.notebook import Cell, code_cells
from recode.migrate.source.text import Unreadable

CELLS = [
    {"cell_type": "markdown", "source": ["np.in1d is *text*"]},
    {"cell_type": "code", "source": ["%matplotlib inline\n", "import numpy as np\n", "x = np.in1d([1], [1])  # é"]},
    {"cell_type": "code", "source": "!ls\nnp.trapz([1])\n"},
    {"cell_type": "code", "source": ["%%bash\n", "np.trapz"]},
]
NOTEBOOK = {"cells": CELLS, "metadata": {"kernelspec": {"language": "python"}}, "nbformat": 4, "nbformat_minor": 5}


@pytest.mark.parametrize(("indent", "is_ascii"), [(1, False), (1, True), (None, False), (4, True)])
def test_cells_come_with_the_places_of_their_text(indent: int | None, is_ascii: bool) -> None:
    text = json.dumps(NOTEBOOK, indent=indent, ensure_ascii=is_ascii) + "\n"
    cells = code_cells(text)
    assert [cell.index for cell in cells] == [1, 2, 3]
    for cell in cells:
        assert "".join(json.loads(text[start:end]) for start, end in cell.spans) == cell.source
        assert cell.source == "".join(CELLS[cell.index]["source"])


def test_magics_are_replaced_letter_for_letter_and_all_else_keeps_its_place() -> None:
    cells = code_cells(json.dumps(NOTEBOOK))
    assert cells[0].python == "0                 \nimport numpy as np\nx = np.in1d([1], [1])  # é"
    assert cells[1].python == "0  \nnp.trapz([1])\n"
    assert cells[2].python == "      \n        "


@pytest.mark.parametrize(
    ("source", "python"),
    [
        ("z = (3\n     % y)\n", None),
        ("%cd x\nz = (3\n     % y)\n", "0    \nz = (3\n     % y)\n"),
        ('%cd x\nz = """(\n!ls\n"""\n!ls\n', '0    \nz = """(\n!ls\n"""\n0  \n'),
        ("%cd x\nz = 3 \\\n  % y\n!ls\n", "0    \nz = 3 \\\n  % y\n0  \n"),
        ("%cd x\nz = '(', \"#\"  # (\n!ls\n", "0    \nz = '(', \"#\"  # (\n0  \n"),
        ("  %cd x\nz = 1\n", "0      \nz = 1\n"),
        ("if x:\n  %cd x\n  y?\n", "if x:\n  0    \n  0 \n"),
        ("files = !ls\n", "0          \n"),
    ],
)
def test_only_what_begins_a_statement_is_a_magic(source: str, python: str | None) -> None:
    assert Cell(0, source, ()).python == (source if python is None else python)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"cells": 1}', '{"cells": [}', '{"a": 1} x'])
def test_what_is_no_notebook_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        code_cells(text)


@pytest.mark.parametrize("source", [None, 3, ["x\n", 1], [["x"]], {"a": "x"}])
def test_a_cell_without_a_text_is_refused(source: object) -> None:
    cells = [*CELLS, {"cell_type": "code", "source": source}]
    with pytest.raises(Unreadable, match="cell 4 is not text"):
        code_cells(json.dumps({**NOTEBOOK, "cells": cells}))
