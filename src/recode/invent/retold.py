"""Real migrations of the training split, retold about libraries that do not exist.

Real programs and notes have a shape that a generator of our own does not hit. Here their shape is kept, and every name in them that
is not Python's own is exchanged for a made-up one, word by word and alike in note and code; so are the longer numbers. A model can learn
from these how people write, and no name of a real library.
"""

from __future__ import annotations

import builtins
import keyword
import random
import re
import sys
from collections.abc import Sequence

from recode.invent.names import VARIABLES, Namer
from recode.records import BY_RULES, Migration
from recode.source import parses
from recode.symbol import Symbol

_METHODS = {name for kind in (str, list, dict, set, tuple, int, float, bytes) for name in dir(kind)}
_OWN = {*keyword.kwlist, *keyword.softkwlist, *dir(builtins), *_METHODS, *VARIABLES, "self", "args", "kwargs", "python"}
_PIECE = re.compile(r"\\.|[A-Za-z_]\w*|\d+(?:\.\d+)?(?!\w)", re.DOTALL)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_STANDARD_IMPORT = re.compile(r"^(?:import|from) (\w+)(?:.* import (.*))?$", re.MULTILINE)


class _Exchange:
    """One entry's table of new words and numbers, filled as they are met."""

    def __init__(self, rng: random.Random, names: Namer, kept: set[str]) -> None:
        self._rng, self._names, self._kept = rng, names, kept
        self._words: dict[str, str] = {}
        self._numbers: dict[str, str] = {}

    def text(self, text: str) -> str:
        """Return program text with its words and numbers replaced; escapes, one-letter names and Python's own names stay."""
        return _PIECE.sub(lambda match: self._piece(match.group()), text)

    def note(self, text: str, library: str, name: str) -> str:
        """Return a note with its code (in backticks) and the name of the library replaced."""
        parts = re.split(r"(`[^`]*`)", text)
        known = re.compile(rf"\b(?:{re.escape(library)}|{re.escape(library.replace('-', '_'))})\b", re.IGNORECASE)
        return "".join(self.text(part) if part.startswith("`") else known.sub(name, part) for part in parts)

    def _piece(self, piece: str) -> str:
        if piece[0].isdigit():
            return self._number(piece)
        if piece[0] == "\\" or len(piece) == 1 or piece in self._kept:
            return piece
        return _WORD.sub(lambda match: self._word(match.group()), piece)

    def _word(self, word: str) -> str:
        low = word.lower()
        if low not in self._words:
            made = self._names.free_word()
            while made in self._words.values():
                made = self._names.free_word()
            # A short word, such as an alias, stays short.
            self._words[low] = self._short(made, len(low)) if len(low) < 3 else made
        made = self._words[low]
        return (
            made.capitalize() if word[0].isupper() and not word.isupper() else made.upper() if word.isupper() else made
        )

    def _short(self, word: str, length: int) -> str:
        for stop in range(length, len(word) + 1):
            if word[:stop] not in self._words.values() and not keyword.iskeyword(word[:stop]):
                return word[:stop]
        return word

    def _number(self, number: str) -> str:
        if len(number) == 1:
            return number
        if number not in self._numbers:
            digits = [str(self._rng.randint(0, 9)) if c.isdigit() else c for c in number]
            digits[0] = str(self._rng.randint(1, 9)) if number[0] != "0" else "0"
            self._numbers[number] = "".join(digits)
        return self._numbers[number]


def retell(entry: Migration, rng: random.Random, names: Namer, noted: Migration | None = None) -> Migration | None:
    """Return a migration of the same shape over a made-up library; None if the replacement broke the program.

    If `noted` is given, another entry whose note does not concern the program, the result is a no-op.
    """
    about = noted or entry
    kept = set(_OWN)
    for module, imported in _STANDARD_IMPORT.findall(entry.old_code + "\n" + entry.new_code):
        if module in sys.stdlib_module_names:
            kept |= {module, *re.findall(r"\w+", imported)}
    exchange = _Exchange(rng, names, kept)
    library = exchange.text(about.old_symbol.package)
    old, new = exchange.text(entry.old_code), exchange.text(entry.new_code)
    note = exchange.note(about.update_info, about.library, library)
    if not parses(old) or not parses(new) or (noted is None and old == new):
        return None
    return about.model_copy(
        update={
            "id": f"retold-{about.id}", "family_id": f"retold-{about.family_id}", "library": library, "update_info": note, "description": note,
            "old_symbol": Symbol(exchange.text(about.old_symbol)), "new_symbol": Symbol(exchange.text(about.new_symbol)),
            "new_version": exchange.text(about.new_version), "old_code": old, "new_code": old if noted else new,
            "kind": "no_op" if noted else about.kind, "author": "generator", "author_means": BY_RULES,
        }
    )  # fmt: skip


def retell_any(entries: Sequence[Migration], rng: random.Random, names: Namer, no_op_share: float) -> Migration | None:
    """Return one of the entries retold. A share of them gets the note of another library's entry, so that nothing has to change."""
    entry = rng.choice(entries)
    others = [other for other in entries if other.library != entry.library] if rng.random() < no_op_share else []
    return retell(entry, rng, names, rng.choice(others) if others else None)
