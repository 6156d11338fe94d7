"""Text from file names and other outside sources, made safe to print."""

from __future__ import annotations

import os
import re
from pathlib import Path

_SURROGATE = re.compile("[\ud800-\udfff]")


def printable(text: str | Path) -> str:
    r"""Return text on which a terminal takes no action: other characters than printable ones are written as escapes.

    Control characters, escape sequences, line ends and marks that reverse the direction of writing become `\n`, `\x1b` or
    `\u202e`. A byte of a file name that is not UTF-8 becomes `\xff`.
    """
    return "".join(character if character.isprintable() else _escaped(character) for character in str(text))


def encodable(text: str) -> str:
    """Return text that UTF-8 can encode: bytes of file names that are not UTF-8 become replacement characters."""
    return _SURROGATE.sub("\ufffd", text)


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return f"\\x{os.fsencode(character)[0]:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
