"""Compares a run with two runs of the old release, and keeps it on their track: a value that differs is replaced by the old one.

An expression is compared with its evaluations on equal inputs. It is to blame if its result differs although its inputs are equal, and
nothing inside the call differed. Where the two old runs disagree, nothing is compared.
"""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, Any, Sequence

if TYPE_CHECKING:
    from recode.migrate.witnesses.runs.guest._recode_expressions import Site
    from recode.migrate.witnesses.runs.guest._recode_judge import Answer, Judge, Log, first_line, inputs_of
    from recode.migrate.witnesses.runs.guest._recode_old import OldOutcome, OldRuns
    from recode.migrate.witnesses.runs.guest._recode_recorder import FrameState
    from recode.migrate.witnesses.runs.guest._recode_values import (
        AbsentValue,
        AbsentValueError,
        Seen,
        Values,
        close,
        restored,
        short,
    )
else:
    from _recode_judge import Judge, first_line, inputs_of
    from _recode_old import OldOutcome
    from _recode_values import AbsentValue, AbsentValueError, Seen, close, restored, short

_QUOTED = re.compile(r"[`'\"]([A-Za-z_]\w*)[`'\"]")
_ABOUT_CHANGES = re.compile(
    r"deprecat|renamed|removed|no longer|in (?:a|the) future|will (?:be|raise|change)|has changed", re.I
)
_RELEASE_NAMES = ("__version__", "version", "VERSION", "version_info", "__version_info__")
_MOST_ORIGINS = 2_000
_SKIPPED = ("Assign", "AnnAssign", "AugAssign", "Delete", "Expr")
"""Statements that may be left out if they fail as a whole, such as a store."""


