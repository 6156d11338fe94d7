"""What differs between two walks of a library's public names, with each change told once.

A name that is reachable by several paths, and a method that several classes inherit, is one object and gives one difference, under its shortest
public path. What a difference alone cannot tell is why: messages and release notes are joined to it in `join.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rapidfuzz.distance.Levenshtein import normalized_similarity as ratio

from recode.collect.walk.public_api import NOWHERE, Api, Member, Name, Parameter, Place
from recode.records import Kind

SENTINELS = (
    "no_default",
    "novalue",
    "no value",
    "deprecated",
    "sentinel",
    "notgiven",
    "not_given",
    "unset",
    "<object",
    "'warn'",
    "_missing",
)
"""What stands in a default's printed form where the default says only that nothing was given."""
KEYWORD_ONLY = 3
_ALIKE = 0.5
_MUCH_ALIKE = 0.55
"""Similarities of two names, from 0 to 1: one may be the other's new spelling where they stand at one place, or wherever they stand."""


@dataclass(frozen=True)
class Difference:
    """One change between the two releases.

    `path` is the old public path; `parameters` are those concerned, empty where the whole name is. `new_path` and
    `new_parameters` say what stands in its place, where the walks tell. `quote` is the old signature, or what stood
    there. `certain` is False where the name may have been public by accident, or the new signature hides what it accepts.
    """

    kind: Kind
    path: str
    new_path: str = ""
    parameters: tuple[str, ...] = ()
    new_parameters: tuple[str, ...] = ()
    detail: str = ""
    quote: str = ""
    place: Place = NOWHERE
    certain: bool = True


def differences(old: Api, new: Api) -> list[Difference]:
    """Return all differences, sorted by path."""
    found = list(_modules(old, new))
    gone_modules = {difference.path: difference.new_path for difference in found}
    for name in old.names:
        found += _name(name, old, new, gone_modules)
    found += _members(old, new)
    return sorted(_once(found), key=lambda one: (one.path, one.kind, one.parameters))


def _once(found: Sequence[Difference]) -> Iterator[Difference]:
    """Yield differences of the same thing once; a name that stands in for a removed one is told by the removal."""
    seen: set[tuple[str, str, tuple[str, ...]]] = set()
    for one in found:
        key = (one.kind, one.path, one.parameters)
        if key not in seen:
            seen.add(key)
            yield one


# --- modules ---


def _modules(old: Api, new: Api) -> Iterator[Difference]:
    """Yield the modules that are gone, the outermost only."""
    gone = {module for module in old.modules if module not in new.modules and module not in new.failures}
    gone -= {module for module in gone if new.has(module)}
    for module in sorted(gone):
        if module.rpartition(".")[0] in gone:
            continue
        target = _module_target(module, old, new)
        file = Place(old.modules[module], 1)
        quote = f"module {module}"
        yield Difference(
            "moved" if target else "removed", module, target, quote=quote, place=file, certain=_is_entry(module, old)
        )


def _is_entry(module: str, old: Api) -> bool:
    """Say whether people import from a module: it is the best path to some of its names, or the way to a package's."""
    return any(name.path.rpartition(".")[0] == module for name in old.names)


def _module_target(module: str, old: Api, new: Api) -> str:
    """Return the module where most names of a module that is gone are found now; empty where there is none."""
    file = old.modules[module]
    leaves = {
        path.rpartition(".")[2]
        for name in old.names
        for path in name.paths
        if path.rpartition(".")[0] == module and (path in name.listed or name.place.file == file)
    }
    if not leaves:
        return ""
    counts: dict[str, int] = defaultdict(int)
    for leaf in leaves:
        for holder in {path.rpartition(".")[0] for path in new.by_leaf.get(leaf, ())}:
            counts[holder] += 1
    best = max(counts.items(), key=lambda item: (item[1], -item[0].count("."), item[0]), default=("", 0))
    return best[0] if best[0] in new.modules and best[1] * 2 > len(leaves) else ""


# --- names ---


def _name(name: Name, old: Api, new: Api, gone_modules: dict[str, str]) -> Iterator[Difference]:
    """Yield what became of one public object: its paths, then its parameters."""
    kept = [path for path in name.paths if path in new.by_path]
    for path in _lost(name, kept, new):
        target, certain = _target(path, name, kept, old, new)
        if module := _below(path, gone_modules):
            if (followed := gone_modules[module]) and f"{followed}{path[len(module) :]}" in new.by_path:
                # It went with its module, which is a family of its own.
                continue
            # One family for the whole module, unless a message or a note says more: `join` looks there.
            certain = certain and bool(target)
        kind = _gone_kind(path, target)
        yield Difference(
            kind, path, target, quote=described(path, name), place=name.place, certain=certain and not name.is_hidden
        )
    if kept and name.parameters is not None:
        for one in signature_differences(kept[0], name.parameters, new.by_path[kept[0]].parameters, name.place):
            yield replace(one, certain=one.certain and not name.is_hidden)


