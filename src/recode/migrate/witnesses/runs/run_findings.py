"""Findings of the runs witness: each difference at the name, keyword or statement that causes it."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from recode.migrate.find.findings import Finding, Witness
from recode.migrate.project.files import project_files
from recode.migrate.source.tree import parsed
from recode.migrate.witnesses.runs.recorded_command import Continued, DifferenceKind, RunDifference
from recode.records import ApiUpdate, Kind
from recode.symbol import Symbol

_QUOTED = re.compile(r"[`'\"]([A-Za-z_]\w*)[`'\"]")
_FIELDS = re.compile(r" \(([\w, ]+)\)$")
_CONFIDENCE = {
    DifferenceKind.RAISES: 0.98, DifferenceKind.WARNS: 0.95, DifferenceKind.VALUE: 0.9, DifferenceKind.STATE: 0.9,
    DifferenceKind.LATENT: 0.9, DifferenceKind.UNCALLED: 0.8, DifferenceKind.MAYBE: 0.6,
}  # fmt: skip
_CONTINUED = {
    Continued.NOT: "",
    Continued.VALUE: "continued with the value of the old release",
    Continued.ABSENT: "continued as if it had the value of the old release, which cannot be carried over",
    Continued.SUCCESSOR: "continued with the name that replaces it",
    Continued.SKIPPED: "continued without this statement",
    Continued.UNDECORATED: "continued without the decorators",
}
_LONGEST_SYMBOL = 60


@dataclass(frozen=True)
class RunReleases:
    """The library, its two releases and the command, as findings name them."""

    library: str
    old: str
    new: str
    command: str


def run_findings(
    root: Path, differences: Iterable[RunDifference], releases: RunReleases, is_guarded: Callable[[Path, int], bool]
) -> tuple[Finding, ...]:
    """Return a finding for each difference.

    Where nothing else was found, an error on inputs that the old run did not have counts, too; otherwise it is taken for a consequence.

    Args:
        root: the project's folder.
        differences: what a comparison found, in order.
        releases: what was compared.
        is_guarded: given a file and a line, returns whether a branch restricts the line to some releases.
    """
    found = list(differences)
    if any(one.kind not in (DifferenceKind.MAYBE, DifferenceKind.WARNS) for one in found):
        found = [one for one in found if one.kind is not DifferenceKind.MAYBE]
    files: dict[Path, _File | None] = {}
    findings = []
    for one in found:
        if one.file not in files:
            files[one.file] = _file(root / one.file)
        file = files[one.file]
        if file is not None:
            findings.append(_finding(one, file, releases, is_guarded(one.file, one.spot[0])))
    fields = [finding for one in found for finding in _fields(root, one, releases)]
    return tuple(dict.fromkeys([*findings, *fields]))


def _fields(root: Path, one: RunDifference, releases: RunReleases) -> Iterator[Finding]:
    """Yield a finding for each field that an error of validation names, where its class is one of the project's."""
    match = _FIELDS.search(one.new)
    if match is None or one.kind is not DifferenceKind.RAISES:
        return
    words, fields = set(re.findall(r"\w+", one.new[: match.start()])), set(match[1].split(", "))
    for path in project_files(root):
        file = _file(root / path) if path.suffix == ".py" else None
        for node in file.tree.nodes if file is not None else ():
            if not isinstance(node, ast.ClassDef) or node.name not in words or file is None:
                continue
            for field in node.body:
                if (
                    isinstance(field, ast.AnnAssign)
                    and isinstance(field.target, ast.Name)
                    and field.target.id in fields
                ):
                    there = replace(one, file=path, spot=_span(field), continued=Continued.NOT)
                    yield _finding(there, file, releases, False)


class _File:
    def __init__(self, text: str) -> None:
        self.lines = text.splitlines(keepends=True)
        self.tree = parsed(text)

    def characters(self, line: int, column: int) -> int:
        """Return a column in characters from 1, given one in bytes from 0."""
        return len(self.lines[line - 1].encode()[:column].decode("utf-8", "replace")) + 1

    def code(self, node: ast.AST) -> str:
        return " ".join(ast.unparse(node).split())


def _file(path: Path) -> _File | None:
    try:
        return _File(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError, RecursionError):
        return None


_Span = tuple[int, int, int, int]
"""Line, column, last line and last column, in bytes from 0."""


