"""The types witness: diagnostics of a type checker against the new release that it does not report against the old one.

It needs no knowledge of the library. It sees receivers that the knowledge witness can't follow (other modules, `self`, chains, `super()`),
but misses what the library's annotations do not express: argument values, names in class bodies, settings, changed behavior.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from recode.migrate.find.findings import Finding, Witness
from recode.migrate.rewrite.name_checks import ReleaseNames
from recode.migrate.witnesses.confirming import AskedReleases, unconfirmed
from recode.migrate.witnesses.type_checker import Checked, Diagnostic, check, new_diagnostics, version
from recode.records import ApiUpdate, Kind
from recode.sandbox.environments import Environment
from recode.symbol import Symbol

_DOTTED = r"[A-Za-z_][\w.]*"
_MODULE_MEMBER = re.compile(rf"Module `({_DOTTED})` has no member `(\w+)`")
_ATTRIBUTE = re.compile(r"has no attribute `(\w+)`|Attribute `(\w+)` is not defined on|Unresolved attribute `(\w+)`")
_RECEIVER = re.compile(rf"(?:type|on) `<?(?:super: <class '|class '|module ')?({_DOTTED})")
_UNKNOWN_ARGUMENT = re.compile(rf"Argument `(\w+)` does not match any known parameter(?: of (?:\w+ )*`({_DOTTED})`)?")
_CALLABLE = re.compile(rf"(?:function|method|class|of) `({_DOTTED})`")
_DEPRECATED = re.compile(rf"(?:The \w+|overload of|function:) `({_DOTTED})`")
_NO_IMPORT = re.compile(rf"(?:module|import) `({_DOTTED})`")
_LONGEST_CODE = 60


@dataclass(frozen=True)
class CheckedReleases:
    """The two environments to compare, with their library and releases."""

    library: str
    old_version: str
    new_version: str
    old: Checked
    new: Checked
    packages: frozenset[str] = frozenset()
    """What programs import of the library; empty if unknown."""

    def confidences(self, root: Path, diagnostics: Sequence[Diagnostic]) -> Mapping[Diagnostic, float]:
        """Return how sure each diagnostic is to mean that the code breaks; the releases are asked where they can be."""
        if not isinstance(self.old, Environment) or not isinstance(self.new, Environment):
            return unconfirmed(diagnostics)
        asked = AskedReleases(ReleaseNames(self.old), ReleaseNames(self.new), self.packages)
        return asked.confidences(root, diagnostics)


def type_findings(
    root: Path, files: Sequence[Path], releases: CheckedReleases, is_guarded: Callable[[Path, int], bool]
) -> tuple[Finding, ...]:
    """Return a finding for each place that the checker accepts in the old release and reports in the new one.

    Args:
        root: the project's folder.
        files: Python files, relative to the root.
        releases: the environments to compare.
        is_guarded: given a file and a line, returns whether a branch restricts the line to some releases.

    Raises:
        MissingExtraError: ty is not installed.
        TypeCheckError: ty failed.
    """
    new = check(root, files, releases.new)
    if not new:
        return ()
    # Only files with diagnostics in the new release need checking against the old one.
    concerned = sorted({diagnostic.file for diagnostic in new})
    old = check(root, concerned, releases.old)
    checker = version()
    confidences = releases.confidences(root, new_diagnostics(old, new))
    findings = [
        replace(_finding(root, diagnostic, releases, checker), confidence=confidence)
        for diagnostic, confidence in confidences.items()
    ]
    return tuple(replace(one, guarded=is_guarded(one.file, one.line)) for one in findings)


def _finding(root: Path, diagnostic: Diagnostic, releases: CheckedReleases, checker: str) -> Finding:
    kind, symbol = described(diagnostic)
    library, old, new = releases.library, releases.old_version, releases.new_version
    message = diagnostic.message.rstrip(".")
    if diagnostic.rule == "import-not-found" and releases.packages and symbol.package not in releases.packages:
        message = f"{library} {old} brings `{symbol.package}` along, {new} does not; add it to the requirements"
    update = ApiUpdate(
        family_id=f"types-{library}-{new}-{diagnostic.rule}", library=library, old_version=old, new_version=new, kind=kind,
        old_symbol=symbol, new_symbol=Symbol(""), description=message, update_info=message,
    )  # fmt: skip
    return Finding(
        file=diagnostic.file,
        line=diagnostic.line,
        column=diagnostic.column,
        end_line=diagnostic.end_line,
        end_column=diagnostic.end_column,
        symbol=str(symbol) or _code(root, diagnostic),
        kind=kind,
        status="deprecated" if kind == "deprecated" else "breaks",
        since=new,
        evidence=f"{checker} against {library} {new}, not against {old}: {diagnostic.rule}",
        confidence=1.0,
        advice=message,
        update=update,
        witnesses=(Witness.TYPES,),
    )


def described(diagnostic: Diagnostic) -> tuple[Kind, Symbol]:
    """Return the kind of change, and the API that the message names (an empty symbol if it names none)."""
    message = diagnostic.message
    if match := _MODULE_MEMBER.search(message):
        return "removed", Symbol(f"{match[1]}.{match[2]}")
    if match := _UNKNOWN_ARGUMENT.search(message):
        return "parameter_removed", Symbol(f"{match[2].removesuffix('.__init__')}({match[1]})" if match[2] else "")
    if diagnostic.rule == "deprecated":
        match = _DEPRECATED.search(message)
        return "deprecated", Symbol(match[1] if match else "")
    if match := _ATTRIBUTE.search(message):
        name = match[1] or match[2] or match[3]
        receiver = _RECEIVER.search(message)
        return "removed", Symbol(f"{receiver[1]}.{name}" if receiver else name)
    if diagnostic.rule == "import-not-found":
        match = _NO_IMPORT.search(message)
        return "removed", Symbol(match[1] if match else "")
    match = _CALLABLE.search(message)
    return "replaced", Symbol(match[1].removesuffix(".__init__") if match else "")


def _code(root: Path, diagnostic: Diagnostic) -> str:
    """Return the reported code as one shortened line."""
    try:
        lines = (root / diagnostic.file).read_text(encoding="utf-8", errors="replace").splitlines()
        line = lines[diagnostic.line - 1]
    except (OSError, IndexError):
        return diagnostic.rule
    end = diagnostic.end_column - 1 if diagnostic.end_line == diagnostic.line else None
    return textwrap.shorten(line[diagnostic.column - 1 : end], _LONGEST_CODE, placeholder=" …") or diagnostic.rule
