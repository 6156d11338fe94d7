"""Statements from release notes: sentences that say something about a public name, and items that only mention one that changed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from keyword import iskeyword

from recode.collect.join.lookup import NameLookup, parameters_of
from recode.collect.join.statements import PARAMETER_NOUN, VALUE, Origin, Statement, find_replacement
from recode.collect.texts.notes import NoteItem
from recode.collect.texts.wording import (
    Verb,
    deprecated_since,
    names_in,
    plain,
    removed_in,
    replacements_in,
    sentences,
    subject_part,
    verb_of,
)
from recode.collect.walk.differences import Difference
from recode.collect.walk.public_api import ParameterKind
from recode.records import Evidence

_Subject = tuple[str, tuple[str, ...]]
"""A public path and the parameters of it that a sentence is about."""


def note_statements(item: NoteItem, version: str, lookup: NameLookup) -> Iterator[Statement]:
    """Yield what an item of the release notes says; `version` is the release whose source distribution contains the notes."""
    text = plain(item.text)
    headings = " / ".join(plain(heading) for heading in item.headings)
    near = [
        path
        for heading in reversed(item.headings)
        for name in names_in(plain(heading))
        if (path := lookup.find(lookup.old, name))
    ]
    evidence = _evidence(item, version)
    split = list(sentences(text))
    for index, sentence in enumerate(split):
        verb = verb_of(sentence, headings)
        if verb is None:
            continue
        following = split[index + 1] if index + 1 < len(split) else ""
        candidates = replacements_in(sentence) or (replacements_in(following) if verb_of(following) is None else [])
        subjects = list(_subjects(sentence, text, verb, near, lookup))
        for number, (path, parameters) in enumerate(subjects):
            replacement = find_replacement(_share(candidates, number, len(subjects)), path, parameters, lookup)
            yield Statement(
                verb, path, parameters, evidence, replacement,
                item.version if verb == "deprecated" else deprecated_since(sentence),
                item.version if verb in ("removed", "moved", "renamed") else removed_in(sentence), origin=Origin.NOTE,
                explicit=_is_about(sentence, path, parameters, verb),
            )  # fmt: skip


def _share(candidates: Sequence[str], number: int, count: int) -> Sequence[str]:
    """Return the replacements of one of several subjects: its own of a list of as many, or the only one."""
    if count <= 1:
        return candidates
    if len(candidates) == count:
        return candidates[number : number + 1]
    return candidates if len(candidates) == 1 else []


def _subjects(sentence: str, text: str, verb: Verb, near: Sequence[str], lookup: NameLookup) -> Iterator[_Subject]:
    """Yield what a sentence of the notes is about, each name once."""
    named = names_in(subject_part(sentence))
    everywhere = [*names_in(sentence), *names_in(text)]
    seen: set[_Subject] = set()
    parametric = [name for name in named if _is_parameter(name, sentence)]
    for name in parametric or named:
        subject = _attribute_as_parameter(name, lookup)
        if subject is None and (
            name in parametric or (verb == "default_changed" and name.isidentifier() and not iskeyword(name))
        ):
            subject = _parameter_subject(name, sentence, everywhere, near, lookup)
        elif subject is None and not _is_context(name, sentence):
            path = lookup.find(lookup.old, name, near)
            subject = (path, ()) if path else None
        if subject and subject not in seen:
            seen.add(subject)
            yield subject


def _parameter_subject(
    name: str, sentence: str, everywhere: Sequence[str], near: Sequence[str], lookup: NameLookup
) -> _Subject | None:
    """Return the callable that a parameter belongs to: one named by the text, or by one of its headings."""
    word = match.group(1) if (match := VALUE.fullmatch(name)) else name
    path = lookup.callable_with([one for one in everywhere if one != name], word, near)
    path = path or next((one for one in near if word in parameters_of(lookup.old, one)), "")
    path = path or _open_callable(sentence, lookup)
    return (path, (word,)) if path else None


_LIST = r"(?:(?:,| and| or|, and|, or|/| &)? ?`[^`]+`(?: \([^()]*\))?)*"
_NOUNS = (
    r"(?: (?:and|or|the|its|alias(?:es)?|functions?|methods?|class(?:es)?|modules?|attributes?|properties|property|objects?"
    r"|arguments?|args?|keywords?|parameters?|kwargs?|options?|constructors?|decorators?|submodules?|packages?|types?"
    r"|constants?|names?|helpers?|also|both))*"
)
_STATES = r"(?:(?:is|are|was|were|has|have|had|been|be|now|also|all|both|always|officially|finally|already|since|in|version|v?[\d.]+|,)\s+)*"
_ACTS = {
    "removed": r"(?:remov\w+|dropped|deleted|expired|no longer \w+|gone)",
    "deprecated": r"(?:deprecat\w+|pending deprecation)",
    "renamed": r"(?:renam\w+)",
    "moved": r"(?:moved|relocated)",
    "return_changed": r"(?:now (?:always )?(?:returns?|yields?|gives?|produces?)|returns?)",
    "default_changed": r"(?:now defaults?|changed|default\w*)",
    "keyword_only": r"(?:keyword|positional)\w*",
}
_PREPOSITION = re.compile(
    r"\b(?:of|in|to|with|when|using|passing|setting|calling|converting|accessing|for|from|by|if)\s*(?:the\s*)?$", re.I
)


def _is_about(sentence: str, path: str, parameters: Sequence[str], verb: Verb) -> bool:
    """Say whether a sentence's verb plainly applies to a name: "`x` was removed", "Removed the `x` and `y` functions", or `x` alone."""
    leaf = re.escape((parameters or [path.rpartition(".")[2]])[0])
    name = rf"`[^`]*\b{leaf}(?:\(\)|\([^`]*\)|=[^`]*)?`"
    act = _ACTS[verb]
    if verb in ("default_changed", "keyword_only"):
        return re.search(rf"{act}", sentence, re.I) is not None
    if verb != "return_changed" and re.match(rf"^\W*{act}\b", sentence, re.I):
        # "Deprecated the following methods of `C`: `a`, `b`": a name after a preposition only says where.
        return not _is_context(next((one for one in names_in(sentence) if re.search(name, f"`{one}`")), ""), sentence)
    if verb in ("removed", "deprecated") and re.match(rf"^\W*{_NOUNS} ?{name}", sentence) and verb_of(sentence) is None:
        return True
    match = re.search(rf"{name}{_LIST}{_NOUNS},? {_STATES}{act}", sentence, re.I)
    if match is None:
        return False
    return _PREPOSITION.search(sentence[: match.start()]) is None or bool(parameters)


