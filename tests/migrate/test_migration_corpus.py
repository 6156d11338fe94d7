"""The corpus, byte for byte: changed as the table says, unchanged where a place only looks alike, and patches that apply."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from recode.migrate.pipeline import rewrite_project
from recode.migrate.project.writing import patch_of
from recode.migrate.result import MigrateOptions, MigrationResult, Upgrade
from tests.migrate.migration_corpus import UPDATES, Case, cases

CASES = list(cases())


def name_of(number: int) -> str:
    return f"case_{number:04}.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("corpus")
    for number, case in enumerate(CASES):
        (root / name_of(number)).write_bytes(case.before)
    return root


@pytest.fixture(scope="module")
def migrated(folder: Path) -> MigrationResult:
    return rewrite_project(folder, Upgrade("numpy", "1.26.4", "2.4.6"), MigrateOptions(environments=False), UPDATES)


def test_the_corpus_is_large() -> None:
    assert len(CASES) >= 200
    assert len({(case.before, case.after) for case in CASES}) >= 200


@pytest.mark.parametrize(("number", "case"), list(enumerate(CASES)), ids=[case.name for case in CASES])
def test_each_file_becomes_what_the_table_says(migrated: MigrationResult, number: int, case: Case) -> None:
    made = {file.path.name: file.new for file in migrated.files()}
    assert made.get(name_of(number), case.before) == case.after


def test_files_that_stay_are_not_even_mentioned(migrated: MigrationResult) -> None:
    same = {name_of(number) for number, case in enumerate(CASES) if case.before == case.after}
    assert not same & {file.path.name for file in migrated.files()}


def test_git_applies_the_patch_of_the_whole_corpus(folder: Path, migrated: MigrationResult, tmp_path: Path) -> None:
    for number, case in enumerate(CASES):
        (tmp_path / name_of(number)).write_bytes(case.before)
    (tmp_path / "all.patch").write_bytes(patch_of(folder, migrated.files()))
    done = subprocess.run(["git", "apply", "all.patch"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for number, case in enumerate(CASES):
        assert (tmp_path / name_of(number)).read_bytes() == case.after
