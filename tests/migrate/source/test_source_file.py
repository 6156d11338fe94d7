"""Notebooks: edits are made at the right place, and every other byte of the file stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recode.migrate.pipeline import rewrite_project
from recode.migrate.result import MigrateOptions, Upgrade
from recode.migrate.source.edits import Edit
from recode.migrate.source.source_file import read_source
from tests.migrate.migration_corpus import UPDATES

CELLS: list[dict[str, Any]] = [
    {"cell_type": "code", "source": ["%matplotlib inline\n", "import numpy as np\n", 'x = np.in1d(a, "ü\\n")']},
    {"cell_type": "markdown", "source": ["np.in1d(a, b)"]},
    {"cell_type": "code", "source": ["!ls np.in1d\n", "y = np.in1d(x, '🙂'); z = np.trapz(y)\n"]},
    {"cell_type": "code", "source": "np.format_parser(\"a\\\\b\", '\\t')\n"},
    {"cell_type": "code", "source": ["%%bash\n", "np.in1d(1)\n"]},
    {"cell_type": "code", "source": []},
]
AFTER = [
    '%matplotlib inline\nimport numpy as np\nx = np.isin(a, "ü\\n")',
    "np.in1d(a, b)",
    "!ls np.in1d\ny = np.isin(x, '🙂'); z = np.trapezoid(y)\n",
    "format_parser(\"a\\\\b\", '\\t')\n",
    "%%bash\nnp.in1d(1)\n",
    "",
]


def write_notebook(path: Path, **layout: Any) -> bytes:
    cells = [{**cell, "metadata": {}} | ({"outputs": []} if cell["cell_type"] == "code" else {}) for cell in CELLS]
    text = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, **layout)
    path.write_text(text, encoding="utf-8", newline="")
    return path.read_bytes()


@pytest.mark.parametrize(
    "layout", [{"indent": 1}, {"indent": 1, "ensure_ascii": False}, {}, {"indent": "\t", "separators": (",", " : ")}]
)
def test_a_notebook_is_migrated_in_place(tmp_path: Path, layout: dict[str, Any]) -> None:
    before = write_notebook(tmp_path / "n.ipynb", **layout)
    result = rewrite_project(tmp_path, Upgrade("numpy", "1.26.4", "2.4.6"), MigrateOptions(environments=False), UPDATES)
    (file,) = result.files()
    cells = json.loads(file.new)["cells"]
    sources = [source if isinstance(source := cell["source"], str) else "".join(source) for cell in cells]
    assert [one.replace("from numpy.rec import format_parser\n", "") for one in sources] == AFTER
    assert sources[0] != AFTER[0]
    # Every line that is not a place is the old one, to the byte.
    old, new = before.split(b"\n"), file.new.split(b"\n")
    if len(old) > 1:
        assert sum(line not in old for line in new) <= 4


def test_an_added_line_becomes_a_string_of_its_own(tmp_path: Path) -> None:
    write_notebook(tmp_path / "n.ipynb", indent=1)
    document = read_source(tmp_path, Path("n.ipynb"))
    at = document.offset(2, 19, 0)
    new = document.encoded([Edit(at, at, "\nimport os  # ä")])
    assert json.loads(new)["cells"][0]["source"] == [
        "%matplotlib inline\n", "import numpy as np\n", "import os  # ä\n", 'x = np.in1d(a, "ü\\n")',
    ]  # fmt: skip
    assert document.encoded([]) == document.original


def test_places_are_those_of_the_cell(tmp_path: Path) -> None:
    write_notebook(tmp_path / "n.ipynb", indent=1)
    document = read_source(tmp_path, Path("n.ipynb"))
    at = document.offset(2, 8, 2)
    assert document.program[at : at + 4] == "in1d"
    with pytest.raises(ValueError, match="no code cell"):
        document.offset(1, 1, 1)


def test_a_cell_that_does_not_parse_leaves_the_others_to_be_migrated(tmp_path: Path) -> None:
    sources = ["import numpy as np\n", "what is (this\n", "  %time\nx = np.in1d(1, 2)\n"]
    cells = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": source} for source in sources]
    (tmp_path / "n.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    result = rewrite_project(tmp_path, Upgrade("numpy", "1.26.4", "2.4.6"), MigrateOptions(environments=False), UPDATES)
    (file,) = result.files()
    made = [cell["source"] for cell in json.loads(file.new)["cells"]]
    assert made == [*sources[:2], sources[2].replace("in1d", "isin")]
