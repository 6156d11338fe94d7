"""The differences between the public names of two releases, each change once.

A name that is reachable by several paths, or a method that several classes inherit, is one object and gives one difference, under its shortest
public path. A difference does not say why something changed; `recode.collect.join` adds messages and release notes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rapidfuzz.distance.Levenshtein import normalized_similarity as ratio

from recode.collect.walk.public_api import UNKNOWN, Api, Definition, Member, Name, Parameter, ParameterKind
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
"""Parts of the printed form of defaults that only mark that nothing was given."""
_ALIKE = 0.5
_MUCH_ALIKE = 0.55
"""Similarities of two parameter names, from 0 to 1, from which one may be the new name of the other: at the same position, or anywhere."""


@dataclass(frozen=True)
class Difference:
    """One change between the two releases.

    `path` is the old public path; `parameters` are those that changed, empty where the whole name did. `new_path` and
    `new_parameters` take its place, where the two releases show it. `quote` is the old signature or a description.
    `is_optional` marks an added parameter with a default. `certain` is False where the name may have been public by accident,
    or where the new signature hides what it accepts.
    """

    kind: Kind
    path: str
    new_path: str = ""
    parameters: tuple[str, ...] = ()
    new_parameters: tuple[str, ...] = ()
    detail: str = ""
    quote: str = ""
    definition: Definition = UNKNOWN
    certain: bool = True
    is_optional: bool = False
    is_shifted: bool = False
    """Whether parameters are no longer at the same position, because another one was put before them."""


def differences(old: Api, new: Api) -> list[Difference]:
    """Return all differences, sorted by path."""
    found = list(_modules(old, new))
    gone_modules = {difference.path: difference.new_path for difference in found}
    for name in old.names:
        found += _name(name, old, new, gone_modules)
    found += _members(old, new)
    return sorted(_once(found), key=lambda one: (one.path, one.kind, one.parameters))


def _once(found: Sequence[Difference]) -> Iterator[Difference]:
    """Yield the first difference of each kind for the same name and parameters."""
    seen: set[tuple[str, str, tuple[str, ...]]] = set()
    for one in found:
        key = (one.kind, one.path, one.parameters)
        if key not in seen:
            seen.add(key)
            yield one


# --- modules ---


def _modules(old: Api, new: Api) -> Iterator[Difference]:
    """Yield the removed modules; submodules of a removed one are left out."""
    gone = {module for module in old.modules if module not in new.modules and module not in new.failures}
    gone -= {module for module in gone if new.has(module)}
    for module in sorted(gone):
        if module.rpartition(".")[0] in gone:
            continue
        target = _module_target(module, old, new)
        file = Definition(old.modules[module], 1)
        quote = f"module {module}"
        yield Difference(
            "moved" if target else "removed",
            module,
            target,
            quote=quote,
            definition=file,
            certain=_is_entry(module, old),
        )


def _is_entry(module: str, old: Api) -> bool:
    """Say whether people import from a module: the best path of some name leads through it, or through a module in it."""
    return any(name.path.startswith(f"{module}.") for name in old.names)


def _module_target(module: str, old: Api, new: Api) -> str:
    """Return the module that now has most names of a removed module; empty where there is none."""
    file = old.modules[module]
    leaves = {
        path.rpartition(".")[2]
        for name in old.names
        for path in name.paths
        if path.rpartition(".")[0] == module and (path in name.listed or name.definition.file == file)
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
    """Yield the differences of one public object: of its paths, then of its parameters."""
    kept = [path for path in name.paths if path in new.by_path]
    for path in _lost(name, kept, new):
        target, certain = _target(path, name, kept, old, new)
        if module := _below(path, gone_modules):
            if (followed := gone_modules[module]) and f"{followed}{path[len(module) :]}" in new.by_path:
                # It moved with its module, which is a separate difference.
                continue
            # The module's own difference covers it, unless a message or a note names it: `join` looks for those.
            certain = certain and bool(target)
        kind = _gone_kind(path, target)
        yield Difference(
            kind,
            path,
            target,
            quote=described(path, name),
            definition=name.definition,
            certain=certain and not name.is_hidden,
        )
    if kept and name.parameters is not None:
        for one in signature_differences(kept[0], name.parameters, new.by_path[kept[0]].parameters, name.definition):
            yield replace(one, certain=one.certain and not name.is_hidden)


def _lost(name: Name, kept: Sequence[str], new: Api) -> list[str]:
    """Return the lost paths of an object that count: as short as its best one, and one for each last part.

    Longer paths come from modules that import from each other.
    """
    lost = [path for path in name.paths if not new.has(path) and path.count(".") == name.path.count(".")]
    leaves = {path.rpartition(".")[2] for path in kept if path.count(".") == name.path.count(".")}
    chosen: dict[str, str] = {}
    for path in lost:
        if path.rpartition(".")[2] not in leaves or path in name.listed:
            chosen.setdefault(path.rpartition(".")[2], path)
    return list(chosen.values())


def _below(path: str, modules: dict[str, str]) -> str:
    """Return the outermost of the modules that a path is in, or an empty text."""
    parts = path.split(".")
    return next((module for end in range(1, len(parts)) if (module := ".".join(parts[:end])) in modules), "")


def _target(path: str, name: Name, kept: Sequence[str], old: Api, new: Api) -> tuple[str, bool]:
    """Return the path of the same object in the new release, or an empty text, and whether that is certain."""
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
    """Return a name with its signature, or with its kind where it has none."""
    if name.parameters is None:
        return f"{name.kind} {path}"
    return f"{path}({signature_text(name.parameters)})"


_STARS = {ParameterKind.VARIADIC_POSITIONAL: "*", ParameterKind.VARIADIC_KEYWORD: "**"}


def signature_text(parameters: Sequence[Parameter]) -> str:
    """Return parameters as they are written in a `def`."""
    parts: list[str] = []
    starred = False
    for one in parameters:
        if one.kind is ParameterKind.KEYWORD_ONLY and not starred:
            parts.append("*")
            starred = True
        starred = starred or one.kind is ParameterKind.VARIADIC_POSITIONAL
        mark = _STARS.get(one.kind, "")
        parts.append(f"{mark}{one.name}" + (f"={one.default}" if one.default is not None else ""))
    return ", ".join(parts)


# --- members ---


def _members(old: Api, new: Api) -> Iterator[Difference]:
    """Yield the differences of members, for classes in both releases; each under the class that defines the member."""
    groups: dict[tuple[str, str], list[tuple[Name, str]]] = defaultdict(list)
    for name in old.names:
        kept = next((path for path in name.paths if path in new.by_path), None)
        if name.kind == "class" and kept is not None and new.by_path[kept].kind == "class":
            for member in name.members.values():
                groups[member.owner, member.name].append((name, kept))
    for (owner, leaf), holders in groups.items():
        defining = old.by_qualname.get(owner)
        public = defining.path if defining else ""
        # The defining class comes first: its path becomes the member's.
        by_path = {path: name for name, path in holders}
        ordered = sorted(set(by_path) - {public}, key=lambda path: (path.count("."), path))
        if public in by_path:
            ordered.insert(0, public)
        yield from _member(leaf, [(by_path[path], path) for path in ordered], new)


def _member(leaf: str, holders: Sequence[tuple[Name, str]], new: Api) -> Iterator[Difference]:
    """Yield the differences of a member: removed from all classes that had it or from the defining one, or other parameters."""
    lost = [(name, path) for name, path in holders if not new.has(f"{path}.{leaf}")]
    if lost:
        name, path = lost[0]
        if len(lost) == len(holders) or path == holders[0][1]:
            member = name.members[leaf]
            full = f"{path}.{leaf}"
            yield Difference("removed", full, quote=described(full, member), definition=member.definition)
    kept = [(name, path) for name, path in holders if leaf in new.by_path[path].members]
    if kept:
        name, path = kept[0]
        before, after = name.members[leaf], new.by_path[path].members[leaf]
        if before.parameters is not None and before.kind == after.kind == "method":
            yield from signature_differences(f"{path}.{leaf}", before.parameters, after.parameters, before.definition)


# --- parameters ---


def signature_differences(
    path: str, before: Sequence[Parameter], after: Sequence[Parameter] | None, definition: Definition
) -> Iterator[Difference]:
    """Yield the changes between two signatures of the same callable."""
    if after is None or (not _named(after) and any(one.is_variadic for one in after) and _named(before)):
        # The new callable passes all arguments on, so its signature says nothing.
        return
    quote = f"{path}({signature_text(before)})"
    hides = any(one.is_variadic for one in after)
    gone = [one for one in _named(before) if one.name not in _names(after)]
    added = [one for one in _named(after) if one.name not in _names(before)]
    renamed = list(_renamed(gone, added, list(before), list(after)))
    for one, other in renamed:
        yield Difference(
            "parameter_renamed", path, path, (one.name,), (other.name,), quote=quote, definition=definition
        )
    for one in gone:
        if one not in [pair[0] for pair in renamed]:
            certain = not (hides and one.kind is not ParameterKind.POSITIONAL_ONLY and not _takes_any_keyword(before))
            yield Difference(
                "parameter_removed", path, path, (one.name,), quote=quote, definition=definition, certain=certain
            )
    for one in added:
        if one not in [pair[1] for pair in renamed]:
            certain = one.default is None and not any(two.is_variadic for two in before)
            detail = "required" if one.default is None else f"optional, default {one.default}"
            yield Difference(
                "parameter_added",
                path,
                path,
                (),
                (one.name,),
                detail,
                quote,
                definition,
                certain,
                one.default is not None,
            )
    yield from _changed(path, before, after, quote, definition)


def _changed(
    path: str, before: Sequence[Parameter], after: Sequence[Parameter], quote: str, definition: Definition
) -> Iterator[Difference]:
    """Yield the changes of parameters that both signatures have."""
    now = {one.name: one for one in after}
    both = [(one, now[one.name]) for one in _named(before) if one.name in now and not now[one.name].is_variadic]
    narrowed = tuple(one.name for one, two in both if one.kind < two.kind == ParameterKind.KEYWORD_ONLY)
    if narrowed:
        yield Difference("keyword_only", path, path, narrowed, narrowed, quote=quote, definition=definition)
    elif shifted := _shifted(before, after):
        detail = "another parameter precedes it"
        yield Difference("keyword_only", path, path, shifted, shifted, detail, quote, definition, is_shifted=True)
    for one, two in both:
        if one.default is not None and two.default is None:
            yield Difference(
                "default_changed", path, path, (one.name,), (one.name,), f"{one.default} → required", quote, definition
            )
        elif (
            one.default != two.default
            and one.default is not None
            and two.default is not None
            and not _same(one.default, two.default)
        ):
            certain = not (is_sentinel(one.default) or is_sentinel(two.default))
            detail = f"{one.default} → {two.default}"
            yield Difference(
                "default_changed", path, path, (one.name,), (one.name,), detail, quote, definition, certain
            )


def _shifted(before: Sequence[Parameter], after: Sequence[Parameter]) -> tuple[str, ...]:
    """Return the parameters that follow a new one by position, if they were the first; empty where the order is no clue.

    What was called `f(x)` then gives `x` to the new parameter.
    """
    old, new = ([one.name for one in some if one.kind.is_positional] for some in (before, after))
    start = new.index(old[0]) if old and old[0] in new else 0
    is_inserted = start > 0 and new[start : start + len(old)] == old and not set(new[:start]) & set(_names(before))
    return tuple(old) if is_inserted else ()


def is_sentinel(default: str) -> bool:
    """Say whether a default only marks that nothing was given."""
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
    """Pair removed parameters with added ones that replace them: between the same neighbours, or at the same position.

    Unrelated parameters can share a position, so a pair must also share its default or have similar names. Where many were
    removed and few added, the callable was rewritten and nothing was renamed.
    """
    count = len(added)
    if len(gone) > 2 * count + 1:
        return
    for one in gone:
        for other in added:
            near = _neighbours(one, before, after) == _neighbours(other, after, before)
            same_position = one.kind < ParameterKind.KEYWORD_ONLY and before.index(one) == after.index(other)
            alone = len(gone) == count == 1
            same_default = (
                one.kind < ParameterKind.KEYWORD_ONLY
                and one.default == other.default
                and (alone or one.default is not None)
            )
            alike = ratio(one.name, other.name)
            if alike >= _MUCH_ALIKE or ((near or same_position) and (same_default or alike >= _ALIKE)):
                yield one, other
                added = [rest for rest in added if rest is not other]
                break


def _takes_any_keyword(parameters: Sequence[Parameter]) -> bool:
    return any(one.kind is ParameterKind.VARIADIC_KEYWORD for one in parameters)


def _neighbours(one: Parameter, mine: list[Parameter], others: list[Parameter]) -> tuple[str, str]:
    """Return the nearest parameters before and after a parameter that both signatures have."""
    shared = _names(others)
    index = mine.index(one)
    left = next((two.name for two in reversed(mine[:index]) if two.name in shared), "")
    right = next((two.name for two in mine[index + 1 :] if two.name in shared), "")
    return left, right


def _named(parameters: Sequence[Parameter]) -> list[Parameter]:
    return [one for one in parameters if not one.is_variadic and not one.name.startswith("_")]


def _names(parameters: Sequence[Parameter] | None) -> tuple[str, ...]:
    return tuple(one.name for one in parameters or ())
