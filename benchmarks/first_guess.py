"""A regular expression on note and code: which name goes, which comes instead, replaced wherever it stands.

Written in good faith and tuned on `validation` alone; it is what a model has to beat before its reading of the note counts.
"""

from __future__ import annotations

import re

_QUOTED = re.compile(r"`+~?\.?([^`\n]+?)`+|'([\w.]+(?:\(\))?)'|\b([a-zA-Z_]\w*(?:\.\w+)+)\b")
_WORD = re.compile(r"[A-Za-z_]\w*")
_IMPORT = re.compile(r"^(\s*)from\s+([\w.]+)\s+import\s+(\w+)\s*$", re.M)
_KEYWORD = re.compile(r"(?:keyword|parameter|argument|kwarg)s?\b", re.I)
_DROPPED = re.compile(
    r"no longer (?:needed|accepted|supported)|was removed|is ignored|has no effect|leave it out|drop it", re.I
)
_AFTER = re.compile(
    r"\b(?:use|call|pass|import|now|renamed to|replaced by|replaced with|in favou?r of|instead|became|is)\b", re.I
)


def first_guess(note: str, code: str) -> str:
    """Return the code after the first edit that the note suggests; the code itself where it suggests none."""
    words = set(_WORD.findall(code))
    names = [_path(match) for match in _QUOTED.finditer(note)]
    spans = [match.start() for match in _QUOTED.finditer(note)]
    olds = [(at, name) for at, name in zip(spans, names, strict=True) if name and name.split(".")[-1] in words]
    for at, old in olds:
        leaf = old.split(".")[-1]
        for new in _candidates(note, names, spans, at, old, words):
            edited = _edit(code, old, leaf, new)
            if edited != code:
                return edited
        if _KEYWORD.search(note) and _DROPPED.search(note):
            edited = re.sub(rf",\s*{re.escape(leaf)}\s*=\s*(?:[^,()\[\]]|\([^()]*\)|\[[^\[\]]*\])+(?=[,)])", "", code)
            if edited != code:
                return edited
    return code


def _path(match: re.Match[str]) -> str:
    """Return the dotted name that a quotation begins with; empty where it is no name."""
    text = next(part for part in match.groups() if part)
    found = re.match(r"[A-Za-z_]\w*(?:\.\w+)*", text.strip())
    return found.group(0) if found else ""


def _candidates(
    note: str, names: list[str], spans: list[int], at: int, old: str, words: set[str]
) -> list[str]:  # fmt: skip
    """Return the names that may take the old one's place: first those that follow it and a word such as `use`."""
    others = [(place, name) for place, name in zip(spans, names, strict=True) if name and name != old and place != at]
    fresh = [(place, name) for place, name in others if name.split(".")[-1] not in words]
    said = [name for place, name in fresh if place > at and _AFTER.search(note[at:place])]
    moved = [name for _, name in others if name.split(".")[-1] == old.split(".")[-1] and "." in name and "." in old]
    return [*dict.fromkeys([*said, *moved, *(name for _, name in fresh)])]


def _edit(code: str, old: str, leaf: str, new: str) -> str:
    """Return the code with the old name replaced, by its last part or, where only the module moved, in the import."""
    fresh = new.split(".")[-1]
    if fresh != leaf:
        keyword = re.sub(rf"(?<=[(,\s]){re.escape(leaf)}(?=\s*=[^=])", fresh, code)
        if keyword != code and not re.search(rf"\.{re.escape(leaf)}\b", code):
            return keyword
        return re.sub(rf"(?<![\w]){re.escape(leaf)}(?!\w)", fresh, code)
    module, target = old.rpartition(".")[0], new.rpartition(".")[0]
    if not module or not target or module == target:
        return code
    moved = _IMPORT.sub(lambda match: f"{match[1]}from {target} import {leaf}" if match[3] == leaf else match[0], code)
    if moved != code:
        return moved
    tail, short = module.split(".")[-1], target.split(".")
    prefix = ".".join(short[short.index(tail) :]) if tail in short else ".".join(short[-1:])
    return re.sub(rf"(?<![\w.]){re.escape(tail)}\.{re.escape(leaf)}\b", f"{prefix}.{leaf}", code)