def _finding(one: RunDifference, file: _File, releases: RunReleases, guarded: bool) -> Finding:
    span, symbol = _placed(one, file)
    line, column, end_line, end_column = span
    kind = _kind(one)
    advice = _advice(one, releases)
    update = ApiUpdate(
        family_id=f"runs-{releases.library}-{releases.new}-{one.kind}", library=releases.library, old_version=releases.old,
        new_version=releases.new, kind=kind, old_symbol=Symbol(""), new_symbol=Symbol(""), description=advice, update_info=advice,
    )  # fmt: skip
    return Finding(
        file=one.file,
        line=line,
        column=file.characters(line, column),
        end_line=end_line,
        end_column=file.characters(end_line, end_column),
        symbol=textwrap.shorten(symbol, _LONGEST_SYMBOL, placeholder=" …") or str(one.kind),
        kind=kind,
        status="deprecated" if one.kind is DifferenceKind.WARNS else "breaks",
        since=releases.new,
        evidence=f"`{releases.command}`, run with {releases.library} {releases.old} and {releases.new}",
        confidence=_CONFIDENCE[one.kind],
        advice=advice,
        update=update,
        guarded=guarded,
        witnesses=(Witness.RUNS,),
    )


def _advice(one: RunDifference, releases: RunReleases) -> str:
    """Return what happened, with both values, and how the run was continued."""
    old, new = one.old or "no error", one.new
    sentences: Mapping[DifferenceKind, str] = {
        DifferenceKind.RAISES: f"{new}; in {releases.old}: {old}",
        DifferenceKind.MAYBE: f"{new}; in {releases.old}, nothing was raised here",
        DifferenceKind.VALUE: f"{new}; in {releases.old}: {old}",
        DifferenceKind.STATE: f"leaves {new}; in {releases.old}: {old}",
        DifferenceKind.WARNS: new,
        DifferenceKind.LATENT: f"what it gives is {new or 'different'} ({releases.old}: {one.old or 'not'}); this matters on line {one.related}",
        DifferenceKind.UNCALLED: f"{releases.library} {releases.old} calls this function, {releases.new} does not",
    }
    return "; ".join(part for part in (sentences[one.kind], _CONTINUED[one.continued]) if part)


def _kind(one: RunDifference) -> Kind:
    if one.kind is DifferenceKind.WARNS:
        return "deprecated"
    if one.kind in (DifferenceKind.VALUE, DifferenceKind.STATE, DifferenceKind.LATENT):
        return "return_changed"
    if one.new.startswith(("AttributeError", "ImportError", "ModuleNotFoundError")):
        return "removed"
    return "parameter_removed" if "unexpected keyword" in one.new else "replaced"


# --- places ---


def _placed(one: RunDifference, file: _File) -> tuple[_Span, str]:
    """Return the place of a difference in its narrowest form, and the code that stands for it."""
    nodes = [
        node
        for node in file.tree.nodes
        if isinstance(node, ast.expr | ast.stmt | ast.alias) and _span(node) == one.spot
    ]
    if not nodes:
        return one.spot, one.name
    node: ast.AST = nodes[-1]
    keyword = _keyword(node, one.new)
    if keyword is not None:
        return _span(keyword[1]), f"{file.code(keyword[0].func)}({keyword[1].arg})"
    match node:
        case ast.alias():
            return one.spot, one.name.replace(":", ".")
        case ast.Attribute() | ast.Call(func=ast.Attribute()):
            attribute = node if isinstance(node, ast.Attribute) else node.func
            assert isinstance(attribute, ast.Attribute)
            line, column = attribute.end_lineno or 0, attribute.end_col_offset or 0
            return (line, column - len(attribute.attr.encode()), line, column), file.code(attribute)
        case ast.Call(func=ast.Name() as name):
            return _span(name), name.id
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            if node.decorator_list and one.kind is DifferenceKind.RAISES:
                return _span(node.decorator_list[0]), file.code(node.decorator_list[0])
            first = file.lines[node.lineno - 1].encode()
            column = first.find(node.name.encode(), node.col_offset)
            return (node.lineno, column, node.lineno, column + len(node.name.encode())), node.name
        case ast.Assign(targets=[target, *_]) | ast.AugAssign(target=target) | ast.AnnAssign(target=target):
            return _span(target), file.code(target)
        case ast.Expr(value=ast.Call(func=ast.Attribute() as method)):
            line, column = method.end_lineno or 0, method.end_col_offset or 0
            return (line, column - len(method.attr.encode()), line, column), file.code(method)
    return one.spot, file.code(node)


def _keyword(node: ast.AST, message: str) -> tuple[ast.Call, ast.keyword] | None:
    """Return the keyword that a message quotes, of the call at the place or of one in front of it."""
    names = set(_QUOTED.findall(message))
    for call in _calls(node):
        for keyword in call.keywords:
            if keyword.arg in names:
                return call, keyword
    return None


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    while isinstance(node, ast.Call | ast.Attribute | ast.Subscript | ast.Await):
        if isinstance(node, ast.Call):
            yield node
        node = node.func if isinstance(node, ast.Call) else node.value


def _span(node: ast.expr | ast.stmt | ast.alias | ast.keyword) -> _Span:
    return node.lineno, node.col_offset, node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
