"""The shape of the code and of its tests: short functions and files, small folders, one class per name, tests that mirror the source.

The pages that describe the tree may name only what exists.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import recode

SOURCE = Path(recode.__file__).parent
TESTS = Path(__file__).parent
ROOT = TESTS.parent
MODULES = sorted(SOURCE.rglob("*.py"))
FOLDERS = sorted({path.parent for path in MODULES})
LONGEST_FUNCTION = 60
LONGEST_FILE = 450
LARGEST_FOLDER = 14
"""Modules of a folder, without its `__init__.py`."""


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_functions_fit_on_a_screen_and_files_stay_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in functions(ast.parse(text))
        if node.end_lineno is not None and node.end_lineno - node.lineno >= LONGEST_FUNCTION
    ]
    assert long == []
    assert len(text.splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(SOURCE)))
def test_folders_stay_small_and_say_what_they_are_about(folder: Path) -> None:
    assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= LARGEST_FOLDER
    assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))


def test_every_folder_of_code_is_a_package() -> None:
    assert [folder for folder in FOLDERS if not (folder / "__init__.py").exists()] == []


def test_a_class_name_is_used_once() -> None:
    names = Counter(
        node.name
        for path in MODULES
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert {name: count for name, count in names.items() if count > 1} == {}


def test_no_key_is_the_address_of_an_object() -> None:
    """A key of `id()` outlives its object. Only code that observes live objects of other programs may need it."""
    with_addresses = [
        str(path.relative_to(SOURCE))
        for path in MODULES
        if "guest" not in path.parts and path.name != "_walker.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "id"
    ]
    assert with_addresses == []


def test_no_docstring_says_only_that_something_is_the_same() -> None:
    assert [path for path in MODULES if '"""The same."""' in path.read_text(encoding="utf-8")] == []


ACROSS_MODULES = {
    "dataset/test_shipped_records.py": "the data set itself",
    "environments/test_verifiers_ecosystem.py": "the package in environments/recode_migrations",
    "migrate/test_migration_corpus.py": "all of migrate, over a corpus of programs",
    "rewards/test_strict.py": "the strict family, which is all of rewards/ but the paper family",
    "sandbox/test_endurance.py": "the whole sandbox, over ten thousand programs",
    "sandbox/test_hostile.py": "the whole sandbox, against hostile programs",
    "sandbox/test_verdicts.py": "the whole sandbox, against plain Python",
    "test_docs.py": "the README and the pages that support it",
    "test_house.py": "the source tree",
    "test_imports.py": "the source tree",
    "test_wheel.py": "the built package",
    "test_release.py": "the release command in `tools/`",
    "test_tutorials.py": "the pages in `docs/tutorials/`",
    "train/trl/test_parity.py": "the trainer's losses, against the papers' equations",
    "train/trl/test_several_processes.py": "training on several processes",
}
"""Tests of no single module, and what they are about."""


def is_of_one_module(path: Path) -> bool:
    """Whether a test file is named after a module at the same place: `test_scan.py` and `test_scan_programs.py` after `scan.py`.

    `test_walker.py` may also belong to `_walker.py`, and a package's tests to its `__init__.py`.
    """
    folder = SOURCE / path.parent.relative_to(TESTS)
    modules = {module.stem.removeprefix("_") for module in folder.glob("*.py")} | {folder.name}
    modules |= {package.parent.name for package in folder.glob("*/__init__.py")}
    words = path.stem.removeprefix("test_").split("_")
    return any("_".join(words[:count]) in modules for count in range(1, len(words) + 1))


def test_tests_mirror_the_source() -> None:
    lost = {path.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py") if not is_of_one_module(path)}
    assert lost == set(ACROSS_MODULES)


def tree_of(text: str) -> list[str]:
    """The files and folders in the tree that a page draws."""
    block = text.partition("src/recode/\n")[2].partition("```")[0]
    found, folder = [], ""
    for line in block.splitlines():
        if match := re.match(r"([│├└─ ]+)([\w./]+(?:, [\w./]+)*)", line):
            indent, names = match.groups()
            folder = names if len(indent) == len("├── ") else folder
            inner = len(indent) > len("├── ")
            found += [
                f"src/recode/{folder if inner else ''}{name}"
                for name in names.split(", ")
                if "." in name or "/" in name
            ]
    return found


def named_paths(text: str) -> list[str]:
    """The paths in a page's code spans: those with a slash, and those that end like one of our files."""
    spans = re.findall(r"`([\w./-]+)(?:/\*)?`", text)
    return [
        span for span in spans if "/" in span or Path(span).suffix in {".py", ".toml", ".md", ".jsonl", ".txt", ".yml"}
    ]


@pytest.mark.parametrize("page", ["AGENTS.md", "CONTRIBUTING.md", "docs/architecture.md"])
def test_pages_name_only_what_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    paths = {*tree_of(text), *named_paths(text)}
    missing = [path for path in sorted(paths) if not any((place / path).exists() for place in (ROOT, SOURCE))]
    assert missing == []
    assert paths


def test_the_tree_shows_every_package_and_every_module_at_the_top() -> None:
    shown = {path.rstrip("/") for path in tree_of((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))}
    folders = {f"src/recode/{folder.relative_to(SOURCE)}" for folder in FOLDERS if folder != SOURCE}
    modules = {f"src/recode/{path.name}" for path in SOURCE.glob("*.py") if not path.name.startswith("__")}
    assert (folders | modules) - shown == set()
