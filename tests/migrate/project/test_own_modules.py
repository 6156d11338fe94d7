from __future__ import annotations

from pathlib import Path

from recode.migrate.find.index import Index
from recode.migrate.project.own_modules import OwnModules, exported_names, read_own_modules

INDEX = Index(packages=frozenset({"lib"}), aliases={"lib.Model": "lib.base.Model"}, classes={"lib.base.Model": ("lib.base.Root",)})  # fmt: skip


def read(folder: Path, **files: str) -> OwnModules:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return read_own_modules(folder, [Path(f"{name}.py") for name in files], INDEX)


def test_classes_are_followed_through_the_modules_of_a_project(tmp_path: Path) -> None:
    own = read(
        tmp_path,
        base="import lib\n\nclass Base(lib.Model):\n    pass\n",
        items="from base import (\n    Base,  # ours\n)\n\nclass Item(Base, frozen=True):\n    pass\n\nclass Box(Item[int]): ...\n",
        other="import os\n\nclass Plain(Base): ...\n\nclass Error(ValueError): ...\n",
    )
    assert own.classes == {
        "base.Base": ("lib.base.Model", "lib.base.Root"),
        "items.Item": ("lib.base.Model", "lib.base.Root"),
        "items.Box": ("lib.base.Model", "lib.base.Root"),
    }
    assert own.exports["items"]["Item"] == "items.Item"
    assert own.names == {"base", "items", "other"}


def test_a_project_without_the_library_has_none(tmp_path: Path) -> None:
    assert read(tmp_path, a="import os\n\nclass A(B): ...\n").classes == {}


def test_a_class_that_two_modules_of_one_name_define_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    for folder in (tmp_path, tmp_path / "x"):
        (folder / "m.py").write_text("import lib\n\nclass A(lib.Model): ...\n")
    assert read_own_modules(tmp_path, [Path("m.py"), Path("x/m.py")], INDEX).classes == {}


def test_plain_import_lines_are_read() -> None:
    text = "import lib.a as b\nfrom lib import c as d, e\nfrom other import lib\nfrom lib.x import (\n    f,\n    g as h,\n)\n"
    assert exported_names(text, ["lib"]) == {"b": "lib.a", "d": "lib.c", "e": "lib.e", "f": "lib.x.f", "h": "lib.x.g"}
