"""The release command: everything names the version of the package."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

import recode

ROOT = Path(__file__).parents[1]


def command() -> ModuleType:
    spec = importlib.util.spec_from_file_location("release", ROOT / "tools" / "release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_changelog_and_citation_name_the_version() -> None:
    assert command().version() == recode.__version__
    assert command().version_differences() == []


def test_another_version_and_a_missing_date_stand_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = command()
    (tmp_path / "src/recode").mkdir(parents=True)
    (tmp_path / "src/recode/__init__.py").write_text('__version__ = "3.1.0"\n')
    (tmp_path / "CITATION.cff").write_text("version: 3.0.0\n")
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 3.1.0, not yet released\n\n## 3.0.0, 2026-01-02\n")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "_git", lambda *words: "")
    assert module.obstacles() == [
        "CITATION.cff: does not name 3.1.0", "CHANGELOG.md: write the date: `## 3.1.0, YYYY-MM-DD`"
    ]  # fmt: skip
    (tmp_path / "CITATION.cff").write_text("version: 3.1.0\n")
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 3.1.0, 2026-12-01\n")
    assert module.obstacles() == []
    monkeypatch.setattr(module, "_git", lambda *words: "v3.1.0" if words[0] == "tag" else " M a.py")
    assert len(module.obstacles()) == 2


def test_workflows_name_tests_that_exist() -> None:
    named = [
        path
        for workflow in (ROOT / ".github" / "workflows").glob("*.yml")
        for path in re.findall(r"\btests/[\w/.]+", workflow.read_text(encoding="utf-8"))
    ]
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []
