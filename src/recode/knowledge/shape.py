"""The shape of a library's older release: other paths of its names, base classes, positions of parameters, results of calls."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from recode.collect.walk.public_api import Api, Parameter, ParameterKind, cached_answer
from recode.knowledge.model import Shape
from recode.records import ApiUpdate
from recode.sandbox.environments import Environment

SHAPE_PROGRAM = Path(__file__).with_name("_shape.py")
"""The program that runs inside a library's environment."""
_SELF = frozenset(
    {
        "Self",
        "NDFrameT",
        "FrameOrSeries",
        "FrameOrSeriesUnion",
        "DatasetT",
        "T_Dataset",
        "T_DataArray",
        "_T",
        "Figure_T",
    }
)
_NO_CLASS = frozenset(
    {"None", "Optional", "Union", "array_like", "scalar", "float", "int", "bool", "str", "or", "of", "a", "an", "the"}
)
"""Words that may accompany a class's name without making the result unclear."""
_CONTAINERS = (
    "list", "List", "tuple", "Tuple", "dict", "Dict", "Iterator", "Iterable", "Generator[", "Sequence", "Callable",
)  # fmt: skip
_WORD = re.compile(r"[A-Za-z_][\w.]*")
_DOCUMENTED = re.compile(r"^(?:[\w, ]+\s*:\s*)?(.*)$")


Describe = Callable[[Sequence[str]], Any]
"""Given paths of the older release, returns `classes` and `returns` as `_shape.py` does."""


def described_in(environment: Environment, api: Api, paths: Sequence[str]) -> Any:
    """Return base classes and results of a release's names, from within its environment."""
    return cached_answer(environment, f"print_shape({list(paths)!r}, ", f"{api.package} {api.version}", SHAPE_PROGRAM)


def shape_of(
    library: str, old: Api, new: Api, updates: Sequence[ApiUpdate], canonical: Mapping[str, str], describe: Describe
) -> Shape:
    """Return what finding uses needs to know about the older release.

    Args:
        library: the distribution's name.
        old: the older release's public names.
        new: the newer release's public names.
        updates: what changed; the shape has the parameters of their callables.
        canonical: public path → canonical path, from `canonical_paths`.
        describe: returns base classes and results of the older release.
    """
    paths = sorted({canonical.get(name.path, name.path) for name in old.names if name.kind in ("class", "function")})
    answer = describe(paths)
    classes = _bases(old, answer["classes"], canonical)
    parameters, positional = _positions(old, new, updates)
    packages = dict.fromkeys([old.package, *(module.partition(".")[0] for module in old.modules)])
    return Shape(
        library=library,
        packages=tuple(packages),
        old_version=old.version,
        new_version=new.version,
        aliases={path: best for path, best in sorted(canonical.items()) if path != best},
        classes=classes,
        parameters=parameters,
        positional=positional,
        keeps=_kept_members(new, updates, classes),
        returns=_returns(answer["returns"], classes),
    )


def _positions(old: Api, new: Api, updates: Sequence[ApiUpdate]) -> tuple[dict[str, tuple[str, ...]], dict[str, int]]:
    """Return, for the callables that updates are about, the old positional parameters and the new number of them."""
    parameters: dict[str, tuple[str, ...]] = {}
    positional: dict[str, int] = {}
    for path in sorted({update.old_symbol.path for update in updates if _about_a_call(update)}):
        before, after = old.find(path), new.find(path)
        if before is not None and before.parameters is not None:
            parameters[path] = tuple(one.name for one in before.parameters if one.kind.is_positional)
        if after is not None and after.parameters is not None and _is_bounded(after.parameters):
            positional[path] = sum(one.kind.is_positional for one in after.parameters)
    return parameters, positional


