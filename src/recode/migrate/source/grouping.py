"""Groups of what belongs together, such as changes that share an edit."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

Item = TypeVar("Item", bound=Hashable)


def grouped(items: Iterable[Item], linked: Iterable[Sequence[Item]]) -> list[list[Item]]:
    """Return the items in groups, in the order of their first items; items that a sequence of `linked` holds are in one group."""
    group_of = {item: [item] for item in items}
    for several in linked:
        joined: list[Item] = []
        for item in several:
            if item not in joined:
                joined += group_of[item]
        for item in joined:
            group_of[item] = joined
    groups: list[list[Item]] = []
    listed: set[Item] = set()
    for group in group_of.values():
        if group[0] not in listed:
            listed.update(group)
            groups.append(group)
    return groups
