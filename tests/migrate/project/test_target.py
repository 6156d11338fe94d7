"""Where a project moves to and comes from, and what an update does to it then."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.version import Version

from recode.errors import RecodeError
from recode.knowledge.versions import status_at
from recode.migrate.project.target import current_release, parse_target
from recode.records import ApiUpdate


def update(**given: str) -> ApiUpdate:
    fields = {
        "family_id": "x",
        "library": "lib",
        "old_version": "1.0",
        "new_version": "3.2",
        "kind": "removed",
        "old_symbol": "lib.f",
    }
    rest = {"new_symbol": "", "description": "d", "update_info": "u"}
    return ApiUpdate.model_validate({**fields, **rest, **given})


@pytest.mark.parametrize(
    ("given", "target", "start", "expected"),
    [
        ({"removed_in": "2.0"}, "2.0.0", None, ("breaks", "2.0")),
        ({"removed_in": "2.0"}, "1.9", None, None),
        ({"removed_in": "2.0", "deprecated_in": "1.5"}, "1.9", None, ("deprecated", "1.5")),
        ({"removed_in": "2.0", "deprecated_in": "1.5"}, "2.1", "2.0.1", None),
        ({"removed_in": "2.0", "deprecated_in": "1.5"}, "2.1", "1.6", ("breaks", "2.0")),
        ({"deprecated_in": "1.5", "kind": "deprecated"}, "2.0", "1.9", ("deprecated", "1.5")),
        ({"removed_in": "9.0", "deprecated_in": "3.0"}, "3.2", None, ("deprecated", "3.0")),
        ({}, "3.0", None, ("breaks", "3.2")),
        ({}, "2.9", None, None),
        ({}, "4.0", "3.2", None),
    ],
)
def test_status(given: dict[str, str], target: str, start: str | None, expected: object) -> None:
    assert status_at(update(**given), Version(target), Version(start) if start else None) == expected


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("uv.lock", '[[package]]\nname = "numpy"\nversion = "1.26.4"\n', "1.26.4"),
        ("poetry.lock", '[[package]]\nname = "NumPy"\nversion = "1.25.0"\n', "1.25.0"),
        ("pylock.toml", '[[packages]]\nname = "numpy"\nversion = "1.24.0"\n', "1.24.0"),
        ("Pipfile.lock", '{"default": {"numpy": {"version": "==1.23.1"}}}', "1.23.1"),
        ("requirements.txt", "scipy\nnumpy==1.22.0 \\\n    --hash=sha256:abc\n", "1.22.0"),
        ("requirements-dev.txt", "numpy>=1.20,<2  # why\n", "1.20"),
        ("pyproject.toml", "[project]\ndependencies = [\"numpy>=1.21; python_version < '4'\"]\n", "1.21"),
        ("pyproject.toml", '[tool.poetry.dependencies]\nnumpy = "^1.19"\n', "1.19"),
        ("setup.cfg", "[options]\ninstall_requires =\n    numpy ~= 1.18\n", "1.18"),
    ],
)
def test_the_projects_own_files_say_where_it_comes_from(tmp_path: Path, file: str, text: str, expected: str) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / file).write_text(text)
    found = current_release(tmp_path, "numpy", "2.0.0")
    assert found is not None
    assert (found.version, found.where) == (expected, file)


def test_a_broken_file_and_a_later_release_say_nothing(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "uv.lock").write_text("[[package")
    (tmp_path / "requirements.txt").write_text("nosuchlibrary==3.0\n")
    assert current_release(tmp_path, "nosuchlibrary", "2.0.0") is None


def test_what_to_move_to() -> None:
    assert parse_target("Scikit_Learn == 1.4.0") == ("scikit-learn", "1.4.0")
    for text in ("numpy", "numpy>=2", "==2", "numpy==later"):
        with pytest.raises(RecodeError, match="--to"):
            parse_target(text)


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        (".python-version", "3.9.18\n", "3.9.18"),
        (".python-version", "pypy3.9\n", None),
        ("pyproject.toml", '[project]\nrequires-python = ">=3.8,<4"\n', "3.8"),
        ("pyproject.toml", '[tool.poetry.dependencies]\npython = "^3.10"\n', "3.10"),
        ("pyproject.toml", "[project]\n", None),
        ("setup.cfg", "[options]\npython_requires = >=3.7\n", "3.7"),
        ("requirements.txt", "python==3.9\n", None),
    ],
)
def test_the_release_of_python_is_read_from_what_a_project_requires(
    file: str, text: str, expected: str | None, tmp_path: Path
) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / file).write_text(text, encoding="utf-8")
    found = current_release(tmp_path, "python", "3.13")
    assert (found.version if found else None) == expected