def _kept_members(
    new: Api, updates: Sequence[ApiUpdate], classes: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """Return derived classes → the members that they still have, of all names that updates are about."""
    leaves = {update.old_symbol.rpartition(".")[2] for update in updates if not _about_a_call(update)}
    keeps = {path: tuple(sorted(leaf for leaf in leaves if new.has(f"{path}.{leaf}"))) for path in classes}
    return {path: members for path, members in keeps.items() if members and classes[path]}


def _is_bounded(parameters: Sequence[Parameter]) -> bool:
    """Say whether a callable takes no more arguments by position than it names."""
    return not any(one.kind is ParameterKind.VARIADIC_POSITIONAL for one in parameters)


def _about_a_call(update: ApiUpdate) -> bool:
    return update.old_symbol.is_call or update.kind in ("keyword_only", "parameter_removed", "parameter_renamed")


def canonical_paths(old: Api, new: Api, updated: Iterable[str], preferred: Iterable[str]) -> dict[str, str]:
    """Return public path → canonical path, for the older release.

    Paths of one object share a canonical path only if both are gone or both remain: `scipy.signal.hann` is gone, and
    `scipy.signal.windows.hann`, the same function, remains.

    Args:
        old: the older release.
        new: the newer release.
        updated: the paths that updates are about, the best source first.
        preferred: the paths that lead to them, the best source first: owners of members, callables of parameters.
    """
    rank = {path: number for number, path in reversed(list(enumerate(updated)))}
    used = {path: number for number, path in reversed(list(enumerate(preferred)))}
    found: dict[str, str] = {}
    for name in old.names:
        fates: dict[bool, list[str]] = defaultdict(list)
        for path in name.paths:
            fates[new.has(path)].append(path)
        for remains, paths in fates.items():
            updated_paths = sorted((path for path in paths if path in rank), key=lambda path: rank[path])
            # A path that remains but is deprecated says nothing about the other paths of its object.
            free = [path for path in paths if path not in rank] if remains else paths
            leading = sorted((path for path in free if path in used), key=lambda path: used[path])
            best = (leading or free or paths)[0] if remains else (updated_paths or leading or paths)[0]
            for path in paths:
                found[path] = path if path in rank else best
    return found


def _bases(
    api: Api, resolution: Mapping[str, Sequence[str]], canonical: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """Return public classes → their public base classes; classes without any are included.

    `resolution` has the method resolution order of each class, as `module:qualname`.
    """
    public = {name.defined: canonical.get(name.path, name.path) for name in api.names if name.kind == "class"}
    found = {}
    for path, defined in resolution.items():
        bases = [public[one] for one in defined[1:] if one in public]
        found[path] = tuple(dict.fromkeys(one for one in bases if one != path))
    return found


def _returns(results: Mapping[str, Sequence[str]], classes: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Return callables → the class of their result, where annotation or docstring names exactly one public class."""
    by_leaf: dict[str, set[str]] = defaultdict(set)
    for path in classes:
        by_leaf[path.rpartition(".")[2]].add(path)
    found = {}
    for path, (annotation, documented) in results.items():
        owner = path.rpartition(".")[0]
        match = _DOCUMENTED.match(documented)
        for text in (annotation, match.group(1) if match else ""):
            given = _class_named(text, owner if owner in classes else "", by_leaf)
            if given:
                found[path] = "Self" if given in classes.get(owner, ()) else given
                break
    return found


def _class_named(text: str, owner: str, by_leaf: Mapping[str, set[str]]) -> str:
    """Return the public class that an annotation or the head of a docstring's result names; empty where it is none or unclear.

    `owner` is the class of a method; a result of that class is `Self`. Containers and iterators are left out, as what they
    contain is not the result.
    """
    words = [word.rpartition(".")[2] for word in _WORD.findall(text)]
    if owner and any(word in _SELF for word in words):
        return "Self"
    if any(mark in text for mark in _CONTAINERS):
        return ""
    named = {word for word in words if word in by_leaf}
    if owner and owner.rpartition(".")[2] in named:
        return "Self"
    if len(named) != 1 or len([word for word in words if word not in _NO_CLASS and word not in named]) > 2:
        return ""
    paths = sorted(by_leaf[named.pop()], key=lambda path: (path.count("."), len(path), path))
    return paths[0] if len(paths) == 1 or paths[0].count(".") < paths[1].count(".") else ""