class ComparingJudge(Judge):
    """A judge of a run in the new release.

    Args:
        settings: `releases`, the library's two versions; `guarded`, lines by file that only some releases run; `renames`, successors of
            names.
    """

    def __init__(
        self, table: list[Site], places: list[str], values: Values, log: Log, old: OldRuns, settings: dict[str, Any]
    ) -> None:
        super().__init__(table, places, values, log)
        self.old = old
        self.releases: list[str] = settings.get("releases", [])
        self.guarded = {name: set(lines) for name, lines in settings.get("guarded", {}).items()}
        self.renames: dict[str, str] = settings.get("renames", {})
        self.evaluated: dict[tuple[str, str], int] = {}
        self.reported: dict[tuple[str, str], bool] = {}
        self.first, self.reached, self.compared = 0, 0, 0
        """The old run's numbers at the first difference, and of the latest evaluation that it has as well."""
        self.went_in: dict[str, bool] = {}
        self.completed: dict[str, bool] = {}
        """Places that were evaluated without help, on inputs of the old run."""
        self.latents: dict[int, tuple[str, str]] = {}
        """The latent parts, old and new, of what an expression gave."""
        self.after_skip: dict[int, OldOutcome] = {}

    # --- findings ---

    def _find(
        self, site: int, what: str, old: str, new: str, continued: str = "", operands: Sequence[Seen] = ()
    ) -> None:
        place = self.places[site]
        if (place, what) in self.reported:
            return
        self.reported[place, what] = True
        self.log.add(["finding", place, what, old, new, self.table[site].name, continued], now=True)
        for origin in sorted({one.origin for one in operands if one.origin >= 0} - {site}):
            before, after = self.latents[origin]
            if _matters(before + after, what, new):
                self._find(origin, "latent", before, after, "%d" % self.table[site].line)

    def _differs(self, outcome: OldOutcome) -> None:
        self.differences += 1
        self.first = self.first or outcome.number

    def _is_guarded(self, site: int) -> bool:
        lines = self.guarded.get(self.places[site].partition("|")[0])
        if not lines:
            return False
        return any(line in lines for line in range(self.table[site].line, self.table[site].end_line + 1))

    def _is_release(self, site: int, value: Any) -> bool:
        """Return whether a value differs because it is the library's own version."""
        named = self.table[site].name in _RELEASE_NAMES
        return named or (isinstance(value, str) and any(release in value for release in self.releases))

    # --- outcomes ---

    def _expected(self, place: str, operands: Sequence[Seen]) -> OldOutcome | None:
        """Return the old outcome of this evaluation; None if there is none or the old runs disagree."""
        key = place, inputs_of(operands)
        found = self.old.outcomes.get(key)
        number = self.evaluated[key] = self.evaluated.get(key, -1) + 1
        if not found:
            return None
        if number >= len(found):
            number = len(found) - 1
            if any((one.digest, one.error) != (found[0].digest, found[0].error) for one in found):
                return None
        outcome = found[number]
        self.reached = max(self.reached, outcome.number)
        self.compared += outcome.stable
        return outcome if outcome.stable else None

    def _old_value(self, outcome: OldOutcome) -> tuple[Any, Seen]:
        value = self.old.copy(outcome.digest)
        return value, self.values.see(value)._replace(digest=outcome.digest)

    def outcome(self, site: int, operands: Sequence[Seen], value: Any, epoch: int) -> tuple[Any, Seen]:
        """Compare what an expression gave; return the value to use, and what is seen of it."""
        old = self._expected(self.places[site], operands)
        if type(value) is AbsentValue:
            return self._old_value(old) if old is not None and not old.error else (value, self.values.see(value))
        seen = self.values.see(value)
        tainted = seen.tainted or any(one.tainted for one in operands)
        if old is not None and not tainted:
            self.completed[self.places[site]] = True
        if old is None or self.table[site].kind == "import":
            # On inputs that the old run did not have, whatever comes of it follows from them.
            return value, seen._replace(tainted=tainted or (old is None and self.places[site] in self.old.places))
        if old.digest == seen.digest:
            return value, self._with_origin(site, operands, old, value, seen)
        if self._is_guarded(site) or self._is_release(site, value):
            return value, seen._replace(tainted=True)
        instead, as_old = (value, seen) if old.error else self._old_value(old)
        if not old.error and close(instead, value):
            self.values.same[seen.digest] = old.digest
            return value, seen._replace(digest=old.digest)
        if not tainted and epoch == self.differences:
            is_given = not old.error and type(instead) is not AbsentValue
            text = "raises " + old.error if old.error else self.old.text(old)
            self._find(site, "value", text, short(value), "value" if is_given else "", operands)
        self._differs(old)
        if old.error:
            return value, seen._replace(tainted=True)
        if type(instead) is AbsentValue:
            self.values.taint[id(value)] = old.digest, value
            return value, Seen(old.digest, "", False, True)
        return instead, as_old

    def _with_origin(self, site: int, operands: Sequence[Seen], old: OldOutcome, value: Any, seen: Seen) -> Seen:
        """Remember where a value got a latent part that the old one does not have."""
        if old.latent == seen.latent or seen.origin >= 0 or len(self.values.origins) >= _MOST_ORIGINS:
            return seen
        known = [one.origin for one in operands if one.origin >= 0]
        origin = known[0] if known else site
        self.latents.setdefault(origin, (old.latent.rstrip(";"), seen.latent.rstrip(";")))
        self.values.origins[id(value)] = origin, value
        return seen._replace(origin=origin)

    def objects(self, site: int, operands: Sequence[Seen], objects: Sequence[Any], state: FrameState) -> None:
        """Compare the objects that a statement may have changed, and give them the state of the old release."""
        is_consequence = state.started != self.differences or any(one.tainted for one in operands)
        for number, value in enumerate(objects):
            old = self._expected("%s#%d" % (self.places[site], number), operands)
            seen = self.values.see(value)
            if old is None or old.digest == seen.digest or self._is_guarded(site):
                continue
            if not is_consequence:
                self._find(site, "state", self.old.text(old), short(value), "value", operands)
            self._differs(old)
            self._restore(value, old)

    def _restore(self, value: Any, old: OldOutcome) -> None:
        copy = self.old.copy(old.digest)
        if type(copy) is AbsentValue or not restored(value, copy):
            self.values.taint[id(value)] = old.digest, value

    def after(self, site: int, number: int, value: Any, state: FrameState) -> Any:
        """Return what a variable would be after a skipped statement."""
        operands = [*state.operands.get(site, ()), *state.before]
        old = self.after_skip.pop(site, None) or self._expected("%s#%d" % (self.places[site], number), operands)
        copy = self.old.copy(old.digest) if old is not None else None
        return value if copy is None or type(copy) is AbsentValue else copy

    def last_value(self, site: int, value: Any) -> Any:
        """Return the old value of an expression that is no longer compared, if it was always the same."""
        return value

    # --- errors ---

    def failed(
        self,
        statement: int,
        site: int,
        operands: Sequence[Seen],
        error: BaseException,
        is_first: bool,
        raised_in: int | None,
        state: FrameState,
    ) -> Answer | None:
        """Compare an error; return how the statement is continued, or None if it must raise."""
        kind = self.table[statement].kind
        if self._is_guarded(site):
            return None
        if kind in ("Import", "ImportFrom"):
            return self._skip if any(self.places[one] in self.old.places for one in self.sites_of(statement)) else None
        is_whole = site == statement
        if is_whole and kind == "ClassDef":
            return self._class_answer(statement, error, is_first, state)
        old = self._whole(statement, operands) if is_whole else self._expected(self.places[site], operands)
        is_consequence = not is_first or isinstance(error, AbsentValueError) or any(one.tainted for one in operands)
        blamed = site if raised_in is None else raised_in
        # An error that the project raises itself follows from what it looked at.
        is_own = raised_in is not None and self.table[raised_in].kind == "Raise"
        if old is None or is_own:
            place = self.places[blamed]
            if not is_consequence and (is_own or place in self.old.places) and place not in self.old.errors:
                self._find(blamed, "raises?", "", _text(error))
        if old is None:
            return None
        if old.error == type(error).__name__:
            return None
        answer, continued = (
            self._answer(site, old, error) if not is_whole else self._whole_answer(statement, old, state)
        )
        if not is_consequence and not is_own:
            self._find(
                blamed,
                "raises",
                self.old.text(old) if blamed == site else "no error",
                _text(error),
                continued,
                operands,
            )
        self._differs(old)
        return answer

    def _answer(self, site: int, old: OldOutcome, error: BaseException) -> tuple[Answer | None, str]:
        """Return how an expression that failed is continued: with its successor, the old value, or what stands for it."""
        if old.error:
            return None, ""
        value, continued = self._successor(error), "successor"
        if value is None:
            value = self.old.copy(old.digest)
            continued = "absent" if type(value) is AbsentValue else "value"

        def give(state: FrameState) -> None:
            state.given[site] = value

        return give, continued

    def _successor(self, error: BaseException) -> Any:
        """Return what a missing module member is called now, if that is known."""
        owner, name = getattr(error, "obj", None), getattr(error, "name", None)
        symbol = "{}.{}".format(getattr(owner, "__name__", ""), name)
        return (
            self._named(self.renames[symbol]) if isinstance(error, AttributeError) and symbol in self.renames else None
        )

    def _named(self, symbol: str) -> Any:
        module, _, member = symbol.rpartition(".")
        try:
            value = getattr(importlib.import_module(module), member)
        except Exception:  # Whatever an import of the new release raises.
            return None
        # It may take other arguments, which is not the fault of the program.
        self.values.taint[id(value)] = "callable;", value
        return value

    def _whole(self, statement: int, operands: Sequence[Seen]) -> OldOutcome | None:
        """Return what a statement that fails as a whole did in the old release, if it never failed there."""
        kind, place = self.table[statement].kind, self.places[statement]
        if place in self.old.errors or kind not in (*_SKIPPED, "FunctionDef", "AsyncFunctionDef"):
            return None
        if kind.endswith("FunctionDef"):
            return self._expected(place, ())
        old = self._expected(place + "#0", operands)
        if old is None and any(self.places[one] in self.old.places for one in self.sites_of(statement)):
            old = OldOutcome("", "", "", "", self.reached, True)
        return old

    def _whole_answer(self, statement: int, old: OldOutcome, state: FrameState) -> tuple[Answer | None, str]:
        if self.table[statement].kind.endswith("FunctionDef"):
            return (lambda state: state.dropped.update({statement: True})), "undecorated"
        if not state.before and self.table[statement].kind == "Assign":
            # Unpacking: the names would stay unbound.
            return None, ""
        for root in state.roots[:1] if old.digest else ():
            self._restore(root, old)
        if old.digest:
            self.after_skip[statement] = old
        return self._skip, "value" if old.digest else "skipped"

    def _skip(self, state: FrameState) -> None:
        state.skip = True

    # --- classes and imports ---

    def _class_answer(self, statement: int, error: BaseException, is_first: bool, state: FrameState) -> Answer | None:
        """Make a class without some of its statements: those that the error names, or one after another."""
        place = self.places[statement]
        if place in self.old.errors or not is_first:
            return None
        if not state.message:
            state.message = _text(error)
            state.untried = list(state.kept)
        named = [
            one for one in self._inside_class(statement, _text(error)) if one in state.kept and one not in state.dropped
        ]
        if named:
            drop = (
                {**state.dropped, **dict.fromkeys(named, True)}
                if len(state.dropped) != 1 or not state.repeats
                else dict.fromkeys(named, True)
            )
        elif state.untried:
            drop = {state.untried.pop(0): True}
        else:
            self._find(statement, "raises", "a class", state.message, "absent")
            self._differs(OldOutcome("", "", "", "", self.reached, True))
            return self._skip

        def without(state: FrameState) -> None:
            state.dropped = drop

        return without

    def made(self, statement: int, state: FrameState) -> None:
        """Report the statements without which a class can be made."""
        if not state.dropped:
            return
        if self.table[statement].kind == "ClassDef":
            for one in state.dropped:
                self._find(one, "raises", "part of a class", state.message, "skipped")
            self._differs(OldOutcome("", "", "", "", self.reached, True))

    def _inside_class(self, statement: int, message: str) -> list[int]:
        """Return the statements inside a class that bind a name which a message quotes."""
        names = set(_QUOTED.findall(message))
        own = self.table[statement]
        path = self.places[statement].partition("|")[0]
        return [
            number
            for number, site in enumerate(self.table)
            if site.name in names and site.kind in ("Assign", "AnnAssign", "FunctionDef", "ClassDef")
            and own.line < site.line <= own.end_line and self.places[number].partition("|")[0] == path
        ]  # fmt: skip

    def imported(self, site: int, names: dict[str, Any]) -> Any:
        """Import one name of a statement that failed; where it is gone, return its successor or what stands for it."""
        module, _, member = self.table[site].name.partition(":")
        try:
            return _import(module, member, names)
        except Exception as error:  # Whatever an import raises.
            old = self._expected(self.places[site], ())
            successor = self.renames.get(f"{module}.{member}" if member else module)
            value = self._named(successor) if successor else None
            continued = "absent" if value is None else "successor"
            self._find(site, "raises", "there", _text(error), continued)
            digest = old.digest if old is not None else "callable;"
            self._differs(old or OldOutcome(digest, "", "", "", self.reached, True))
            return AbsentValue(digest) if value is None else value

    # --- warnings and calls that no longer come ---

    def warned(self, site: int, category: type, message: str) -> None:
        """Compare a warning that an expression or statement of the project caused."""
        about = issubclass(category, (DeprecationWarning, PendingDeprecationWarning, FutureWarning))
        if (not about and not _ABOUT_CHANGES.search(message)) or self._is_guarded(site):
            return
        inside = self._inside_class(site, message) if self.table[site].kind == "ClassDef" else []
        for one in inside or [site]:
            if (self.places[site], category.__name__) not in self.old.warnings:
                self._find(one, "warns", "", "{}: {}".format(category.__name__, " ".join(message.split())[:200]))

    def is_new_entry(self, site: int) -> bool:
        """Return whether a function is called by the library for the first time."""
        return self.places[site] not in self.went_in

    def entered(self, site: int, caller: int | None) -> None:
        """Note that the library called a function."""
        self.went_in[self.places[site]] = True

    def finish(self) -> None:
        """Report the functions that the library no longer calls, although the run came past that point as before."""
        numbers = {place: number for number, place in enumerate(self.places)}
        for place, (number, caller) in self.old.entries.items():
            # Where no expression of the project called the library, as in a test, only what came before the first difference counts.
            had_its_turn = caller in self.completed if caller else number < (self.first or self.reached)
            if place in numbers and place not in self.went_in and had_its_turn and not self._is_guarded(numbers[place]):
                self._find(numbers[place], "uncalled", "called by the library", "never called")
        self.log.add(["compared", self.compared])
        self.log.flush()


def _fields(error: BaseException) -> list[str]:
    """Return the names that have a line of an error's message for themselves, as fields have in errors of validation."""
    try:
        lines = str(error).strip().splitlines()
    except Exception:  # The message of a library's error.
        return []
    return [line.strip() for line in lines[1:50] if line.strip().isidentifier()]


def _matters(latent: str, what: str, text: str) -> bool:
    """Return whether what few programs see of a value may explain an error or another value."""
    if "read-only" in latent:
        return "read-only" in text
    if "strings" in latent:
        return what == "raises" and re.search(r"\bstr\b|string|dtype|object", text) is not None
    return what != "state"


def _text(error: BaseException) -> str:
    message = first_line(error)
    fields = _fields(error)
    if fields:
        message += " (%s)" % ", ".join(fields[:20])
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _import(module: str, member: str, names: dict[str, Any]) -> Any:
    package = names.get("__package__") or names.get("__name__", "").rpartition(".")[0]
    found = importlib.import_module(module, package)
    if not member:
        return found
    if not hasattr(found, member):
        try:
            return importlib.import_module(module + "." + member, package)
        except ImportError:
            raise ImportError(f"cannot import name {member!r} from {module!r}")
    return getattr(found, member)
