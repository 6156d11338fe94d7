"""Names of libraries, functions, parameters and variables, drawn from two disjoint pools of words.

The words are common English words from Python's documentation, and pseudo-words composed of syllables. A hash of the word puts it into the
*train* or the *test* pool, so that no name of a test task shares a word with a name that a model was pretrained on.
"""

from __future__ import annotations

import functools
import hashlib
import keyword
import random
import re
from importlib import resources
from typing import Literal

Pool = Literal["train", "test"]

TEST_SHARE = 0.2
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_ONSETS = (
    "b c d f g h j k l m n p qu r s t v w x z bl br cl cr dr fl fr gr pl pr sk sl sm sp st str tr th sh ch".split()
)
_VOWELS = "a e i o u ai ea ee io oa ou".split()
_CODAS = ["", "", "", "n", "r", "s", "t", "l", "x", "m", "nd", "rt", "sk", "ck", "ph"]

VARIABLES = (
    "data values result out table frame rows points x y a b items scores total names labels grid matrix df arr series model text "
    "records weights left right first second source target counts prices samples speeds log path key graph nodes edges signal "
    "window mask index cols parts tags words users orders temps sizes lengths codes masses angles"
).split()
"""Common names of variables. They belong to no pool, since every program needs some."""


def pool_of(word: str) -> Pool:
    """Return the pool of a word. A hash puts a fifth of all words into the test pool, whether they are in the list or not."""
    return "test" if int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big") < TEST_SHARE * 2**32 else "train"


@functools.cache
def words(pool: Pool) -> tuple[str, ...]:
    """Return the pool's words, sorted."""
    listed = resources.files(__package__).joinpath("words.txt").read_text(encoding="utf-8").split()
    return tuple(word for word in listed if pool_of(word) == pool)


class Namer:
    """Draws names that are unique within one task and never in `reserved` (the names of real updates, which are kept for tests)."""

    def __init__(self, rng: random.Random, pool: Pool, reserved: frozenset[str] = frozenset()) -> None:
        self._rng = rng
        self._pool = pool
        self._reserved = reserved
        self._taken = {*keyword.kwlist, "print", "len", "list", "range", "self"}

    def _is_free(self, name: str) -> bool:
        return name not in self._taken and name not in self._reserved

    def _in_pool(self, name: str) -> bool:
        """Say whether every word of a name is in the pool: cutting and joining words makes new words."""
        return all(pool_of(word.lower()) == self._pool for word in _WORD.findall(name))

    def word(self) -> str:
        """Return a real or made-up word of the pool."""
        if self._rng.random() < 0.75:
            return self._rng.choice(words(self._pool))
        while True:
            syllables = self._rng.choice((1, 2, 2, 2))
            made = "".join(self._rng.choice(_ONSETS) + self._rng.choice(_VOWELS) for _ in range(syllables))
            made += self._rng.choice(_CODAS)
            if len(made) > 2 and pool_of(made) == self._pool:
                return made

    def free_word(self) -> str:
        """Return a word of the pool that is not a reserved name by itself."""
        while True:
            word = self.word()
            if self._is_free(word):
                return word

    def _unique(self, shape: str) -> str:
        while True:
            parts = [self.word() for _ in range({"one": 1, "two": 2, "three": 3, "camel": 2, "Camel": 1}[shape])]
            name = "".join(part.capitalize() for part in parts) if shape in ("camel", "Camel") else "_".join(parts)
            if shape == "one" and len(parts[0]) > 4 and self._rng.random() < 0.15:
                name = parts[0][: self._rng.randint(3, 5)]
            if self._is_free(name) and self._in_pool(name) and len(name) < 26:
                self._taken.add(name)
                return name

    def function(self) -> str:
        """Return a name like `trim` or `fit_line`; rarely one of three words."""
        return self._unique(self._rng.choices(("one", "two", "three"), (5, 6, 1))[0])

    def parameter(self) -> str:
        """Return a name like `axis` or `max_size`."""
        return self._unique(self._rng.choices(("one", "two"), (6, 4))[0])

    def module(self) -> str:
        """Return a one-word name."""
        return self._unique("one")

    def type_name(self) -> str:
        """Return a name like `Frame` or `SparseGrid`."""
        return self._unique(self._rng.choice(("camel", "Camel")))

    def variant(self, name: str) -> str:
        """Return a new name that is close to an old one, as renamings often are (`map` → `map_batches`, `cumsum` → `cum_sum`)."""
        parts = name.split("_")
        styles = [f"{name}_{self.word()}", f"{self.word()}_{name}", name + "s", name.rstrip("s") or name]
        if len(parts) > 1:
            styles += [
                "".join(parts),
                "_".join(reversed(parts)),
                "_".join(parts[:-1]),
                "_".join([*parts[:-1], self.word()]),
            ]
        elif len(name) > 5:
            cut = self._rng.randint(2, len(name) - 2)
            styles += [f"{name[:cut]}_{name[cut:]}", name[:cut]]
        made = self._rng.choice(styles)
        if not self._is_free(made) or not self._in_pool(made) or len(made) < 2 or not made.isidentifier():
            return self.function()
        self._taken.add(made)
        return made

    def variable(self) -> str:
        """Return a name for a variable: usually a common one, sometimes a word of the pool."""
        if self._rng.random() < 0.7:
            free = [name for name in VARIABLES if name not in self._taken]
            if free:
                name = self._rng.choice(free)
                self._taken.add(name)
                return name
        return self._unique(self._rng.choice(("one", "one", "two")))
