"""The only prompt template and the only response parser.

The structure is that of the paper (arXiv 2506.20495, appendix): a system message that asks to reason first, a user
message with library, version, note and old code, and an assistant turn that is pre-filled up to and including
`<think>`, so a completion starts *inside* the think block.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from recode.records import ApiUpdate

SYSTEM = (
    "You are a coding assistant that keeps programs working when their libraries change. "
    "First you reason about the request, then you give the solution."
)
_FOLLOW = "Rewrite the code so that it follows the note. Change nothing that the note does not concern. "
_WORK = "Rewrite the code so that it works with this version. Change nothing else. "
_FORM = "Reason inside <think></think>, then put the complete program into <answer></answer> as one Python code block."
INSTRUCTION = _FOLLOW + _FORM
CORRECT = "Correct the program. Reason inside <think></think>, then put the complete program into <answer></answer>."
"""What an answer that failed is followed by, after what is wrong with it."""
PREFILL = "<think>"

_TAGS = ("<think>", "</think>", "<answer>", "</answer>")
_PYTHON = {"", "python", "py", "python3"}
# Backticks that may open or close a fence, as in CommonMark: three or more, then an info string and the end of the line (or
# the answer's closing tag). It begins with a literal, which is fast to find, and repeats possessively,
# which keeps the search linear in the length of hostile text.
_MARK = re.compile(r"(```(?<!````)`*+)[ \t]*+([^`<\s]*+)[ \t\r]*+(?=$|</answer>)", re.MULTILINE)
_INDENT = 3
"""Spaces allowed before a mark; after more of them backticks are text, as in CommonMark."""
_BACKTICKS = re.compile("`{3,}")


def user_message(update: ApiUpdate, code: str) -> str:
    """Return the user's turn: the request, and the form of the answer."""
    return request(update, code) + _FORM


def request(update: ApiUpdate, code: str) -> str:
    """Return what is asked for: library, version, note (where there is one), the code to rewrite and the task, without a form."""
    note = update.update_info.strip()
    said = f" This is the note on the update:\n<doc>\n{note}\n</doc>\n" if note else "\n"
    return (
        f"The library `{update.library}` was updated to version {update.new_version}.{said}"
        f"This code was written for an earlier version:\n"
        f"{_fenced(code)}\n"
        f"{_FOLLOW if note else _WORK}"
    )


def messages(update: ApiUpdate, code: str) -> list[dict[str, str]]:
    """Return the chat messages for one request, without the assistant's turn (which begins with `PREFILL`)."""
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": user_message(update, code)}]


def completion_of(content: str, thought: str = "", *, opened: bool = True) -> str:
    """Return a chat model's reply as the continuation of a prompt.

    Args:
        content: the reply's text.
        thought: its thought, where the server sends that apart.
        opened: whether the prompt ends with `PREFILL`; models that open the think block themselves then write it twice.
    """
    if thought:
        content = f"{thought}\n</think>\n{content}" if content else thought
    start = content.lstrip()
    return start.removeprefix(PREFILL) if opened and start.startswith(PREFILL) else content


def response(thought: str, code: str) -> str:
    """Return a well-formed completion (what follows `PREFILL`) with this thought and this program.

    `parse_response` gives back exactly this program, up to white space at its end, regardless of what its strings and
    comments hold. The thought must contain none of the four tags, or the completion is not well-formed.
    """
    return f"{thought.strip()}</think>\n<answer>\n{_fenced(code)}\n</answer>"


def _fenced(code: str) -> str:
    """Return `code` as one Python code block, its fence longer than any run of backticks inside."""
    fence = "`" * max(3, 1 + max(map(len, _BACKTICKS.findall(code)), default=0))
    body = code.rstrip()
    if body.endswith("\\"):
        # A continuation into a blank line is valid, one into the end of the file is not.
        body += "\n"
    return f"{fence}python\n{body}\n{fence}"


@dataclass(frozen=True)
class Response:
    """A parsed completion.

    `code` is the program of the answer block's single fence, or None where there is no answer block or not exactly one
    fence. `well_formed` says whether the completion is exactly one think block, then one answer block, and nothing
    after.
    """

    thought: str
    code: str | None
    well_formed: bool


def parse_response(completion: str) -> Response:
    """Parse what a model wrote after `PREFILL`. Never raises; takes time linear in the text's length.

    The text is split at the *first* `</think>`; only an answer block after it counts, so nothing written while
    thinking is ever taken for the answer. A malformed completion may still hold one unambiguous answer block, whose
    code counts. Tags and shorter fences inside a fence are program text.
    """
    thought, closed, rest = completion.partition("</think>")
    if not closed:
        return Response(thought, None, False)
    fences, stray = _fences(rest)
    outside = _masked(rest, fences)
    if outside.count("<answer>") != 1 or outside.count("</answer>") != 1:
        return Response(thought, None, False)
    begin, end = outside.index("<answer>") + len("<answer>"), outside.index("</answer>")
    alone = outside.strip().startswith("<answer>") and outside.strip().endswith("</answer>")
    well_formed = alone and not _tagged(thought) and "<think>" not in outside and "</think>" not in outside
    answers = [fence for fence in fences if begin <= fence.start < end]
    unclear = len(answers) != 1 or any(begin <= place < end for place in stray) or _tagged(outside[begin:end])
    if unclear or answers[0].language not in _PYTHON:
        return Response(thought, None, well_formed)
    return Response(thought, rest[answers[0].start : answers[0].end], well_formed)


@dataclass(frozen=True)
class _Fence:
    """A fenced block: its language in lower case, and where its content starts and ends."""

    language: str
    start: int
    end: int


def _fences(text: str) -> tuple[list[_Fence], list[int]]:
    """Find the fenced blocks of `text`, and the places of marks that open a block which is never closed."""
    fences: list[_Fence] = []
    opened: re.Match[str] | None = None
    for mark in _MARK.finditer(text):
        before = _before(text, mark.start())
        if opened is None:
            opened = None if before is None else mark
        elif before in ("", "\n") and not mark.group(2) and len(mark.group(1)) >= len(opened.group(1)):
            # The closing mark's own indentation is not part of the program.
            start, end = opened.end() + 1, text.rindex("\n", 0, mark.start()) + 1
            fences.append(_Fence(opened.group(2).lower(), min(start, end), end))
            opened = None
    return fences, [] if opened is None else [opened.start()]


def _before(text: str, start: int) -> str | None:
    r"""Return the text before a mark and its indentation: empty, `\n` or `<answer>`; None if it is not a mark."""
    window = text[max(0, start - len("<answer>") - _INDENT) : start]
    rest = window.rstrip(" ")
    if len(window) - len(rest) > _INDENT:
        return None
    if not rest or rest.endswith("\n"):
        return rest[-1:]
    return "<answer>" if rest.endswith("<answer>") else None


def _masked(text: str, fences: list[_Fence]) -> str:
    """Return `text` with the content of its fences blanked out and every other character in its place."""
    parts, last = [], 0
    for fence in fences:
        parts += [text[last : fence.start], "." * (fence.end - fence.start)]
        last = fence.end
    return "".join([*parts, text[last:]])


def _tagged(text: str) -> bool:
    return any(tag in text for tag in _TAGS)
