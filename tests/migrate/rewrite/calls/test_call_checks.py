"""Renames of calls in a toy library: what is offered fits the new release's signatures, and what does not fit is advice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from recode.migrate.pipeline import rewrite_project
from recode.migrate.report.wording import reason_text
from recode.migrate.result import MigrateOptions, MigrationResult, Upgrade
from recode.migrate.rewrite.changes import EvidenceLevel, Reason
from recode.migrate.rewrite.name_checks import ReleaseNames
from recode.records import ApiUpdate, Kind
from recode.sandbox.environments import recode_home

OLD = '''
import functools, warnings

def simps(y, x=None, dx=1.0, *, axis=-1):
    """Integrate."""
    warnings.warn("use simpson", DeprecationWarning)
    return simpson(y, x=x, dx=dx, axis=axis)
def simpson(y, x=None, dx=1.0, axis=-1): return (y, x, dx, axis)
def random_tree(n, seed=None, create_using=None): return (n, seed, create_using)
def in1d(ar1, ar2, assume_unique=False): return [one in ar2 for one in ar1]
def get_storage_class(import_path=None): return import_path or dict
def count(*columns): return ("count", columns)
def length(): return ("length",)
def area(width, height): return (width, height)
def flat(low, high, step=1): return (low, high, step)
def loose(first, **more): return (first, more)
def groupby(by, *more, order=1): return (by, more)
def named(first, size=1): return (first, size)
def deprecate(f):
    @functools.wraps(f)
    def call(*args, **kwargs):
        warnings.warn("deprecated")
        return f(*args, **kwargs)
    return call
def product(*args, **kwargs):
    warnings.warn("use prod", DeprecationWarning)
    return prod(*args, **kwargs)
def prod(values): return values
every = deprecate(prod)
def doubled(values): return prod([2 * value for value in values])
class Client:
    def __init__(self, *, proxies: dict | None = None, timeout: float = 1.0, retries: int = 1): self.given = proxies, timeout
    def fetch(self, path, limit=10): return (path, limit)
    def names(self): return self.names_out()
    def names_out(self): return ["a"]
    @classmethod
    def open(cls, path, mode): return (path, mode)
    @staticmethod
    def join(left, right): return (left, right)
def lone(values): return list(values)
'''
NEW = """
def simpson(y, *, x=None, dx=1.0, axis=-1): return (y, x, dx, axis)
def random_labeled_tree(n, *, seed=None): return (n, seed)
def isin(element, test_elements, assume_unique=False): return [one in test_elements for one in element]
def import_string(dotted_path): return dotted_path
def length(): return ("length",)
def count(*columns):
    if not columns:
        return length() + ("count",)
    return ("count", columns)
def surface(height, width): return (width, height)
def level(low, extra=0, high=0, step=1): return (low, high, step)
def lonely(*, values): return list(values)
def looser(first, **more): return (first, more)
def group_by(*by, order=1): return by
def unnamed(first, **more): return (first, more)
def prod(values): return values
class Client:
    def __init__(self, *, proxy: str | None = None, wait: float | None = 1.0, attempts: int = 1): self.given = proxy, wait
    def get(self, path, *, limit=10): return (path, limit)
    def names_out(self): return ["a"]
    @classmethod
    def connect(cls, path, *, mode): return (path, mode)
    @staticmethod
    def concat(left): return (left,)
