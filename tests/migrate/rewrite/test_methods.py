"""Methods that a library calls by their names, renamed together with what their class calls them by."""

from __future__ import annotations

import pytest

from recode.migrate.rewrite.program import EditableProgram
from recode.migrate.rewrite.renames import plan_renames
from recode.migrate.rewrite.requests import RenameRefused, RenameRequest
from recode.migrate.source.edits import apply
from recode.migrate.source.tree import Tree
from recode.symbol import Symbol

OLD, NEW = Symbol("pytest.Class.setup"), Symbol("pytest.Class.setup_method")
TESTS = """class TestA:
    async  def setup(self):
        self.calls = []

    def test_again(self):
        self.setup()
        super().setup()
"""


def renamed(text: str) -> str:
    tree = Tree(text)
    requests = []
    start = -1
    while (start := text.find("def setup(", start + 1)) >= 0:
        place = tree.place(start + 4, start + 9)
        assert place is not None
        requests.append(RenameRequest(place, OLD, NEW))
    done = plan_renames(EditableProgram(tree), requests)
    refused = [one.reason for one in done if isinstance(one, RenameRefused)]
    return refused[0] if refused else apply(text, [edit for one in done for edit in one.edits])  # type: ignore[union-attr]


def test_a_method_takes_along_what_its_class_calls_it_by() -> None:
    assert renamed(TESTS) == TESTS.replace("setup(", "setup_method(")


def test_two_classes_are_renamed_each_by_itself() -> None:
    text = TESTS + TESTS.replace("TestA", "TestB")
    assert renamed(text) == text.replace("setup(", "setup_method(")


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        ("    def setup_method(self): pass\n", "has a `setup_method` already"),
        ("    setup = None\n", "more than once"),
        ("other = TestA()\nother.setup()\n", "may mean this method or another one"),
        ("class B(TestA):\n    def f(self):\n        self.setup()\n", "may mean this method or another one"),
        ("getattr(TestA, 'setup')\n", "stands in a string"),
    ],
)
def test_a_method_stays_whose_name_may_be_used_otherwise(rest: str, reason: str) -> None:
    assert reason in renamed(TESTS + rest)


def test_a_function_outside_a_class_is_no_method() -> None:
    assert "is no method" in renamed("def setup(): pass\n")
