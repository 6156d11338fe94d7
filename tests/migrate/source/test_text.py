"""Reading files so that they can be written back byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from recode.migrate.source.text import LARGEST, Unreadable, decode, lines_of, read_bytes


@pytest.mark.parametrize(
    ("data", "encoding", "newline"),
    [
        (b"x = 1\n", "utf-8", "\n"),
        (b"\xef\xbb\xbfx = 1\r\ny = 2\r\n", "utf-8", "\r\n"),
        ("# -*- coding: latin-1 -*-\nname = 'é'\n".encode("latin-1"), "iso8859-1", "\n"),
        ("#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\nprice = '€'\n".encode("cp1252"), "cp1252", "\n"),
        ("name = 'é'\rother = 2\r".encode(), "utf-8", "\r"),
        (b"a\r\nb\nc\r\n", "utf-8", "\r\n"),
        (b"", "utf-8", "\n"),
        (b"x = 1\x0c\ny = 2", "utf-8", "\n"),
        (("# " + "é" * 600).encode(), "utf-8", "\n"),
    ],
)
def test_what_is_read_is_written_back(data: bytes, encoding: str, newline: str) -> None:
    source = decode(data)
    assert (source.encoding, source.newline) == (encoding, newline)
    assert source.encode() == data
    assert "".join(lines_of(source.text)) == source.text
    assert not source.text.startswith("\ufeff")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("name = 'é'".encode("latin-1"), "not utf-8 (byte 8)"),
        (b"# coding: no-such-codec\n", "encoding is unknown"),
        (b"\xef\xbb\xbf# coding: latin-1\n", "encoding is unknown"),
        (b"# -*- coding: rot13 -*-\nx = 1\n", "not a text encoding"),
        (b"# vim: set fileencoding=hex :\nx = 1\n", "not a text encoding"),
        (b"# coding: undefined\nx = 1\n", "not a text encoding"),
        (b"# coding: utf-7\nx = '+AOk-'  # +AGE-\n", "byte for byte"),
    ],
)
def test_what_would_not_come_back_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason.replace("(", r"\(").replace(")", r"\)")):
        decode(data)


def test_an_edit_that_the_encoding_lacks_is_refused() -> None:
    with pytest.raises(Unreadable, match="has no"):
        decode(b"# coding: latin-1\n").encode("x = '\u20ac'")


def test_links_and_huge_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "link.py").symlink_to(tmp_path / "a.py")
    (tmp_path / "huge.py").write_bytes(b"#" * (LARGEST + 1))
    assert read_bytes(tmp_path / "a.py") == b"x = 1\n"
    for name, reason in (("link.py", "link"), ("huge.py", "MiB"), ("missing.py", "plain file")):
        with pytest.raises(Unreadable, match=reason):
            read_bytes(tmp_path / name)


def test_lines_end_where_python_ends_them() -> None:
    text = "a\x0cb\x0bc\u2028d\ne\r\nf\rg"
    assert lines_of(text) == ["a\x0cb\x0bc\u2028d\n", "e\r\n", "f\r", "g"]
