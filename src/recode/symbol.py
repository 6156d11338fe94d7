"""The notation for API symbols in the update sources, and whether a program uses one.

`numpy.trapz` is a function, `numpy.ndarray.ptp` a method, `numpy.sum(axis)` a parameter,
`sklearn.svm.SVC(kernel="linear")` one value of a parameter; several parameters are separated by commas.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from dataclasses import dataclass

from recode.records import Kind

_NOTATION = re.compile(r"\s*([A-Za-z_][\w.]*)\s*(?:\((.*)\))?\s*", re.DOTALL)
_LONGEST_BITS = 14_000
"""Somewhat less than Python's 4,300 decimal digits: changed inputs are a little larger."""

POSITIONAL_KINDS = frozenset(
    {"parameter_removed", "parameter_added", "keyword_only", "default_changed", "return_changed"}
)
"""Kinds whose old code may use a parameter without naming it: by position, or by its default."""


@dataclass(frozen=True)
class Symbol:
    """A parsed symbol: the dotted path, the parameters named in parentheses, and the values given for them."""

    path: tuple[str, ...]
    parameters: tuple[str, ...] = ()
    values: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        """The last part of the path: the function, method or class."""
        return self.path[-1] if self.path else ""

    @property
    def leaves(self) -> frozenset[str]:
        """The names by which the symbol is told apart: its parameters, or else the last part of its path."""
        return frozenset(self.parameters or ([self.owner] if self.path else []))

    @property
    def words(self) -> frozenset[str]:
        """Every name and value that a program or a message can mention: leaves, values, and the parameters' owner."""
        return self.leaves | set(self.values) | ({self.owner} if self.path else set())


def parse_symbol(text: str) -> Symbol:
    """Parse a symbol; the empty text is the symbol without any name.

    Raises:
        ValueError: the text is not in the notation of this module.
    """
    if not text.strip():
        return Symbol(())
    match = _NOTATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a dotted path such as numpy.ndarray.ptp or numpy.sum(axis)")
    parameters: list[str] = []
    values: list[str] = []
    for part in (match.group(2) or "").split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if name[:1] in ("'", '"'):
            name, equals, value = "", "=", name
        if name and name != "...":
            parameters.append(name.lstrip("*"))
        if equals and value.strip("'\" .…"):
            values.append(value.strip("'\""))
    return Symbol(tuple(match.group(1).strip(".").split(".")), tuple(parameters), tuple(values))


def is_too_long(value: object) -> bool:
    """Say whether a literal is a number that Python refuses to write in decimal, as syntax trees show it; hexadecimal has no such limit."""
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
    """Say whether a program uses a symbol in the way that an update of this kind concerns."""
    words = words_of(tree)
    if not symbol.parameters:
        values = not symbol.values or any(value in words for value in symbol.values)
        return symbol.owner in words and values
    # A family may be about the parameter of several functions, so the owner is not asked for beside it.
    if any(parameter in words for parameter in symbol.parameters):
        return True
    # By position or by default, and for one value of a parameter, only the owner or the value is seen.
    return symbol.owner in words and (kind in POSITIONAL_KINDS or any(value in words for value in symbol.values))


def follows(old_tree: ast.AST, new_tree: ast.AST, old: Symbol, new: Symbol) -> bool:
    """Say whether the new program leaves the old symbol or uses the new one.

    Where one is a part of the other or both go by the same leaf (a module moved, a value or a default changed, a
    parameter became required) the programs have to differ.
    """
    before, after = words_of(old_tree), words_of(new_tree)
    left = all(after[leaf] < before[leaf] or leaf not in after for leaf in old.leaves)
    if new.leaves & old.words or old.leaves & new.words:
        return ast.dump(old_tree) != ast.dump(new_tree)
    return left or any(after[leaf] > before[leaf] for leaf in new.leaves)
