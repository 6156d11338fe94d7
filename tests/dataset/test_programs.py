from __future__ import annotations

from recode.dataset.programs import edited_lines, imported_modules, similarity, skeleton, text_at


def test_edited_lines_leave_out_comments_and_blank_lines() -> None:
    assert edited_lines("a = 1\nb = 2\n", "# a\na = 1\n\nb = 3\nc = 4\n") == 2


def test_similarity_of_equal_programs_is_one() -> None:
    assert similarity("a = 1  # one\n", "a = 1\n") == 1.0


def test_the_text_at_a_line_is_the_whole_statement() -> None:
    code = "x = f(\n    1,\n    2,\n)\nfor i in g(\n    3\n):\n    h(i)\n"
    assert text_at(code, 3) == "x = f(\n    1,\n    2,\n)"
    assert text_at(code, 5) == "for i in g(\n    3\n):"
    assert text_at(code, 8) == "    h(i)"
    assert text_at(code, 99) == ""


def test_a_skeleton_is_without_names_and_data() -> None:
    one = "import numpy as np\n\nspeeds = np.array([1.0, 2.0])\nprint(f'{np.sum(speeds)} m')\n"
    two = "import numpy as np\n# weights\nweights = np.array([3.0, 5.0, 8.0])\nprint(f'{np.sum(weights)} kg')\n"
    three = "import numpy as np\nweights = np.array([3.0, 5.0, 8.0])\nprint(f'{np.prod(weights)} kg')\n"
    assert skeleton(one) == skeleton(two) != skeleton(three)


def test_imported_modules_and_what_may_be_modules() -> None:
    codes = ["import os.path as p, toylib\nfrom toylib import area\n", "def f():\n    from . import x\n", "import (\n"]
    assert imported_modules(codes) == ("os.path", "toylib", "toylib.area")
