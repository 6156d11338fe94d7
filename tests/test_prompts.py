"""The parser takes only the answer block's single fence, and gives back what `response` put there."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recode.prompts import PREFILL, messages, parse_response, response
from recode.records import ApiUpdate
from recode.source import clean, parses

UPDATE = ApiUpdate(
    family_id="lib-old",
    library="lib",
    old_version="1.0",
    new_version="2.0",
    kind="renamed",
    old_symbol="lib.old",
    new_symbol="lib.new",
    description="renamed",
    update_info="Use `lib.new`.",
)
TRAPS = [
    "```",
    "`",
    "\n",
    "```python\n",
    "</answer>",
    "<answer>",
    "<think>",
    "</think>",
    "x = 1",
    "#",
    "'''",
    " ",
    "\\",
    "~~~",
]


def test_messages_hold_note_and_code() -> None:
    system, user = messages(UPDATE, "import lib\nlib.old()\n")
    assert system["role"] == "system"
    assert "<doc>\nUse `lib.new`.\n</doc>" in user["content"]
    assert "```python\nimport lib\nlib.old()\n```\n" in user["content"]


def test_the_fence_in_the_request_outgrows_the_code() -> None:
    assert "````python\nx = '```'\n````\n" in messages(UPDATE, "x = '```'")[1]["content"]


def test_response_is_plain_for_plain_code() -> None:
    assert response(" thought ", "x = 1\n") == "thought</think>\n<answer>\n```python\nx = 1\n```\n</answer>"
    assert PREFILL == "<think>"


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(TRAPS), max_size=10).map("".join) | st.text())
@example("x = '''\n```\n</answer>\n<think>\n````\n'''  # </think>")
@example("x = 1 \\\n\n")
def test_response_is_parsed_back(code: str) -> None:
    parsed = parse_response(response("a < b", code))
    assert parsed.well_formed
    assert parsed.thought == "a < b"
    assert parsed.code is not None
    assert parsed.code.rstrip() == code.rstrip()
    if parses(code):
        assert clean(parsed.code) == clean(code)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([*TRAPS, "\r\n", "\x00", "\ud800"]), max_size=12).map("".join) | st.text())
def test_never_raises(completion: str) -> None:
    parsed = parse_response(completion)
    assert "</think>" not in parsed.thought


FENCE = "```python\nx = 1\n```"


@pytest.mark.parametrize(
    ("completion", "code", "well_formed"),
    [
        (f"t</think>\n<answer>\n{FENCE}\n</answer>", "x = 1\n", True),
        (f"</think><answer>{FENCE}</answer>\n ", "x = 1\n", True),
        (f"</think><answer>Here it is:\n{FENCE}\nDone.</answer>", "x = 1\n", True),
        (f"</think><answer>{FENCE}</answer>".replace("\n", "\r\n"), "x = 1\r\n", True),
        (f"</think><answer>{FENCE.replace('python', 'PY')}</answer>", "x = 1\n", True),
        (f"</think><answer>{FENCE}</answer> trailing words", "x = 1\n", False),
        (f"</think>so: <answer>{FENCE}</answer>", "x = 1\n", False),
        (f"<think>t</think><answer>{FENCE}</answer>", "x = 1\n", False),
        (f"<answer></think><answer>{FENCE}</answer>", "x = 1\n", False),
        ("</think><answer>\n````python\ns = '''\n```\n'''\n````\n</answer>", "s = '''\n```\n'''\n", True),
        ("</think><answer>\n```python\ns = '''</answer>'''\n```\n</answer>", "s = '''</answer>'''\n", True),
        ("</think><answer>\n```python\n'''\n    ```\n'''\n```\n</answer>", "'''\n    ```\n'''\n", True),
        # No single fence in a single answer block: no code.
        ("</think><answer>x = 1</answer>", None, True),
        ("</think><answer></answer>", None, True),
        ("</think><answer>```python\nx = 1\n</answer>", None, True),
        (f"</think><answer>{FENCE}\n{FENCE}</answer>", None, True),
        (f"</think><answer>{FENCE.replace('python', 'bash')}</answer>", None, True),
        (f"</think><answer>{FENCE}</answer><answer>{FENCE}</answer>", None, False),
        (f"</think><answer><answer>{FENCE}</answer></answer>", None, False),
        (f"</think><answer><think>{FENCE}</think></answer>", None, False),
        (f"</think></answer>{FENCE}<answer>", None, False),
        (f"</think>{FENCE}<answer></answer>", None, False),
        (f"{FENCE}</think><answer>none</answer>", None, True),
        (f"<answer>{FENCE}</answer>", None, False),
        (f"<answer>{FENCE}</answer></think>", None, False),
        (f"</think><answer>{FENCE}", None, False),
        ("", None, False),
    ],
)
def test_parse(completion: str, code: str | None, well_formed: bool) -> None:
    parsed = parse_response(completion)
    assert (parsed.code, parsed.well_formed) == (code, well_formed)


@pytest.mark.parametrize(
    "text",
    ["`" * 10**6, "```" + " " * 10**6 + "!", "</think>" + "<answer>```" * 10**5, "</think>" + "```\n" * 250_000],
    ids=["backticks", "spaces", "answers", "fences"],
)
def test_a_megabyte_takes_little_time(text: str) -> None:
    start = time.process_time()
    parse_response("</think>" + text)
    assert time.process_time() - start < 10


def test_a_fence_may_be_indented_by_three_spaces() -> None:
    assert parse_response("</think><answer>\n   ```python\nx = 1\n   ```\n</answer>").code == "x = 1\n"
    assert parse_response("</think><answer>   ```python\nx = 1\n```</answer>").code == "x = 1\n"
    assert parse_response("</think><answer>\n    ```python\nx = 1\n    ```\n</answer>").code is None
    assert parse_response("</think><answer>a ```python\nx = 1\n```\n</answer>").code is None