def _lost(name: Name, kept: Sequence[str], new: Api) -> list[str]:
    """Return the lost paths of an object that are told: as short as its best one, and one for each last part.

    Longer paths are how modules import from each other.
    """
    lost = [path for path in name.paths if not new.has(path) and path.count(".") == name.path.count(".")]
    leaves = {path.rpartition(".")[2] for path in kept if path.count(".") == name.path.count(".")}
    told: dict[str, str] = {}
    for path in lost:
        if path.rpartition(".")[2] not in leaves or path in name.listed:
            told.setdefault(path.rpartition(".")[2], path)
    return list(told.values())


def _below(path: str, modules: dict[str, str]) -> str:
    """Return the one of the modules that a path lies in, or an empty text."""
    parts = path.split(".")
    return next((module for end in range(1, len(parts)) if (module := ".".join(parts[:end])) in modules), "")


def _target(path: str, name: Name, kept: Sequence[str], old: Api, new: Api) -> tuple[str, bool]:
    """Return the path by which the same thing is reached now, or an empty text; and whether that is certain."""
    if kept:
        return kept[0], True
    leaf = path.rpartition(".")[2]
    places = [other for other in new.by_leaf.get(leaf, ()) if other in new.by_path and other not in old.by_path]
    alike = [other for other in places if new.by_path[other].kind == name.kind]
    if not alike:
        return "", True
    same = [other for other in alike if _names(new.by_path[other].parameters) == _names(name.parameters)]
    best = min(same or alike, key=lambda other: (-_shared(other, path), other.count("."), other))
    return best, bool(same)


def _shared(path: str, other: str) -> int:
    """Count the leading parts that two paths share."""
    pairs = zip(path.split("."), other.split("."), strict=False)
    return next((index for index, (one, two) in enumerate(pairs) if one != two), 0)


def _gone_kind(path: str, target: str) -> Kind:
    if not target:
        return "removed"
    return "moved" if path.rpartition(".")[2] == target.rpartition(".")[2] else "renamed"


def described(path: str, name: Name | Member) -> str:
    """Return a name as a reader would look it up: with its signature, or its kind."""
    if name.parameters is None:
        return f"{name.kind} {path}"
    return f"{path}({written(name.parameters)})"


def written(parameters: Sequence[Parameter]) -> str:
    """Return parameters as they stand in a `def`."""
    parts: list[str] = []
    starred = False
    for one in parameters:
        if one.kind == KEYWORD_ONLY and not starred:
            parts.append("*")
            starred = True
        starred = starred or one.kind == 2
        mark = {2: "*", 4: "**"}.get(one.kind, "")
        parts.append(f"{mark}{one.name}" + (f"={one.default}" if one.default is not None else ""))
    return ", ".join(parts)


# --- members ---


def _members(old: Api, new: Api) -> Iterator[Difference]:
    """Yield differences of the members of classes that are in both releases, each under the class that defines it."""
    groups: dict[tuple[str, str], list[tuple[Name, str]]] = defaultdict(list)
    for name in old.names:
        kept = next((path for path in name.paths if path in new.by_path), None)
        if name.kind == "class" and kept is not None and new.by_path[kept].kind == "class":
            for member in name.members.values():
                groups[member.owner, member.name].append((name, kept))
    for (owner, leaf), holders in groups.items():
        defining = old.by_qualname.get(owner)
        public = defining.path if defining else ""
        # The class that defines a member comes first: its path is the member's.
        by_path = {path: name for name, path in holders}
        ordered = sorted(set(by_path) - {public}, key=lambda path: (path.count("."), path))
        if public in by_path:
            ordered.insert(0, public)
        yield from _member(leaf, [(by_path[path], path) for path in ordered], new)


def _member(leaf: str, holders: Sequence[tuple[Name, str]], new: Api) -> Iterator[Difference]:
    """Yield what became of a member: it is gone from all classes that had it, from some, or its parameters differ."""
    lost = [(name, path) for name, path in holders if not new.has(f"{path}.{leaf}")]
    if lost:
        name, path = lost[0]
        if len(lost) == len(holders) or path == holders[0][1]:
            member = name.members[leaf]
            full = f"{path}.{leaf}"
            yield Difference("removed", full, quote=described(full, member), place=member.place)
    kept = [(name, path) for name, path in holders if leaf in new.by_path[path].members]
    if kept:
        name, path = kept[0]
        before, after = name.members[leaf], new.by_path[path].members[leaf]
        if before.parameters is not None and before.kind == after.kind == "method":
            yield from signature_differences(f"{path}.{leaf}", before.parameters, after.parameters, before.place)


