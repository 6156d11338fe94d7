"""The hooks that instrumented code calls. They record what expressions give, or compare it with the recorded runs of the old release.

A hook never lets an error of its own reach the program.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from recode.migrate.witnesses.runs.guest._recode_expressions import Site
    from recode.migrate.witnesses.runs.guest._recode_judge import Judge
    from recode.migrate.witnesses.runs.guest._recode_values import AbsentValue, Seen, Values
else:
    from _recode_values import AbsentValue, Seen, Values

MOST_EVALUATIONS = 1_000
"""Evaluations of one expression that are recorded; later ones only run."""
_MOST_REPEATS = 60
"""Repetitions of one statement."""
_frame = sys._getframe
_ENDINGS = (GeneratorExit, KeyboardInterrupt, SystemExit)
_DEFINITIONS = ("ClassDef", "FunctionDef", "AsyncFunctionDef")
_SEEN = "@seen"
"""Marks errors that came through a frame of the project."""


class FrameState:
    """What a frame has evaluated of the statement that it runs."""

    __slots__ = (
        "before", "code", "done", "dropped", "epoch", "given", "held", "is_head", "kept", "message",
        "operands", "pushed", "repeats", "roots", "skip",
        "started", "statement", "untried",
    )  # fmt: skip

    def __init__(self, code: Any, statement: int | None, epoch: int) -> None:
        self.code, self.statement, self.epoch, self.started = code, statement, epoch, epoch
        self.operands: dict[int, list[Seen]] = {}
        self.done: dict[int, Any] = {}
        self.pushed: dict[int, Seen] = {}
        """What enclosing expressions saw of the values in `done` and `given`."""
        self.given: dict[int, Any] = {}
        self.before: list[Seen] = []
        self.held: Any = None
        self.is_head = False
        """Whether it is the head of a compound statement, which ends when its value is taken."""
        self.skip = False
        self.repeats = 0
        self.roots: list[Any] = []
        self.kept: list[int] = []
        """The statements of a class that it may be made without."""
        self.dropped: dict[int, bool] = {}
        """Those that it is made without."""
        self.untried: list[int] = []
        self.message = ""
        """The error with which the class could not be made."""


class Recorder:
    """The state behind the hooks. Without a judge it records; a judge compares each outcome and may replace it."""

    def __init__(self, table: list[Site], files: list[str], judge: Judge, values: Values) -> None:
        self.table, self.files, self.judge, self.values = table, files, judge, values
        self.states: dict[int, FrameState] = {}
        self.counts: dict[int, int] = {}
        self.replaying: list[int] = []
        self.watched: list[bool] = []
        """For each statement and function, whether it is still recorded."""
        self.runs: dict[int, int] = {}
        self.open: dict[int, int] = {}
        """How often each statement ran, and how many of its executions are not over."""
        self.file_of: dict[str, int] = {}
        self.end_of: dict[str, int] = {}
        """The sites of each instrumented file."""

    def hooks(self) -> dict[str, Any]:
        """Return the hooks by the names that instrumented code uses."""
        names = "r q i h g s o z f k p t w b n d e c keep".split()
        return {
            "@M": self.replaying,
            "@C": self.watched,
            **{"@" + name: getattr(self, "hook_" + name) for name in names},
        }

    def state(self, frame: Any) -> FrameState:
        """Return the state of a frame."""
        state = self.states.get(id(frame))
        if state is None or state.code is not frame.f_code:
            state = self.states[id(frame)] = FrameState(frame.f_code, None, self.judge.differences)
        return state

    # --- expressions ---

    def hook_i(self, parent: int, value: Any) -> Any:
        """Take an operand."""
        if self.counts.get(parent, 0) < MOST_EVALUATIONS:
            state = self.state(_frame(1))
            state.operands.setdefault(parent, []).append(self.values.see(value))
            state.epoch = self.judge.differences
        return value

    def hook_r(self, site: int, value: Any) -> Any:
        """Take the value of an expression; return it, or the old release's where it differs."""
        state = self.state(_frame(1))
        operands = state.operands.pop(site, ())
        count = self.counts[site] = self.counts.get(site, 0) + 1
        if count <= MOST_EVALUATIONS:
            try:
                value, seen = self.judge.outcome(site, operands, value, state.epoch)
            except Exception:  # Of objects that resist being looked at.
                seen = Seen("?")
            self._push(state, site, self._as_operand(site, seen, operands))
        elif type(value) is AbsentValue:
            value = self.judge.last_value(site, value)
        if state.statement is not None:
            state.done[site] = value
        state.epoch = self.judge.differences
        return value

    def _push(self, state: FrameState, site: int, seen: Seen) -> None:
        parent = self.table[site].parent
        if parent is not None:
            state.pushed[site] = seen
            state.operands.setdefault(parent, []).append(seen)

    def _as_operand(self, site: int, seen: Seen, operands: Any) -> Seen:
        """Return what the enclosing expression sees of a value."""
        if self.table[site].kind == "attribute" and not seen.copyable:
            # A method stands for its receiver, too.
            digest = seen.digest + "<" + ",".join(one.digest for one in operands) + ">"
            seen = seen._replace(digest=digest, origin=max([seen.origin, *(one.origin for one in operands)]))
        if any(one.tainted for one in operands):
            seen = seen._replace(tainted=True)
        return seen

    def hook_q(self, site: int, value: Any) -> Any:
        """Take the value of a `yield`, which only a repetition needs."""
        state = self.state(_frame(1))
        if state.statement is not None:
            state.done[site] = value
        state.epoch = self.judge.differences
        return value

    def hook_h(self, site: int) -> bool:
        """Return whether an expression has its value already, in a statement that is repeated."""
        state = self.states.get(id(_frame(1)))
        return state is not None and bool(state.repeats) and (site in state.given or site in state.done)

    def hook_g(self, site: int) -> Any:
        """Return the value that an expression has already."""
        state = self.state(_frame(1))
        value = state.given[site] if site in state.given else state.done[site]
        if self.table[site].kind != "yield":
            self._push(state, site, state.pushed[site] if site in state.pushed else self.values.see(value))
        return value

    # --- statements ---

    def hook_s(self, site: int, *roots: Any) -> None:
        """Begin a statement."""
        frame = _frame(1)
        state = self.states[id(frame)] = FrameState(frame.f_code, site, self.judge.differences)
        self.open[site] = self.open.get(site, 0) + 1
        if roots and self.counts.get(site, 0) < MOST_EVALUATIONS:
            state.roots = [self._inside(site, number, root) for number, root in enumerate(roots)]
            state.before = [self.values.see(root) for root in state.roots]

    def hook_o(self, site: int, *roots: Any) -> None:
        """End a statement: compare the objects that it may have changed."""
        state = self.state(_frame(1))
        if state.before:
            self.counts[site] = self.counts.get(site, 0) + 1
            operands = [*state.operands.get(site, ()), *state.before]
            with contextlib.suppress(Exception):  # As above.
                self.judge.objects(site, operands, [self._inside(site, n, root) for n, root in enumerate(roots)], state)
        if self.table[site].kind in _DEFINITIONS:
            self.judge.made(site, state)
        self._end(state)
        if not state.is_head:
            self._over(site)

    def hook_z(self, site: int) -> None:
        """End a statement that was skipped."""
        self._end(self.state(_frame(1)))
        self._over(site)

    def _over(self, site: int) -> None:
        """Count an execution of a statement; after many, and while none is open, it is no longer recorded."""
        left = self.open[site] = max(self.open.get(site, 0) - 1, 0)
        count = self.runs[site] = self.runs.get(site, 0) + 1
        if count >= MOST_EVALUATIONS and not left:
            self.watched[site] = False

    def _end(self, state: FrameState) -> None:
        if state.repeats:
            self.replaying.pop()
            state.repeats = 0
        state.operands, state.done, state.given, state.before, state.roots, state.pushed = {}, {}, {}, [], [], {}

    def _inside(self, site: int, number: int, root: Any) -> Any:
        """Return what a root stands for: of `self.table[...]`, the table."""
        for name in self.table[site].name.split(",")[number].split(".")[1:]:
            fields = getattr(root, "__dict__", None)
            if not self.judge.is_own(root) or not isinstance(fields, dict) or name not in fields:
                break
            root = fields[name]
        return root

    def hook_p(self, site: int, value: Any) -> None:
        """Hold the value of a statement's head."""
        state = self.state(_frame(1))
        state.held, state.is_head = value, True

    def hook_t(self, site: int) -> Any:
        """Give the value of a statement's head back."""
        state = self.state(_frame(1))
        value, state.held = state.held, None
        self._over(site)
        return value

    def hook_e(self, site: int) -> None:
        """Note that a function is entered, and whether a library called it."""
        count = self.runs[site] = self.runs.get(site, 0) + 1
        if count >= MOST_EVALUATIONS:
            self.watched[site] = False
        caller = _frame(1).f_back
        if caller is None or caller.f_code.co_filename in self.file_of or not self.judge.is_new_entry(site):
            return
        while caller is not None and caller.f_code.co_filename not in self.file_of:
            caller = caller.f_back
        self.judge.entered(site, self._evaluating(caller) if caller is not None else None)

    # --- failures ---

    def hook_f(self, site: int) -> bool:
        """Return whether a failed statement must raise; else it is repeated or skipped."""
        frame = _frame(1)
        _, error, trace = sys.exc_info()
        state = self.state(frame)
        if error is None or isinstance(error, _ENDINGS):
            self._end(state)
            self._over(site)
            return True
        is_first = _SEEN not in error.__dict__
        error.__dict__[_SEEN] = True
        while trace is not None and trace.tb_frame is not frame:
            trace = trace.tb_next
        failed = self._failed(site, state, trace)
        operands = [*state.operands.get(failed, ()), *(state.before if failed == site else ())]
        try:
            raised_in = self._raised_in(trace) if is_first else None
            answer = self.judge.failed(site, failed, operands, error, is_first, raised_in, state)
        except Exception:  # As above.
            answer = None
        if answer is None or state.repeats >= _MOST_REPEATS or not isinstance(error, Exception):
            self._end(state)
            self._over(site)
            return True
        if not state.repeats:
            self.replaying.append(site)
        state.repeats += 1
        state.operands = {}
        state.epoch = self.judge.differences
        answer(state)
        if failed in state.given:
            state.pushed[failed] = self._as_operand(failed, self.values.see(state.given[failed]), operands)
        return False

    def _failed(self, site: int, state: FrameState, trace: Any) -> int:
        """Return the expression of a statement in which an error was raised; the statement itself if it is in none."""
        own = [number for number in self.judge.sites_of(site) if number not in state.done and number not in state.given]
        place = _position(trace)
        if place is not None:
            exact = [number for number in own if self.table[number][1:5] == place]
            ends = [
                number
                for number in own
                if self.table[number][3:5] == place[2:] and self.table[number].kind in ("attribute", "call")
            ]
            if exact or ends:
                # Of nested expressions at one place, the inner one comes later in the table.
                return (exact or ends)[-1]
            return site
        begun = [number for number in own if state.operands.get(number)]
        return begun[-1] if begun else site

    def _raised_in(self, trace: Any) -> int | None:
        """Return the site of the innermost frame of the project, if it is not the frame that sees the error."""
        inner = None
        following = trace.tb_next if trace is not None else None
        while following is not None:
            inner = following if following.tb_frame.f_code.co_filename in self.file_of else inner
            following = following.tb_next
        return self._evaluating(inner.tb_frame, inner.tb_lasti) if inner is not None else None

    def _evaluating(self, frame: Any, instruction: int | None = None) -> int | None:
        """Return the site that a frame of the project is evaluating."""
        positions: Callable[[], Any] | None = getattr(frame.f_code, "co_positions", None)
        place = position_of(positions, frame.f_lasti if instruction is None else instruction) if positions else None
        if place is None:
            return None
        path = frame.f_code.co_filename
        found = [n for n in range(self.file_of[path], self.end_of[path]) if self.table[n][1:5] == place]
        return found[-1] if found else None

    def hook_k(self, site: int) -> bool:
        """Return whether a statement is skipped."""
        return self.state(_frame(1)).skip

    def hook_w(self, site: int, value: Any) -> Any:
        """Return what a variable would be after a statement in the old release."""
        return self.judge.after(site, 0, value, self.state(_frame(1)))

    def hook_b(self, site: int) -> Any:
        """Return what an import that failed stands for."""
        return self.judge.imported(site, _frame(1).f_globals)

    def hook_n(self, site: int, value: Any) -> None:
        """Take what an import bound."""
        self.judge.outcome(site, (), value, self.judge.differences)

    def hook_d(self, site: int, decorator: Any) -> Any:
        """Return a decorator, or one that changes nothing in place of an absent one."""
        state = self.state(_frame(1))
        return _unchanged if type(decorator) is AbsentValue or site in state.dropped else decorator

    def hook_c(self, site: int) -> Any:
        """Return what stands for a class that could not be made."""
        return AbsentValue("callable;")

    def hook_keep(self, site: int) -> bool:
        """Return whether a class is made with one of its statements."""
        caller = _frame(1).f_back
        state = self.states.get(id(caller)) if caller is not None else None
        if state is None:
            return True
        if site not in state.kept:
            state.kept.append(site)
        return site not in state.dropped


def _unchanged(value: Any) -> Any:
    return value


def _position(trace: Any) -> tuple[int, int, int, int] | None:
    """Return line, column, last line and last column of what a frame was evaluating; None before Python 3.11."""
    positions: Callable[[], Any] | None = (
        getattr(trace.tb_frame.f_code, "co_positions", None) if trace is not None else None
    )
    return position_of(positions, trace.tb_lasti) if positions is not None else None


def position_of(positions: Callable[[], Any], instruction: int) -> tuple[int, int, int, int] | None:
    """Return the position of an instruction."""
    for number, (line, end_line, column, end_column) in enumerate(positions()):
        if number == instruction // 2:
            return None if None in (line, end_line, column, end_column) else (line, column, end_line, end_column)
    return None
