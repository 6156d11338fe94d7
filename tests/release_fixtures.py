from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from recode.dataset.verify.rule import EnvironmentPair
from recode.records import Migration
from recode.sandbox.environments import Environment
from tests.toy_releases import BROKEN, NOTES, ODD, ODD_MODULES, RELEASES, Index, add_wheel, sdist, serving

MakeEntry = Callable[..., Migration]

DEFAULTS: dict[str, Any] = {
    "id": "toylib-area-1",
    "family_id": "toylib-area",
    "library": "toylib",
    "old_version": "1.0",
    "new_version": "2.0",
    "kind": "renamed",
    "old_symbol": "toylib.area",
    "new_symbol": "toylib.surface",
    "description": "The area has a new name.",
    "update_info": "`toylib.area` is now `toylib.surface`.",
    "old_code": "import toylib\n\nsides = [1.5, 2.0]\nprint(toylib.area(sides))\n",
    "new_code": "import toylib\n\nsides = [1.5, 2.0]\nprint(toylib.surface(sides))\n",
    "author": "person",
}


@pytest.fixture
def make_entry() -> MakeEntry:
    """Return a function that makes entries: valid ones, except for the fields that are given."""
    return lambda **changes: Migration(**{**DEFAULTS, **changes})


@pytest.fixture(scope="session")
def toy_pair(toy_old: Environment, toy_new: Environment) -> EnvironmentPair:
    return EnvironmentPair(toy_old, toy_new, "toylib")


@pytest.fixture(scope="session")
def toy_releases(toy_index: Path, make_wheel: Callable[..., Path]) -> Iterator[Index]:
    """An index of `toymath` (four releases), `toybroken` (which cannot be imported) and `toyodd` (parts of which cannot be).

    uv finds their wheels too.
    """
    index = Index()
    for version, (source, modules) in RELEASES.items():
        add_wheel(index, make_wheel(toy_index, "toymath", version, source, modules=modules), "toymath", version)
    index.add("toymath", "2.0", "toymath-2.0.tar.gz", sdist("toymath", "2.0", NOTES))
    add_wheel(index, make_wheel(toy_index, "toymath", "1.2", "raise SystemExit\n"), "toymath", "1.2", yanked=True)
    for version in ("1.0", "2.0"):
        add_wheel(index, make_wheel(toy_index, "toybroken", version, BROKEN), "toybroken", version)
    for version in ("1.0", "2.0"):
        add_wheel(index, make_wheel(toy_index, "toyodd", version, ODD, modules=ODD_MODULES), "toyodd", version)
    with serving(index), pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECODE_INDEX", index.url)
        yield index
