"""How something of a release is called: its parameters, as `inspect.signature` shows them in the release's environment."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from recode.source import parse_quietly

_POSITIONAL = frozenset({"POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD"})
_KEYWORD = frozenset({"POSITIONAL_OR_KEYWORD", "KEYWORD_ONLY"})
_PLACEHOLDER = re.compile(
    r"None|<.*|['\"](deprecated|warn)['\"]|.*no_default.*|.*NoValue.*|.*[Ss]entinel.*|.*[Uu][Nn][Ss][Ee][Tt].*"
)
"""Defaults that only say that no value was given."""


@dataclass(frozen=True)
class CallParameter:
    """A parameter: its kind as `inspect` names it; default and annotation as text, None if there is none."""

    name: str
    kind: str
    default: str | None = None
    annotation: str | None = None

    @property
    def by_position(self) -> bool:
        """Whether it can be given by position (and is not `*args`)."""
        return self.kind in _POSITIONAL

    @property
    def by_keyword(self) -> bool:
        """Whether it can be given by its name."""
        return self.kind in _KEYWORD

    @property
    def needed(self) -> bool:
        """Whether a call has to give it."""
        return self.default is None and (self.by_position or self.by_keyword)


@dataclass(frozen=True)
class CallSignature:
    """The parameters of a callable; `takes_self` says whether the first one is the object that a method is called on."""

    parameters: tuple[CallParameter, ...]
    takes_self: bool = False

    @property
    def positional(self) -> tuple[CallParameter, ...]:
        """The parameters that can be given by position, in order."""
        return tuple(parameter for parameter in self.parameters if parameter.by_position)

    @property
    def names(self) -> frozenset[str]:
        """The names of all parameters but `*args` and `**kwargs`."""
        return frozenset(p.name for p in self.parameters if p.by_position or p.by_keyword)

    @property
    def keywords(self) -> frozenset[str]:
        """The names that can be given as keywords."""
        return frozenset(parameter.name for parameter in self.parameters if parameter.by_keyword)

    @property
    def any_positional(self) -> str:
        """The name of the `*args`; empty if there is none."""
        return next((parameter.name for parameter in self.parameters if parameter.kind == "VAR_POSITIONAL"), "")

    @property
    def any_keyword(self) -> bool:
        """Whether there is a `**kwargs`."""
        return any(parameter.kind == "VAR_KEYWORD" for parameter in self.parameters)

    def parameter(self, name: str) -> CallParameter | None:
        """Return a parameter by its name."""
        return next((parameter for parameter in self.parameters if parameter.name == name), None)

    def without_first(self) -> CallSignature:
        """Return the signature without the first parameter, such as `self`; unchanged if `*args` takes it."""
        if self.parameters and self.parameters[0].by_position:
            return replace(self, parameters=self.parameters[1:], takes_self=False)
        return replace(self, takes_self=False)


def read_signature(answer: Any) -> CallSignature | None:
    """Return the signature that a release answered; None if the answer is none."""
    try:
        parameters = tuple(
            CallParameter(str(name), str(kind), default, annotation)
            for name, kind, default, annotation in answer["parameters"]
        )
        return CallSignature(parameters, bool(answer["takes_self"]))
    except (TypeError, KeyError, ValueError):
        return None


def values_differ(old: CallParameter, new: CallParameter) -> str:
    """Return why a value for the old parameter may be wrong for the new one; empty if nothing shows that.

    Annotations are compared as sets of alternatives, so that a wider one is no difference. A default of None, or one that only
    marks a missing value, shows nothing.
    """
    if old.annotation and new.annotation:
        before, after = _alternatives(old.annotation), _alternatives(new.annotation)
        if not before <= after and "Any" not in after:
            return f"its type changed from `{old.annotation}` to `{new.annotation}`"
    defaults = (old.default, new.default)
    if (
        all(default is not None and not _PLACEHOLDER.fullmatch(default) for default in defaults)
        and old.default != new.default
    ):
        return f"its default changed from `{old.default}` to `{new.default}`"
    return ""


def _alternatives(annotation: str) -> frozenset[str]:
    """Return the alternatives of a type, without the modules that names are written with."""
    try:
        return frozenset(_union(parse_quietly(annotation, "eval").body))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset({annotation})


def _union(node: ast.expr) -> list[str]:
    match node:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return [*_union(left), *_union(right)]
        case ast.Subscript(value=head, slice=inside):
            name = _name(head)
            parts: Sequence[ast.expr] = inside.elts if isinstance(inside, ast.Tuple) else [inside]
            if name == "Union":
                return [alternative for part in parts for alternative in _union(part)]
            if name == "Optional":
                return [*_union(inside), "None"]
            return [f"{name.lower()}[{', '.join('|'.join(sorted(_union(part))) for part in parts)}]"]
        case ast.Constant(value=str() as text):
            return sorted(_alternatives(text))
    return [_name(node)]


def _name(node: ast.expr) -> str:
    """Return a type's name without its module; `List` and `list` are one."""
    name = node.attr if isinstance(node, ast.Attribute) else ast.unparse(node)
    return name.lower() if name in ("List", "Dict", "Tuple", "Set", "Type", "FrozenSet") else name
