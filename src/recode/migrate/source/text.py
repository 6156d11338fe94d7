"""Decoding a file so that it can be written back byte for byte.

The text keeps its line ends; its encoding and byte order mark are kept with it. A file that would not be written back to
the same bytes is refused.
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
"""Larger files, in bytes, are skipped: they were not written by hand."""

_NO_TEXT = "its declared encoding, {}, is not a text encoding"
Newline = Literal["\n", "\r\n", "\r"]


class Unreadable(RecodeError):
    """A file cannot be read; the message is the reason without the file's name."""


@dataclass(frozen=True)
class EncodedText:
    r"""A file's text with its own line ends (`\r\n` stays) and how it becomes bytes again; `text` does not include the mark `bom`."""

    text: str
    encoding: str
    bom: bytes
    newline: Newline
    """The line end of most lines, used for added lines."""

    def encode(self, text: str | None = None) -> bytes:
        """Return the bytes of the text, or of another text with the same encoding and mark.

        Raises:
            Unreadable: the encoding lacks a character of the text, or is not a text encoding.
        """
        try:
            return self.bom + (self.text if text is None else text).encode(self.encoding)
        except UnicodeEncodeError as error:
            raise Unreadable(f"{self.encoding} has no {error.object[error.start]!r}") from None
        except (LookupError, UnicodeError):
            raise Unreadable(_NO_TEXT.format(self.encoding)) from None


def decode(data: bytes, *, python: bool = True) -> EncodedText:
    """Decode a file's bytes. A Python file may declare its encoding; any other file is UTF-8.

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
        # Some of Python's codecs are not text encodings (rot13, hex), and one always fails (undefined).
        raise Unreadable(_NO_TEXT.format(encoding)) from None
    encoded = EncodedText(text, encoding, bom, _newline(text))
    try:
        same = encoded.encode() == data
    except Unreadable:
        same = False
    if not same:
        raise Unreadable(f"{encoding} does not keep it byte for byte")
    return encoded


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes.

    Raises:
        Unreadable: it is a link, not a plain file, larger than `LARGEST` bytes, or cannot be opened.
    """
    try:
        if path.is_symlink():
            raise Unreadable("a symbolic link")
        if not path.is_file():
            raise Unreadable("not a plain file")
        size = path.stat().st_size
        if size > LARGEST:
            raise Unreadable(f"{size / (1 << 20):.1f} MiB, more than {LARGEST >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise Unreadable(f"cannot be read ({error.strerror})") from None


def lines_of(text: str) -> list[str]:
    r"""Return the lines with their ends; as for Python's parser, only `\n`, `\r\n` and `\r` end a line (form feeds do not)."""
    if "\r" not in text:
        return text.split("\n") if not text else [line + "\n" for line in text.split("\n")[:-1]] + _rest(text)
    return list(io.StringIO(text, newline=""))


def _rest(text: str) -> list[str]:
    last = text.rpartition("\n")[2]
    return [last] if last else []


def _declared(data: bytes) -> str:
    """Return the name of the codec that the mark or the first two lines declare."""
    try:
        # `\r` alone also ends a line, which the standard function does not know.
        head = b"\n".join(data[:1000].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")[:2]) + b"\n"
        encoding, _ = tokenize.detect_encoding(io.BytesIO(_ascii_if_undeclared(head)).readline)
        name = codecs.lookup(encoding).name
    except (SyntaxError, LookupError) as error:
        raise Unreadable(f"its encoding is unknown ({error})") from None
    return "utf-8" if name in ("utf-8", "utf-8-sig") else name


def _ascii_if_undeclared(head: bytes) -> bytes:
    """Replace everything that is not ASCII, since the cut may fall within a character."""
    mark = codecs.BOM_UTF8 if head.startswith(codecs.BOM_UTF8) else b""
    return mark + bytes(byte if byte < 128 else 63 for byte in head[len(mark) :])


def _newline(text: str) -> Newline:
    pairs = text.count("\r\n")
    counts: list[tuple[int, Newline]] = [
        (text.count("\n") - pairs, "\n"),
        (pairs, "\r\n"),
        (text.count("\r") - pairs, "\r"),
    ]
    return max(counts, key=lambda count: count[0])[1]
