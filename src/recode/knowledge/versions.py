"""Comparing releases: whether an update applies at a release, and whether it then breaks programs or only warns."""

from __future__ import annotations

import functools

from packaging.version import InvalidVersion, Version

from recode.errors import RecodeError
from recode.records import ApiUpdate, Status


@functools.cache
def release(text: str) -> Version | None:
    """Return a version; None where the text is not one."""
    try:
        return Version(text)
    except InvalidVersion:
        return None


def parse_release(text: str, what: str) -> Version:
    """Return the version that a user gave; `what` names the option or file in the error.

    Raises:
        RecodeError: the text is not a version.
    """
    found = release(text)
    if found is None:
        raise RecodeError(f"{what}: {text!r} is not a release; give one such as 2.1.0")
    return found


def is_undated(update: ApiUpdate) -> bool:
    """Say whether neither a text nor a walk says since when an update holds."""
    return not update.removed_in and not update.deprecated_in


def status_at(
    update: ApiUpdate, target: Version | None, start: Version | None = None, *, undated: bool = False
) -> tuple[Status, str] | None:
    """Return what an update does to a program that upgrades to a release, and since which release; None where it does nothing.

    Args:
        update: the update.
        target: the release to upgrade to; None: the update's newer one.
        start: the release in use; programs cannot use what was removed by then.
        undated: whether an update without a date counts at any target, because the caller will ask that release.
    """
    newest = release(update.new_version)
    goal = target or newest
    if goal is None:
        return None
    removed, deprecated = release(update.removed_in), release(update.deprecated_in)
    if removed is not None and newest is not None and removed > newest:
        # The removal is announced for a later release than was examined.
        removed = None
    if removed is not None and removed <= goal:
        return None if start is not None and removed <= start else ("breaks", update.removed_in)
    if deprecated is not None and deprecated <= goal:
        return "deprecated", update.deprecated_in
    if removed is None and deprecated is None and newest is not None:
        # Nothing says when it happened, so it counts from the major series of the newer release on.
        if (goal.major < newest.major and not undated) or (start is not None and start >= newest):
            return None
        return ("deprecated" if update.kind == "deprecated" else "breaks"), str(goal if undated else newest)
    return None
