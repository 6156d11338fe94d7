"""What a program mentions, and whether it uses a symbol or follows an update, by its syntax tree: nothing is run."""

from __future__ import annotations

import ast
from collections import Counter

from recode.records import Kind
from recode.symbol import Symbol

_LONGEST_BITS = 14_000
"""Slightly below Python's limit of 4,300 decimal digits: changed inputs are a little larger."""

POSITIONAL_KINDS = frozenset(
    {"parameter_removed", "parameter_added", "keyword_only", "default_changed", "return_changed"}
)
"""Kinds of updates whose old code may use a parameter without naming it: by position, or by its default."""


def is_too_long(value: object) -> bool:
    """Say whether a literal is an integer that Python refuses to write in decimal, as syntax trees show it.

    Hexadecimal has no such limit, so programs can hold one.
    """
    return isinstance(value, int) and value.bit_length() > _LONGEST_BITS


def words_of(tree: ast.AST) -> Counter[str]:
    """Count what a program mentions: names, attributes, imported names, keywords, and the text of literals."""
    words: Counter[str] = Counter()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                words[name] += 1
            case ast.alias(name=name):
                words.update(name.split("."))
            case ast.ImportFrom(module=str(name)):
                words.update(name.split("."))
            case ast.keyword(arg=str(name)):
                words[name] += 1
            case ast.Constant(value=value) if value is not ... and not is_too_long(value):
                words[str(value)] += 1
    return words


def uses_old(tree: ast.AST, symbol: Symbol, kind: Kind) -> bool:
    """Say whether a program uses a symbol in the way that an update of this kind is about."""
    words = words_of(tree)
    if not symbol.parameters:
        has_value = not symbol.values or any(value in words for value in symbol.values)
        return symbol.name in words and has_value
    # A family may be about a parameter that several functions share, so the function's own name is not required.
    if any(parameter in words for parameter in symbol.parameters):
        return True
    # A parameter given by position or left to its default shows in the function's name only, or in the value.
    return symbol.name in words and (kind in POSITIONAL_KINDS or any(value in words for value in symbol.values))


def follows(old_tree: ast.AST, new_tree: ast.AST, old: Symbol, new: Symbol) -> bool:
    """Say whether the new program no longer uses the old symbol, or uses the new one more often than before.

    Where one symbol is a part of the other or both share a leaf (a module moved, a value or a default changed, a
    parameter became required), counting words says nothing; then it is enough that the programs differ.
    """
    before, after = words_of(old_tree), words_of(new_tree)
    left = all(after[leaf] < before[leaf] or leaf not in after for leaf in old.leaves)
    if new.leaves & old.words or old.leaves & new.words:
        return ast.dump(old_tree) != ast.dump(new_tree)
    return left or any(after[leaf] > before[leaf] for leaf in new.leaves)
