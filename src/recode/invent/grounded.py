"""Thoughts that are made of the note and the code at hand, and of no fixed sentence.

A sentence that stands in every no-op thought becomes a licence to copy: a policy learns to write it, whatever the note says. So a thought here
names what the note changes and the line that concerns it, or there is none.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Literal

from recode.invent.thoughts import changed_spans
from recode.prompts import response
from recode.records import Migration
from recode.source import parse_quietly

GroundedKind = Literal["none", "quote", "edits"]
"""`none`: an empty thought; `quote`: the sentence of the note and the lines of the code that it concerns; `edits`: each edit, old and new."""
_SENTENCE = re.compile(r"(?<=[.;!?])\s+")
_LONGEST = 160
"""Characters of a quotation; a longer one is cut at a word."""
_MOST = 3
"""Lines, edits or calls that a thought names."""
_TAG = re.compile(r"</?(?:think|answer)>")


def grounded_completion(entry: Migration, kind: GroundedKind) -> str:
    """Return a well-formed completion with the gold program and a thought of this kind."""
    return response(_TAG.sub("", grounded_thought(entry, kind)), entry.new_code)


def grounded_thought(entry: Migration, kind: GroundedKind) -> str:
    """Return what leads from note and code to the gold program; depends on the entry alone."""
    if kind == "none":
        return ""
    if entry.old_code == entry.new_code:
        return _why_not(entry)
    if kind == "quote":
        lines = "\n".join(f"`{line}`" for line in _changed_lines(entry)[:_MOST])
        return f"{_quotation(entry)}\n{lines}"
    spans = changed_spans(entry.old_code, entry.new_code)
    edits = [
        f"`{_cut(old)}` -> `{_cut(new)}`" if old and new else f"- `{_cut(old)}`" if old else f"+ `{_cut(new)}`"
        for old, new in spans
    ]
    return "\n".join(edits[:_MOST]) or "\n".join(f"`{line}`" for line in _changed_lines(entry)[:_MOST])


def _why_not(entry: Migration) -> str:
    """Return the API that the note changes, and what the code has in its place."""
    symbol, new = entry.old_symbol, entry.new_symbol
    parameter = symbol.parameter
    name = f"{symbol.path}({parameter})" if parameter else symbol.path
    lines = [line.strip() for line in entry.old_code.splitlines()]
    if new.path and (new.path, new.parameter) != (symbol.path, parameter):
        word = new.parameter or new.name
        migrated = next((line for line in lines if _has(line, word)), "")
        if migrated and not any(_has(line, parameter or symbol.name) for line in lines):
            return f"`{name}` -> `{word}`: `{_cut(migrated)}`"
    same = next((line for line in lines if _has(line, parameter or symbol.name)), "")
    if same:
        return f"`{name}` of {symbol.package}, not `{_cut(same)}`"
    called = next((line for line in lines if parameter and _has(line, symbol.name)), "")
    if called:
        return f"`{name}`, not `{_cut(called)}`"
    used = ", ".join(f"`{path}`" for path in _used(entry.old_code)[:_MOST])
    return f"`{name}`, not {used}" if used else f"`{name}`"


def _quotation(entry: Migration) -> str:
    """Return the sentence of the note that names the old API, or the first one."""
    sentences = [part.strip() for part in _SENTENCE.split(entry.update_info.strip()) if part.strip()]
    words = [word for word in (entry.old_symbol.parameter, entry.old_symbol.name) if word]
    chosen = next((part for word in words for part in sentences if _has(part, word)), sentences[0] if sentences else "")
    return _cut(" ".join(chosen.split()))


def _changed_lines(entry: Migration) -> list[str]:
    """Return the lines of the old program that the new one lacks, in order and each once."""
    kept = {line.strip() for line in entry.new_code.splitlines()}
    changed = (line.strip() for line in entry.old_code.splitlines())
    return [_cut(line) for line in dict.fromkeys(changed) if line and line not in kept]


def _used(code: str) -> list[str]:
    """Return the dotted names that a program calls, each once, in order."""
    try:
        tree = parse_quietly(code)
    except SyntaxError:
        return []
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    calls.sort(key=lambda node: (node.lineno, node.col_offset))
    return list(dict.fromkeys(path for node in calls for path in _dotted(node.func)))


def _dotted(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Attribute):
        yield ast.unparse(node) if isinstance(node.value, ast.Name) else f".{node.attr}"


def _has(text: str, word: str) -> bool:
    return bool(word) and re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST].rsplit(" ", 1)[0]
