from __future__ import annotations

import pytest

from recode.dataset.compose.pieces import NotComposable, pieces

CODE = """\
import math
from toylib import area as size

FACTOR = 2


def plain(x):
    return math.floor(x)


def scaled(x):
    return FACTOR * plain(x)


# The total.
print(scaled(size([1])))
"""


def test_definitions_that_use_the_body_stay_in_it() -> None:
    found = pieces(CODE)
    assert [one.bound for one in found.imports] == ["math", "size"]
    assert found.names == {"plain"}
    assert found.definitions == ("def plain(x):\n    return math.floor(x)",)
    text = "\n".join(found.body)
    assert text.index("FACTOR = 2") < text.index("def scaled") < text.index("# The total.") < text.index("print")


@pytest.mark.parametrize(
    "code",
    [
        'text = """a\nb"""\nprint(text)\n',
        "print(__name__)\n",
        "from toylib import *\nprint(1)\n",
        "def f():\n    global x\n    x = 1\nf()\n",
        "import toylib\n",
        "x = 1; print(x)\n",
    ],
)
def test_programs_that_would_change_their_meaning_are_refused(code: str) -> None:
    with pytest.raises(NotComposable):
        pieces(code)
