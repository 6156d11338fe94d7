"""Classes whose field became a base: the class, its field and what reads it change together."""

from __future__ import annotations

from pathlib import Path

import pytest

from recode.migrate.find.findings import Finding
from recode.migrate.rewrite.field_bases import field_base_edits, new_base
from recode.migrate.rewrite.program import CannotRename, EditableProgram
from recode.migrate.source.edits import apply
from recode.migrate.source.tree import Tree
from recode.records import ApiUpdate
from tests.migrate.migration_corpus import update


def finding(old: str, new: str, line: int = 1) -> Finding:
    note = ApiUpdate(**{**update("replaced", old, new).model_dump(), "library": "pydantic"})
    return Finding(Path("a.py"), line, 1, line, 1, note.old_symbol, "replaced", "breaks", "2.0", "", 1.0, "", note)


MODEL = """from typing import List
from pydantic import BaseModel


class Names(BaseModel):
    __root__: List[str] = []

    def first(self):
        return self.__root__[0]
"""


def rewritten(text: str) -> str:
    tree = Tree(text)
    places = {}
    start = -1
    while (start := text.find("    __root__", start + 1)) >= 0:
        place = tree.place(start + 4, start + 12)
        assert place is not None
        places[finding("pydantic.BaseModel.__root__", "pydantic.RootModel", len(places) + 1)] = place
    try:
        return apply(text, field_base_edits(EditableProgram(tree), places, list(places)))
    except CannotRename as refusal:
        return str(refusal)


def test_a_root_model_changes_as_a_whole() -> None:
    text = MODEL + "names = Names(__root__=['ada'])\nprint(names.__root__)\n"
    expected = text.replace("__root__", "root").replace("(BaseModel)", "(RootModel)")
    assert rewritten(text) == expected.replace(
        "import BaseModel\n", "import BaseModel\nfrom pydantic import RootModel\n"
    )


def test_two_models_of_a_file_change_together() -> None:
    text = MODEL.replace("from pydantic import BaseModel", "import pydantic").replace(
        "(BaseModel", "(pydantic.BaseModel"
    )
    text += text.partition("\n\n\n")[2].replace("Names", "More")
    assert rewritten(text) == text.replace("__root__", "root").replace("pydantic.BaseModel", "pydantic.RootModel")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("(BaseModel)", "(BaseModel, dict)", "other bases"),
        ("    __root__: List[str] = []", "    size: int\n    __root__: List[str] = []", "further fields"),
        ("    __root__: List[str] = []", "    __root__ = ['a']", "no annotation"),
        ("def first", "def root", "has a `root` already"),
        ("return self.__root__[0]", "return self.dict()['__root__']", "stands in a string"),
    ],
)
def test_what_is_more_than_a_root_model_stays(old: str, new: str, reason: str) -> None:
    assert reason in rewritten(MODEL.replace(old, new))


def test_other_fields_have_no_new_base() -> None:
    assert new_base(finding("pydantic.BaseModel.dict", "pydantic.BaseModel.model_dump")) is None
