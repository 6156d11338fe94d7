"""What the names of each scope stand for, at the point that reading a program in order has reached.

Which scope a name belongs to is decided by `source/scopes.py` alone; this module keeps the values beside those scopes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from recode.migrate.find.abstract_values import ClassInfo, FunctionInfo, Values
from recode.migrate.source.scopes import Scope, Scopes


@dataclass(eq=False)
class Frame:
    """The values of one scope's names. `info` is the function or class of the program that the scope belongs to."""

    scope: Scope
    info: FunctionInfo | ClassInfo | None = None
    names: dict[str, Values] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)
    """Names that were computed from releases (`guards.py`)."""
    chain: tuple[Frame, ...] | None = None
    """The frames of `scope.chain`; None where a statement declares names, so that each name needs its own search."""


class Flow:
    """The frames of all scopes read so far; `frame` is the one that is read now.

    A name that its scope has not bound yet is looked up further out: it may be bound later in a loop, or reading may
    have missed where.
    """

    def __init__(self, scopes: Scopes) -> None:
        self._scopes = scopes
        self.restart()

    def restart(self) -> None:
        """Forget all values, to read the module again."""
        self.module = self.frame = Frame(self._scopes.module)
        self.module.chain = (self.module,)
        self._frames: dict[Scope, Frame] = {self._scopes.module: self.module}
        self.stars: list[str] = []
        """The modules of star imports so far."""

    @contextmanager
    def opened(
        self, node: ast.stmt | ast.expr, info: FunctionInfo | ClassInfo | None = None, within: Frame | None = None
    ) -> Iterator[Frame]:
        """Read in a fresh frame of the scope that a node opens; `within` is the frame it was defined in (default: this one)."""
        before = self.frame
        scope = self._scopes.opened_by(node, (within or before).scope)
        self.frame = frame = self._frames[scope] = Frame(scope, info)
        if not any(around.declared for around in scope.chain):
            frame.chain = tuple(self._frames[around] for around in scope.chain)
        try:
            yield frame
        finally:
            self.frame = before

    def lookup(self, name: str) -> Values | None:
        """Return what a name stands for; None where no scope has bound it."""
        for frame in self.frame.chain or self._searched(name):
            values = frame.names.get(name)
            if values is not None:
                return values
        return None

    def assign(self, name: str, values: Values) -> None:
        """Bind a name in the scope that an assignment here binds it in."""
        self._bound(name).names[name] = values

    def assign_walrus(self, name: str, values: Values) -> None:
        """Bind a name by `:=`, within a comprehension in the scope around it."""
        scope = self.frame.scope.around_comprehensions()
        self._frames[scope.binds_in(name)].names[name] = values

    def flag(self, name: str) -> None:
        """Note that a name bound here is computed from releases."""
        self._bound(name).flags.add(name)

    def is_flag(self, name: str) -> bool:
        """Say whether a name was computed from releases; a name of an inner scope hides an outer one."""
        for frame in self.frame.chain or self._searched(name):
            if name in frame.names:
                return name in frame.flags
        return False

    def _searched(self, name: str) -> Iterator[Frame]:
        return (self._frames[scope] for scope in self.frame.scope.searched(name))

    def _bound(self, name: str) -> Frame:
        frame = self.frame
        return self._frames[frame.scope.binds_in(name)] if frame.scope.declared else frame
