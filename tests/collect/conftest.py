from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from recode.collect.verify import Pair
from recode.records import Migration
from recode.sandbox.environments import Environment

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
    "author": "hand-written",
}


@pytest.fixture
def make_entry() -> MakeEntry:
    """Return a maker of entries: a good one, but for what is given."""
    return lambda **changes: Migration(**{**DEFAULTS, **changes})


@pytest.fixture(scope="session")
def toy_pair(toy_old: Environment, toy_new: Environment) -> Pair:
    return Pair(toy_old, toy_new, "toylib")
