"""The only prompt template and the only response parser.

The structure is that of the paper (arXiv 2506.20495, appendix): a system message that asks to reason first, a user message with
library, version, note and old code, and an assistant turn that is pre-filled up to and including `<think>`, so a completion
starts *inside* the think block.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from recode.records import ApiUpdate

SYSTEM = (
    "You are a coding assistant that keeps programs working when their libraries change. "
    "First you reason about the request, then you give the solution."
)
INSTRUCTION = (
    "Rewrite the code so that it follows the note. Change nothing that the note does not concern. "
    "Reason inside <think></think>, then put the complete program into <answer></answer> as one Python code block."
)
PREFILL = "<think>"

_FENCE = re.compile(r"^[ \t]*```[ \t]*([\w+-]*)[ \t]*$", re.MULTILINE)
_PYTHON = {"", "python", "py", "python3"}


def user_message(update: ApiUpdate, code: str) -> str:
    """Return the user's turn: library, version, note, the code to rewrite, and the instruction."""
    return (
        f"The library `{update.library}` was updated to version {update.new_version}. This is the note on the update:\n"
        f"<doc>\n{update.update_info.strip()}\n</doc>\n"
        f"This code was written for an earlier version:\n"
        f"```python\n{code.rstrip()}\n```\n"
        f"{INSTRUCTION}"
    )


def messages(update: ApiUpdate, code: str) -> list[dict[str, str]]:
    """Return the chat messages for one request, without the assistant's turn (which begins with `PREFILL`)."""
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": user_message(update, code)}]


def response(thought: str, code: str) -> str:
    """Return a well-formed completion (what follows `PREFILL`) with this thought and this program."""
    return f"{thought.strip()}</think>\n<answer>\n```python\n{code.rstrip()}\n```\n</answer>"


@dataclass(frozen=True)
class Response:
    """A parsed completion.

    `code` is the program of the answer block's single fence, or None where there is no answer block or not exactly one fence.
    `well_formed` says whether the completion is exactly one think block, then one answer block, and nothing after.
    """

    thought: str
    code: str | None
    well_formed: bool


def parse_response(completion: str) -> Response:
    """Parse what a model wrote after `PREFILL`. Never raises.

    The text is split at the *first* `</think>`; only an answer block after it counts, so nothing written while thinking is
    ever taken for the answer.
    """
    thought, closed, rest = completion.partition("</think>")
    if not closed:
        return Response(thought, None, False)
    stripped = rest.strip()
    inner = stripped.removeprefix("<answer>").removesuffix("</answer>")
    enclosed = stripped.startswith("<answer>") and stripped.endswith("</answer>") and len(inner) == len(stripped) - 17
    tags = ("<think>", "</think>", "<answer>", "</answer>")
    well_formed = enclosed and not any(tag in thought for tag in tags) and not any(tag in inner for tag in tags)
    if not enclosed:
        # A malformed completion may still hold one unambiguous answer block.
        if rest.count("<answer>") != 1 or rest.count("</answer>") != 1:
            return Response(thought, None, False)
        inner = rest.partition("<answer>")[2].partition("</answer>")[0]
    elif any(tag in inner for tag in tags):
        return Response(thought, None, False)
    return Response(thought, _only_fence(inner), well_formed)


def _only_fence(text: str) -> str | None:
    """Return the content of the single fenced Python block, or None where there is not exactly one."""
    marks = list(_FENCE.finditer(text))
    if len(marks) != 2 or text.count("```") != 2 or marks[0].group(1).lower() not in _PYTHON or marks[1].group(1):
        return None
    return text[marks[0].end() + 1 : marks[1].start()]
