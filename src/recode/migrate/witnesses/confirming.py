"""Whether the releases themselves bear out what a type checker reports.

Stubs become stricter, and inferred types change with them, so many new diagnostics are about code that still runs. A missing name
counts if the old release has it and the new one does not, when both are asked in their environments; what concerns only the type
of a value counts where another witness reports the place, too.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from recode.migrate.rewrite.name_checks import Question, ReleaseNames
from recode.migrate.witnesses.type_checker import VALUE_RULES, Diagnostic
from recode.source import parse_quietly

CERTAIN = 0.95
"""Confidence of what the releases bear out, or can't be asked about."""
DOUBTED = 0.3
"""Confidence of what they do not bear out, and of diagnostics about a value's type; below what is reported by itself."""
_MODULE_MEMBER = re.compile(r"Module `([A-Za-z_][\w.]*)` has no member `(\w+)`")
_MEMBER = re.compile(
    r"type `([^`]+)` has no attribute `(\w+)`|Attribute `(\w+)` is not defined on ((?:`[^`]+`(?:, )?)+)"
)
_STORED = re.compile(r"Unresolved attribute `(\w+)` on type `(?:<module '([\w.]+)'>|([^`]+))`")
_ARGUMENT = re.compile(r"Argument `(\w+)` does not match any known parameter of (?:\w+ )*`([A-Za-z_][\w.]*)`")
_CALLED = frozenset({"too-many-positional-arguments", "missing-argument", "parameter-already-assigned"})
_CALLABLE = re.compile(r"(?:function|method|class|of) `[A-Za-z_]")
_PROTOCOLS = {"not-callable": "__call__", "not-iterable": "__iter__", "not-subscriptable": "__getitem__"}
"""What an object lacks, by the rule that reports it."""
_OBJECT = re.compile(r"bject of type `([A-Za-z_]\w*)")
_IMPORT = re.compile(r"(?:module|import) `([A-Za-z_]\w*)")
_CLASS = re.compile(r"(?:<(?:super: <)?class ')?([A-Za-z_]\w*)")


@dataclass(frozen=True)
class AskedReleases:
    """The two releases, and the packages that programs import of the library.

    Attributes:
        old: the old release.
        new: the new one.
        packages: import names of the library; empty if unknown.
    """

    old: ReleaseNames
    new: ReleaseNames
    packages: frozenset[str]

    def confidences(self, root: Path, diagnostics: Collection[Diagnostic]) -> dict[Diagnostic, float]:
        """Return how sure each diagnostic is to mean that the code breaks, from 0 to 1.

        Args:
            root: the project's folder.
            diagnostics: what the checker reports in the new release alone.
        """
        modules = _Modules(root, self.packages)
        asked = {one: list(self._questions(one, modules.of(one.file))) for one in diagnostics}
        questions = [question for some in asked.values() for question in some]
        self.old.prepare(questions)
        self.new.prepare(questions)
        return {one: self._confidence(one, some) for one, some in asked.items()}

    def _questions(self, diagnostic: Diagnostic, modules: Iterable[str]) -> Iterator[Question]:
        message = diagnostic.message
        if match := _MODULE_MEMBER.search(message):
            yield "has", f"{match[1]}.{match[2]}", ""
        elif match := _STORED.search(message):
            if match[2]:
                yield "has", f"{match[2]}.{match[1]}", ""
            elif (owner := _CLASS.match(match[3])) is not None:
                yield from (("offers", module, f"{owner[1]}.{match[1]}") for module in modules)
        elif match := _MEMBER.search(message):
            name = match[2] or match[3]
            for written in re.findall(r"`([^`]+)`", match[4]) if match[4] else [match[1]]:
                if (owner := _CLASS.match(written)) is not None:
                    for module in modules:
                        yield "offers", module, f"{owner[1]}.{name}"
        elif diagnostic.rule == "import-not-found" and (match := _IMPORT.search(message)):
            yield from (("brings", package, match[1]) for package in self.packages if match[1] not in self.packages)
        elif (protocol := _PROTOCOLS.get(diagnostic.rule)) and (match := _OBJECT.search(message)):
            yield from (("defines", module, f"{match[1]}.{protocol}") for module in modules)
        elif match := _ARGUMENT.search(message):
            for module in modules:
                yield "takes", module, f"{match[2].removesuffix('.__init__')}.{match[1]}"

    def _confidence(self, diagnostic: Diagnostic, questions: list[Question]) -> float:
        message = diagnostic.message
        if diagnostic.rule in VALUE_RULES:
            answers = tuple(_strongest(release, questions) for release in (self.old, self.new))
            return CERTAIN if answers == ("yes", "no") else DOUBTED
        if diagnostic.rule == "import-not-found":
            match = _IMPORT.search(message)
            if not self.packages or match is None or match[1] in self.packages:
                return CERTAIN
            # Another package is missing because the library no longer requires it, or because an environment was built without it.
            brought = tuple(_strongest(release, questions) for release in (self.old, self.new))
            return CERTAIN if brought == ("yes", "no") else DOUBTED
        if diagnostic.rule in _CALLED and not _CALLABLE.search(message):
            return DOUBTED
        # `Self@method` is a class of the project; other types with `@` are type variables, and `&` is what a check narrowed.
        if _MEMBER.search(message) and (
            "@" in message.replace("Self@", "") or " & " in message or "`None` in union" in message
        ):
            return DOUBTED
        old, new = (_strongest(release, questions) for release in (self.old, self.new))
        if _STORED.search(message):
            # Most objects take any attribute; that nothing reads it any more is what breaks.
            return CERTAIN if (old, new) == ("yes", "no") else DOUBTED
        if _MODULE_MEMBER.search(message):
            # A library may keep a placeholder that raises.
            return DOUBTED if old == "no" else CERTAIN
        if "elsewhere" in (old, new) and not (diagnostic.rule == "missing-attribute" and _is_builtin(message)):
            return DOUBTED
        return DOUBTED if new == "yes" or old == "no" else CERTAIN


def _is_builtin(message: str) -> bool:
    """Say whether a message is about an object of Python's own, whose attributes the checker knows exactly."""
    match = _MEMBER.search(message)
    owner = _CLASS.match(match[1]) if match is not None and match[1] else None
    return owner is not None and owner[1] != "object" and isinstance(getattr(builtins, owner[1], None), type)


def _strongest(release: ReleaseNames, questions: Iterable[Question]) -> str:
    """Return what a release says, asked through several modules."""
    answers = {release.answer(question) for question in questions}
    return next((one for one in ("yes", "no", "elsewhere") if one in answers), "unknown")


@dataclass
class _Modules:
    """The modules of the library that each file imports: they have to be imported for their classes to be seen."""

    root: Path
    packages: frozenset[str]
    known: dict[Path, tuple[str, ...]] = field(default_factory=dict)

    def of(self, file: Path) -> tuple[str, ...]:
        if file not in self.known:
            self.known[file] = tuple(sorted({*self.packages, *self._imported(file)}))
        return self.known[file]

    def _imported(self, file: Path) -> Iterator[str]:
        try:
            tree = parse_quietly((self.root / file).read_text(encoding="utf-8", errors="replace"))
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
            return
        for node in ast.walk(tree):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            yield from (name for name in names if name.partition(".")[0] in self.packages)


def unconfirmed(diagnostics: Iterable[Diagnostic]) -> Mapping[Diagnostic, float]:
    """Return the confidences where no release can be asked, as of the standard library: those about values are doubted."""
    return {one: DOUBTED if one.rule in VALUE_RULES else CERTAIN for one in diagnostics}