# --- parameters ---


def signature_differences(
    path: str, before: Sequence[Parameter], after: Sequence[Parameter] | None, place: Place
) -> Iterator[Difference]:
    """Yield the changes between two signatures of the same callable."""
    if after is None or (not _named(after) and any(one.is_variadic for one in after) and _named(before)):
        # The new one passes on whatever it is given: its signature says nothing.
        return
    quote = f"{path}({written(before)})"
    hides = any(one.is_variadic for one in after)
    gone = [one for one in _named(before) if one.name not in _names(after)]
    added = [one for one in _named(after) if one.name not in _names(before)]
    renamed = list(_renamed(gone, added, list(before), list(after)))
    for one, other in renamed:
        yield Difference("parameter_renamed", path, path, (one.name,), (other.name,), quote=quote, place=place)
    for one in gone:
        if one not in [pair[0] for pair in renamed]:
            certain = not (hides and one.kind != 0 and not any(two.kind == 4 for two in before))
            yield Difference("parameter_removed", path, path, (one.name,), quote=quote, place=place, certain=certain)
    for one in added:
        if one not in [pair[1] for pair in renamed]:
            certain = one.default is None and not any(two.is_variadic for two in before)
            detail = "required" if one.default is None else f"optional, default {one.default}"
            yield Difference("parameter_added", path, path, (), (one.name,), detail, quote, place, certain)
    yield from _changed(path, before, after, quote, place)


def _changed(
    path: str, before: Sequence[Parameter], after: Sequence[Parameter], quote: str, place: Place
) -> Iterator[Difference]:
    """Yield what changed about parameters that are in both signatures."""
    now = {one.name: one for one in after}
    both = [(one, now[one.name]) for one in _named(before) if one.name in now and not now[one.name].is_variadic]
    narrowed = tuple(one.name for one, two in both if one.kind < KEYWORD_ONLY == two.kind)
    if narrowed:
        yield Difference("keyword_only", path, path, narrowed, narrowed, quote=quote, place=place)
    for one, two in both:
        if one.default is not None and two.default is None:
            yield Difference(
                "default_changed", path, path, (one.name,), (one.name,), f"{one.default} → required", quote, place
            )
        elif (
            one.default != two.default
            and one.default is not None
            and two.default is not None
            and not _same(one.default, two.default)
        ):
            certain = not (is_sentinel(one.default) or is_sentinel(two.default))
            detail = f"{one.default} → {two.default}"
            yield Difference("default_changed", path, path, (one.name,), (one.name,), detail, quote, place, certain)


def is_sentinel(default: str) -> bool:
    """Say whether a default only stands for 'nothing was given'."""
    return any(mark in default.lower() for mark in SENTINELS)


def _same(one: str, two: str) -> bool:
    """Say whether two printed defaults may be the same value: `1` and `1.0`, or one object under another name."""
    try:
        return float(one) == float(two)
    except ValueError:
        return one.rpartition(".")[2].strip("<>'\"") == two.rpartition(".")[2].strip("<>'\"")


def _renamed(
    gone: Sequence[Parameter], added: Sequence[Parameter], before: list[Parameter], after: list[Parameter]
) -> Iterator[tuple[Parameter, Parameter]]:
    """Pair parameters that are gone with new ones at their place: between the same neighbours, or at the same position.

    Two strangers may stand at one place, so they have to share their default, or something of their name. Where many are
    gone and few are new, the callable was made anew and nothing was renamed.
    """
    count = len(added)
    if len(gone) > 2 * count + 1:
        return
    for one in gone:
        for other in added:
            near = _neighbours(one, before, after) == _neighbours(other, after, before)
            place = one.kind < KEYWORD_ONLY and before.index(one) == after.index(other)
            alone = len(gone) == count == 1
            same_default = (
                one.kind < KEYWORD_ONLY and one.default == other.default and (alone or one.default is not None)
            )
            alike = ratio(one.name, other.name)
            if alike >= _MUCH_ALIKE or ((near or place) and (same_default or alike >= _ALIKE)):
                yield one, other
                added = [rest for rest in added if rest is not other]
                break


def _neighbours(one: Parameter, mine: list[Parameter], others: list[Parameter]) -> tuple[str, str]:
    """Return the nearest parameters before and after that both signatures have."""
    shared = _names(others)
    index = mine.index(one)
    left = next((two.name for two in reversed(mine[:index]) if two.name in shared), "")
    right = next((two.name for two in mine[index + 1 :] if two.name in shared), "")
    return left, right


def _named(parameters: Sequence[Parameter]) -> list[Parameter]:
    return [one for one in parameters if not one.is_variadic and not one.name.startswith("_")]


def _names(parameters: Sequence[Parameter] | None) -> tuple[str, ...]:
    return tuple(one.name for one in parameters or ())
