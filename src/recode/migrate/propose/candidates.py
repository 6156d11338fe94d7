"""A model's answers → candidates: those that parse, touch only what the note is about, and keep comments and layout.

Nothing here runs a program; an answer is parsed and compared.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections import Counter
from dataclasses import dataclass, field, replace

from recode.migrate.propose.token_edits import AnswerRejected, edits_of_answer, tokens_of
from recode.migrate.propose.windows import Window
from recode.migrate.rewrite.program import EditableProgram
from recode.migrate.source.edits import Edit, apply, merged
from recode.prompts import parse_response
from recode.records import ApiUpdate
from recode.source import parse_quietly, parses

_WORD = re.compile(r"[A-Za-z_]\w*|\d[\w.]*")
_PLAIN = frozenset({"0", "1", "2", "None", "True", "False", "self"})
_NEVER = frozenset(
    "__import__ breakpoint compile delattr eval exec exit getattr globals input locals open quit setattr vars".split()
)
"""Builtins that a rewriting may not introduce unless the note names them."""
_FREE = (frozenset(keyword.kwlist) | frozenset(dir(builtins)) | _PLAIN) - _NEVER


@dataclass(frozen=True)
class RewriteCandidate:
    """A rewriting of one place.

    Attributes:
        edits: its edits of the file.
        imports: the import lines that it needs.
        votes: how many samples agree on it.
        answer: the first of them.
    """

    edits: tuple[Edit, ...]
    imports: tuple[str, ...] = ()
    votes: int = 1
    answer: str = field(default="", compare=False)


@dataclass(frozen=True)
class JudgedAnswers:
    """All samples of one place.

    Attributes:
        candidates: the rewritings, most frequent first.
        rejected: how many samples were rejected for each reason, most frequent first.
        example: the first sample that was rejected for the most frequent reason; empty if none was.
    """

    candidates: tuple[RewriteCandidate, ...]
    rejected: tuple[tuple[str, int], ...]
    example: str = ""


def judge(
    program: EditableProgram, window: Window, limit: tuple[int, int], update: ApiUpdate, completions: list[str]
) -> JudgedAnswers:
    """Read the completions for one window.

    Args:
        program: the program that the window is a part of.
        window: what the model was shown.
        limit: start and end of the finding's statement, outside which only imports may change.
        update: the update in the model's prompt.
        completions: the model's answers.
    """
    votes: Counter[RewriteCandidate] = Counter()
    rejected: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for completion in completions:
        try:
            votes[_read(program, window, limit, update, completion)] += 1
        except AnswerRejected as reason:
            rejected[str(reason)] += 1
            examples.setdefault(str(reason), completion)
    candidates = tuple(replace(candidate, votes=count) for candidate, count in votes.most_common())
    reasons = tuple(rejected.most_common())
    return JudgedAnswers(candidates, reasons, examples[reasons[0][0]] if reasons else "")


def _read(
    program: EditableProgram, window: Window, limit: tuple[int, int], update: ApiUpdate, completion: str
) -> RewriteCandidate:
    answer = parse_response(completion).code
    if answer is None:
        raise AnswerRejected("no answer in the required form")
    if not parses(answer):
        raise AnswerRejected("does not parse")
    imports, code = _split_imports(answer)
    if not code.strip():
        raise AnswerRejected("leaves nothing of the code")
    edits = edits_of_answer(window, code, program.newline)
    if not edits:
        raise AnswerRejected("changes nothing")
    if any(edit.start < limit[0] or edit.end > limit[1] for edit in edits):
        raise AnswerRejected("changes more than the statement")
    _within_note(window, code, update)
    lines = _import_lines(program, window, imports, update)
    try:
        if not parses(apply(program.tree.text, edits)):
            raise AnswerRejected("the file does not parse with it")
        return RewriteCandidate(tuple(merged(edits)), tuple(lines), answer=completion)
    except ValueError:
        raise AnswerRejected("its edits overlap") from None


def _split_imports(answer: str) -> tuple[list[ast.Import | ast.ImportFrom], str]:
    """Split an answer into the imports at its beginning and the text after them."""
    module = parse_quietly(answer)
    imports: list[ast.Import | ast.ImportFrom] = []
    for statement in module.body:
        if not isinstance(statement, ast.Import | ast.ImportFrom):
            break
        imports.append(statement)
    rest = module.body[len(imports) :]
    if not rest:
        return imports, ""
    lines = answer.splitlines(keepends=True)
    first = min([rest[0].lineno, *(decorator.lineno for decorator in getattr(rest[0], "decorator_list", []))])
    # Comments above the code belong to it; an import may be on the line, before a semicolon.
    if imports and (imports[-1].end_lineno or 0) >= first:
        raise AnswerRejected("an import shares its line with other code")
    after = (imports[-1].end_lineno or 0) if imports else 0
    return imports, "".join(lines[after:]).strip("\n")


def _words(code: str) -> Counter[str]:
    """Count names, numbers and the content of strings."""
    return Counter(token.text for token in tokens_of(code) if not token.layout and re.match(r"[\w'\"]", token.text))


def _within_note(window: Window, code: str, update: ApiUpdate) -> None:
    """Check that no word is added or removed that neither the note nor the code mentions.

    Raises:
        AnswerRejected: names the word.
    """
    note = " ".join((update.update_info, update.description, update.old_symbol, update.new_symbol))
    mentioned = set(_WORD.findall(note))
    before, after = _words(window.code), _words(code)
    for word in after - before:
        if word not in before and word not in _FREE and word not in mentioned and not _quoted_in(word, note):
            raise AnswerRejected(f"adds {word[:40]}, which the note does not mention")
    for word in before - after:
        if word not in mentioned and word not in _PLAIN and not _quoted_in(word, note):
            raise AnswerRejected(f"removes {word[:40]}, which the note does not mention")


def _quoted_in(word: str, note: str) -> bool:
    """Return whether a note contains a string's content as whole words."""
    if word[0] not in "'\"":
        return False
    content = word.strip("'\"")
    return bool(content) and re.search(rf"(?<!\w){re.escape(content)}(?!\w)", note) is not None


