"""What the rest of a project takes from a file, also where that file alone is migrated; and files that are too deep."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from recode.migrate.pipeline import rewrite_project
from recode.migrate.project.files import files_around
from recode.migrate.result import MigrateOptions, MigrationResult, Upgrade
from tests.migrate.migration_corpus import UPDATES

OWN = "from numpy import trapz\n"
KEPT = b"from numpy import trapezoid as trapz\n"


def migrated(root: Path) -> MigrationResult:
    return rewrite_project(root, Upgrade("numpy", "1.26.4", "2.4.6"), MigrateOptions(environments=False), UPDATES)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    package = tmp_path / "pkg"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "mod.py").write_text(OWN)
    return package


@pytest.mark.parametrize("with_git", [False, True])
def test_a_file_that_is_migrated_alone_keeps_what_other_files_take_from_it(package: Path, with_git: bool) -> None:
    if with_git:
        subprocess.run(["git", "init", "-q"], cwd=package.parent, check=True)
    (package.parent / "tool.py").write_text("from pkg.mod import trapz\n")
    for root in (package / "mod.py", package, package.parent):
        made = {file.path.name: file.new for file in migrated(root).files()}
        assert made["mod.py"] == KEPT, root
    (package.parent / "tool.py").write_text("from pkg import trapz\n")
    assert migrated(package / "mod.py").files()[0].new == OWN.replace("trapz", "trapezoid").encode()


@pytest.mark.parametrize("source", [["from pkg.mod import (\n", "trapz)"], "import os\nfrom pkg.mod import (\ntrapz)"])
def test_notebooks_take_names_from_modules_too(package: Path, source: object) -> None:
    cells = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": source}]
    text = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    (package.parent / "n.ipynb").write_text(text)
    made = {file.path.name: file.new for file in migrated(package.parent).files()}
    assert made["mod.py"] == KEPT


def test_the_project_around_a_package_is_found_by_its_metadata(package: Path) -> None:
    top = package.parent
    (top / "tool.py").write_text("")
    (top / "further").mkdir()
    (top / "further" / "more.py").write_text("")
    own = {package / "__init__.py", package / "mod.py"}
    assert set(files_around(package)) == {*own, top / "tool.py"}, "a loose package, and what lies beside it"
    assert set(files_around(top / "further")) == {top / "further" / "more.py"}
    source = top / "src"
    source.mkdir()
    package.rename(source / "pkg")
    (top / "pyproject.toml").write_text("")
    assert {one.name for one in files_around(source / "pkg")} == {"__init__.py", "mod.py", "tool.py", "more.py"}


@pytest.mark.parametrize(("terms", "is_rewritten"), [(360, True), (900, False)])
def test_a_file_that_is_nested_too_deeply_is_left_alone(tmp_path: Path, terms: int, is_rewritten: bool) -> None:
    text = "import numpy as np\nnp.trapz(1)\nprint(" + " + ".join(["'a'"] * terms) + ")\n"
    (tmp_path / "deep.py").write_text(text)
    (tmp_path / "flat.py").write_text("import numpy as np\nnp.trapz(1)\n")
    result = migrated(tmp_path)
    assert [file.path.name for file in result.files()] == (["deep.py"] if is_rewritten else []) + ["flat.py"]
    skipped = [(one.file.name, one.reason) for one in result.scanned.skipped]
    assert skipped == ([] if is_rewritten else [("deep.py", "nested too deeply")])
