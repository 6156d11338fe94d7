"""Splitting release notes into items: one paragraph or list entry each, with its release and the headings above it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from packaging.version import InvalidVersion, Version

from recode.records import Record

_VERSION = re.compile(r"(?<![\w.])v?(\d+(?:\.\d+)+(?:(?:\.?(?:dev|post)|rc|a|b)\d*)?)(?![\w])")
_PATH_VERSION = re.compile(r"(?<!\d)v?(\d+[._-]\d+(?:[._-]\d+)?)(?!\d)")
_MD_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*\s*$")
_RULE = re.compile(r"^([=\-~^\"'`#*+.:_])\1{2,}\s*$")
_BULLET = re.compile(r"^(\s*)(?:[-*+•]|\d+[.)])\s+(?=\S)")
_HEADING_LENGTH = 100


class NoteItem(Record):
    """A paragraph or list entry.

    `version` is the release that it is about. `headings` are the headings above it, outermost first, followed by the sentence
    that introduces its list and by the list entries around it. `line` is its first line, counted from 1.
    """

    version: str
    headings: tuple[str, ...]
    text: str
    file: str
    line: int


@dataclass
class _State:
    """The context of the current line: headings by level, list entries around it as (indentation, text), the last introduction."""

    headings: list[tuple[int, str]] = field(default_factory=list)
    entries: list[tuple[int, str]] = field(default_factory=list)
    introduction: str = ""
    version: str = ""
    levels: dict[str, int] = field(default_factory=dict)

    def heading(self, level: int, text: str) -> None:
        self.headings = [*((one, other) for one, other in self.headings if one < level), (level, text)]
        self.entries, self.introduction = [], ""
        if match := _VERSION.search(text):
            self.version = match.group(1)


def items(path: str, text: str) -> Iterator[NoteItem]:
    """Yield the items of one file of notes; those that belong to no release are left out."""
    state = _State(version=version_of_path(path))
    for line, block in _blocks(text, state, fences=("```", "~~~") if path.lower().endswith(".md") else ()):
        match = _BULLET.match(block[0])
        content = " ".join(" ".join(block).split())
        if match:
            content = content.split(None, 1)[1] if " " in content else content
        indent = len(block[0]) - len(block[0].lstrip()) if match else -1
        if match:
            state.entries = [one for one in state.entries if one[0] < indent]
        elif not block[0].startswith((" ", "\t")):
            state.entries, state.introduction = [], ""
        above = [text for _, text in state.headings] + ([state.introduction] if state.introduction else [])
        above += [text for _, text in state.entries]
        if state.version:
            yield NoteItem(version=state.version, headings=tuple(above), text=content, file=path, line=line)
        if match:
            state.entries.append((indent, content))
        elif content.endswith(":"):
            state.introduction = content


def version_of_path(path: str) -> str:
    """Return the release in the name of a file or of its folder; empty if there is none."""
    for part in reversed(path.split("/")[-2:]):
        if match := _PATH_VERSION.search(part):
            return re.sub(r"[_-]", ".", match.group(1))
    return ""


def is_between(version: str, old: str, new: str) -> bool:
    """Say whether a release is after `old` and not after `new`; a series such as 2.1 counts as its first release."""
    try:
        return Version(old) < Version(version) <= Version(new)
    except InvalidVersion:
        return False


def _blocks(text: str, state: _State, fences: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, lines) of each paragraph and list entry. Headings update the state; code blocks are skipped."""
    lines = text.expandtabs().splitlines()
    block: list[str] = []
    start, skip, fenced = 0, -1, False
    for index, line in enumerate([*lines, ""]):
        if fences and line.lstrip().startswith(fences):
            fenced = not fenced
            continue
        indent = len(line) - len(line.lstrip())
        if fenced or (skip >= 0 and (not line.strip() or indent > skip)):
            continue
        skip = -1
        heading = _heading(lines, index, state)
        ends = (
            not line.strip() or heading is not None or _BULLET.match(line) is not None or _RULE.match(line) is not None
        )
        if ends and block:
            yield start + 1, block
            if block[-1].rstrip().endswith("::"):
                # The lines that follow with deeper indentation are a code block, or a directive's content.
                skip = len(block[0]) - len(block[0].lstrip())
            block = []
        if skip >= 0 and indent > skip:
            continue
        if heading is not None:
            state.heading(*heading)
        elif (
            line.strip()
            and not _RULE.match(line)
            and not line.lstrip().startswith((".. _", ".. contents", ".. currentmodule"))
        ):
            if not block:
                start = index
            block.append(line)


def _heading(lines: list[str], index: int, state: _State) -> tuple[int, str] | None:
    """Return (level, text) if a line is a heading: marked by `#`, or underlined by the next line."""
    if index >= len(lines):
        return None
    line = lines[index]
    if match := _MD_HEADING.match(line):
        return len(match.group(1)), match.group(2)
    below = lines[index + 1] if index + 1 < len(lines) else ""
    rule = _RULE.match(below)
    if not line.strip() or line.startswith(" ") or rule is None or _RULE.match(line) or len(line) > _HEADING_LENGTH:
        return None
    if len(below.strip()) < min(len(line.strip()), 4):
        return None
    above = index > 0 and lines[index - 1].strip() == below.strip()
    mark = rule.group(1) * (2 if above else 1)
    return state.levels.setdefault(mark, len(state.levels) + 1), line.strip()
