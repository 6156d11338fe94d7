"""The program in a completion: a fenced block of a chat, a whole module, or the continuation of a prompt."""

from __future__ import annotations

import ast
import re

from recode.source import compiles, parse_quietly

_FENCE = re.compile(
    r"^[ \t]{0,3}(`{3,})[ \t]*([\w+-]*)[^\n`]*\n(.*?)(?:^[ \t]{0,3}\1`*[ \t]*$|\Z)", re.DOTALL | re.MULTILINE
)
_TAGGED = re.compile(r"\[PYTHON\](.*?)(?:\[/PYTHON\]|\Z)", re.DOTALL)
_PYTHON = {"", "python", "py", "python3"}
_END_OF_THOUGHT = "</think>"


def answer_text(completion: str) -> str:
    """Return what follows the last thought."""
    return completion.rpartition(_END_OF_THOUGHT)[2]


def written_program(completion: str, name: str) -> str:
    """Return the program of a chat's reply.

    Among the Python blocks after the thought (fenced, or between [PYTHON] tags) it is the last that defines `name`, or the first if none
    does. Without any block it is the whole reply.
    """
    text = answer_text(completion)
    blocks = [body for _, language, body in _FENCE.findall(text) if language.lower() in _PYTHON] or _TAGGED.findall(
        text
    )
    if not blocks:
        return text
    defining = [block for block in blocks if defines(block, name)]
    return str((defining or blocks)[-1 if defining else 0])


def defines(code: str, name: str) -> bool:
    """Return whether a program binds a name at its top level. If it does not parse, return whether a line defines it."""
    tree = parsed(code)
    if tree is None:
        return re.search(rf"^(?:async[ \t]+)?(?:def|class)[ \t]+{re.escape(name)}\b", code, re.MULTILINE) is not None
    return any(name in _bound(node) for node in tree.body)


def _bound(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


def parsed(code: str) -> ast.Module | None:
    """Return the syntax tree, or None where the text is no program."""
    try:
        return parse_quietly(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def completed_program(prompt: str, completion: str, name: str) -> str:
    """Return the program that a completion makes of a prompt that ends inside the function `name`.

    A reply that defines the function is placed after the prompt's imports and helpers. Any other reply continues the prompt, cut to the
    longest run of whole lines that parses, because base models do not stop at the end of a function.
    """
    reply = written_program(completion, name)
    if defines(reply, name):
        return preamble(prompt, name) + reply
    if reply != answer_text(completion) and parsed(reply) is not None and not compiles(prompt + reply):
        # A chat model that fenced only the body, without its indentation.
        reply = "".join(f"    {line}" for line in reply.splitlines(keepends=True))
    return prompt + longest_parsing(prompt, reply)


def preamble(prompt: str, name: str) -> str:
    """Return what precedes the function in a prompt: imports and helpers."""
    found = re.search(rf"^def[ \t]+{re.escape(name)}\b", prompt, re.MULTILINE)
    return prompt[: found.start()] if found else ""


def longest_parsing(before: str, text: str) -> str:
    """Return the text without the lines at its end that keep `before + text` from parsing; the whole text if no cut helps.

    Only a tail is cut: everything from an unindented line on, or the last line, which may be incomplete.
    """
    if parsed(before + text) is not None:
        return text
    lines = text.splitlines(keepends=True)
    margins = [number for number, line in enumerate(lines) if number and line[:1] not in (" ", "\t", "\n", "\r", "")]
    for cut in sorted({*margins, len(lines) - 1}, reverse=True):
        kept = "".join(lines[:cut])
        if kept.strip() and parsed(before + kept) is not None:
            return kept
    return text
