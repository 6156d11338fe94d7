"""Diagnostics of the type checker, borne out by the releases or not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from recode.migrate.rewrite import _name_questions
from recode.migrate.rewrite.name_checks import Question, ReleaseNames
from recode.migrate.witnesses.confirming import CERTAIN, DOUBTED, AskedReleases
from recode.migrate.witnesses.type_checker import Diagnostic


class Answers(ReleaseNames):
    """A release with given answers; any other question is not answered."""

    def __init__(self, answers: Mapping[Question, str]) -> None:
        super().__init__(None)
        self.given = answers

    def answer(self, question: Question) -> str:
        return self.given.get(question, "unknown")


def confidence(
    rule: str, message: str, old: Mapping[Question, str] | None = None, new: Mapping[Question, str] | None = None
) -> float:
    diagnostic = Diagnostic(Path("a.py"), 1, 1, 1, 4, rule, message)
    asked = AskedReleases(Answers(old or {}), Answers(new or {}), frozenset({"lib"}))
    return asked.confidences(Path("/nowhere"), [diagnostic])[diagnostic]


ATTRIBUTE = "Object of type `Index[int]` has no attribute `sum`"
SUM = ("offers", "lib", "Index.sum")
MEMBER = "Module `lib.sub` has no member `old`"
OLD = ("has", "lib.sub.old", "")
ARGUMENT = "Argument `copy` does not match any known parameter of bound method `Frame.rename`"
COPY = ("takes", "lib", "Frame.rename.copy")


@pytest.mark.parametrize(
    ("rule", "message", "question"),
    [
        ("missing-attribute", ATTRIBUTE, SUM),
        ("unknown-argument", ARGUMENT, COPY),
    ],
)
def test_a_missing_name_counts_unless_the_releases_say_otherwise(rule: str, message: str, question: Question) -> None:
    assert confidence(rule, message, {question: "yes"}, {question: "no"}) == CERTAIN
    assert confidence(rule, message) == CERTAIN
    # The old release had no such name either: only the inferred type is new.
    assert confidence(rule, message, {question: "no"}, {question: "no"}) == DOUBTED
    assert confidence(rule, message, {question: "yes"}, {question: "yes"}) == DOUBTED
    assert confidence(rule, message, {question: "elsewhere"}) == DOUBTED


def test_a_modules_member_may_be_a_placeholder() -> None:
    assert confidence("missing-module-member", MEMBER, {OLD: "yes"}, {OLD: "yes"}) == CERTAIN
    assert confidence("missing-module-member", MEMBER, {OLD: "no"}, {OLD: "no"}) == DOUBTED


def test_what_is_stored_counts_where_nothing_reads_it_any_more() -> None:
    message, question = "Unresolved attribute `api_base` on type `<module 'lib'>`", ("has", "lib.api_base", "")
    assert confidence("missing-attribute", message, {question: "yes"}, {question: "no"}) == CERTAIN
    assert confidence("missing-attribute", message, {question: "yes"}, {question: "yes"}) == DOUBTED


def test_pythons_own_objects_are_known_exactly() -> None:
    message, question = "Object of type `str` has no attribute `decode`", ("offers", "lib", "str.decode")
    elsewhere = {question: "elsewhere"}
    assert confidence("missing-attribute", message, elsewhere, elsewhere) == CERTAIN
    assert confidence("missing-union-attribute", message, elsewhere, elsewhere) == DOUBTED


@pytest.mark.parametrize(
    ("rule", "message", "method"),
    [
        ("not-callable", "Object of type `Model` is not callable", "__call__"),
        ("not-iterable", "Object of type `Model` is not iterable", "__iter__"),
        ("not-subscriptable", "Cannot subscript object of type `Model` with no `__getitem__` method", "__getitem__"),
    ],
)
def test_a_lost_protocol_counts_where_the_class_had_it(rule: str, message: str, method: str) -> None:
    question = ("defines", "lib", f"Model.{method}")
    assert confidence(rule, message, {question: "yes"}, {question: "no"}) == CERTAIN
    assert confidence(rule, message, {question: "yes"}, {question: "yes"}) == DOUBTED
    assert confidence(rule, message, {question: "no"}, {question: "no"}) == DOUBTED


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("invalid-argument-type", "Argument to function `f` is incorrect: Expected `int`, found `str`"),
        ("not-callable", "Object of type `object` is not callable"),
        ("missing-attribute", "Unresolved attribute `limit` on type `Dialect`"),
        ("missing-attribute", "Object of type `T@ndenumerate` has no attribute `x`"),
        ("missing-union-attribute", "Attribute `c` is not defined on `None` in union `Table | None`"),
        ("import-not-found", "Cannot resolve imported module `pytz`"),
        ("missing-argument", "No argument provided for required parameter 1"),
    ],
)
def test_what_says_nothing_about_the_library_is_doubted(rule: str, message: str) -> None:
    assert confidence(rule, message) == DOUBTED


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("import-not-found", "Cannot resolve imported module `lib.gone`"),
        ("missing-argument", "No argument provided for required parameter `x` of function `f`"),
        ("missing-attribute", "Object of type `Settings` has no attribute `dict`"),
        ("missing-attribute", "Object of type `Self@score` has no attribute `_validate_data`"),
    ],
)
def test_what_nobody_can_be_asked_about_counts(rule: str, message: str) -> None:
    assert confidence(rule, message) == CERTAIN


def test_a_package_that_the_library_no_longer_brings_along_is_missed() -> None:
    message, question = "Cannot resolve imported module `pytz`", ("brings", "lib", "pytz")
    assert confidence("import-not-found", message, {question: "yes"}, {question: "no"}) == CERTAIN
    assert confidence("import-not-found", message, {question: "no"}, {question: "no"}) == DOUBTED


LIBRARY = """
class Base:
    declared: int
    def __init__(self): self.made = 1
    def method(self, old=1): "A method."
    def __call__(self): "Runs."
class Sub(Base):
    pass
def free(**options): "Takes anything."
"""


def test_a_release_is_asked_about_classes_and_keywords(tmp_path: Path) -> None:
    (tmp_path / "toyclasses.py").write_text(LIBRARY, encoding="utf-8")
    questions = [
        ("offers", "toyclasses", "Sub.method"),
        ("offers", "toyclasses", "Sub.made"),
        ("offers", "toyclasses", "Sub.declared"),
        ("offers", "toyclasses", "Sub.gone"),
        ("offers", "toyclasses", "OrderedDict.gone"),
        ("offers", "toyclasses", "Nowhere.gone"),
        ("defines", "toyclasses", "Sub.__call__"),
        ("defines", "toyclasses", "Sub.__iter__"),
        ("takes", "toyclasses", "Sub.method.old"),
        ("takes", "toyclasses", "Sub.method.new"),
        ("takes", "toyclasses", "free.anything"),
        ("takes", "toyclasses", "nothing.x"),
        # The environment of the tests.
        ("brings", "transformers", "huggingface_hub"),
        ("brings", "transformers", "yaml"),
        ("brings", "transformers", "toyclasses"),
    ]
    code = f"{Path(_name_questions.__file__).read_text(encoding='utf-8')}\nmain({questions!r})\n"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [
        "yes", "yes", "yes", "no", "elsewhere", "unknown", "yes", "no", "yes", "no", "yes", "unknown", "yes", "yes", "no",
    ]  # fmt: skip
