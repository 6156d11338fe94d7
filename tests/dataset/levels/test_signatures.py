from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recode.dataset.levels import _signatures, signatures
from recode.records import Migration
from recode.sandbox.environments import Environment

MakeEntry = Callable[..., Migration]


def test_names_are_described_by_signature_docstring_and_place() -> None:
    found = _signatures.signatures(["textwrap.dedent", "textwrap.TextWrapper.wrap", "textwrap.gone"])
    assert set(found) == {"textwrap.dedent", "textwrap.TextWrapper.wrap"}
    dedent: Any = found["textwrap.dedent"]
    assert dedent["signature"] == "(text)"
    assert dedent["file"] == "textwrap.py"
    assert dedent["line"] > 1


def test_a_note_needs_the_old_name_and_the_new_one(make_entry: MakeEntry, monkeypatch: pytest.MonkeyPatch) -> None:
    def described(name: str) -> dict[str, Any]:
        return {"kind": "function", "signature": "(x)", "doc": f"Return the {name}.", "file": "t.py", "line": 3}

    old = Environment(folder=Path("old"), digest="old", python=Path("old/python"))
    new = Environment(folder=Path("new"), digest="new", python=Path("new/python"))
    answers = {"old": {"toylib.area": described("area")}, "new": {"toylib.surface": described("surface")}}
    monkeypatch.setattr(signatures, "cached_answer", lambda environment, *_: answers[environment.digest])
    known = make_entry(family_id="toylib-area")
    unknown = make_entry(family_id="toylib-gone", new_symbol="toylib.gone")
    found = signatures.api_notes([known, unknown], old, new)
    assert list(found) == ["toylib-area"]
    assert [one.text for one in found["toylib-area"]] == [
        "toylib.area(x)\n    Return the area.",
        "toylib.surface(x)\n    Return the surface.",
    ]


def test_a_signature_names_no_place_of_one_machine() -> None:
    text = "(a=<module 'x.y' from '/home/me/x/y.py'>, b=<object object at 0x7f5a2e6c4ec0>, c=' from ')"
    assert signatures.of_no_machine(text) == "(a=<module 'x.y'>, b=<object object>, c=' from ')"
