"""Changes that nothing dates: the target release is asked, and where it cannot be, its major series decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from recode.migrate.find.findings import Finding
from recode.migrate.rewrite.name_checks import ReleaseNames
from recode.migrate.witnesses.undated import decided
from recode.records import ApiUpdate, Kind
from recode.symbol import Symbol


def finding(symbol: str, kind: Kind = "removed", removed_in: str = "") -> Finding:
    update = ApiUpdate(
        family_id="lib-x", library="lib", old_version="1.0", new_version="2.4", kind=kind, old_symbol=Symbol(symbol),
        new_symbol=Symbol(), removed_in=removed_in, description="d", update_info="i", evidence=(),
    )  # fmt: skip
    return Finding(Path("a.py"), 1, 1, 1, 2, symbol, kind, "breaks", "2.4", "", 1.0, "", update)


@pytest.mark.parametrize(("target", "kept"), [("1.9", 0), ("2.0", 1), ("3.0", 1)])
def test_without_an_environment_the_major_series_decides(target: str, kept: int) -> None:
    assert len(decided([finding("lib.f")], target, None)) == kept


@pytest.mark.parametrize(
    ("symbol", "kind", "answer", "kept"),
    [
        ("lib.f", "removed", "no", 1),
        ("lib.f", "removed", "yes", 0),
        ("lib.f(x)", "parameter_removed", "no", 1),
        ("lib.f(x)", "parameter_removed", "yes", 0),
        ("lib.C.f", "removed", "unknown", 0),
    ],
)
def test_the_release_is_asked(symbol: str, kind: Kind, answer: str, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def has(self: ReleaseNames, path: str, parameter: str = "") -> str:
        asked.append((path, parameter))
        return answer

    monkeypatch.setattr(ReleaseNames, "has", has)
    monkeypatch.setattr(ReleaseNames, "prepare", lambda self, questions: list(questions))
    assert len(decided([finding(symbol, kind)], "1.9", None)) == kept
    assert asked == [(Symbol(symbol).path, Symbol(symbol).parameter)]


def test_what_is_dated_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReleaseNames, "has", lambda *_: pytest.fail("asked"))
    assert len(decided([finding("lib.f", removed_in="1.5")], "1.9", None)) == 1


@pytest.mark.parametrize(("kind", "answer", "kept"), [("moved", "yes", 0), ("renamed", "yes", 1), ("moved", "no", 1)])
def test_a_path_that_the_target_kept_does_not_break(
    kind: Kind, answer: str, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ReleaseNames, "has", lambda *_: answer)
    assert len(decided([finding("lib.f", kind, removed_in="1.5")], "1.9", None)) == kept
