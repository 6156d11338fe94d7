"""The reward of the published experiments (arXiv 2506.20495), faults included, for comparison with the paper.

Do not train on it: a policy can exploit it. It was inferred from the described behaviour and from scored examples, and
agrees with them to 1e-9. Its faults, none of which the strict family has:

1. *Apostrophes hide code.* Strings are cut out before comments are searched for. Apostrophes in two comments turn
   everything between them into a "string" on a comment's line, which is removed with the comment.
2. *The first fence anywhere counts*, even inside the think block: right code there and wrong code in the answer get
   full marks.
3. *Extra blocks pass as well-formed*: only the first turn from thought to answer and the last tag are checked, so
   several think or answer blocks count as one, and a line end may follow the last.
4. *Blank lines inside strings vanish*: programs that print different text are equal.
5. *The cleaned text is parsed*, not the program: an indented fragment passes, and so does code whose error is hidden
   by fault 1.
6. *Two programs that are only comments* have no length to divide by: the published code raises; here ES* is None.
7. *A fence ends at the next three backticks*, even inside a string.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from recode.rewards import edit, exact
from recode.rewards.answer import MAX_CHARACTERS
from recode.rewards.lift import WORST, lift
from recode.source import parses

_TURN = re.compile(r"</think>\s*+<answer>")
_QUOTE = re.compile(r"[\"']")
_BODIES = {quote: re.compile(rf"(?:[^{quote}\\]|\\.)*+{quote}", re.DOTALL) for quote in "\"'"}


def score_format(completion: str, target: str = "", old_code: str | None = None) -> float:
    """Return +1 if the completion looks like a think block and an answer block with nothing after, otherwise -1."""
    turn = _TURN.search(completion)
    body = completion.removesuffix("\n")
    closed = turn is not None and body.endswith("</answer>") and len(body) - len("</answer>") >= turn.end()
    return 1.0 if closed else -1.0


def score_exact(completion: str, target: str, old_code: str | None = None) -> float:
    """Return the published EM*: +2 equal after cleaning, -1.5 different, -2 if the first program is missing or does not parse."""
    out = _first_program(completion)
    if out is None:
        return exact.UNREADABLE
    return exact.EQUAL if out == _clean(target) else exact.DIFFERENT


def score_edit(completion: str, target: str, old_code: str | None = None) -> float | None:
    """Return the published ES*, in [-1.5, 2], or -2 like EM*. None if both programs are empty after cleaning."""
    if len(target) > MAX_CHARACTERS:
        return None
    out, gold = _first_program(completion), _clean(target)
    if out is None:
        return edit.UNREADABLE
    return edit.scaled(edit.similarity(out, gold)) if out or gold else None


def score_lift(completion: str, target: str, old_code: str | None = None) -> float | None:
    """Return the lift (see `recode.rewards.lift`) over this family's cleaning. Not part of the published reward."""
    if old_code is None or max(len(target), len(old_code)) > MAX_CHARACTERS:
        return None
    out = _first_program(completion)
    return WORST if out is None else lift(out, _clean(target), _clean(old_code))


def _first_program(completion: str) -> str | None:
    """Return the cleaned content of the first Python fence anywhere, or None if there is none or it does not parse."""
    _, opened, rest = completion.partition("```python")
    content, closed, _ = rest.partition("```")
    if not opened or not closed or len(content) > MAX_CHARACTERS:
        return None
    code = _clean(content)
    return code if parses(code) else None


def _clean(code: str) -> str:
    """Drop everything after a `#` outside of what is taken for strings, then blank lines, then white space at both ends."""
    kept = []
    commented = False
    for piece, is_string in _pieces(code):
        if is_string:
            kept.append("" if commented else piece)
            continue
        for number, line in enumerate(piece.split("\n")):
            if number:
                commented = False
                kept.append("\n")
            text, mark, _ = line.partition("#")
            kept.append("" if commented else text)
            commented = commented or bool(mark)
    return "\n".join(line for line in "".join(kept).split("\n") if line.strip()).strip()


def _pieces(code: str) -> Iterator[tuple[str, bool]]:
    """Cut `code` into what the published pattern takes for strings (True) and the text between (False).

    At each quote it tries three quotes up to the next three, then one quote up to the next unescaped one, across line
    ends and regardless of comments. If a kind of string does not end once, it never ends later in the same text;
    remembering that keeps the time linear.
    """
    endless: set[str] = set()
    done = at = 0
    while quote := _QUOTE.search(code, at):
        end = _string_end(code, quote.start(), endless)
        if end is None:
            at = quote.end()
            continue
        yield code[done : quote.start()], False
        yield code[quote.start() : end], True
        done = at = end
    yield code[done:], False


def _string_end(code: str, start: int, endless: set[str]) -> int | None:
    quote = code[start]
    if code.startswith(quote * 3, start) and quote * 3 not in endless:
        end = code.find(quote * 3, start + 3)
        if end >= 0:
            return end + 3
        endless.add(quote * 3)
    if quote not in endless:
        body = _BODIES[quote].match(code, start + 1)
        if body:
            return body.end()
        endless.add(quote)
    return None
