"""Statements from deprecation messages in the sources, and from what the new release says to a program that uses an old name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from recode.collect.join.lookup import NameLookup, canonical
from recode.collect.join.statements import PARAMETER_NOUN, VALUE, Origin, Statement, find_replacement
from recode.collect.texts.deprecations import Notice
from recode.collect.texts.wording import (
    Verb,
    deprecated_since,
    names_in,
    plain,
    removed_in,
    replacements_in,
    subject_part,
    verb_of,
)
from recode.records import Evidence

_MENTIONS_PARAMETER = re.compile(rf"\b{PARAMETER_NOUN}\b", re.I)
_HOOKS = frozenset({"__init__", "__new__", "__call__", "__post_init__", "wrapper", "inner", "decorator"})
"""Functions whose messages are about the class or function around them."""


@dataclass(frozen=True)
class _Subject:
    """A name that a message is about, or parameters of it, and the names that may replace it."""

    path: str
    parameters: tuple[str, ...] = ()
    candidates: Sequence[str] = ()


def message_statements(notice: Notice, version: str, lookup: NameLookup, *, in_new: bool) -> Iterator[Statement]:
    """Yield what a message in the sources of a release says; `in_new` says whether that is the new release."""
    text = plain(notice.text)
    source: Literal["docstring", "deprecation message"] = (
        "docstring" if notice.how == "docstring" else "deprecation message"
    )
    evidence = Evidence(source=source, package_version=version, file=notice.file, line=notice.line, quote=notice.text)
    verb = verb_of(text) or "deprecated"
    if notice.how != "error" and verb in ("removed", "moved"):
        # As long as it only warns, nothing is gone.
        verb = "deprecated"
    if notice.effect == "keyword_only":
        verb = "keyword_only"
    for subject in _subjects(notice, text, lookup):
        replacement = find_replacement(subject.candidates, subject.path, subject.parameters, lookup)
        if (replacement.path, replacement.parameters) == (subject.path, subject.parameters):
            replacement = replace(replacement, path="", parameters=())
        yield Statement(
            verb, subject.path, subject.parameters, evidence, replacement, deprecated_since(text), removed_in(text), in_new
        )  # fmt: skip


def _subjects(notice: Notice, text: str, lookup: NameLookup) -> list[_Subject]:
    """Return what a message is about: by the code around it where that says so, otherwise by its words."""
    owner = _owner(notice, lookup)
    candidates = [*notice.replacements, *replacements_in(text)]
    if notice.how == "map":
        return _map_entry(notice, owner, candidates, lookup)
    if owner and notice.effect and notice.names:
        return [
            _Subject(owner, (name,), notice.replacements[index : index + 1] or candidates)
            for index, name in enumerate(notice.names)
        ]
    if owner and notice.effect == "keyword_only":
        return [_Subject(owner)]
    if not owner and notice.names and not notice.effect:
        near = [f"{_module(notice.file)}.x"]
        paths = [lookup.find(lookup.old, name, near) for name in notice.names]
        return [_Subject(path, (), candidates) for path in paths if path]
    return _by_words(notice, text, owner, candidates, lookup)


def _map_entry(notice: Notice, owner: str, candidates: Sequence[str], lookup: NameLookup) -> list[_Subject]:
    """Return the key of a map of expired attributes, if it is a public name."""
    near = [f"{_module(notice.file)}.x", *([owner] if owner else [])]
    path = lookup.find(lookup.old, notice.names[0], near)
    return [_Subject(path, (), candidates)] if path and path.rpartition(".")[2] == notice.names[0] else []


def _by_words(notice: Notice, text: str, owner: str, candidates: Sequence[str], lookup: NameLookup) -> list[_Subject]:
    """Return what the words of a message name: parameters of its function, the function, or another public name."""
    named = [name for name in names_in(subject_part(text)) if name]
    if owner and (parameters := _parameters_meant(notice, text, named, owner)):
        return [_Subject(owner, parameters, candidates)]
    names_owner = bool(owner) and _names_owner(owner, named)
    if owner and (names_owner or not named or notice.how in ("decorator", "docstring")):
        # A message under a condition that does not name the function is about some uses of it only.
        is_about_owner = names_owner or (notice.how != "error" and not notice.is_conditional)
        return [_Subject(owner, (), candidates)] if is_about_owner else []
    near = [owner or f"{_module(notice.file)}.x"]
    # Inside a public function, a bare word is more likely one of its values than another name of the library.
    for name in [one for one in named[:3] if not owner or "." in one or one.endswith(")")]:
        path = lookup.find(lookup.old, name, near)
        if path and path not in lookup.old.modules:
            return [_Subject(path, (), [one for one in candidates if one != name])]
    return []


def _owner(notice: Notice, lookup: NameLookup) -> str:
    """Return the public path of the function or class that contains a message; empty for private ones."""
    parts = notice.owner.split(".") if notice.owner else []
    while parts and parts[-1] in _HOOKS:
        parts.pop()
    if not parts:
        return ""
    qualname = ".".join(parts)
    for api in (lookup.old, lookup.new):
        if path := api.by_definition.get((notice.file, qualname)):
            return lookup.old_path(api, canonical(api, path))
    for api in (lookup.old, lookup.new):
        if path := lookup.find(api, f"{_module(notice.file)}.{qualname}"):
            return path
    # The file may have been renamed between the releases: then the name has to be unique.
    candidates = {path for (_, name), path in lookup.old.by_definition.items() if name == qualname}
    return canonical(lookup.old, candidates.pop()) if len(candidates) == 1 else ""


def _module(file: str) -> str:
    parts = file.removesuffix(".py").removesuffix("/__init__").split("/")
    return ".".join(part for part in parts if not part.startswith("_"))


def _names_owner(owner: str, named: Sequence[str]) -> bool:
    """Say whether a message names the function or class that contains it; a placeholder (`{name}`) counts as its name."""
    leaf = owner.rpartition(".")[2]
    return any(leaf == name.rstrip("()").rpartition(".")[2] or "{" in name for name in named)


def _parameters_meant(notice: Notice, text: str, named: Sequence[str], owner: str) -> tuple[str, ...]:
    """Return the parameters of the owner that a message is about; empty where it is not about parameters."""
    bare = [match.group(1) if (match := VALUE.fullmatch(name)) else name for name in named]
    mentioned = tuple(dict.fromkeys(name for name in bare if name in notice.parameters))
    if notice.how == "docstring":
        return tuple(name for name in notice.tested if name in notice.parameters)
    if mentioned and (notice.tested or _MENTIONS_PARAMETER.search(text)):
        tested = tuple(name for name in mentioned if name in notice.tested)
        return (tested or mentioned)[:2]
    quoted = [name for name in bare if name.isidentifier()]
    if _MENTIONS_PARAMETER.search(text) and quoted and not _names_owner(owner, named) and len(notice.parameters) <= 1:
        # A function that takes `**kwargs` only: the name is a key that it looks for in them.
        return tuple(quoted[:1])
    return ()


def probe_statement(path: str, outcome: str, message: str, lookup: NameLookup) -> Statement | None:
    """Return what the new release says to a program that uses a path of the old one (`outcome`: warns or raises).

    None for an exception whose message says neither why nor what to use instead.
    """
    text = plain(message)
    if outcome != "warns" and not (replacements_in(text) or re.search(r"remov|deprecat|renam|moved", text)):
        return None
    file = lookup.new.modules.get(path.rpartition(".")[0]) or lookup.new.modules[lookup.new.package]
    evidence = Evidence(
        source="deprecation message", package_version=lookup.new.version, file=file, line=1, quote=message
    )
    verb: Verb = "deprecated" if outcome == "warns" else "removed"
    return Statement(
        verb, path, (), evidence, find_replacement(replacements_in(text), path, (), lookup), deprecated_since(text),
        removed_in(text) if outcome == "raises" else "", in_new=outcome == "warns", origin=Origin.PROBE,
    )  # fmt: skip


def is_interpreters_own(message: str) -> bool:
    """Say whether a message is Python's own, which says only that a name does not exist."""
    return re.fullmatch(r"\S.* has no attribute '\w+'(?:\. Did you mean.*)?|No module named .*", message) is not None
