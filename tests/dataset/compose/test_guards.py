from __future__ import annotations

from collections.abc import Callable

from recode.dataset.compose.guards import guarded
from recode.records import Migration

MakeEntry = Callable[..., Migration]


def test_a_new_name_is_asked_for(make_entry: MakeEntry) -> None:
    entry = make_entry(
        old_code="import toylib as t\nx = [1]\nprint(t.area(x))\n",
        new_code="import toylib as t\nx = [1]\nprint(t.surface(x))\n",
    )
    assert guarded(entry, "2.0") == (
        'import toylib as t\nx = [1]\nif hasattr(t, "surface"):\n    print(t.surface(x))\nelse:\n    print(t.area(x))\n'
    )


def test_a_parameter_is_guarded_by_the_release(make_entry: MakeEntry) -> None:
    entry = make_entry(
        old_symbol="toylib.total(scale)",
        new_symbol="toylib.total(factor)",
        old_code="import toylib\nprint(toylib.total([1], scale=2))\n",
        new_code="import toylib\nprint(toylib.total([1], factor=2))\n",
    )
    code = guarded(entry, "2.1")
    assert code is not None
    assert 'if tuple(map(int, toylib.__version__.split(".")[:2])) >= (2, 1):' in code
    assert guarded(entry, "") is None


def test_an_import_is_tried(make_entry: MakeEntry) -> None:
    entry = make_entry(
        old_code="from toylib import area\nprint(area([1]))\n",
        new_code="from toylib.shapes import area\nprint(area([1]))\n",
    )
    assert guarded(entry, "2.0") == (
        "try:\n    from toylib.shapes import area\nexcept ImportError:\n    from toylib import area\nprint(area([1]))\n"
    )


def test_several_places_and_parts_of_statements_are_left(make_entry: MakeEntry) -> None:
    two = make_entry(old_code="a(1)\nb = 2\na(3)\n", new_code="c(1)\nb = 2\nc(3)\n")
    part = make_entry(old_code="def f(\n    a,\n):\n    pass\n", new_code="def f(\n    b,\n):\n    pass\n")
    assert guarded(two, "2.0") is None
    assert guarded(part, "2.0") is None
