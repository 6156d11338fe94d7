"""Reading the sentences of deprecation messages and release notes: which code they name, what happened to it, what to use instead.

Such sentences follow few patterns: "X is deprecated, use Y instead", "the `a` argument of `f` was renamed to `b`", "removed in favour of".
Sentences that follow none of them are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

Verb = Literal["removed", "deprecated", "renamed", "moved", "keyword_only", "default_changed", "return_changed"]

_ROLE = re.compile(r":[\w:+-]+:`([^`]+)`")
_ROLE_TARGET = re.compile(r"^(.*?)\s*<([^<>]+)>$")
_MD_LINK = re.compile(r"\[(`[^`\]]+`)\]\([^)]*\)")
_CODE = re.compile(r"`([^`]+)`")
_QUOTED = re.compile(r"(?<![\w])['\"]([A-Za-z_][\w.]*(?:\(\))?)['\"]")
_BARE = r"[A-Za-z_][\w.]*\w(?:\([^()]*\))?"
_TOKEN = rf"(?:`[^`]+`|'[A-Za-z_][\w.]*(?:\(\))?'|\"[A-Za-z_][\w.]*(?:\(\))?\"|{_BARE})"
_ARTICLES = r"(?:(?:the|a|an|its|new|keyword|named|top-level|built-?in|equivalent|underlying)\s+)*"
_NOUN = _ARTICLES + (
    r"(?:(?:functions?|methods?|class(?:es)?|parameters?|arguments?|keyword|attribute|property|module|option|alias|kwarg"
    r"|context manager|constructor)\s+)?"
)

_INSTEAD = [
    rf"(?:replaced|superseded)\s+(?:by|with)\s+{_NOUN}({_TOKEN})",
    rf"in\s+favou?r\s+of\s+(?:using\s+)?{_NOUN}({_TOKEN})",
    rf"renamed\s+(?:to\s+|as\s+|into\s+|from\s+`[^`]+`\s+to\s+)?{_NOUN}({_TOKEN})",
    rf"moved\s+(?:in)?to\s+{_NOUN}({_TOKEN})",
    rf"(?:please\s+)?\b(?:use|call|using|switch\s+to|prefer|import|migrate\s+to|pass|try|specify|set|consider\s+using|move\s+to|change\s+to)\s+{_NOUN}({_TOKEN})",
    r"\b(?:use|using|call|see)\s+(?:the\s+)?(?:new\s+)?(?:\w+\.)?(?P<plain>\w+)\s+(?:property|method|function|attribute|class|constructor)\b",
    rf"available\s+(?:as|from|in|under|at|via|through)\s+{_NOUN}({_TOKEN})",
    rf"({_TOKEN})\s+(?:should|can|may|must|has to)\s+be\s+used\s+instead",
    rf"({_TOKEN})\s+instead\b(?!\s+of)",
    rf"(?:->|→|=>)\s*({_TOKEN})",
    r"(?:is|are)\s+now\s+(?:an?\s+alias\s+(?:of|for)\s+)?(`[^`]+`)",
    rf"alias\s+(?:of|for)\s+({_TOKEN})",
]
_PATTERNS = [re.compile(pattern, re.I) for pattern in _INSTEAD]
_BEFORE_REPLACEMENT = re.compile(
    r"\b(?:instead|use|using|call|favou?r|replaced|superseded|renamed|moved|switch|prefer|migrate|see|available)\b|->|→",
    re.I,
)
_WORDS = frozenset(
    "the a an it its this that these those one your you instead of for with to in on and or as by is are be new old same "
    "other another latter former corresponding appropriate following different explicit explicitly keyword argument arguments "
    "function method class parameter parameters module release version future none true false only all any them both either "
    "value values not at if when set name numpy python".split()
)
_FUTURE = re.compile(
    r"will\s+be\s+(?:removed|renamed|changed|made|replaced|dropped)|to\s+be\s+removed|scheduled|in\s+(?:a|some)\s+future"
    r"|will\s+(?:raise|become|change|default)|pending",
    re.I,
)
_DONE = re.compile(
    r"(?:has|have|had|was|were|been|is|are)\s+(?:\w+\s+)?(?:removed|dropped|deleted|expired)"
    r"|^\W*(?:removed?|drop(?:ped)?|removes)\b|\bno\s+longer\b",
    re.I,
)
_VERBS: dict[Verb, str] = {
    "renamed": r"\brenam(?:e|ed|es|ing)\b",
    "keyword_only": r"keyword[- ]only|(?:as|by)\s+(?:a\s+)?keywords?\b|positional(?:ly)?\b(?!.*positional-only)",
    "default_changed": r"\bdefaults?\b.*\b(?:chang|now|instead|will)|\bchang\w*\b.*\bdefault|now\s+defaults?",
    "removed": (
        r"\bremov(?:e|ed|es|al|als|ing)\b|\bdropp?(?:ed|s)?\b|\bdeleted\b|\bexpired?\b|\bdiscontinued\b"
        r"|no\s+longer\s+(?:exists?|available|supports?|supported|accepts?|provided|takes?|has|part)"
    ),
    "moved": r"\bmoved\b|\brelocated\b",
    "deprecated": r"deprecat|discouraged|legacy",
    "return_changed": (
        r"\bnow\s+(?:always\s+)?(?:returns?|yields?|gives?|produces?)\b|\breturns?\b.*\binstead\s+of\b"
        r"|\breturn\s+(?:type|value)\b.*\bchang|\bchang\w*\b.*\breturn"
    ),
}
"""Verb → the words for it; the first verb that matches a sentence counts."""


def plain(text: str) -> str:
    """Return text with all markup of code as single backticks, without roles, links and leading `~`, `.` or `@`."""
    text = _MD_LINK.sub(r"\1", text)
    text = _ROLE.sub(lambda match: f"`{_target(match.group(1))}`", text)
    text = re.sub(r"`{2,}", "`", text)
    text = re.sub(r"`([^`<>]+?)\s*<[^<>`]+>`_{0,2}", r"`\1`", text)
    return re.sub(r"(?<![\w)\]])`[~.@!]+(?=\w)", "`", " ".join(text.split()))


def _target(text: str) -> str:
    match = _ROLE_TARGET.match(text)
    return (match.group(2) if match else text).lstrip("~.!")


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of plain text; a full stop inside code does not end one."""
    start = 0
    inside = False
    for index, letter in enumerate(text):
        if letter == "`":
            inside = not inside
        ends = letter in ".;!" and not inside and (index + 1 == len(text) or text[index + 1] == " ")
        if ends and not re.search(r"\b(?:e\.g|i\.e|vs|cf)$", text[max(0, index - 5) : index]):
            yield text[start : index + 1].strip()
            start = index + 1
    if text[start:].strip():
        yield text[start:].strip()


