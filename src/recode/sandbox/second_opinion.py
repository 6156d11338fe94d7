"""Verdicts from a test, with a second opinion from a process that never ran the program.

*Together*: program and test run in one isolated process, as plain Python would run them. This run defines what the test means, but it
cannot be trusted, since the program can tamper with the test. *Apart*: the test runs in a second sandbox and requests what it uses from
the program's sandbox. Values cross as copies, and the program never receives the expected values. A program passes only if it passes
both runs. If the test passes together but the run apart cannot confirm it, the verdict is `ungradable`, with the reason.

A test that only compares return values is not run together, because it means the same apart. If it only compares them with literals, no
test runs at all: the program is called, and its values are compared here (`plain_asserts`).
"""

from __future__ import annotations

import ast
import builtins
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from recode.sandbox.fork_servers import ForkServer, Limits, Program
from recode.sandbox.guest import _wire
from recode.sandbox.judging import Decided, ask, blame, decoded, exception_line, launch, parsed, start
from recode.sandbox.plain_asserts import PlainAssert, plain_asserts
from recode.sandbox.verdict import Outcome, Verdict
from recode.source import parse_quietly

_USUAL_MODULES = {
    "np": "numpy",
    "pd": "pandas",
    "plt": "matplotlib.pyplot",
    "nx": "networkx",
    "pl": "polars",
    "sp": "scipy",
}
"""Names under which tests may use a module without importing it. Apart, they get the real module, never the program's object."""
_MODULES = frozenset(
    "base64 binascii bisect cmath collections copy datetime decimal fractions functools hashlib heapq itertools json math operator random re "
    "statistics string textwrap typing zlib networkx numpy pandas polars scipy sympy torch".split()
)
"""Modules that tests may also use without importing them, when they access an attribute (`math.pi`)."""
_USUAL_FUNCTIONS = {
    "allclose": "numpy",
    "isclose": "numpy",
    "array_equal": "numpy",
    "array_equiv": "numpy",
    **dict.fromkeys(("assert_allclose", "assert_array_equal", "assert_equal", "assert_almost_equal"), "numpy.testing"),
    **dict.fromkeys(("assert_frame_equal", "assert_series_equal", "assert_index_equal"), "pandas.testing"),
    "approx": "pytest",
}
"""Comparison functions that a test may get from the program's imports. Apart, the library's own function is used."""
_PURE_MODULES = _MODULES | frozenset(
    ("__future__", "abc", "dataclasses", "enum", "numbers", "uuid", "zoneinfo", "calendar", "unicodedata", "pprint")
)
_IMPURE_NAMES = frozenset(
    "open input print exec eval compile globals locals vars id hash setattr delattr breakpoint exit quit memoryview __import__ "
    "__builtins__ help".split()
)
_IMPURE_ATTRIBUTES = frozenset(
    "seed setstate set_state setcontext getcontext simplefilter environ modules path manual_seed set_printoptions".split()
)
_RELAYED_AT_LEAST = 100
"""From this many relayed questions on, a timeout may be the relay's fault."""


@dataclass(frozen=True)
class TestFacts:
    """What static analysis of a test's source finds."""

    __test__ = False
    """Keeps pytest from collecting this class because of its name."""

    reads: frozenset[str]
    """Names whose attributes are read by statements outside functions."""
    names: tuple[str, ...]
    """Names that the test must get from the program. Built-in names never come from the program."""
    imports: Mapping[str, str]
    """Modules that the test uses under their usual names without importing them."""
    judges: Mapping[str, str]
    """Library functions that compare values and are used without being imported, with their modules."""
    libraries: tuple[str, ...]
    """Libraries whose values may cross between the processes."""
    is_pure: bool
    """Whether its outcome depends only on the return values of the program's functions."""
    asserts: tuple[PlainAssert, ...] = ()
    """All that it does, if it only compares return values with literals; otherwise nothing."""


