"""The kind, old symbol and new symbol of an update, as the difference of two programs suggests them.

For records that name neither (`recode.dataset.record_reader.read_published`).
"""

from __future__ import annotations

import ast
from collections import Counter

from recode.dataset.verify.mentions import words_of
from recode.records import Kind
from recode.source import parse_quietly, parses

_IMPORT_NAMES = {
    "scikit_learn": "sklearn",
    "scikit_image": "skimage",
    "pillow": "PIL",
    "beautifulsoup4": "bs4",
    "pyyaml": "yaml",
}
"""Distributions that programs import by another name."""


def symbols_of(old_code: str, new_code: str, note: str, library: str) -> tuple[Kind, str, str]:
    """Return kind, old symbol and new symbol as the difference of two programs suggests them.

    Of several words that only one program has, one that the note mentions is preferred.
    """
    package = import_name(old_code, library)
    if not (parses(old_code) and parses(new_code)):
        return "replaced", package, ""
    old, new = parse_quietly(old_code), parse_quietly(new_code)
    old_words, new_words = words_of(old), words_of(new)
    gone, come = _surplus(old_words, new_words, note), _surplus(new_words, old_words, note)
    before, after = _keywords(old), _keywords(new)
    lost = [word for word in gone if word in before]
    gained = [word for word in come if word in after]
    if lost:
        owner = f"{package}.{before[lost[0]]}"
        if gained:
            return "parameter_renamed", f"{owner}({lost[0]})", f"{package}.{after[gained[0]]}({gained[0]})"
        return "parameter_removed", f"{owner}({lost[0]})", ""
    if not gone and gained:
        return "parameter_added", f"{package}.{after[gained[0]]}", f"{package}.{after[gained[0]]}({gained[0]})"
    if not gone:
        return "replaced", package, ""
    if not come:
        return "removed", f"{package}.{gone[0]}", ""
    return ("renamed" if len(gone) == len(come) == 1 else "replaced"), f"{package}.{gone[0]}", f"{package}.{come[0]}"


def import_name(code: str, library: str) -> str:
    """Return the name by which a program imports a distribution, as the program spells it.

    It is the distribution's usual import name where the program imports nothing of that name or does not parse.
    """
    plain = library.lower().replace("-", "_")
    if not parses(code):
        return plain
    tops: list[str] = []
    for node in ast.walk(parse_quietly(code)):
        if isinstance(node, ast.Import):
            tops += [alias.name.partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            tops.append(node.module.partition(".")[0])
    usual = _IMPORT_NAMES.get(plain, plain)
    return next((top for top in tops if top.lower() == usual.lower()), usual)


def _surplus(words: Counter[str], others: Counter[str], note: str) -> list[str]:
    """Return the names that one program has more of: first those in the note, then those the other has none of."""
    names = [word for word in words - others if word.isidentifier()]
    return sorted(names, key=lambda word: (word not in note, word in others, word))


def _keywords(tree: ast.AST) -> dict[str, str]:
    """Return the keyword arguments of a program, each with the last part of the name that is called."""
    owners: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            owner = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            owners.update({keyword.arg: owner for keyword in node.keywords if keyword.arg and owner})
    return owners
