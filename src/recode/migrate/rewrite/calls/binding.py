"""Binding a call's arguments to the signature of another callable.

As far as two signatures show it, each argument has to reach the parameter that it reached before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recode.migrate.rewrite.calls.signatures import CallSignature


class DoesNotBind(Exception):
    """Why a call's arguments do not fit a signature; never reaches a user as an error."""


@dataclass(frozen=True)
class CallArguments:
    """What a call gives.

    Attributes:
        positionals: the number of arguments by position before the first `*`.
        keywords: the names given, each with the one that it becomes.
        starred: whether there is a `*` argument.
        double_starred: whether there is a `**` argument.
    """

    positionals: int
    keywords: tuple[tuple[str, str], ...] = ()
    starred: bool = False
    double_starred: bool = False


@dataclass(frozen=True)
class BoundArguments:
    """How a call fits: which positional arguments become keywords, by number, and what remains doubtful (empty if nothing)."""

    as_keywords: tuple[tuple[int, str], ...] = ()
    doubt: str = ""


def bind(arguments: CallArguments, old: CallSignature | None, new: CallSignature) -> BoundArguments:
    """Bind a call of an old callable to a new one; neither signature has `self`.

    Args:
        arguments: what the call gives.
        old: the signature that the call was written for; None if it is unknown, and then positions are taken as they are.
        new: the signature to bind to.

    Raises:
        DoesNotBind: the new callable does not accept the arguments.
    """
    if old is not None and not _is_call_of(arguments, old):
        # Something else is called there, such as a method that a subclass overrides.
        old = None
    return _Binding(arguments, old, new).bound()


def _is_call_of(arguments: CallArguments, old: CallSignature) -> bool:
    before = CallArguments(
        arguments.positionals,
        tuple((name, name) for name, _ in arguments.keywords),
        arguments.starred,
        arguments.double_starred,
    )
    try:
        _Binding(before, None, old).bound()
    except DoesNotBind:
        return False
    return True


class _Binding:
    """One attempt to bind."""

    def __init__(self, arguments: CallArguments, old: CallSignature | None, new: CallSignature) -> None:
        self.arguments, self.old, self.new = arguments, old, new
        self.given: set[str] = set()
        self.as_keywords: dict[int, str] = {}
        self.doubts: list[str] = []

    def bound(self) -> BoundArguments:
        for number in range(self.arguments.positionals):
            self._position(number)
        if self.arguments.starred:
            self._star()
        for before, after in self.arguments.keywords:
            self._keyword(before, after)
        for parameter in self.new.parameters:
            may_come = (self.arguments.starred and parameter.by_position) or (
                self.arguments.double_starred and parameter.by_keyword
            )
            if parameter.needed and parameter.name not in self.given and not may_come:
                raise DoesNotBind(f"`{parameter.name}` is missing")
        if self.arguments.double_starred and self.old is not None and self.old.keywords - self.new.keywords:
            self.doubts.append("its `**` argument may hold a keyword that the new name does not have")
        return BoundArguments(tuple(self.as_keywords.items()), "; ".join(self.doubts))

    def _position(self, number: int) -> None:
        """Bind one argument by position, or by keyword where its parameter stands elsewhere."""
        before = self._old_name(number)
        slots = self.new.positional
        slot = slots[number].name if number < len(slots) else ""
        if slot and not self.as_keywords and self._fits(before, slot):
            self.given.add(slot)
        elif before and before in self.new.keywords and before not in self.given:
            self.as_keywords[number] = before
            self.given.add(before)
        elif not slot and self.new.any_positional and not self.as_keywords:
            if before and before != self.new.any_positional:
                self.doubts.append(f"`{before}` becomes one of any number of arguments")
        elif slot:
            raise DoesNotBind(f"argument {number + 1}, `{before}`, has no counterpart")
        else:
            raise DoesNotBind(
                f"it takes {len(slots) or 'none'} by position, and {self.arguments.positionals} are given"
            )

    def _old_name(self, number: int) -> str:
        slots = self.old.positional if self.old is not None else ()
        return slots[number].name if number < len(slots) else ""

    def _fits(self, before: str, slot: str) -> bool:
        """Return whether a position means the same parameter in both signatures, perhaps under another name."""
        if not before or self.old is None or before == slot:
            return True
        return before not in self.new.names and slot not in self.old.names

    def _star(self) -> None:
        """Check that a `*` argument fills the same parameters as before, whatever it holds."""
        if self.as_keywords:
            raise DoesNotBind("arguments before a `*` would have to become keywords")
        if self.old is None:
            return
        names = [parameter.name for parameter in self.old.positional[self.arguments.positionals :]]
        slots = [parameter.name for parameter in self.new.positional[self.arguments.positionals :]]
        fits = len(slots) >= len(names) and all(map(self._fits, names, slots))
        if not fits and not (self.new.any_positional and not slots):
            self.doubts.append("its `*` argument may hold more than the new name takes by position")

    def _keyword(self, before: str, after: str) -> None:
        if after in self.given:
            raise DoesNotBind(f"`{after}` is given twice")
        if after in self.new.keywords:
            self.given.add(after)
        elif not self.new.any_keyword:
            raise DoesNotBind(f"it has no parameter `{after}`")
        elif self.old is not None and before in self.old.keywords:
            self.doubts.append(f"`{after}` is no longer a parameter of its own, only one of any keywords")


def shown(name: str, signature: CallSignature) -> str:
    """Return a call of all parameters as text, such as `f(a, *, b=…)`, shortened."""
    parts: list[str] = []
    starred = False
    for parameter in signature.parameters:
        if parameter.kind == "KEYWORD_ONLY" and not starred:
            parts.append("*")
            starred = True
        starred = starred or parameter.kind == "VAR_POSITIONAL"
        stars = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(parameter.kind, "")
        parts.append(f"{stars}{parameter.name}" + ("=…" if parameter.default is not None else ""))
    return f"{name}({_shortened(parts)})"


def _shortened(parts: Sequence[str], most: int = 8) -> str:
    return ", ".join([*parts[:most], *(["…"] if len(parts) > most else [])])
