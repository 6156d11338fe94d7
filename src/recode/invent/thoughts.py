"""The thought of a completion, before its answer. It leads to the migration, or follows a stale habit.

A gold thought states which spans change and how. It is derived from the two programs alone, so the same function serves made-up and real
entries. A habit completion keeps the old code for one of several reasons, sometimes right after a correct thought.
"""

from __future__ import annotations

import difflib
import random
import re

from recode.prompts import response
from recode.records import Migration

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
_CHAIN = re.compile(r"[\w.]*\w\.$|\w[\w.]*$")
_PLAIN = re.compile(r"""[.]?\w[\w.]{0,40}(=[\w."'-]{1,16})?|""")
"""Spans that a thought quotes: names and keyword arguments. Longer ones are clearer in the program itself."""


def changed_spans(old_code: str, new_code: str) -> list[tuple[str, str]]:
    """Return the spans of lines that differ, `(before, after)`, each once, cut at names and never both empty."""
    old_lines, new_lines = old_code.splitlines(), new_code.splitlines()
    spans: list[tuple[str, str]] = []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, old_lines, new_lines, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        if b - a == d - c:
            pairs = list(zip(old_lines[a:b], new_lines[c:d], strict=True))
        else:
            pairs = [(" ".join(old_lines[a:b]), " ".join(new_lines[c:d]))]
        for before, after in pairs:
            span = _span(before, after)
            if span not in spans:
                spans.append(span)
    return spans


def _span(before: str, after: str) -> tuple[str, str]:
    a, b = _TOKEN.findall(before), _TOKEN.findall(after)
    head = 0
    while head < min(len(a), len(b)) and a[head] == b[head]:
        head += 1
    tail = 0
    while tail < min(len(a), len(b)) - head and a[-1 - tail] == b[-1 - tail]:
        tail += 1
    # A span begins at the start of its dotted name, and is extended if one side is empty.
    lead = _CHAIN.search("".join(a[:head]))
    prefix = lead.group() if lead else ""
    if not prefix and (head == len(a) - tail or head == len(b) - tail) and head:
        prefix = a[head - 1]
    old, new = (prefix + "".join(part[head : len(part) - tail]) for part in (a, b))
    return old.strip(), new.strip()


def gold_thought(entry: Migration, rng: random.Random) -> str:
    """Return a short thought that leads from the note to the gold program."""
    old = entry.old_symbol.path
    if entry.old_code == entry.new_code:
        return rng.choice(
            (
                f"The note is about `{old}`. The code does not use it, so it stays as it is.",
                f"The note concerns `{old}`, which this code does not use. Nothing to change.",
                f"I look for `{old}` in the code. It is not there, so I change nothing.",
                f"This code has no `{old}`. The note does not apply.",
                f"`{old}` does not occur here. I return the code unchanged.",
            )
        )
    spans = changed_spans(entry.old_code, entry.new_code)
    if not spans or not all(_PLAIN.fullmatch(part) for pair in spans for part in pair):
        leaf = old.rsplit(".", 1)[-1]
        return rng.choice(
            (
                f"The code uses `{leaf}`, which the note changes.", f"The note is about `{leaf}`, and the code uses it.",
                f"`{leaf}` has changed, so I rewrite it.", "The code uses the old API.",
            )
        )  # fmt: skip
    lead = rng.choice(
        (
            "The note concerns this code. ",
            "The code uses the old API. ",
            "It is in the code: ",
            "",
            "",
        )
    )
    edits = [(f"`{a}` becomes `{b}`" if b else f"`{a}` goes") if a else f"`{b}` is added" for a, b in spans[:2]]
    return f"{lead}{' and '.join(edits)}."


def gold_completion(entry: Migration, rng: random.Random) -> str:
    """Return a well-formed completion with the gold program."""
    return response(gold_thought(entry, rng), entry.new_code)


_HABITS = (
    "This is how {lib} is used, so I keep it.", "`{symbol}` is the usual way.", "I know {lib} well. The code can stay.",
    "The code is already correct.", "As far as I remember, {lib} has `{symbol}`.", "Nothing is wrong here.", "It works as it stands.",
    "No edit is needed.",
)  # fmt: skip


def habit_completion(entry: Migration, rng: random.Random) -> str:
    """Return a well-formed completion that falls back on the old API: the old code, unchanged in spite of the note.

    One in thirty has a correct thought before the stale answer, so that no opening is a sure sign of the habit.
    """
    if rng.random() < 1 / 30:
        return response(gold_thought(entry, rng), entry.old_code)
    thought = rng.choice(_HABITS).format(lib=entry.library, symbol=entry.old_symbol.path)
    return response(thought, entry.old_code)
