"""Text that is safe to print."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from recode.display import encodable, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("src/naïve file.py", "src/naïve file.py"),
        ("a\x1b[31m\x07", "a\\x1b[31m\\x07"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("a\u202egpj.exe", "a\\u202egpj.exe"),
        ("a\x9b31m\x7f", "a\\x9b31m\\x7f"),
        (os.fsdecode(b"caf\xe9"), "caf\\xe9"),
        ("\ud800", "\\ud800"),
        ("\U000e0001", "\\U000e0001"),
        (Path("a") / "b\0", "a/b\\x00"),
    ],
)
def test_what_a_terminal_would_act_on_is_escaped(text: str | Path, shown: str) -> None:
    assert printable(text) == shown
    assert printable(text).encode()


def test_text_that_utf8_cannot_hold_has_replacement_characters() -> None:
    assert encodable(os.fsdecode(b"caf\xe9")) == "caf\ufffd"
