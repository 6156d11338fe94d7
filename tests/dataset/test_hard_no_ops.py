from __future__ import annotations

from collections.abc import Callable

from recode.dataset.hard_no_ops import make_hard_no_ops
from recode.records import Migration, OldOnNew

MakeEntry = Callable[..., Migration]


def test_all_four_kinds_are_made(make_entry: MakeEntry) -> None:
    raises = OldOnNew(outcome="raises", line=2)
    entries = [
        make_entry(
            id=f"toylib-{name}-1",
            family_id=f"toylib-{name}",
            old_symbol=f"toylib.{name}",
            new_symbol=f"toylib.new_{name}",
            removed_in="2.0",
            update_info=f"`{name}` was removed in Toylib 2.0. Use `new_{name}`.",
            old_on_new=raises,
            old_code=f"import toylib\nprint(toylib.{name}([1]))\n",
            new_code=f"import toylib\nprint(toylib.new_{name}([1]))\n",
        )
        for name in (
            "area",
            "mean",
            "height",
            "width",
            "depth",
            "volume",
            "angle",
            "radius",
            "weight",
            "speed",
            "charge",
            "shade",
        )
    ]
    entries[0] = entries[0].model_copy(update={"new_code": "import toylib\nmean = toylib.new_area([1])\nprint(mean)\n"})
    made = make_hard_no_ops(entries, {})
    assert {entry.unchanged_because for entry in made} == {"guarded", "same_name", "earlier_release", "migrated"}
    for entry in made:
        assert entry.kind == "no_op"
        assert entry.old_code == entry.new_code
        assert (entry.new_version == entry.old_version) is (entry.unchanged_because == "earlier_release")
    same = [entry for entry in made if entry.unchanged_because == "same_name"]
    assert [(entry.family_id, "mean" in entry.old_code) for entry in same] == [("toylib-mean", True)]