"""


def change(kind: Kind, old: str, new: str) -> ApiUpdate:
    return ApiUpdate(
        family_id=f"toycalls-{old}", library="toycalls", old_version="1.0", new_version="2.0", removed_in="2.0", kind=kind,
        old_symbol=f"toycalls.{old}", new_symbol=f"toycalls.{new}", description="A change.", update_info=f"Use `toycalls.{new}`.",
    )  # fmt: skip


UPDATES = [
    change("renamed", "simps", "simpson"),
    change("renamed", "random_tree", "random_labeled_tree"),
    change("renamed", "in1d", "isin"),
    change("renamed", "get_storage_class", "import_string"),
    change("renamed", "count", "length"),
    change("renamed", "area", "surface"),
    change("renamed", "flat", "level"),
    change("renamed", "loose", "looser"),
    change("renamed", "named", "unnamed"),
    change("renamed", "lone", "lonely"),
    change("renamed", "groupby", "group_by"),
    change("replaced", "product", "prod"),
    change("replaced", "every", "prod"),
    change("deprecated", "doubled", "prod"),
    change("parameter_renamed", "Client(proxies)", "Client(proxy)"),
    change("parameter_renamed", "Client(timeout)", "Client(wait)"),
    change("parameter_renamed", "Client(retries)", "Client(attempts)"),
    change("renamed", "Client.fetch", "Client.get"),
    change("renamed", "Client.open", "Client.connect"),
    change("renamed", "Client.join", "Client.concat"),
    change("replaced", "Client.names", "Client.names_out"),
]


@pytest.fixture(scope="module")
def library(toy_index: Path, make_wheel: Callable[..., Path]) -> None:
    make_wheel(toy_index, "toycalls", "1.0", OLD)
    make_wheel(toy_index, "toycalls", "2.0", NEW)


def migrated(folder: Path, program: str) -> MigrationResult:
    (folder / "main.py").write_text(program)
    return rewrite_project(folder, Upgrade("toycalls", "1.0", "2.0"), MigrateOptions(run_found=False), UPDATES)


def rewritten(result: MigrationResult, program: str) -> str:
    files = result.files()
    return files[0].new.decode() if files else program


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("before", "after", "evidence"),
    [
        ("t.simps(y, x)", "t.simpson(y, x=x)", EvidenceLevel.FORWARDS),
        ("t.simps(y, (x), 2)", "t.simpson(y, x=(x), dx=2)", EvidenceLevel.FORWARDS),
        ("t.simps(y, dx=2)", "t.simpson(y, dx=2)", EvidenceLevel.FORWARDS),
        ("t.random_tree(6, 3)", "t.random_labeled_tree(6, seed=3)", EvidenceLevel.CHECKED_BY_NAME),
        ("t.in1d(a, b, True)", "t.isin(a, b, True)", EvidenceLevel.CHECKED_BY_NAME),
        ("t.area(2, 3)", "t.surface(width=2, height=3)", EvidenceLevel.CHECKED_BY_NAME),
        ("t.flat(1, 2)", "t.level(1, high=2)", EvidenceLevel.CHECKED_BY_NAME),
        ("t.loose(1, size=2)", "t.looser(1, size=2)", EvidenceLevel.CHECKED_BY_NAME),
        ("t.groupby('a', 'b', order=2)", "t.group_by('a', 'b', order=2)", EvidenceLevel.CHECKED_BY_NAME),
        ("t.product([1])", "t.prod([1])", EvidenceLevel.FORWARDS),
        ("t.every([1])", "t.prod([1])", EvidenceLevel.FORWARDS),
        ("f = t.simps", "f = t.simpson", EvidenceLevel.FORWARDS),
        ("t.Client(timeout=2)", "t.Client(wait=2)", EvidenceLevel.CHECKED_BY_NAME),
        ("t.Client(retries=2)", "t.Client(attempts=2)", EvidenceLevel.CHECKED_BY_NAME),
        ("t.Client().fetch('p', 3)", "t.Client().get('p', limit=3)", EvidenceLevel.CHECKED_BY_NAME),
        ("t.Client.fetch(c, 'p', 3)", "t.Client.get(c, 'p', limit=3)", EvidenceLevel.CHECKED_BY_NAME),
        ("t.Client.open('p', 'r')", "t.Client.connect('p', mode='r')", EvidenceLevel.CHECKED_BY_NAME),
        ("t.Client().names()", "t.Client().names_out()", EvidenceLevel.FORWARDS),
    ],
)
def test_a_call_is_rewritten_so_that_it_fits(tmp_path: Path, before: str, after: str, evidence: EvidenceLevel) -> None:
    head = "import toycalls as t\n"
    result = migrated(tmp_path, f"{head}{before}\n")
    assert rewritten(result, "") == f"{head}{after}\n"
    assert {one.evidence for one in result.changes} == {evidence}


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("call", "why"),
    [
        ("t.get_storage_class()", "`import_string()` does not accept these arguments: `dotted_path` is missing"),
        ("t.random_tree(6, create_using=1)", "`random_labeled_tree()` does not accept these arguments: it has no parameter `create_using`"),
        ("t.random_tree(6, 3, 4)", "`random_labeled_tree()` does not accept these arguments: it takes 1 by position, and 3 are given"),
        ("t.in1d(ar1=a, ar2=b)", "`isin()` does not accept these arguments: it has no parameter `ar1`"),
        ("t.simps(y, x, *more)", "arguments before a `*` would have to become keywords"),
        ("t.lone(a for a in b)", "without brackets of its own"),
        ("t.Client.join(1, 2)", "`concat()` does not accept these arguments: it takes 1 by position, and 2 are given"),
    ],
)  # fmt: skip
def test_a_call_that_does_not_fit_is_advice(tmp_path: Path, call: str, why: str) -> None:
    program = f"import toycalls as t\n{call}\n"
    result = migrated(tmp_path, program)
    assert rewritten(result, program) == program
    assert not result.offered
    (place,) = result.left
    assert place.reason is Reason.DOES_NOT_BIND
    assert why in reason_text(place)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("call", "why"),
    [
        ("t.count()", "does more than call the new one"),
        ("t.Client(proxies={})", "its type changed from `dict | None` to `str | None`"),
        ("t.named(1, size=2)", "`size` is no longer a parameter of its own"),
        ("t.simps(y, *more)", "its `*` argument may hold more"),
    ],
)
def test_what_only_looks_like_a_rename_is_unproven(tmp_path: Path, call: str, why: str) -> None:
    program = f"import toycalls as t\n{call}\n"
    result = migrated(tmp_path, program)
    assert rewritten(result, program) == program
    (place,) = result.left
    assert place.reason is Reason.UNPROVEN
    assert why in place.detail


@pytest.mark.usefixtures("library")
def test_an_imported_name_is_renamed_only_if_all_of_its_calls_fit(tmp_path: Path) -> None:
    fits = "from toycalls import random_tree, simps\nsimps(y, x)\nrandom_tree(1, 2)\n"
    result = migrated(tmp_path, fits)
    assert rewritten(result, fits) == (
        "from toycalls import random_labeled_tree, simpson\nsimpson(y, x=x)\nrandom_labeled_tree(1, seed=2)\n"
    )
    half = "from toycalls import random_tree, simps\nsimps(y, x)\nrandom_tree(1, 2)\nrandom_tree(1, create_using=2)\n"
    result = migrated(tmp_path, half)
    assert rewritten(result, half) == half.replace("simps(y, x)", "simpson(y, x=x)").replace(", simps", ", simpson")
    assert {place.reason for place in result.left} == {Reason.DOES_NOT_BIND}
    assert len(result.left) == 3


@pytest.mark.usefixtures("library")
def test_answers_are_asked_once_for_an_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import toycalls as t\nt.in1d(a, b)\n"
    first = migrated(tmp_path, program)
    files = sorted((recode_home() / "names").iterdir())
    assert any("signature toycalls.isin " in json.loads(file.read_text()) for file in files)

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("asked again")

    monkeypatch.setattr("recode.migrate.rewrite.name_checks.run_program", fail)
    assert migrated(tmp_path, program).patch() == first.patch() != b""


def test_a_release_that_cannot_be_imported_proves_nothing(
    toy_index: Path, tmp_path: Path, make_wheel: Callable[..., Path]
) -> None:
    make_wheel(toy_index, "toyneeds", "1.0", "import toypin\ndef old(): ...\n", requires="toypin")
    make_wheel(toy_index, "toyneeds", "2.0", "import toypin\ntoypin.here\ndef new(): ...\n", requires="toypin")
    make_wheel(toy_index, "toypin", "1.0", "here = 1\n")
    make_wheel(toy_index, "toypin", "2.0", "")
    (tmp_path / "main.py").write_text("import toyneeds\ntoyneeds.old()\n")
    update = change("renamed", "old", "new").model_dump() | {
        "library": "toyneeds", "old_symbol": "toyneeds.old", "new_symbol": "toyneeds.new",
    }  # fmt: skip
    updates, upgrade = [ApiUpdate(**update)], Upgrade("toyneeds", "1.0", "2.0")
    result = rewrite_project(tmp_path, upgrade, MigrateOptions(run_found=False), updates)
    assert [one.evidence for one in result.offered] == [EvidenceLevel.BY_NOTE_ALONE]
    assert "toyneeds cannot be imported beside toyneeds 2.0 (AttributeError" in result.remarks[0]
    (tmp_path / "requirements.txt").write_text("toyneeds==1.0\ntoypin==1.0\n")
    result = rewrite_project(tmp_path, upgrade, MigrateOptions(run_found=False), updates)
    assert [one.evidence for one in result.offered] == [EvidenceLevel.CHECKED_BY_NAME]
    assert not result.remarks


def test_without_an_environment_nothing_is_known() -> None:
    names = ReleaseNames(None)
    assert names.has("toycalls.simpson") == "unknown"
    assert names.signature("toycalls.simpson") is None
    assert names.reached("toycalls", "simpson") is None
    assert names.import_failure("toycalls") == ""
