from __future__ import annotations

import contextlib
import io

import pytest

from recode.dataset.compose.module import Step, module, step_name
from recode.dataset.compose.pieces import NotComposable, pieces

FIRST = "import math\nx = 2.5\nprint(math.floor(x))\n"
SECOND = "from math import pi\n\ndef half(x):\n    return x / 2\n\nx = pi\nprint(round(half(x), 2))\n"


def printed(code: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(code, {"__name__": "__main__"})
    return out.getvalue()


@pytest.mark.parametrize("style", [0, 1, 2])
def test_a_module_does_what_its_programs_do(style: int) -> None:
    code = module(
        [Step("report_floor", "the floor", pieces(FIRST)), Step("report_half", "half of pi", pieces(SECOND))], style
    )
    assert [line for line in printed(code).splitlines() if not line.startswith("#")] == ["2", "1.57"]
    assert code.startswith("import math\nfrom math import pi\n")
    assert '"""Half of pi."""' in code


def test_two_meanings_of_a_name_are_refused() -> None:
    other = "from cmath import pi\nprint(pi)\n"
    with pytest.raises(NotComposable):
        module([Step("report_a", "a", pieces(SECOND)), Step("report_b", "b", pieces(other))], 0)
    with pytest.raises(NotComposable):
        module([Step("report_a", "a", pieces(SECOND)), Step("report_b", "b", pieces(SECOND))], 0)


def test_a_function_is_named_after_what_it_is_about() -> None:
    assert step_name("a ruler as wide as the window", set()) == "report_ruler_wide_window"
    with pytest.raises(NotComposable):
        step_name("2 + 2", set())
