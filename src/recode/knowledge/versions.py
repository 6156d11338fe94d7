"""Comparing releases: whether an update has come by a release, and whether it then breaks or only warns."""

from __future__ import annotations

import functools

from packaging.version import InvalidVersion, Version

from recode.errors import RecodeError
from recode.records import ApiUpdate, Status


@functools.cache
def release(text: str) -> Version | None:
    """Return a release to compare by; None where the text is none."""
    try:
        return Version(text)
    except InvalidVersion:
        return None


def parse_release(text: str, what: str) -> Version:
    """Return a release that a user gave.

    Raises:
        RecodeError: the text is no release.
    """
    found = release(text)
    if found is None:
        raise RecodeError(f"{what}: {text!r} is not a release; give one such as 2.1.0")
    return found


def status_at(update: ApiUpdate, target: Version | None, start: Version | None = None) -> tuple[Status, str] | None:
    """Say what an update does to a program that moves to a release, and since which; None where it does nothing.

    Args:
        update: the update.
        target: the release that the program moves to; None: the update's newer one.
        start: the release that it comes from, in which what is gone already cannot be in use.
    """
    newest = release(update.new_version)
    goal = target or newest
    if goal is None:
        return None
    removed, deprecated = release(update.removed_in), release(update.deprecated_in)
    if removed is not None and newest is not None and removed > newest:
        # Announced for later than anybody looked.
        removed = None
    if removed is not None and removed <= goal:
        return None if start is not None and removed <= start else ("breaks", update.removed_in)
    if deprecated is not None and deprecated <= goal:
        return "deprecated", update.deprecated_in
    if removed is None and deprecated is None and newest is not None:
        # It happened in between, and nothing says when: told for releases of the newer one's major series on.
        if goal.major < newest.major or (start is not None and start >= newest):
            return None
        return ("deprecated" if update.kind == "deprecated" else "breaks"), update.new_version
    return None
