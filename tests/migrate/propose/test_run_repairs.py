"""Rewritings that runs suggest: what is proposed for which difference, and for which nothing is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from recode.migrate.find.findings import Finding, Witness
from recode.migrate.propose.run_repairs import CalledNames, run_repairs
from recode.migrate.rewrite.calls.signatures import CallParameter, CallSignature
from recode.migrate.rewrite.changes import EvidenceLevel
from recode.migrate.rewrite.name_checks import ReleaseNames, UpgradeNames
from recode.migrate.source.edits import apply
from recode.migrate.source.source_file import SourceFile
from recode.migrate.witnesses.runs.recorded_command import DifferenceKind, RunDifference
from recode.records import ApiUpdate
from recode.symbol import Symbol

PATH = Path("a.py")
BOTH = "POSITIONAL_OR_KEYWORD"


class OneFunction(ReleaseNames):
    """A release in which `lib.Frame.drop` takes `labels` and `axis`."""

    def __init__(self, kind: str) -> None:
        super().__init__(None)
        self.kind = kind

    def signature(self, path: str) -> CallSignature | None:
        parameters = (CallParameter("labels", BOTH), CallParameter("axis", self.kind, "0"))
        return CallSignature(parameters) if path == "lib.Frame.drop" else None


CALLED = CalledNames(UpgradeNames(OneFunction(BOTH), OneFunction("KEYWORD_ONLY")), ("lib.Series", "lib.Frame"),
                     {("lib.Series", "values"): "data"})  # fmt: skip


def finding(line: int, column: int, end_column: int, guarded: bool = False) -> Finding:
    update = ApiUpdate(
        family_id="runs-lib-2-value", library="lib", old_version="1", new_version="2", kind="return_changed", old_symbol=Symbol(""),
        new_symbol=Symbol(""), description="It differs.", update_info="It differs.",
    )  # fmt: skip
    return Finding(
        file=PATH, line=line, column=column, end_line=line, end_column=end_column, symbol="x", kind="return_changed",
        status="breaks", since="2", evidence="", confidence=0.9, advice="", update=update, guarded=guarded,
        witnesses=(Witness.RUNS,),
    )  # fmt: skip


def repaired(
    line: str, code: str, kind: DifferenceKind, new: str, old: str = "", *, guarded: bool = False
) -> str | None:
    """The line after what is proposed for a difference at some code of it; None where nothing is proposed."""
    text = f"import lib\n{line}\n"
    source = SourceFile.from_bytes(PATH, text.encode())
    node = next(
        one
        for one in ast.walk(source.tree.module)
        if isinstance(one, ast.expr) and ast.get_source_segment(text, one) == code
    )
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    spot = (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)
    place = finding(node.lineno, node.col_offset + 1, node.end_col_offset + 1, guarded)
    changes = run_repairs(source, [RunDifference(kind, PATH, spot, old, new)], [place], CALLED)
    if not changes:
        return None
    (change,) = changes
    assert change.evidence is EvidenceLevel.UNPROVEN
    assert change.findings == (place,)
    return apply(text, change.edits).splitlines()[1]


RAISES, VALUE, LATENT = DifferenceKind.RAISES, DifferenceKind.VALUE, DifferenceKind.LATENT
OVERFLOW = "OverflowError: Python integer 256 out of bounds for uint8"
RENAMED = "TypeError: Series.__init__() got an unexpected keyword argument 'values'"
UNEXPECTED = "TypeError: Text.__init__() got an unexpected keyword argument '_warn'"
POSITIONAL = "TypeError: Frame.drop() takes 2 positional arguments but 3 were given"


@pytest.mark.parametrize(
    ("line", "code", "kind", "new", "old", "expected"),
    [
        ("v = t['a'].values", "t['a'].values", LATENT, "read-only", "not", "v = t['a'].values.copy()"),
        ("v = d[0] * 256 + d[1]", "d[0] * 256", RAISES, OVERFLOW, "256 int64", "v = int(d[0]) * 256 + int(d[1])"),
        ("v = d[0] + 0.5", "d[0] + 0.5", VALUE, "1.5 float32", "1.5 float64", "v = float(d[0]) + 0.5"),
        ("v = d * 256", "d * 256", RAISES, OVERFLOW, "0 256 uint16[2]", 'v = d.astype("uint16") * 256'),
        ("f['a'].replace(m, inplace=True)", "f['a'].replace(m, inplace=True)", VALUE, "0 1", "None", "f['a'] = f['a'].replace(m)"),
        ("f.a.clip(inplace=True, lower=2)", "f.a.clip(inplace=True, lower=2)", VALUE, "0", "None", "f.a = f.a.clip(lower=2)"),
        ("v = lib.encode(s).decode('ascii')", "lib.encode(s)", VALUE, "'ab'", "b'ab'", "v = lib.encode(s)"),
        (
            "v = s.medain()", "s.medain", RAISES,
            "AttributeError: 'S' object has no attribute 'medain'. Did you mean: 'median'?", "1", "v = s.median()",
        ),
        ("v = f.drop('a', 1)", "f.drop('a', 1)", RAISES, POSITIONAL, "b", "v = f.drop('a', axis=1)"),
        ("v = lib.Series(values=1)", "lib.Series(values=1)", RAISES, RENAMED, "b", "v = lib.Series(data=1)"),
        ("v = super().__init__(values=1)", "super().__init__(values=1)", RAISES, RENAMED, "b", "v = super().__init__(data=1)"),
        (
            "def f(**o): o.setdefault('values', 1); o['values'] = o.pop('values'); return lib.Series(**o)", "lib.Series(**o)", RAISES,
            RENAMED, "b", "def f(**o): o.setdefault('data', 1); o['data'] = o.pop('data'); return lib.Series(**o)",
        ),
        (
            "o = {'values': 1, 'more': 'values'}; 'values' in o and lib.Series(**o)", "lib.Series(**o)", RAISES, RENAMED, "b",
            "o = {'data': 1, 'more': 'values'}; 'data' in o and lib.Series(**o)",
        ),
        (
            "o = {'size': 9, '_warn': False, **more}; lib.Text(**o)", "lib.Text(**o)", RAISES, UNEXPECTED, "b",
            "o = {'size': 9, **more}; lib.Text(**o)",
        ),
        ("o = {'_warn': 1}; lib.Text(**o)", "lib.Text(**o)", RAISES, UNEXPECTED, "b", "o = {}; lib.Text(**o)"),
        ("v = lib.Text(9, _warn=False)", "lib.Text(9, _warn=False)", RAISES, UNEXPECTED, "b", "v = lib.Text(9)"),
    ],
)  # fmt: skip
def test_a_difference_suggests_a_rewriting(
    line: str, code: str, kind: DifferenceKind, new: str, old: str, expected: str
) -> None:
    assert repaired(line, code, kind, new, old) == expected


@pytest.mark.parametrize(
    ("line", "code", "kind", "new", "old"),
    [
        ("v = f()['a'].replace(m, inplace=True)", "f()['a'].replace(m, inplace=True)", VALUE, "0", "None"),
        ("f()['a'].replace(m, inplace=True)", "f()['a'].replace(m, inplace=True)", VALUE, "0", "None"),
        ("v = 2 * 256", "2 * 256", RAISES, OVERFLOW, "512"),
        ("v = lib.Series(**o)", "lib.Series(**o)", RAISES, RENAMED, "b"),
        ("o = {'_warn': 1}; o['_warn'] = 2; lib.Text(**o)", "lib.Text(**o)", RAISES, UNEXPECTED, "b"),
        ("v = a + b", "a + b", VALUE, "'ab'", "'ba'"),
        ("v = f.other('a', 1)", "f.other('a', 1)", RAISES, POSITIONAL.replace("drop", "other"), "b"),
    ],
)
def test_what_suggests_nothing(line: str, code: str, kind: DifferenceKind, new: str, old: str) -> None:
    assert repaired(line, code, kind, new, old) is None


def test_a_branch_for_other_releases_is_left_alone() -> None:
    assert repaired("v = t.values", "t.values", LATENT, "read-only", guarded=True) is None
