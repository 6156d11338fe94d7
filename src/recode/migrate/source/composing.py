"""Edits of a text that was edited before, as edits of the text before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from recode.migrate.source.edits import Edit, apply, merged


@dataclass(frozen=True)
class ComposedEdit:
    """One edit of the first text that has the effect of several.

    Attributes:
        edit: the edit.
        first: the edits of the first text that it stands for.
        second: the edits of the second text that it stands for.
    """

    edit: Edit
    first: frozenset[Edit] = frozenset()
    second: frozenset[Edit] = frozenset()


@dataclass(frozen=True)
class _Region:
    """What an edit concerns in the second text: what the first edits wrote, or what the second edits replace."""

    start: int
    end: int
    edit: Edit
    is_first: bool

    def overlaps(self, start: int, end: int) -> bool:
        """Say whether the region shares a character with another, or an insertion is within one."""
        return max(self.start, start) < min(self.end, end) or (
            self.start < self.end and start == end and self.start < start < self.end
        )


def composed(text: str, first: Iterable[Edit], second: Iterable[Edit]) -> list[ComposedEdit]:
    """Return edits of `text` with the effect of the first edits, and then of the second ones; in order.

    Args:
        text: the text.
        first: edits of the text.
        second: edits of what the first ones make of it.

    Raises:
        ValueError: edits of one group overlap.
    """
    before, after = merged(first), merged(second)
    between = apply(text, before)
    regions = sorted(_regions(before, after), key=lambda one: (one.start, one.end, not one.is_first))
    return [_joined(between, before, cluster) for cluster in _clusters(regions)]


def original_offset(first: Sequence[Edit], offset: int) -> int | None:
    """Return the offset before some edits of a place after them; None within what the edits wrote."""
    shift = 0
    for edit in merged(first):
        start = edit.start + shift
        if offset < start:
            break
        if offset < start + len(edit.text):
            return None
        shift += len(edit.text) - (edit.end - edit.start)
    return offset - shift


def later_offset(first: Sequence[Edit], offset: int) -> int | None:
    """Return the offset after some edits of a place before them; None within what the edits replace."""
    shift = 0
    for edit in merged(first):
        if edit.start <= offset < edit.end:
            return None
        if edit.start > offset:
            break
        shift += len(edit.text) - (edit.end - edit.start)
    return offset + shift


def _regions(before: Sequence[Edit], after: Sequence[Edit]) -> list[_Region]:
    found = [_Region(edit.start, edit.end, edit, is_first=False) for edit in after]
    shift = 0
    for edit in before:
        start = edit.start + shift
        found.append(_Region(start, start + len(edit.text), edit, is_first=True))
        shift += len(edit.text) - (edit.end - edit.start)
    return found


def _clusters(regions: Sequence[_Region]) -> list[list[_Region]]:
    """Return the regions in groups of those that overlap, directly or through others."""
    clusters: list[list[_Region]] = []
    for region in regions:
        if clusters and any(
            one.overlaps(region.start, region.end) or region.overlaps(one.start, one.end) for one in clusters[-1]
        ):
            clusters[-1].append(region)
        else:
            clusters.append([region])
    return clusters


def _joined(between: str, before: Sequence[Edit], cluster: Sequence[_Region]) -> ComposedEdit:
    start, end = min(one.start for one in cluster), max(one.end for one in cluster)
    first = [one for one in cluster if one.is_first]
    second = [one.edit for one in cluster if not one.is_first]
    if not second:
        return ComposedEdit(first[0].edit, frozenset(one.edit for one in first))
    shift = sum(len(edit.text) - (edit.end - edit.start) for edit in _earlier(before, start, first))
    inner = sum(len(one.edit.text) - (one.edit.end - one.edit.start) for one in first)
    text = apply(between[start:end], [Edit(one.start - start, one.end - start, one.text) for one in second])
    return ComposedEdit(
        Edit(start - shift, end - shift - inner, text), frozenset(one.edit for one in first), frozenset(second)
    )


def _earlier(before: Sequence[Edit], start: int, within: Sequence[_Region]) -> list[Edit]:
    """Return the first edits whose text ends at a place of the second text, or before it."""
    inside = {one.edit for one in within}
    found, shift = [], 0
    for edit in before:
        if edit not in inside and edit.start + shift + len(edit.text) <= start:
            found.append(edit)
        shift += len(edit.text) - (edit.end - edit.start)
    return found
