"""What a model answered → candidates: those that parse, touch only what the note concerns, and keep comments and layout.

Nothing here runs a program: an answer is parsed and compared.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections import Counter
from dataclasses import dataclass, replace

from recode.migrate.propose.token_edits import spliced, tokens_of
from recode.migrate.propose.windows import Window
from recode.migrate.rewrite.rejected import Rejected
from recode.migrate.rewrite.renames import Renamer
from recode.migrate.source.edits import Edit, apply, merged
from recode.prompts import parse_response
from recode.records import ApiUpdate
from recode.source import parses

_WORD = re.compile(r"[A-Za-z_]\w*|\d[\w.]*")
_PLAIN = frozenset({"0", "1", "2", "None", "True", "False", "self"})
_NEVER = frozenset(
    "__import__ breakpoint compile delattr eval exec exit getattr globals input locals open quit setattr vars".split()
)
"""Builtins that a rewriting may not bring in unless the note names them."""
_FREE = (frozenset(keyword.kwlist) | frozenset(dir(builtins)) | _PLAIN) - _NEVER


@dataclass(frozen=True)
class Candidate:
    """A rewriting of one place: its edits of the document, import lines that it needs besides, and how many samples gave it."""

    edits: tuple[Edit, ...]
    imports: tuple[str, ...] = ()
    votes: int = 1


@dataclass(frozen=True)
class Judged:
    """What became of all samples of one place: candidates, most frequent first, and how many were rejected for what."""

    candidates: tuple[Candidate, ...]
    rejected: tuple[tuple[str, int], ...]


def judge(
    renamer: Renamer, window: Window, limit: tuple[int, int], update: ApiUpdate, completions: list[str]
) -> Judged:
    """Read completions for one window; `limit` is the finding's statement, outside which only imports may change."""
    found: Counter[Candidate] = Counter()
    rejected: Counter[str] = Counter()
    for completion in completions:
        try:
            found[_read(renamer, window, limit, update, completion)] += 1
        except Rejected as reason:
            rejected[str(reason)] += 1
    candidates = tuple(replace(one, votes=votes) for one, votes in found.most_common())
    return Judged(candidates, tuple(rejected.most_common()))


def _read(renamer: Renamer, window: Window, limit: tuple[int, int], update: ApiUpdate, completion: str) -> Candidate:
    answer = parse_response(completion).code
    if answer is None:
        raise Rejected("no answer in the form asked for")
    if not parses(answer):
        raise Rejected("does not parse")
    imports, code = _parted(answer)
    if not code.strip():
        raise Rejected("leaves nothing of the code")
    edits = spliced(window, code, renamer.newline)
    if not edits:
        raise Rejected("changes nothing")
    if any(edit.start < limit[0] or edit.end > limit[1] for edit in edits):
        raise Rejected("changes more than the statement")
    _within_note(window, code, update)
    lines = _import_lines(renamer, window, imports, update)
    try:
        if not parses(apply(renamer.tree.text, edits)):
            raise Rejected("the file does not parse with it")
        return Candidate(tuple(merged(edits)), tuple(lines))
    except ValueError:
        raise Rejected("its edits overlap") from None


def _parted(answer: str) -> tuple[list[ast.Import | ast.ImportFrom], str]:
    """Part an answer into the imports at its beginning and the text after them."""
    module = ast.parse(answer)
    imports: list[ast.Import | ast.ImportFrom] = []
    for statement in module.body:
        if not isinstance(statement, ast.Import | ast.ImportFrom):
            break
        imports.append(statement)
    rest = module.body[len(imports) :]
    if not rest:
        return imports, ""
    lines = answer.splitlines(keepends=True)
    first = min([rest[0].lineno, *(one.lineno for one in getattr(rest[0], "decorator_list", []))])
    # Comments above the code belong to it; an import may stand on the line before a semicolon.
    if imports and (imports[-1].end_lineno or 0) >= first:
        raise Rejected("an import shares its line with other code")
    after = (imports[-1].end_lineno or 0) if imports else 0
    return imports, "".join(lines[after:]).strip("\n")


def _words(code: str) -> Counter[str]:
    """Count names, numbers and the content of strings."""
    return Counter(one.text for one in tokens_of(code) if not one.layout and re.match(r"[\w'\"]", one.text))


def _within_note(window: Window, code: str, update: ApiUpdate) -> None:
    """Check that nothing comes or goes but what the note, or the code itself, speaks of.

    Raises:
        Rejected: names the word.
    """
    note = " ".join((update.update_info, update.description, update.old_symbol, update.new_symbol))
    spoken = set(_WORD.findall(note))
    before, after = _words(window.code), _words(code)
    for word in after - before:
        if word not in before and word not in _FREE and word not in spoken and not _quoted_in(word, note):
            raise Rejected(f"brings in {word[:40]}, of which the note says nothing")
    for word in before - after:
        if word not in spoken and word not in _PLAIN and not _quoted_in(word, note):
            raise Rejected(f"takes away {word[:40]}, of which the note says nothing")


def _quoted_in(word: str, note: str) -> bool:
    """Say whether a string's content stands in a note as words of its own."""
    if word[0] not in "'\"":
        return False
    content = word.strip("'\"")
    return bool(content) and re.search(rf"(?<!\w){re.escape(content)}(?!\w)", note) is not None


# --- imports ---


def _import_lines(
    renamer: Renamer, window: Window, given: list[ast.Import | ast.ImportFrom], update: ApiUpdate
) -> list[str]:
    """Return the import lines that an answer has, and neither the window nor the file.

    Raises:
        Rejected: the note speaks of no such module, or the name is taken.
    """
    had = {one for statement in window.imports for one in _bound(statement)}
    lines = []
    for module, name, local in [one for statement in given for one in _bound(statement) if one not in had]:
        root = module.partition(".")[0]
        spoken = f"{update.update_info} {update.new_symbol} {update.old_symbol}"
        if not re.search(rf"\b{re.escape(root)}\b", spoken):
            raise Rejected(f"imports {module}, of which the note says nothing")
        target = f"{module}.{name}" if name else (module if local != root else root)
        if any(binding.target == target for binding in renamer.scopes.module.resolve(local)) and local != root:
            continue
        if renamer.is_bound(local) and not _is_module(renamer, local, root):
            raise Rejected(f"`{local}` means something else in the file")
        lines.append(_import_line(module, name, local))
    return lines


def _is_module(renamer: Renamer, local: str, root: str) -> bool:
    """Say whether a name is bound by imports of the module of that name, and nothing else."""
    bound = renamer.scopes.module.resolve(local)
    return local == root and all(binding.target == root for binding in bound)


def _bound(statement: ast.Import | ast.ImportFrom) -> list[tuple[str, str, str]]:
    """Return (module, name, local name) of each name that an import binds; the name is empty for a module itself."""
    if isinstance(statement, ast.ImportFrom):
        module = "." * statement.level + (statement.module or "")
        return [(module, alias.name, alias.asname or alias.name) for alias in statement.names]
    return [(alias.name, "", alias.asname or alias.name.partition(".")[0]) for alias in statement.names]


def _import_line(module: str, name: str, local: str) -> str:
    if name:
        return f"from {module} import {name}" + (f" as {local}" if local != name else "")
    return f"import {module}" + (f" as {local}" if local != module.partition(".")[0] else "")
