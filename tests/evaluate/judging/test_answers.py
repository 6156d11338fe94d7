"""The program in a completion, in all the forms that models give it."""

from __future__ import annotations

import pytest

from recode.evaluate.judging.answers import completed_program, defines, longest_parsing, parsed, written_program

PROMPT = "import math\n\n\ndef helper(x):\n    return x\n\n\ndef f(x):\n    '''Say x.'''\n"
BODY = "    return helper(x)\n"


@pytest.mark.parametrize(
    "completion",
    [
        BODY,
        BODY + "\n\ndef g(y):\n    return (y +\n",
        BODY + "\nprint('unfinished",
        BODY + "\n# Test\nif __name__ == '__main__':\n    f(",
        PROMPT + BODY,
        "def f(x):\n    return helper(x)\n",
        "```python\ndef f(x):\n    return helper(x)\n```",
        "First:\n```python\nprint(1)\n```\nthen\n```python\ndef f(x):\n    return helper(x)\n```\nand that is it.",
        "I could write\n```python\ndef f(x):\n    return 0\n```\n</think>\nSo:\n```py\ndef f(x):\n    return helper(x)\n```",
        "```python\ndef f(x):\n    return helper(x)\n",
        "```\n    return helper(x)\n```",
        "```python\nreturn helper(x)\n```",
        "[PYTHON]\ndef f(x):\n    return helper(x)\n[/PYTHON]",
    ],
)
def test_every_form_gives_the_same_function(completion: str) -> None:
    namespace: dict[str, object] = {}
    exec(completed_program(PROMPT, completion, "f"), namespace)
    assert namespace["f"](7) == 7  # type: ignore[operator]


def test_text_that_is_no_program_stays_as_it_is() -> None:
    program = completed_program(PROMPT, "I cannot do that, sorry (", "f")
    assert parsed(program) is None
    assert "I cannot do that" in program


def test_only_a_tail_is_cut() -> None:
    assert longest_parsing("def f():\n", "    x = (\n    return 1\n") == "    x = (\n    return 1\n"
    assert longest_parsing("def f():\n", "    return 1\n    retur n\n") == "    return 1\n"
    assert longest_parsing("def f():\n", "    return 1\n") == "    return 1\n"


def test_a_hostile_length_of_lines_ends() -> None:
    assert longest_parsing("", "x = (\n" * 300)


@pytest.mark.parametrize(
    ("code", "holds"),
    [("def f(): pass", True), ("f = 1", True), ("class f: pass", True), ("x.f = 1", False), ("def g(f): pass", False), ("def f(:", True)],
)  # fmt: skip
def test_what_defines_a_name(code: str, holds: bool) -> None:
    assert defines(code, "f") is holds


def test_without_a_block_the_reply_is_the_program() -> None:
    assert written_program("x = 1", "f") == "x = 1"
    assert written_program("```json\n{}\n```", "f") == "```json\n{}\n```"