@dataclass(frozen=True)
class _Apart:
    """How the test ended apart from the program."""

    held: bool
    detail: str
    is_conclusive: bool
    """Whether only plain values crossed, so that the run together would have ended the same way."""
    doubt: str
    questions: int
    category: str = ""
    """The class of the exception that ended it."""


# Every sample of a problem is run against the same test, and parsing the test takes as long as running many an answer.
@functools.lru_cache(maxsize=256)
def facts_of(test: str, setup: str = "") -> TestFacts | str:
    """Return the facts of a test, or the reason why it does not compile. `setup` is code that runs before the test."""
    try:
        own = parse_quietly(test)
        tree = parse_quietly(f"{setup}\n{test}")
        compile(tree, "test.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"the test does not compile: {error}"
    used, bound, bare = _names(tree)
    free = used - bound - set(dir(builtins))
    imports = {name: module for name, module in _USUAL_MODULES.items() if name in free}
    # In `math.isclose(…)`, `math` is Python's module whatever the program calls `math`; but `copy(…)` may be a function of the program.
    imports |= {name: name for name in (free - bare) & _MODULES}
    judges = {name: module for name, module in _USUAL_FUNCTIONS.items() if name in free}
    imported = _imported(tree)
    libraries = {module.split(".")[0] for module in (*imports.values(), *imported)} | {"numpy", "pandas", "torch"}
    wanted = tuple(sorted(free - imports.keys()))
    reads = frozenset(
        node.value.id
        for node in _outside_functions(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    )
    is_pure = _is_pure(own, _imported(own))
    asserts = plain_asserts(own) if is_pure else ()
    if any(one.function not in wanted or one.function in judges for one in asserts):
        asserts = ()
    return TestFacts(reads, wanted, imports, judges, tuple(sorted(libraries)), is_pure, asserts)


def _names(tree: ast.Module) -> tuple[set[str], set[str], set[str]]:
    """Return the names that are used, those that are bound, and those used other than as the owner of an attribute."""
    used: set[str] = set()
    bound: set[str] = set()
    bare: set[str] = set()
    owners = {node.value for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
            if node not in owners:
                bare.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node in tree.body:
            bound.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    # A name that the test binds only later, or only in a function, refers to the program before that and elsewhere.
    only_inside = {
        argument.arg for node in ast.walk(tree) if isinstance(node, ast.arguments) for argument in _arguments(node)
    }
    return (
        used - (only_inside - {node.id for node in _outside_functions(tree) if isinstance(node, ast.Name)}),
        bound,
        bare,
    )


def _arguments(node: ast.arguments) -> list[ast.arg]:
    extra = [argument for argument in (node.vararg, node.kwarg) if argument]
    return [*node.posonlyargs, *node.args, *node.kwonlyargs, *extra]


def _outside_functions(tree: ast.Module) -> Iterator[ast.AST]:
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            waiting += ast.iter_child_nodes(node)


def _imported(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or ".")
    return found


def _is_pure(tree: ast.Module, imported: set[str]) -> bool:
    if any(module.split(".")[0] not in _PURE_MODULES for module in imported):
        return False
    return all(map(_is_pure_node, ast.walk(tree)))


def _is_pure_node(node: ast.AST) -> bool:
    match node:
        case ast.Name(id=name):
            return name not in _IMPURE_NAMES
        case ast.Attribute(ctx=ast.Store() | ast.Del()):
            # It may be the attribute of a module that the program uses too.
            return False
        case ast.Attribute(attr=name):
            return name not in _IMPURE_ATTRIBUTES and not name.startswith("__")
        case ast.Call(func=ast.Name(id="type"), args=[ast.Lambda()]):
            return False
        case ast.Compare(left=left, ops=ops, comparators=others):
            if sum(_is_type_call(side) for side in (left, *others)) > 1:
                # The class of a function is another one apart.
                return False
            # Object identity does not survive the crossing for immutable values.
            if any(isinstance(op, ast.Is | ast.IsNot) for op in ops):
                return all(isinstance(operand, ast.Constant) for operand in others) or isinstance(left, ast.Constant)
        case ast.With() | ast.AsyncWith() | ast.AsyncFunctionDef() | ast.Await():
            return False
    return True


def _is_type_call(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "type"


def judge_test(
    fork_server: ForkServer, tester: ForkServer, program: str, test: str, limits: Limits, setup: str = ""
) -> Verdict:
    """Judge a program by a test that uses the program's names; it passes if the test raises nothing.

    Args:
        fork_server: runs the program and, later, program and test together.
        tester: a second fork server, which runs the test apart.
        program: source of the program.
        test: plain Python with asserts.
        limits: limits of each process.
        setup: code that runs before the program, before the test, and once before both together.

    Raises:
        Fault: a sandbox failed; nothing is known about the program.
    """
    facts = facts_of(test, setup)
    if isinstance(facts, str):
        return Verdict(outcome=Outcome.UNGRADABLE, level=fork_server.level, seconds=0.0, detail=facts)
    program = f"{setup}\n{program}" if setup else program
    # The program's clock must not run while the other server is starting.
    fork_server.ensure_started()
    tester.ensure_started()
    seconds = 0.0
    relayed = _Relay()
    try:
        if facts.asserts:
            with fork_server.program("calls", limits) as running:
                by_values = _by_values(running, program, facts.asserts)
            seconds = running.end().seconds
            if by_values is not None:
                raise by_values
        with fork_server.program("program", limits) as running, tester.program("test", limits) as asserting:
            try:
                apart: _Apart | Decided = _run_apart(running, asserting, program, f"{setup}\n{test}", facts, relayed)
            except Decided as decided:
                apart = decided
        seconds = running.end().seconds
        if (settled := _settled(apart, facts, relayed)) is not None:
            raise settled
        with fork_server.program("together", limits) as running:
            try:
                meant = _run_together(running, program, test, facts)
            except Decided as decided:
                meant = decided
        seconds += running.end().seconds
        raise _combined(apart, meant)
    except Decided as decided:
        return Verdict(
            outcome=decided.outcome,
            level=fork_server.level,
            seconds=round(seconds, 4),
            detail=decided.detail,
            starved=decided.starved,
        )


def _by_values(running: Program, program: str, asserts: tuple[PlainAssert, ...]) -> Decided | None:
    """Return the verdict from the values of the calls, or None if one of them is not plain and a test has to run."""
    try:
        start(running, program)
        for one in asserts:
            tree = parsed(ask(running, one.question, f"{one.function}(…)"))
            if _holds_array(tree):
                return None
            match decoded(tree):
                case ("value", value):
                    if (wrong := _failure(one, value)) is not None:
                        return wrong
                # A name that the program lacks is a KeyError of the mode `calls`; the test's frames count against the recursion limit.
                case ("raised", str(category), str(message)) if category not in ("KeyError", "RecursionError"):
                    return _raised(category, exception_line(category, message))
                case _:
                    return None
    except Decided as decided:
        return decided
    return Decided(Outcome.PASSED)


def _holds_array(tree: _wire.Node) -> bool:
    tag, content = tree
    return tag == b"A" or (type(content) is list and any(map(_holds_array, content)))


def _failure(one: PlainAssert, value: object) -> Decided | None:
    """Return the verdict on a value that does not satisfy an assert, or None."""
    try:
        return None if one.holds(value) else Decided(Outcome.FAILED, exception_line("AssertionError", one.message))
    except Exception as error:  # noqa: BLE001 (such as a comparison of None with a number)
        return Decided(Outcome.FAILED, exception_line(type(error).__name__, str(error)))


@dataclass
class _Relay:
    """How many messages were relayed between the two processes."""

    count: int = 0


def _run_apart(
    running: Program, asserting: Program, program: str, test: str, facts: TestFacts, relayed: _Relay
) -> _Apart:
    """Run the test to its end, relaying its questions to the program."""
    defined = frozenset(start(running, program))
    # A comparison function that the program does not define either is undefined in the test.
    real = {name: module for name, module in facts.judges.items() if name in defined}
    wanted = [name for name in facts.names if name in defined and name not in real]
    try:
        task = _wire.encode((test, wanted, dict(facts.imports), real, list(facts.libraries)))
    except _wire.NotPlain as error:
        raise Decided(Outcome.UNGRADABLE, f"the test cannot be sent: {error}") from None
    launch(asserting, task)
    while True:
        data = asserting.receive()
        if data is None:
            raise blame(asserting.end(), "while the test ran")
        if data[:1] != b"?":
            return _ending(_wire.decode(data[1:]), bool(facts.reads & defined))
        relayed.count += 1
        asserting.send(ask(running, data[1:], "a reply"))


def _ending(said: tuple[str, str, str, bool, str, int], reads: bool) -> _Apart:
    how, category, message, is_plain, doubt, questions = said
    questions += reads
    if how == "malformed":
        return _Apart(False, f"a reply that cannot be read: {message}", False, doubt, questions)
    if how == "unsupported":
        return _Apart(False, f"{message}, which cannot cross between processes", False, doubt, questions)
    detail = exception_line(category, message) if how == "raised" else ""
    # The other side's own frames count against Python's recursion limit.
    is_conclusive = is_plain and not doubt and category != "RecursionError"
    return _Apart(how == "held", detail, is_conclusive, doubt, questions, category)


def _settled(apart: _Apart | Decided, facts: TestFacts, relayed: _Relay) -> Decided | None:
    """Return the verdict if the run apart decides it, or None if the run together is needed."""
    if isinstance(apart, Decided):
        late = apart.outcome is Outcome.TIMEOUT and relayed.count >= _RELAYED_AT_LEAST
        return None if late or not facts.is_pure else apart
    if not (facts.is_pure and apart.is_conclusive):
        return None
    if not apart.held:
        return _raised(apart.category, apart.detail)
    return _confirmed(apart)


def _raised(category: str, line: str) -> Decided:
    """Return the verdict on an exception that ended a test."""
    if category == "PermissionError":
        return Decided(Outcome.UNGRADABLE, f"it needs something that the sandbox refuses: {line}")
    return Decided(Outcome.OUT_OF_MEMORY if category == "MemoryError" else Outcome.FAILED, line)


def _confirmed(apart: _Apart) -> Decided:
    if not apart.questions:
        return Decided(Outcome.UNGRADABLE, "the test uses nothing from the program")
    return Decided(Outcome.PASSED)


def _run_together(running: Program, program: str, test: str, facts: TestFacts) -> Decided:
    try:
        task = _wire.encode((program, test, dict(facts.imports)))
    except _wire.NotPlain as error:
        raise Decided(Outcome.UNGRADABLE, f"the test cannot be sent: {error}") from None
    launch(running, task)
    data = running.receive()
    if data is None:
        raise blame(running.end(), "while program and test ran together")
    try:
        match _wire.value(parsed(data)):
            case ("held", str(), str()):
                return Decided(Outcome.PASSED)
            case ("raised", str(category), str(message)):
                return _raised(category, exception_line(category, message))
    except (_wire.BadFrame, TypeError, ValueError):
        pass
    return Decided(Outcome.FAILED, "the program sent an invalid reply")


def _combined(apart: _Apart | Decided, meant: Decided) -> Decided:
    """Return the verdict from both runs. A pass together is only the program's claim; a failure together decides."""
    if meant.outcome is not Outcome.PASSED:
        return meant
    if isinstance(apart, Decided):
        if apart.outcome in (Outcome.FAILED, Outcome.UNGRADABLE):
            return apart
        return Decided(
            Outcome.UNGRADABLE,
            f"it passes together with the test, but not apart from it ({apart.outcome}: {apart.detail})",
        )
    if apart.held and not apart.doubt:
        return _confirmed(apart)
    return Decided(Outcome.UNGRADABLE, f"it passes, but this cannot be confirmed: {apart.doubt or apart.detail}")
