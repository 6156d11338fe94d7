"""The shape of a library's older release: other paths of its names, base classes, positions of parameters, what calls give."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from recode.collect.walk.public_api import Api, kept
from recode.knowledge.model import Shape
from recode.records import ApiUpdate
from recode.sandbox.environments import Environment

_SHAPE = Path(__file__).with_name("_shape.py")
"""Runs inside a library's environment."""
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
_NONE = frozenset(
    {"None", "Optional", "Union", "array_like", "scalar", "float", "int", "bool", "str", "or", "of", "a", "an", "the"}
)
_WORD = re.compile(r"[A-Za-z_][\w.]*")
_DOCUMENTED = re.compile(r"^(?:[\w, ]+\s*:\s*)?(.*)$")


def shape_of(
    library: str, old: tuple[Environment, Api], new: Api, updates: Sequence[ApiUpdate], canonical: Mapping[str, str]
) -> Shape:
    """Return what finding uses needs to know of the older release.

    Args:
        library: the distribution's name.
        old: the older release's environment and public names.
        new: the newer release's public names.
        updates: what changed; their callables' parameters are told.
        canonical: further paths → the path that stands for them, as `canonical_paths` has it.
    """
    environment, api = old
    paths = sorted({canonical.get(name.path, name.path) for name in api.names if name.kind in ("class", "function")})
    told = kept(environment, f"print_shape({paths!r}, ", f"{api.package} {api.version}", _SHAPE)
    classes = _bases(api, told["classes"], canonical)
    called = {update.old_symbol.path for update in updates if _about_a_call(update)}
    parameters, positional = {}, {}
    for path in sorted(called):
        before, after = api.find(path), new.find(path)
        if before is not None and before.parameters is not None:
            parameters[path] = tuple(one.name for one in before.parameters if one.kind in (0, 1))
        if after is not None and after.parameters is not None and all(one.kind != 2 for one in after.parameters):
            positional[path] = sum(one.kind in (0, 1) for one in after.parameters)
    leaves = {update.old_symbol.rpartition(".")[2] for update in updates if not _about_a_call(update)}
    keeps = {path: tuple(sorted(leaf for leaf in leaves if new.has(f"{path}.{leaf}"))) for path in classes}
    tops = dict.fromkeys([api.package, *(module.partition(".")[0] for module in api.modules)])
    return Shape(
        library=library,
        packages=tuple(tops),
        old_version=api.version,
        new_version=new.version,
        aliases={path: best for path, best in sorted(canonical.items()) if path != best},
        classes=classes,
        parameters=parameters,
        positional=positional,
        keeps={path: kept_still for path, kept_still in keeps.items() if kept_still and classes[path]},
        returns=_returns(told["returns"], classes),
    )


def _about_a_call(update: ApiUpdate) -> bool:
    return update.old_symbol.is_call or update.kind in ("keyword_only", "parameter_removed", "parameter_renamed")


def canonical_paths(old: Api, new: Api, updated: Iterable[str], preferred: Iterable[str]) -> dict[str, str]:
    """Return, for each public path of the older release, the path that stands for it.

    Paths of one object stand for each other only where they fare alike: `scipy.signal.hann` is gone and
    `scipy.signal.windows.hann`, the same function, is not. `updated` are the paths that updates are about, `preferred` those
    that they go by otherwise: owners of members, callables of parameters; the best source first.
    """
    rank = {path: number for number, path in reversed(list(enumerate(updated)))}
    used = {path: number for number, path in reversed(list(enumerate(preferred)))}
    found: dict[str, str] = {}
    for name in old.names:
        fates: dict[bool, list[str]] = defaultdict(list)
        for path in name.paths:
            fates[new.has(path)].append(path)
        for lives, paths in fates.items():
            told = sorted((path for path in paths if path in rank), key=lambda path: rank[path])
            # What only warns under one path does not warn under the others.
            free = [path for path in paths if path not in rank] if lives else paths
            liked = sorted((path for path in free if path in used), key=lambda path: used[path])
            best = (told or liked or paths)[0] if not lives else (liked or free or paths)[0]
            for path in paths:
                found[path] = path if path in rank else best
    return found


def _bases(api: Api, told: Mapping[str, Sequence[str]], canonical: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return public classes → their public bases; a class that derives from none is there too."""
    public = {name.defined: canonical.get(name.path, name.path) for name in api.names if name.kind == "class"}
    found = {}
    for path, defined in told.items():
        bases = [public[one] for one in defined[1:] if one in public]
        found[path] = tuple(dict.fromkeys(one for one in bases if one != path))
    return found


def _returns(told: Mapping[str, Sequence[str]], classes: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Return callables → the class of what they give, where annotation or docstring names exactly one public class."""
    by_leaf: dict[str, set[str]] = defaultdict(set)
    for path in classes:
        by_leaf[path.rpartition(".")[2]].add(path)
    found = {}
    for path, (annotation, documented) in told.items():
        owner = path.rpartition(".")[0]
        match = _DOCUMENTED.match(documented)
        for text in (annotation, match.group(1) if match else ""):
            given = _class_named(text, owner if owner in classes else "", by_leaf)
            if given:
                found[path] = "Self" if given in classes.get(owner, ()) else given
                break
    return found


def _class_named(text: str, owner: str, by_leaf: Mapping[str, set[str]]) -> str:
    words = [word.rpartition(".")[2] for word in _WORD.findall(text)]
    if any(word in _SELF for word in words) and owner:
        return "Self"
    if any(
        mark in text
        for mark in (
            "list",
            "List",
            "tuple",
            "Tuple",
            "dict",
            "Dict",
            "Iterator",
            "Iterable",
            "Generator[",
            "Sequence",
            "Callable",
        )
    ):
        return ""
    named = {word for word in words if word in by_leaf}
    if owner and owner.rpartition(".")[2] in named:
        return "Self"
    if len(named) != 1 or len([word for word in words if word not in _NONE and word not in named]) > 2:
        return ""
    paths = sorted(by_leaf[named.pop()], key=lambda path: (path.count("."), len(path), path))
    return paths[0] if len(paths) == 1 or paths[0].count(".") < paths[1].count(".") else ""
