"""What a completion says before it answers: thoughts that lead to the migration, and thoughts of stale habit.

A gold thought states which spans change and how, worked out from the two programs alone, so the same function serves made-up and real
entries. A habit completion leaves the old code as it is, for one of many reasons, at times right after a thought that was correct.
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
"""Spans that a thought states: names and keyword arguments. What is longer the program itself says better."""


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
    # A span begins at the start of its dotted name, and says a little more where one side is empty.
    lead = _CHAIN.search("".join(a[:head]))
    prefix = lead.group() if lead else ""
    if not prefix and (head == len(a) - tail or head == len(b) - tail) and head:
        prefix = a[head - 1]
    old, new = (prefix + "".join(part[head : len(part) - tail]) for part in (a, b))
    return old.strip(), new.strip()


def gold_thought(entry: Migration, rng: random.Random) -> str:
    """Return a short thought that leads from the note to the gold program."""
    old = entry.old_symbol.split("(")[0]
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


_OPENINGS = (
    "The code looks fine.", "This is how {lib} is used.", "I know {lib} well.", "{lib} code like this is common.", "Nothing is wrong here.",
    "I have seen this many times.", "The program is short and clear.", "This call is right.", "`{symbol}` is the usual way.",
    "The code is already correct.", "It works as it stands.", "Let me read the code.", "The user wants working code.",
    "The imports are in order.",
    "As far as I remember, {lib} has `{symbol}`.", "`{symbol}` is what people use.", "The note mentions {lib}.", "This uses {lib}.",
    "The request is about {lib} {version}.", "I remember the API of {lib}.", "First I check the imports.", "The code prints a result.",
)  # fmt: skip
_CLOSINGS = (
    "I keep it.", "So I leave it as it is.", "I write it the way I know.", "It can stay.", "I would write the same.", "I give it back.",
    "No edit is needed.", "I answer with the code.", "That is the solution.", "It stays as it is.", "This should run.", "Here it is.",
    "So the answer is the usual code.", "I do it as always.", "",
)  # fmt: skip


def habit_completion(entry: Migration, rng: random.Random) -> str:
    """Return a well-formed completion that falls back on the old API: the old code, unchanged, although the note is there.

    One in ten has a correct thought before the stale answer, so that no single opening marks the habit.
    """
    if rng.random() < 0.1:
        return response(gold_thought(entry, rng), entry.old_code)
    names = {"lib": entry.library, "symbol": entry.old_symbol.split("(")[0], "version": entry.new_version}
    said = [rng.choice(_OPENINGS).format(**names) for _ in range(rng.choice((1, 1, 2)))]
    return response(" ".join([*dict.fromkeys(said), rng.choice(_CLOSINGS)]), entry.old_code)
