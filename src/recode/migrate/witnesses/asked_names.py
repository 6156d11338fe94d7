"""Names of the library that the project's files write out, asked of both releases: what the old one has and the new one lacks breaks.

Neither a type checker nor the library's source shows names that a module makes while it runs, such as by a `__getattr__` that warns.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from recode.migrate.find.findings import Finding, Witness
from recode.migrate.rewrite.name_checks import ReleaseNames
from recode.migrate.source.scopes import Scopes
from recode.migrate.source.tree import chain
from recode.migrate.witnesses.confirming import CERTAIN
from recode.records import ApiUpdate
from recode.source import parse_quietly
from recode.symbol import Symbol


class AskedMove(NamedTuple):
    """The two releases to ask, with their library and versions."""

    library: str
    old_version: str
    new_version: str
    old: ReleaseNames
    new: ReleaseNames
    packages: frozenset[str]
    """What programs import of the library."""


class _Written(NamedTuple):
    """A dotted path of the library as a file writes it, and where its last name stands; columns in UTF-8 bytes."""

    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    root: ast.Name | None
    """The variable that it begins with; None in an import."""


def name_findings(
    folder: Path, files: Sequence[Path], move: AskedMove, is_guarded: Callable[[Path, int], bool]
) -> tuple[Finding, ...]:
    """Return a finding for each name that the old release has and the new one lacks.

    Args:
        folder: the project's folder.
        files: its Python files, relative to it.
        move: the releases to ask.
        is_guarded: given a file and a line, returns whether a branch restricts the line to some releases.
    """
    texts = {file: text for file in files if (text := _text(folder / file, move.packages)) is not None}
    written = {file: list(_written(text, move.packages)) for file, text in texts.items()}
    questions = [("has", path, "") for path in sorted({one.path for some in written.values() for one in some})]
    move.old.prepare(questions)
    move.new.prepare(questions)
    gone = {path for _, path, _ in questions if move.old.has(path) == "yes" and move.new.has(path) == "no"}
    return tuple(
        _finding(file, one, texts[file], move, is_guarded(file, one.line))
        for file, some in written.items()
        for one in some
        if one.path in gone and _is_the_librarys(one, texts[file])
    )


def _text(path: Path, packages: frozenset[str]) -> str | None:
    """Return a file's text; None if it names no package of the library, or cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return text if any(package in text for package in packages) else None


def _parsed(text: str) -> ast.Module | None:
    try:
        return parse_quietly(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _written(text: str, packages: frozenset[str]) -> Iterator[_Written]:
    """Yield what a file imports of the library, and the attributes that it reads of what it imported."""
    tree = _parsed(text)
    if tree is None:
        return
    bound: defaultdict[str, set[str]] = defaultdict(set)
    inner: set[ast.expr] = set()
    attributes: list[ast.Attribute] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] in packages:
                    bound[alias.asname or alias.name.partition(".")[0]].add(
                        alias.name if alias.asname else alias.name.partition(".")[0]
                    )
                    yield _imported(alias, alias.name)
        elif isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").partition(".")[0] in packages:
            for alias in node.names:
                if alias.name != "*":
                    path = f"{node.module}.{alias.name}"
                    bound[alias.asname or alias.name].add(path)
                    yield _imported(alias, path)
        elif isinstance(node, ast.Attribute):
            attributes.append(node)
            inner.add(node.value)
    for attribute in attributes:
        root, names = chain(attribute)
        if attribute in inner or not isinstance(root, ast.Name) or not isinstance(attribute.ctx, ast.Load):
            continue
        for path in bound.get(root.id, ()):
            end = attribute.end_lineno or attribute.lineno, attribute.end_col_offset or 0
            yield _Written(
                ".".join([path, *names]), end[0], end[1] - len(names[-1].encode()), *end, root,
            )  # fmt: skip


def _imported(alias: ast.alias, path: str) -> _Written:
    width = len(alias.name.encode())
    return _Written(path, alias.lineno, alias.col_offset, alias.lineno, alias.col_offset + width, None)


def _is_the_librarys(written: _Written, text: str) -> bool:
    """Say whether a variable stands for what was imported: a parameter or an assignment of that name may hide it."""
    if written.root is None:
        return True
    tree = _parsed(text)
    if tree is None:
        return False
    scopes = Scopes(tree)
    wanted = written.root
    here = (name for name in scopes.names if (name.lineno, name.col_offset) == (wanted.lineno, wanted.col_offset))
    return all(
        (found := scopes.of[name].resolve(name.id)) and all(one.alias is not None for one in found) for name in here
    )


def _finding(file: Path, written: _Written, text: str, move: AskedMove, guarded: bool) -> Finding:
    lines = text.splitlines()
    start, end = (
        len(lines[line - 1].encode()[:column].decode(errors="replace")) + 1
        for line, column in ((written.line, written.column), (written.end_line, written.end_column))
    )
    advice = f"{move.library} {move.new_version} has no `{written.path}`"
    update = ApiUpdate(
        family_id=f"names-{move.library}-{move.new_version}", library=move.library, old_version=move.old_version,
        new_version=move.new_version, kind="removed", old_symbol=Symbol(written.path), new_symbol=Symbol(""),
        description=advice, update_info=advice,
    )  # fmt: skip
    return Finding(
        file=file,
        line=written.line,
        column=start,
        end_line=written.end_line,
        end_column=end,
        symbol=written.path,
        kind="removed",
        status="breaks",
        since=move.new_version,
        evidence=f"{move.library} {move.old_version} has it, {move.new_version} does not; both were asked",
        confidence=CERTAIN,
        advice=advice,
        update=update,
        witnesses=(Witness.TYPES,),
        guarded=guarded,
    )
