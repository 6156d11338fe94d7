"""Reading a source file so that it can be written back byte for byte.

The text keeps its line ends as they are; encoding and byte order mark are remembered beside it. What cannot be written back
to the same bytes is not read.
"""

from __future__ import annotations

import codecs
import io
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from recode.errors import RecodeError

LARGEST = 4 << 20
"""Bytes from which on a file is left alone: what is larger was not written by hand."""

_NO_TEXT = "its declared encoding, {}, is none of text"
Newline = Literal["\n", "\r\n", "\r"]


class Unreadable(RecodeError):
    """A file that is left alone; the message is the reason alone, without the file's name."""


@dataclass(frozen=True)
class Source:
    r"""A file's text with its own line ends (`\r\n` stays), and how it becomes bytes again. `text` is without the mark `bom`."""

    text: str
    encoding: str
    bom: bytes
    newline: Newline
    """The line end that most lines have, for lines that are added."""

    def encode(self, text: str | None = None) -> bytes:
        """Return the bytes of the text, or of another text in the same encoding and with the same mark.

        Raises:
            Unreadable: the encoding lacks a character of the text, or is none of text.
        """
        try:
            return self.bom + (self.text if text is None else text).encode(self.encoding)
        except UnicodeEncodeError as error:
            raise Unreadable(f"{self.encoding} has no {error.object[error.start]!r}") from None
        except (LookupError, UnicodeError):
            raise Unreadable(_NO_TEXT.format(self.encoding)) from None


def decode(data: bytes, *, python: bool = True) -> Source:
    """Return the text of a file's bytes; a Python file may declare its encoding, any other is UTF-8.

    Raises:
        Unreadable: it is not text in that encoding, or would not be written back to the same bytes.
    """
    bom = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    body = data[len(bom) :]
    encoding = _declared(data) if python else "utf-8"
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(f"not {encoding} (byte {len(bom) + error.start}), and no other encoding is declared") from None
    except (LookupError, UnicodeError):
        # Python has codecs that are no encodings of text, such as rot13 and hex, and one that always fails.
        raise Unreadable(_NO_TEXT.format(encoding)) from None
    source = Source(text, encoding, bom, _newline(text))
    try:
        same = source.encode() == data
    except Unreadable:
        same = False
    if not same:
        raise Unreadable(f"{encoding} does not keep it byte for byte")
    return source


def read(path: Path) -> Source:
    """Read a file as `decode` does.

    Raises:
        Unreadable: it is a link, no plain file, larger than `LARGEST` bytes, cannot be opened, or `decode` refuses it.
    """
    try:
        if path.is_symlink():
            raise Unreadable("a symbolic link")
        if not path.is_file():
            raise Unreadable("not a plain file")
        size = path.stat().st_size
        if size > LARGEST:
            raise Unreadable(f"{size / (1 << 20):.1f} MiB, more than {LARGEST >> 20} MiB")
        data = path.read_bytes()
    except OSError as error:
        raise Unreadable(f"cannot be read ({error.strerror})") from None
    return decode(data, python=path.suffix != ".ipynb")


def lines_of(text: str) -> list[str]:
    r"""Return the lines, each with its end: only `\n`, `\r\n` and `\r` end one, as for Python's parser (form feeds do not)."""
    if "\r" not in text:
        return text.split("\n") if not text else [line + "\n" for line in text.split("\n")[:-1]] + _rest(text)
    return list(io.StringIO(text, newline=""))


def _rest(text: str) -> list[str]:
    last = text.rpartition("\n")[2]
    return [last] if last else []


def _declared(data: bytes) -> str:
    """Return the codec's name that the mark or the first two lines declare."""
    try:
        # `\r` alone ends lines too, and the standard function does not know.
        head = b"\n".join(data[:1000].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")[:2]) + b"\n"
        encoding, _ = tokenize.detect_encoding(io.BytesIO(_ascii_if_undeclared(head)).readline)
        name = codecs.lookup(encoding).name
    except (SyntaxError, LookupError) as error:
        raise Unreadable(f"its encoding is not known ({error})") from None
    return "utf-8" if name in ("utf-8", "utf-8-sig") else name


def _ascii_if_undeclared(head: bytes) -> bytes:
    """Return the first two lines with what is not ASCII replaced, since the cut may fall within a character."""
    mark = codecs.BOM_UTF8 if head.startswith(codecs.BOM_UTF8) else b""
    return mark + bytes(byte if byte < 128 else 63 for byte in head[len(mark) :])


def _newline(text: str) -> Newline:
    pairs = text.count("\r\n")
    counts: list[tuple[int, Newline]] = [
        (text.count("\n") - pairs, "\n"),
        (pairs, "\r\n"),
        (text.count("\r") - pairs, "\r"),
    ]
    return max(counts, key=lambda one: one[0])[1]
