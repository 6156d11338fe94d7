"""Real Python text that may be used freely: the functions of the running interpreter's standard library (PSF licence).

It shows a small model other Python than the generator's, it measures forgetting, and it provides real programs for made-up renamings. Files are
split by hash, so that held-out text is never trained on.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import sysconfig
import textwrap
from pathlib import Path

from recode.invent.names import Namer, Pool
from recode.invent.world import World
from recode.records import BY_RULES, Kind, Migration
from recode.source import parse_quietly, parses
from recode.symbol import Symbol

_SKIPPED = {
    "site-packages",
    "test",
    "tests",
    "idlelib",
    "lib2to3",
    "turtledemo",
    "__pycache__",
    "encodings",
    "pydoc_data",
}
HELD_OUT_SHARE = 0.08


@functools.cache
def functions(pool: Pool, longest: int = 600) -> tuple[str, ...]:
    """Return the source of functions and methods of 3 to 18 lines and at most `longest` characters, dedented, in a fixed order.

    `test` is the text of the held-out files. A function that also appears there is not in `train`.
    """
    root = Path(sysconfig.get_path("stdlib"))
    sources = []
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        digest = hashlib.sha256(relative.as_posix().encode()).digest()
        held_out = int.from_bytes(digest[:4], "big") < HELD_OUT_SHARE * 2**32
        if _SKIPPED & set(relative.parts) or held_out != (pool == "test"):
            continue
        sources += _functions_of(path, longest)
    held = set() if pool == "test" else set(functions("test", longest))
    return tuple(source for source in dict.fromkeys(sources) if source not in held)


def _functions_of(path: Path, longest: int) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
        tree = parse_quietly(text)
    except (OSError, SyntaxError, UnicodeDecodeError, ValueError):
        return []
    lines, sources = text.splitlines(), []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.end_lineno and 3 <= node.end_lineno - node.lineno + 1 <= 18:
            source = textwrap.dedent("\n".join(lines[node.lineno - 1 : node.end_lineno])).rstrip()
            # Dedenting breaks a function whose docstring is indented less than its code.
            if (
                len(source) <= longest
                and source.isascii()
                and "\t" not in source
                and source.startswith(("def", "@"))
                and parses(source)
            ):
                sources.append(source)
    return sources


def rename_in_python(world: World, names: Namer, number: int) -> Migration | None:
    """Return a made-up renaming in a real function, or None if the function drawn has no call to rename."""
    source = world.rng.choice(functions("train", 420)) + "\n"
    tree = parse_quietly(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    if not calls:
        return None
    chosen = world.rng.choice(calls)
    keywords = [k for k in chosen.keywords if k.arg]
    if keywords and world.rng.random() < 0.7:
        kind: Kind = "parameter_renamed"
        old = str(world.rng.choice(keywords).arg)
        new_source, new = _replace_keyword(source, chosen, old, names.parameter())
    else:
        kind, old = "renamed", chosen.func.attr  # type: ignore[attr-defined]
        new = names.variant(old) if world.rng.random() < 0.5 else names.function()
        new_source = _replace_attribute(source, old, new)
    if new_source == source:
        return None
    from recode.invent import notes

    owner = ast.unparse(chosen.func) if world.rng.random() < 0.5 else f"{world.library}.{chosen.func.attr}"  # type: ignore[attr-defined]
    if kind == "renamed":
        stem = owner.rsplit(".", 1)[0]
        old_symbol, new_symbol = f"{stem}.{old}", f"{stem}.{new}"
        note = notes.renamed(world, world.pick("function", "method"), old_symbol, new_symbol)
    else:
        old_symbol, new_symbol = f"{owner}({old})", f"{owner}({new})"
        note = notes.parameter_renamed(world, owner, old, new)
    if len(owner) > 60:
        return None
    family = f"{world.package}-python-{number}"
    return Migration(
        id=family, family_id=family, library=world.package, old_version=world.old_version, new_version=world.new_version, kind=kind,
        old_symbol=_symbol(world, old_symbol), new_symbol=_symbol(world, new_symbol), description=note, update_info=note,
        old_code=source, new_code=new_source, author="generator", author_means=BY_RULES,
    )  # fmt: skip


def _symbol(world: World, text: str) -> Symbol:
    """Return the symbol of a text; for a method of an expression (`open(x).read`), the symbol of the text before its parenthesis.

    The thoughts in pretraining blocks show this part, so blocks made by earlier versions stay the same. Where that is no path either
    (`"".join`), its last word becomes a name of the library.
    """
    head = text.partition("(")[0]
    for candidate in (text, head, f"{world.library}.{head.rpartition('.')[2]}"):
        try:
            symbol = Symbol(candidate)
        except ValueError:
            continue
        if symbol:
            return symbol
    return Symbol(world.library)


def _replace_attribute(source: str, old: str, new: str) -> str:
    """Rename every attribute `old` that is called."""
    spots = []
    for node in ast.walk(parse_quietly(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == old
            and node.func.end_col_offset
        ):
            spots.append((node.func.end_lineno or 0, node.func.end_col_offset))
    lines = source.split("\n")
    for line, end in sorted(spots, reverse=True):
        text = lines[line - 1]
        lines[line - 1] = text[: end - len(old)] + new + text[end:]
    return "\n".join(lines)


def _replace_keyword(source: str, call: ast.Call, old: str, new: str) -> tuple[str, str]:
    """Rename one keyword of one call; return the program and the new name."""
    lines = source.split("\n")
    for keyword in call.keywords:
        if keyword.arg == old:
            text = lines[keyword.lineno - 1]
            start = keyword.col_offset
            lines[keyword.lineno - 1] = text[:start] + new + text[start + len(old) :]
    return "\n".join(lines), new