def mentions(differences: Sequence[Difference], items: Sequence[NoteItem], lookup: NameLookup) -> Iterator[Statement]:
    """Yield a statement for each note that mentions a difference, in any form of sentence (at most two per difference).

    A member has to be named with its class, a parameter with its callable.
    """
    words: dict[str, list[int]] = {}
    texts = [plain(" / ".join([*item.headings, item.text])) for item in items]
    for index, text in enumerate(texts):
        for word in {word for name in names_in(text) for word in re.findall(r"\w+", name)}:
            words.setdefault(word, []).append(index)
    for difference in differences:
        parameters = difference.parameters or (
            difference.new_parameters if difference.kind == "parameter_added" else ()
        )
        wanted = _words_needed(difference.path, parameters, lookup)
        shared = set.intersection(*(set(words.get(word, ())) for word in wanted))
        for index in sorted(shared)[:2]:
            item = items[index]
            verb = verb_of(plain(item.text), " / ".join(plain(heading) for heading in item.headings))
            if verb is None or (not parameters and verb in ("default_changed", "return_changed", "keyword_only")):
                continue
            deprecated, removed = (item.version, "") if verb == "deprecated" else ("", item.version)
            yield Statement(
                verb, difference.path, parameters, _evidence(item, lookup.new.version), deprecated_in=deprecated,
                removed_in=removed, origin=Origin.NOTE, explicit=False,
            )  # fmt: skip


def _words_needed(path: str, parameters: Sequence[str], lookup: NameLookup) -> set[str]:
    """Return the words that a note has to contain to mention a difference.

    A member of a class also needs the class's name, a submodule that of the module around it.
    """
    owner, _, leaf = path.rpartition(".")
    if parameters:
        return {leaf, parameters[0]}
    is_submodule = path in lookup.old.modules and owner in lookup.old.modules
    return {leaf, owner.rpartition(".")[2]} if owner in lookup.old.by_path or is_submodule else {leaf}


def _evidence(item: NoteItem, version: str) -> Evidence:
    return Evidence(
        source="release notes", package_version=version, file=item.file, line=item.line, quote=item.text[:600]
    )


def _attribute_as_parameter(name: str, lookup: NameLookup) -> _Subject | None:
    """Return (class, parameter) where notes write `Class.option` for an option that the constructor takes and no attribute shows."""
    owner, _, leaf = name.rpartition(".")
    path = lookup.find(lookup.old, owner) if owner and not lookup.find(lookup.old, name) else ""
    return (path, (leaf,)) if leaf in parameters_of(lookup.old, path) else None


def _open_callable(sentence: str, lookup: NameLookup) -> str:
    """Return the callable that a sentence says a parameter belongs to ("to `f`", "of `f`"), if it takes any keyword."""
    for name in re.findall(r"\b(?:to|of|for|in|from|on) (?:the )?`([^`]+)`", sentence):
        path = lookup.find(lookup.old, name)
        found = lookup.old.find(path) if path else None
        if found and any(one.kind is ParameterKind.VARIADIC_KEYWORD for one in found.parameters or ()):
            return path
    return ""


def _is_parameter(name: str, sentence: str) -> bool:
    """Say whether a sentence presents a name as a parameter: "the `x` argument", "parameters `x` and `y`", "`x=`"."""
    if VALUE.fullmatch(name):
        return True
    if not name.isidentifier():
        return False
    mark = rf"[`'\"]{re.escape(name)}[`'\"]"
    more = r"(?:,? (?:and|or) [`'\"]\w+[`'\"]|, [`'\"]\w+[`'\"])*"
    before = rf"{PARAMETER_NOUN}:? (?:[`'\"]\w+[`'\"](?:,| and| or|, and|, or) )*{mark}"
    return re.search(rf"{mark}{more} (?:\w+ )?{PARAMETER_NOUN}\b|{before}", sentence, re.I) is not None


def _is_context(name: str, sentence: str) -> bool:
    """Say whether a name only says where something happened: "removed from `f`", "in `f`", "of `f`"."""
    mark = rf"`{re.escape(name)}`"
    where = rf"\b(?:from|in|of|by|to|for|with|like|as|than|see)\s+(?:the\s+)?{mark}"
    what = rf"(?:deprecat\w+|remov\w+|renam\w+|moved)\s+(?:the\s+)?(?:\w+\s+)?{mark}"
    return re.search(where, sentence, re.I) is not None and re.search(what, sentence, re.I) is None
