from __future__ import annotations

from collections.abc import Callable

from recode.dataset.compose.compose import compose
from recode.records import Migration

MakeEntry = Callable[..., Migration]


def entries(make_entry: MakeEntry) -> list[Migration]:
    return [
        make_entry(
            id=f"toylib-{name}-1",
            family_id=f"toylib-{name}",
            old_symbol=f"toylib.{name}",
            new_symbol=f"toylib.new_{name}",
            context=f"the {name} in metres",
            old_code=f"import toylib\nx = [{number}]\nprint(toylib.{name}(x))\n",
            new_code=f"import toylib\nx = [{number}]\nprint(toylib.new_{name}(x))\n",
        )
        for number, name in enumerate(("area", "mean", "height", "width", "depth", "volume"))
    ]


def test_compositions_follow_several_families_and_name_them(make_entry: MakeEntry) -> None:
    made = compose(entries(make_entry), 0.5)
    assert len(made) == 3
    for entry in made:
        families = [part.family_id for part in entry.parts]
        assert 2 <= len(families) == len(set(families)) <= 5
        assert entry.families == tuple(families)
        assert all(f"toylib.{family.removeprefix('toylib-')}(x)" in entry.old_code for family in families)
        assert all(f"toylib.new_{family.removeprefix('toylib-')}(x)" in entry.new_code for family in families)
        assert entry.update_info.count("- ") == len(families)
        assert entry.old_code.count("import toylib\n") == 1


def test_the_same_entries_give_the_same_compositions(make_entry: MakeEntry) -> None:
    assert compose(entries(make_entry), 0.5) == compose(entries(make_entry), 0.5)
    assert compose([], 0.5) == []
