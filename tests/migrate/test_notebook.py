"""Notebooks: cells are found, and edits leave every other byte alone."""

from __future__ import annotations

import json

import pytest

from recode.migrate.notebook import code_cells, replace_cell
from recode.migrate.text import Unreadable

CELLS = [
    {"cell_type": "markdown", "source": ["np.in1d is *text*"]},
    {"cell_type": "code", "source": ["%matplotlib inline\n", "import numpy as np\n", "x = np.in1d([1], [1])  # é"]},
    {"cell_type": "code", "source": "!ls\nnp.trapz([1])\n"},
    {"cell_type": "code", "source": ["%%bash\n", "np.trapz"]},
]
NOTEBOOK = {"cells": CELLS, "metadata": {"kernelspec": {"language": "python"}}, "nbformat": 4, "nbformat_minor": 5}


@pytest.mark.parametrize(("indent", "is_ascii"), [(1, False), (1, True), (None, False), (4, True)])
def test_edits_keep_every_other_byte(indent: int | None, is_ascii: bool) -> None:
    text = json.dumps(NOTEBOOK, indent=indent, ensure_ascii=is_ascii) + "\n"
    cells = code_cells(text)
    assert [cell.index for cell in cells] == [1, 2, 3]
    for cell in cells:
        assert replace_cell(text, cell, cell.source) == text
    edited = replace_cell(text, cells[0], cells[0].source.replace("in1d", "isin"))
    assert edited == text.replace("x = np.in1d", "x = np.isin")
    single = replace_cell(text, cells[1], cells[1].source.replace("trapz", "trapezoid"))
    assert single == text.replace("np.trapz([1])", "np.trapezoid([1])")


@pytest.mark.parametrize(
    "source", ["", "a", "a\nb\n", "a\nb\nc\nd\ne\nf", "%matplotlib inline\nnew\nimport numpy as np\n"]
)
def test_cells_may_grow_and_shrink(source: str) -> None:
    text = json.dumps(NOTEBOOK, indent=1)
    edited = replace_cell(text, code_cells(text)[0], source)
    assert "".join(json.loads(edited)["cells"][1]["source"]) == source
    assert [one for index, one in enumerate(json.loads(edited)["cells"]) if index != 1] == [CELLS[0], *CELLS[2:]]


def test_magics_are_blanked_out_and_lines_keep_their_places() -> None:
    cells = code_cells(json.dumps(NOTEBOOK))
    assert cells[0].python == "pass\nimport numpy as np\nx = np.in1d([1], [1])  # é"
    assert cells[1].python == "pass\nnp.trapz([1])\n"
    assert cells[2].python == ""


@pytest.mark.parametrize("text", ["", "[]", "{", '{"cells": 1}', '{"cells": [}', '{"a": 1} x'])
def test_what_is_no_notebook_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        code_cells(text)