def names_in(text: str) -> list[str]:
    """Return the code names in plain text, in order: marked, quoted, dotted, or with parentheses; `a.{b,c}` gives two."""
    found: list[tuple[int, str]] = [(match.start(), match.group(1)) for match in _CODE.finditer(text)]
    outside = _CODE.sub(lambda match: " " * len(match.group()), text)
    found += [(match.start(), match.group(1)) for match in _QUOTED.finditer(outside)]
    found += [
        (match.start(), match.group())
        for match in re.finditer(r"\b[A-Za-z_]\w*(?:\.\w+)+(?:\(\))?|\b[A-Za-z]\w*\(\)", outside)
    ]
    return [name for _, text in sorted(found) for name in _expanded(text)]


def _expanded(text: str) -> Iterator[str]:
    match = re.fullmatch(r"([\w.]*)\{([\w, ]+)\}([\w.()]*)", text)
    if match is None:
        yield text.strip()
        return
    for part in match.group(2).split(","):
        yield f"{match.group(1)}{part.strip()}{match.group(3)}"


def replacements_in(text: str) -> list[str]:
    """Return what plain text says to use instead, the most direct phrase first; words that cannot be code are left out."""
    found = []
    for pattern in _PATTERNS:
        for match in pattern.finditer(text):
            token = match.group(1)
            bare = token.strip("`'\"")
            marked = token[:1] in "`'\""
            named = "plain" in match.groupdict() and bare.lower() not in _WORDS
            if marked or named or _looks_like_code(bare):
                found += [name for name in _expanded(bare) if name not in found]
    return found


def _looks_like_code(word: str) -> bool:
    return (
        word.lower() not in _WORDS and bool(re.search(r"[._(]|[a-z][A-Z]", word)) and not re.fullmatch(r"[\d.]+", word)
    )


def subject_part(sentence: str) -> str:
    """Return the part of a sentence before the replacement; the whole sentence where the replacement comes first."""
    match = _BEFORE_REPLACEMENT.search(sentence)
    return sentence[: match.start()] if match and names_in(sentence[: match.start()]) else sentence


def verb_of(sentence: str, context: str = "") -> Verb | None:
    """Return what a sentence says happened; if it has no verb, what its heading says."""
    for text in (sentence, context):
        verb = next((verb for verb, pattern in _VERBS.items() if re.search(pattern, text, re.I)), None)
        if verb is None:
            continue
        if verb != "deprecated" and _FUTURE.search(text) and not _DONE.search(text):
            return "deprecated"
        if verb == "removed" and not _DONE.search(text) and re.search(r"deprecat", text, re.I):
            return "deprecated"
        return verb
    return None


_SINCE = re.compile(
    r"(?:deprecated|since|from|as of|in)\s+(?:in\s+|since\s+|as of\s+|from\s+)?(?:version\s+|release\s+|v|[A-Z][\w-]+\s+)?v?(\d+(?:\.\d+)+)",
    re.I,
)
_REMOVED_IN = re.compile(
    r"(?:removed|removal|dropped|error|raise|change\w*)\b[^.;`]{0,40}?(?:in|from|with)\s+(?:version\s+|release\s+|v|[A-Z][\w-]+\s+)?v?(\d+(?:\.\d+)+)",
    re.I,
)


def deprecated_since(text: str) -> str:
    """Return the release in which a message says that something was deprecated; empty if it gives none."""
    for match in _SINCE.finditer(text):
        before = text[max(0, match.start() - 60) : match.start(1)]
        if re.search(r"deprecat|since", before, re.I) and not re.search(
            r"remov\w*\s+(?:in|from)\s*\S*\s*$", before, re.I
        ):
            return match.group(1)
    return ""


def removed_in(text: str) -> str:
    """Return the release in which a message says that something is removed; empty if it gives none."""
    match = _REMOVED_IN.search(text)
    return match.group(1) if match else ""