# --- imports ---


def _import_lines(
    program: EditableProgram, window: Window, given: list[ast.Import | ast.ImportFrom], update: ApiUpdate
) -> list[str]:
    """Return the import lines that an answer has, and neither the window nor the file.

    Raises:
        AnswerRejected: the note does not mention the module, or the name is taken.
    """
    present = {imported for statement in window.imports for imported in _bound(statement)}
    added = [imported for statement in given for imported in _bound(statement) if imported not in present]
    lines = []
    for module, name, local in added:
        root = module.partition(".")[0]
        mentioned = f"{update.update_info} {update.new_symbol} {update.old_symbol}"
        if not re.search(rf"\b{re.escape(root)}\b", mentioned):
            raise AnswerRejected(f"imports {module}, which the note does not mention")
        target = f"{module}.{name}" if name else (module if local != root else root)
        if any(binding.target == target for binding in program.scopes.module.resolve(local)) and local != root:
            continue
        if local in program.bound and not _is_module(program, local, root):
            raise AnswerRejected(f"`{local}` means something else in the file")
        lines.append(_import_line(module, name, local))
    return lines


def _is_module(program: EditableProgram, local: str, root: str) -> bool:
    """Return whether a name is bound only by imports of the module of that name."""
    bound = program.scopes.module.resolve(local)
    return local == root and all(binding.target == root for binding in bound)


def _bound(statement: ast.Import | ast.ImportFrom) -> list[tuple[str, str, str]]:
    """Return (module, name, local name) for each name that an import binds; the name is empty for a module itself."""
    if isinstance(statement, ast.ImportFrom):
        module = "." * statement.level + (statement.module or "")
        return [(module, alias.name, alias.asname or alias.name) for alias in statement.names]
    return [(alias.name, "", alias.asname or alias.name.partition(".")[0]) for alias in statement.names]


def _import_line(module: str, name: str, local: str) -> str:
    if name:
        return f"from {module} import {name}" + (f" as {local}" if local != name else "")
    return f"import {module}" + (f" as {local}" if local != module.partition(".")[0] else "")
