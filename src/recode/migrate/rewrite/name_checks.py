"""Asking a release about names: whether it has them, how they are called, and how an old name relates to a new one.

The release is imported in its pinned environment, in the sandbox. The questions are our own, so nothing model-written runs.
Answers are kept on disk for each environment, so that a release is asked once.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from recode.errors import RecodeError
from recode.migrate.rewrite.calls.signatures import CallSignature, read_signature
from recode.records import write_text
from recode.sandbox.environments import Environment, recode_home
from recode.sandbox.execution import Servers, run_program
from recode.symbol import Symbol

Answer = Literal["yes", "no", "unknown"]
Question = tuple[str, str, str]
"""What is asked, and one or two names (the second may be empty)."""

_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_PROGRAM = Path(__file__).with_name("_name_questions.py")
"""The program that runs in the release's environment."""


class Relation(StrEnum):
    """How an old name relates to its successor in a release that has both."""

    SAME = "same"
    """One object."""
    FORWARDS = "forwards"
    """The old name does nothing but call the new one with the same arguments."""
    CONVERTS = "converts"
    """The old name calls the new one, and changes arguments or the result."""
    NONE = "no"
    """Nothing shows that they are related."""
    UNKNOWN = "unknown"
    """The release lacks one of them, or could not be asked."""


class ReleaseNames:
    """What one release answers about names. Each question is asked once."""

    def __init__(self, environment: Environment | None) -> None:
        """Take the release's environment; with None every answer is `unknown`."""
        self._environment = environment
        self._servers = Servers()
        self._unanswered: set[Question] = set()

    def has(self, path: str, parameter: str = "") -> Answer:
        """Return whether the release has this name, and the parameter if one is given."""
        answer = self._ask([("has", path, parameter)])[0]
        return answer if answer in ("yes", "no") else "unknown"

    def reached(self, module: str, rest: str) -> bool | None:
        """Return whether `rest` can be reached as attributes after `import module`; None if that is unknown."""
        return {"yes": True, "no": False}.get(self._ask([("reached", module, rest)])[0])

    def signature(self, path: str) -> CallSignature | None:
        """Return how a name is called; None if it has no signature, as many builtins, or could not be asked."""
        return read_signature(self._ask([("signature", path, "")])[0])

    def relation(self, old: str, new: str) -> Relation:
        """Return how two names of this release relate."""
        try:
            return Relation(self._ask([("relation", old, new)])[0])
        except ValueError:
            return Relation.UNKNOWN

    def import_failure(self, package: str) -> str:
        """Return the error with which a package cannot be imported; empty if it can, or could not be asked."""
        answer = self._ask([("imports", package, "")])[0]
        return answer if isinstance(answer, str) and answer != "unknown" else ""

    def answer(self, question: Question) -> str:
        """Return the answer to a question that has a word for an answer; `unknown` if it could not be asked."""
        answer = self._ask([question])[0]
        return answer if isinstance(answer, str) else "unknown"

    def prepare(self, questions: Iterable[Question]) -> None:
        """Ask many questions in a single run."""
        self._ask(list(questions))

    def _ask(self, questions: Sequence[Question]) -> list[Any]:
        new = [
            question
            for question in dict.fromkeys(questions)
            if _key(question) not in self._answers and question not in self._unanswered and _can_be_asked(question)
        ]
        if new and self._environment is not None:
            answers = _run(self._environment, self._servers, new)
            if answers is None:
                self._unanswered.update(new)
            else:
                self._answers.update(zip(map(_key, new), answers, strict=True))
                self._keep()
        return [self._answers.get(_key(question), "unknown") for question in questions]

    @cached_property
    def _answers(self) -> dict[str, Any]:
        """The answers so far, beginning with those on disk."""
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8")) if self._file else {}
        except (OSError, ValueError):
            return {}
        return kept if isinstance(kept, dict) else {}

    @cached_property
    def _file(self) -> Path | None:
        """Where the answers are kept; None if the environment is not known by its content."""
        if self._environment is None or not self._environment.digest:
            return None
        program = hashlib.sha256(_PROGRAM.read_bytes()).hexdigest()[:8]
        return recode_home() / "names" / f"{self._environment.digest[:24]}-{program}.json"

    def _keep(self) -> None:
        if self._file is None:
            return
        try:
            write_text(self._file, json.dumps(self._answers, sort_keys=True) + "\n")
        except RecodeError:
            # A folder that cannot be written costs time alone.
            return


@dataclass(frozen=True)
class UpgradeNames:
    """What the two releases of an upgrade answer about names."""

    old: ReleaseNames
    new: ReleaseNames
    shipped: Mapping[tuple[str, str], Relation] = field(default_factory=dict)
    """What releases showed before; those need not be asked again."""

    def prepare(self, renames: Iterable[tuple[Symbol, Symbol]]) -> None:
        """Ask both releases, in one run each, everything that renames from old to new symbols may need."""
        questions_old: list[Question] = []
        questions_new: list[Question] = []
        for old, new in renames:
            questions_old += [("signature", old.path, ""), ("imports", old.package, "")]
            questions_new += [
                ("has", new.path, new.parameter), ("signature", new.path, ""), ("imports", new.package, ""),
            ]  # fmt: skip
            if not old.parameter and not new.parameter and (old.path, new.path) not in self.shipped:
                questions_old.append(("relation", old.path, new.path))
                questions_new.append(("relation", old.path, new.path))
        self.old.prepare(questions_old)
        self.new.prepare(questions_new)

    def relation(self, old: Symbol, new: Symbol) -> Relation:
        """Return how an old name relates to its successor in a release that has both.

        What the new release shows counts more: there the old name is kept for compatibility alone.
        """
        if not (old.is_simple and new.is_simple) or old.parameter or new.parameter:
            return Relation.UNKNOWN
        if (old.path, new.path) in self.shipped:
            return self.shipped[old.path, new.path]
        shown = [names.relation(old.path, new.path) for names in (self.new, self.old)]
        if Relation.CONVERTS in shown:
            return Relation.CONVERTS
        return next(
            (one for one in (Relation.SAME, Relation.FORWARDS, Relation.NONE) if one in shown), Relation.UNKNOWN
        )


def _key(question: Question) -> str:
    return " ".join(question)


def _can_be_asked(question: Question) -> bool:
    """Return whether the names are plain dotted paths, which become part of the program that asks."""
    _, first, second = question
    return _PATH.fullmatch(first) is not None and (not second or _PATH.fullmatch(second) is not None)


def _run(environment: Environment, servers: Servers, questions: Sequence[Question]) -> list[Any] | None:
    """Return the answer to each question, in order; None if the release could not be asked."""
    code = f"{_PROGRAM.read_text(encoding='utf-8')}\nmain({list(questions)!r})\n"
    try:
        run = run_program(environment, code, servers=servers)
        answers = json.loads(run.stdout.strip().splitlines()[-1])
    except (RecodeError, ValueError, IndexError):
        return None
    return answers if isinstance(answers, list) and len(answers) == len(questions) else None
