"""What a model reads after its program ran: how it ended, where, and what it printed."""

from __future__ import annotations

import re

from recode.sandbox.execution import Execution, Raised, Warned

MAX_PRINTED = 2_000
"""Characters of a program's output that are shown; of longer outputs, the end."""
_MAX_MESSAGE = 600
_MAX_WARNINGS = 5
_FOLDER = re.compile(r"/[^\s'\"]*/site-packages/")
"""Where this machine keeps its environments, which is no business of a model's."""


def is_clean(done: Execution) -> bool:
    """Say whether a program finished and no deprecation was announced to it."""
    return done.outcome == "finished" and not _deprecations(done)


def observation(done: Execution, program: str, release: str) -> str:
    """Return what happened when a program ran on a release, as text for the model that wrote it.

    The text depends on nothing but the run: no expected output and no gold program.
    """
    lines = program.splitlines()
    match done.outcome:
        case "raised" if done.exception is not None:
            parts = [f"Your program raised an exception on {release}.", _exception(done.exception, lines)]
        case "timeout":
            parts = [f"Your program did not end in time on {release}."]
        case "crashed":
            parts = [f"Your program's process ended early on {release}: {done.detail}."]
        case _:
            parts = [f"Your program ran to its end on {release}."]
    parts += [_warning(warned, lines) for warned in _deprecations(done)[:_MAX_WARNINGS]]
    parts.append(f"It printed:\n{_shown(done.stdout)}" if done.stdout else "It printed nothing.")
    return "\n".join(parts)


def no_program() -> str:
    """Return what a model reads whose answer held no single program."""
    return "Your answer holds no program that parses: put one Python code block into <answer></answer>."


def _deprecations(done: Execution) -> list[Warned]:
    return [warned for warned in done.warnings if warned.announces_deprecation]


def _exception(raised: Raised, lines: list[str]) -> str:
    return f"{raised.category}: {_message(raised.message)}{_place(raised.line, lines)}"


def _warning(warned: Warned, lines: list[str]) -> str:
    place = _place(warned.line, lines) if warned.file_is_program else ""
    return f"{warned.category}: {_message(warned.message)}{place}"


def _message(text: str) -> str:
    return _FOLDER.sub("", text)[:_MAX_MESSAGE]


def _place(line: int | None, lines: list[str]) -> str:
    """Return the line of a program with its number; empty where it is not known."""
    if line is None or not 1 <= line <= len(lines):
        return ""
    return f"\n  line {line}: {lines[line - 1].strip()}"


def _shown(text: str) -> str:
    return text.rstrip("\n") if len(text) <= MAX_PRINTED else f"…{text[-MAX_PRINTED:]}".rstrip("\n")
