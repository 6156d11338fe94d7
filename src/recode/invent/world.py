"""The setting of one made-up task: a library, how a program imports it, and the expressions that may appear in it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from recode.invent.names import Namer

Pair = tuple[str, str]
"""The same piece of program text before and after an update."""


@dataclass
class World:
    """A made-up library, and one program's view of it.

    `library` is the module that the program imports: `lib` or, sometimes, `lib.part`. `root` is its name in the program: an alias or the
    library's own name. `variables` are the names bound so far.
    """

    rng: random.Random
    names: Namer
    library: str = ""
    root: str = ""
    import_line: str = ""
    old_version: str = ""
    new_version: str = ""
    type_name: str = ""
    variables: list[str] = field(default_factory=list)

    @classmethod
    def make(cls, rng: random.Random, names: Namer) -> World:
        """Draw a library with versions, an alias and a main type."""
        library = names.module()
        aliased = rng.random() < 0.65
        root = names.module()[: rng.randint(2, 3)] if aliased else library
        major = rng.randint(0, 5)
        old = f"{major}.{rng.randint(0, 20)}.{rng.randint(0, 5)}"
        new = f"{major + rng.randint(0, 2)}.{rng.randint(21, 30)}.{rng.randint(0, 5)}"
        line = f"import {library} as {root}" if aliased else f"import {library}"
        if rng.random() < 0.2:
            part = names.module()
            if aliased:
                line = f"import {library}.{part} as {root}"
            else:
                root, line = part, f"from {library} import {part}"
            library = f"{library}.{part}"
        return cls(rng, names, library, root, line, old, new, names.type_name())

    @property
    def package(self) -> str:
        """The top-level name of the library."""
        return self.library.split(".")[0]

    def pick(self, *choices: str) -> str:
        """Return one of the choices."""
        return self.rng.choice(choices)

    def number(self) -> str:
        """Return a literal number as people write them."""
        rng = self.rng
        return rng.choice(
            (
                str(rng.randint(0, 9)),
                str(rng.randint(0, 9)),
                str(rng.randint(10, 250)),
                f"{rng.randint(0, 9)}.{rng.randint(0, 9)}",
                f"0.{rng.randint(1, 99):02d}",
                f"-{rng.randint(1, 9)}",
                f"{rng.randint(1, 9)}.0",
            )
        )

    def text(self) -> str:
        """Return a string literal."""
        word = self.names.word()
        shapes = (
            f'"{word}"',
            f'"{word}"',
            f"'{word}'",
            f'"{word[0]}"',
            f'"{word} {self.names.word()}"',
            f'"{word.upper()}"',
        )
        return self.rng.choice(shapes)

    def option(self) -> str:
        """Return a literal that a keyword argument may take."""
        return self.rng.choice((self.number(), self.text(), "True", "False", "None", self.number(), self.text()))

    def sequence(self, low: int = 2, high: int = 6) -> str:
        """Return a list literal of one type. Some repeat a few values, as labels and counts do."""
        n, rng = self.rng.randint(low, high), self.rng
        kind = rng.random()
        if kind < 0.2:
            return self._literal(rng.choices([self._cell() for _ in range(3)], k=min(8, n + 2)))
        if kind < 0.38:
            return self._literal([str(rng.randint(0, 30)) for _ in range(n)])
        if kind < 0.56:
            return self._literal([f"{rng.randint(0, 12)}.{rng.choice((0, 0, 5, rng.randint(0, 9)))}" for _ in range(n)])
        if kind < 0.72:
            return self._literal([f'"{self.names.word()}"' for _ in range(min(n, 4))])
        if kind < 0.76:
            return f"list(range({rng.randint(1, 12)}))"
        width = rng.choice((1, 2, 2, 3))
        return self._literal(
            [self._literal([self._cell() for _ in range(width)], True) for _ in range(min(n, 6 // width))]
        )

    def _cell(self) -> str:
        """Return a short value of a row."""
        rng = self.rng
        return rng.choice(
            (
                str(rng.randint(0, 9)),
                str(rng.randint(0, 3)),
                f"{rng.randint(0, 9)}.{rng.choice((0, 5))}",
                f'"{rng.choice("abcxyz")}"',
            )
        )

    def _literal(self, cells: list[str], inner: bool = False) -> str:
        if len(cells) > 1 and self.rng.random() < (0.2 if inner else 0.08):
            return "(" + ", ".join(cells) + ")"
        return "[" + ", ".join(cells) + "]"

    def mapping(self) -> str:
        """Return a dict literal with short columns."""
        n = self.rng.randint(1, 3)
        return "{" + ", ".join(f'"{self.names.word()}": {self.sequence(2, 4)}' for _ in range(n)) + "}"

    def argument(self) -> str:
        """Return an expression for a positional argument, usually a bound variable."""
        if self.variables and self.rng.random() < 0.7:
            name = self.rng.choice(self.variables)
            return (
                name
                if self.rng.random() < 0.85
                else f"{name}{self.pick('[0]', '[1:]', '[-1]', '.T', f'[{self.text()}]')}"
            )
        return self.rng.choice((self.number(), self.text(), self.sequence(2, 4), self.number()))

    def arguments(self, low: int = 0, high: int = 2) -> list[str]:
        """Return positional arguments."""
        return [self.argument() for _ in range(self.rng.randint(low, high))]

    def keywords(self, high: int = 2) -> list[str]:
        """Return keyword arguments with new names."""
        return [f"{self.names.parameter()}={self.option()}" for _ in range(self.rng.randint(0, high))]

    def receiver(self) -> str:
        """Return an expression that a method is called on."""
        if self.variables and self.rng.random() < 0.85:
            return self.rng.choice(self.variables)
        return f"{self.root}.{self.type_name}({self.rng.choice((self.sequence(), self.mapping()))})"

    def bind(self) -> str:
        """Return the name of a new variable, which is then bound."""
        name = self.names.variable()
        self.variables.append(name)
        return name
