"""Verdicts by a test: what it means when program and test run together, and whether a process that never ran the program agrees.

*Together*, program and test run in one isolated process, as plain Python would run them. That is the meaning of the test, and says nothing of
trust: the program can do to the test what it likes. *Apart*, the test runs in a second sandbox and asks the program's for what it uses; values
cross as copies, and the program is never told what the test expects. A program passes only where both say so. Where the test passes together
and apart it cannot be confirmed, the verdict is `ungradable` with the reason.

A test that only compares what functions return needs no run together: apart, it means the same.
"""

from __future__ import annotations

import ast
import builtins
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from recode.sandbox.fork_servers import ForkServer, Limits, Program
from recode.sandbox.guest import _wire
from recode.sandbox.judging import Decided, ask, blame, exception_line, launch, parsed, start
from recode.sandbox.verdict import Outcome, Verdict

_USUAL_MODULES = {
    "np": "numpy",
    "pd": "pandas",
    "plt": "matplotlib.pyplot",
    "nx": "networkx",
    "pl": "polars",
    "sp": "scipy",
}
"""Names under which tests may use a module without importing it; apart, they get the real one, never what the program calls so."""
_MODULES = frozenset(
    "base64 binascii bisect cmath collections copy datetime decimal fractions functools hashlib heapq itertools json math operator random re "
    "statistics string textwrap typing zlib networkx numpy pandas polars scipy sympy torch".split()
)
"""Modules that tests may use so too, as owners of what they use (`math.pi`)."""
_USUAL_FUNCTIONS = {
    "allclose": "numpy",
    "isclose": "numpy",
    "array_equal": "numpy",
    "array_equiv": "numpy",
    **dict.fromkeys(("assert_allclose", "assert_array_equal", "assert_equal", "assert_almost_equal"), "numpy.testing"),
    **dict.fromkeys(("assert_frame_equal", "assert_series_equal", "assert_index_equal"), "pandas.testing"),
    "approx": "pytest",
}
"""Functions that judge values, which a test may have from the program's imports; apart, they are the library's own."""
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
"""So many questions take long enough that running out of time may be the relay's fault."""


@dataclass(frozen=True)
class TestFacts:
    """What can be said of a test from its text."""

    __test__ = False
    """Not a class of tests, whatever pytest makes of its name."""

    reads: frozenset[str]
    """Names whose attributes its statements outside of functions use."""
    names: tuple[str, ...]
    """Names that it must get from the program. Built-in names are never the program's."""
    imports: Mapping[str, str]
    """Modules that it uses under their usual names without importing them."""
    judges: Mapping[str, str]
    """Functions of libraries that compare values, used without importing them, and their modules."""
    libraries: tuple[str, ...]
    """Libraries whose values may cross."""
    is_pure: bool
    """Whether its outcome depends on nothing but the values that the program's functions return."""


@dataclass(frozen=True)
class _Apart:
    """How the test ended apart from the program."""

    held: bool
    detail: str
    is_conclusive: bool
    """Whether all that crossed was plain, so that the same would have happened together."""
    doubt: str
    questions: int
    category: str = ""
    """The class of the exception that ended it."""


# A test is put to every sample of its problem, and reading it takes as long as many an answer.
@functools.lru_cache(maxsize=256)
def facts_of(test: str, setup: str = "") -> TestFacts | str:
    """Return what a test's text says; for a test that does not compile the reason. `setup` runs before it."""
    try:
        own = ast.parse(test)
        tree = ast.parse(f"{setup}\n{test}")
        compile(tree, "test.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"the test does not compile: {error}"
    used, bound, bare = _names(tree)
    free = used - bound - set(dir(builtins))
    imports = {name: module for name, module in _USUAL_MODULES.items() if name in free}
    # `math.isclose(…)` means Python's own `math`, not what the program calls so; a function of the program may be called `copy`.
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
    return TestFacts(reads, wanted, imports, judges, tuple(sorted(libraries)), _is_pure(own, _imported(own)))


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
    # A name that the test itself binds only later, or in some function, is the program's before and elsewhere.
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
        case ast.Attribute(attr=name):
            return name not in _IMPURE_ATTRIBUTES and not name.startswith("__")
        case ast.Compare(left=left, ops=ops, comparators=others):
            # Which objects are the same is not carried for values that cannot change.
            if any(isinstance(op, ast.Is | ast.IsNot) for op in ops):
                return all(isinstance(operand, ast.Constant) for operand in others) or isinstance(left, ast.Constant)
        case ast.With() | ast.AsyncWith() | ast.AsyncFunctionDef() | ast.Await():
            return False
    return True


def judge_test(
    fork_server: ForkServer, tester: ForkServer, program: str, test: str, limits: Limits, setup: str = ""
) -> Verdict:
    """Judge a program by a test: its names are handed to the test, and it passes if the test raises nothing.

    Args:
        fork_server: the fork server that runs the program, and later program and test together.
        tester: another fork server, which runs the test apart.
        program: the program.
        test: plain Python with asserts.
        limits: of each process.
        setup: code that runs before the program, before the test, and once before both together.

    Raises:
        Fault: a sandbox failed; nothing is known about the program.
    """
    facts = facts_of(test, setup)
    if isinstance(facts, str):
        return Verdict(outcome=Outcome.UNGRADABLE, level=fork_server.level, seconds=0.0, detail=facts)
    program = f"{setup}\n{program}" if setup else program
    # The program's time must not pass while the other server is started.
    fork_server.ensure_started()
    tester.ensure_started()
    seconds = 0.0
    relayed = _Relay()
    try:
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


@dataclass
class _Relay:
    """How many messages were carried between the two processes, and whether the test had begun."""

    count: int = 0


def _run_apart(
    running: Program, asserting: Program, program: str, test: str, facts: TestFacts, relayed: _Relay
) -> _Apart:
    """Run the test and carry its questions to the program until it has come to an end."""
    defined = frozenset(start(running, program))
    # A judge that the program does not have either is a name that the test lacks.
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
    return _Apart(how == "held", detail, is_plain and not doubt, doubt, questions, category)


def _settled(apart: _Apart | Decided, facts: TestFacts, relayed: _Relay) -> Decided | None:
    """Return the verdict where the run apart decides alone; None where the run together is needed."""
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
        return Decided(Outcome.UNGRADABLE, f"it needs what the sandbox refuses: {line}")
    return Decided(Outcome.OUT_OF_MEMORY if category == "MemoryError" else Outcome.FAILED, line)


def _confirmed(apart: _Apart) -> Decided:
    if not apart.questions:
        return Decided(Outcome.UNGRADABLE, "the test uses nothing of the program")
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
    return Decided(Outcome.FAILED, "the program sent a reply of its own making")


def _combined(apart: _Apart | Decided, meant: Decided) -> Decided:
    """Return the verdict from both runs. Passing together is the program's word alone; failing together is enough to fail."""
    if meant.outcome is not Outcome.PASSED:
        return meant
    if isinstance(apart, Decided):
        if apart.outcome in (Outcome.FAILED, Outcome.UNGRADABLE):
            return apart
        return Decided(
            Outcome.UNGRADABLE,
            f"it passes, but apart from the test it ends otherwise ({apart.outcome}: {apart.detail})",
        )
    if apart.held and not apart.doubt:
        return _confirmed(apart)
    return Decided(Outcome.UNGRADABLE, f"it passes, and this cannot be confirmed: {apart.doubt or apart.detail}")
