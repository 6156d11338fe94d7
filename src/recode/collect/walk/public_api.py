"""The public names of a library's release, as its own interpreter sees them.

The library is imported and walked in its pinned environment, under isolation. This shows extension modules, lazy attributes and names that
are re-exported at run time, which reading the sources would miss. `_walker.py` is the program that runs there.
"""

from __future__ import annotations

import base64
import enum
import functools
import hashlib
import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from packaging.utils import canonicalize_name

from recode.errors import RecodeError
from recode.records import write_text
from recode.sandbox.environments import Environment, recode_home
from recode.sandbox.execution import Execution, run_program
from recode.sandbox.fork_servers import Limits

_LIMITS = Limits(seconds=900.0, memory=6 << 30, processes=64, files=64 << 20, output=1 << 20)
_NOT_API = frozenset({"tests", "test", "docs", "doc", "examples", "benchmarks", "scripts", "setup", "conftest"})
_PART = 900_000
"""Characters of one part of the answer: a program's output has to fit in one frame of the sandbox."""
_WALKER = Path(__file__).with_name("_walker.py")
"""The program that runs inside a library's environment."""


class WalkError(RecodeError):
    """A library cannot be imported in its environment, or walking it failed."""


class ParameterKind(enum.IntEnum):
    """How a parameter can be given; the numbers are those of `inspect.Parameter.kind`."""

    POSITIONAL_ONLY = 0
    POSITIONAL_OR_KEYWORD = 1
    VARIADIC_POSITIONAL = 2
    KEYWORD_ONLY = 3
    VARIADIC_KEYWORD = 4

    @property
    def is_positional(self) -> bool:
        """Whether it names a parameter that can be given by position."""
        return self in (ParameterKind.POSITIONAL_ONLY, ParameterKind.POSITIONAL_OR_KEYWORD)


class Parameter(NamedTuple):
    """A parameter; `default` is the printed form, None where there is no default."""

    name: str
    kind: ParameterKind
    default: str | None

    @property
    def is_variadic(self) -> bool:
        """Whether it is `*args` or `**kwargs`."""
        return self.kind in (ParameterKind.VARIADIC_POSITIONAL, ParameterKind.VARIADIC_KEYWORD)


@dataclass(frozen=True)
class Definition:
    """Where something is defined.

    `file` is a path below site-packages, `line` counts from 1; empty and 0 where they are not known.
    """

    file: str = ""
    line: int = 0
    qualname: str = ""


UNKNOWN = Definition()


@dataclass(frozen=True)
class Member:
    """A public member of a class. `owner` is `module:qualname` of the class that defines it."""

    name: str
    kind: str
    owner: str
    definition: Definition
    parameters: tuple[Parameter, ...] | None
    refuses: str = ""
    """The message of a method that only raises."""


@dataclass(frozen=True)
class Name:
    """A public object and every public path that leads to it, the best one first.

    `listed` are the paths that their module's `__all__` contains, `hidden` those that it leaves out. `warnings` maps a path to
    the deprecation warning that reading it raised. `inherited` are the members that come from outside the package; `defined`
    is a class's `module:qualname`. `parameters` is None where neither a signature nor a docstring shows them.
    """

    paths: tuple[str, ...]
    kind: str
    definition: Definition
    listed: frozenset[str]
    hidden: frozenset[str]
    warnings: dict[str, str]
    parameters: tuple[Parameter, ...] | None = None
    members: dict[str, Member] = field(default_factory=dict)
    inherited: frozenset[str] = frozenset()
    defined: str = ""
    refuses: str = ""
    """The message of a function, or of a class's constructor, that only raises."""

    @property
    def path(self) -> str:
        """The path that people use: the shortest one."""
        return self.paths[0]

    @property
    def is_hidden(self) -> bool:
        """Whether all modules that contain it leave it out of their `__all__`."""
        return self.hidden.issuperset(self.paths)


@dataclass(frozen=True)
class Api:
    """The public API of one release.

    `package` is the main package of the distribution, which may hold more. `modules` maps modules to their files, `failures`
    maps modules that could not be imported to the reason. `reached` are further paths that can be used, though no module
    lists them. `unreadable` maps names whose objects raise when they are inspected to the reason.
    """

    package: str
    version: str
    names: tuple[Name, ...]
    modules: dict[str, str]
    failures: dict[str, str]
    reached: frozenset[str] = frozenset()
    unreadable: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    """Paths that were left out because they only raise in this release, with the message (`without_refusals`)."""

    @functools.cached_property
    def by_path(self) -> dict[str, Name]:
        """Public path → its object."""
        return {path: name for name in self.names for path in name.paths}

    @functools.cached_property
    def by_definition(self) -> dict[tuple[str, str], str]:
        """(file, qualified name) → the best public path, of functions, classes and their members."""
        found: dict[tuple[str, str], str] = {}
        for name in sorted(self.names, key=lambda name: (name.is_hidden, name.path.count("."), name.path)):
            definitions = [(name.definition, name.path)]
            definitions += [(member.definition, f"{name.path}.{member.name}") for member in name.members.values()]
            for definition, path in definitions:
                if definition.file and definition.qualname:
                    found.setdefault((definition.file, definition.qualname), path)
        return found

    @functools.cached_property
    def by_qualname(self) -> dict[str, Name]:
        """`module:qualname` → the public class, for classes that own a member."""
        owners = {member.owner for name in self.names for member in name.members.values()}
        found: dict[str, Name] = {}
        for name in self.names:
            if name.kind == "class" and name.defined in owners:
                found.setdefault(name.defined, name)
        return found

    def find(self, path: str) -> Name | Member | None:
        """Return the public name, or the member of a public class, that a dotted path leads to; None where there is none."""
        if path in self.by_path:
            return self.by_path[path]
        owner, _, leaf = path.rpartition(".")
        holder = self.by_path.get(owner)
        return holder.members.get(leaf) if holder else None

    def has(self, path: str) -> bool:
        """Say whether a dotted path exists: as a name, a module, or a member of a class (inherited ones included)."""
        owner, _, leaf = path.rpartition(".")
        holder = self.by_path.get(owner)
        inherited = bool(holder and leaf in holder.inherited)
        return self.find(path) is not None or path in self.modules or path in self.reached or inherited

    @functools.cached_property
    def by_leaf(self) -> dict[str, list[str]]:
        """Last part of a path → all paths that end in it, members included."""
        found: dict[str, list[str]] = {}
        for name in self.names:
            for path in name.paths:
                found.setdefault(path.rpartition(".")[2], []).append(path)
            for member in name.members:
                found.setdefault(member, []).append(f"{name.path}.{member}")
        return found


def walk(environment: Environment, packages: Sequence[str], version: str) -> Api:
    """Return the public API of a distribution's packages in an environment; the result is cached.

    Raises:
        WalkError: the first package cannot be imported there; the message says why. Other packages and modules that fail are
            listed in `failures`.
    """
    answers, failures = [], {}
    for package in packages:
        answer = cached_answer(environment, f"walk({package!r}, ", f"{package} {version}")
        if "error" not in answer:
            answers.append(answer)
        elif package == packages[0]:
            raise WalkError(
                f"{package} {version}: cannot be imported in its environment: {answer['error']}; if a dependency is too "
                "new for it, pin that with --old-requires or --new-requires"
            )
        else:
            failures[package] = answer["error"]
    api = read_api(packages[0], version, answers)
    return replace(api, failures=api.failures | failures)


def read_api(package: str, version: str, answers: Iterable[dict[str, Any]]) -> Api:
    """Return the public API that the walker's answers describe; `package` is the main one."""
    names: list[Name] = []
    modules: dict[str, str] = {}
    failures: dict[str, str] = {}
    unreadable: dict[str, str] = {}
    for answer in answers:
        names += (_name(record, answer["modules"]) for record in answer["names"])
        modules |= answer["modules"]
        failures |= answer["failures"]
        unreadable |= answer["unreadable"]
    return Api(package, version, tuple(names), modules, failures, unreadable=unreadable)


def without_refusals(api: Api, old: Api) -> Api:
    """Return a release without the functions and methods that only raise there, though they worked in an older one.

    For a program they are as good as removed. Those that raise in both releases, such as `pytest.fail`, are meant to.
    """
    refused: dict[str, str] = {}
    names = []
    for name in api.names:
        before = next((old.by_path[path] for path in name.paths if path in old.by_path), None)
        if before is not None and name.refuses and not before.refuses:
            refused |= dict.fromkeys(name.paths, name.refuses)
            continue
        worked = {one.name for one in (before.members if before else {}).values() if not one.refuses}
        lost = {leaf: one.refuses for leaf, one in name.members.items() if one.refuses and leaf in worked}
        refused |= {f"{path}.{leaf}": message for path in name.paths for leaf, message in lost.items()}
        kept = {leaf: one for leaf, one in name.members.items() if leaf not in lost}
        names.append(replace(name, members=kept) if lost else name)
    return replace(api, names=tuple(names), refused=refused) if refused else api


def probe(environment: Environment, package: str, paths: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return path → what happens to a program that uses it (`works`, `warns` or `raises`), and the message.

    A module's `__getattr__` may still provide names that it does not list, or say in its error what to use instead.
    """
    if not paths:
        return {}
    answers = cached_answer(environment, f"print_probe({list(paths)!r}, ", package)
    return {path: (outcome, message) for path, (outcome, message) in zip(paths, answers, strict=True)}


def import_names(environment: Environment, library: str) -> tuple[str, ...]:
    """Return the packages that programs import from a distribution: first the one named like it, then the largest.

    Raises:
        WalkError: nothing importable is installed under the distribution's name.
    """
    wanted = canonicalize_name(library).replace("-", "_")
    counts: dict[str, int] = {}
    for folder in environment.folder.glob("lib/*/site-packages/*.dist-info"):
        if canonicalize_name(folder.name.removesuffix(".dist-info").rpartition("-")[0]) != canonicalize_name(library):
            continue
        for line in (folder / "RECORD").read_text(encoding="utf-8").splitlines():
            top, _, rest = line.partition(",")[0].partition("/")
            module = top if rest else top.partition(".")[0]
            if module.isidentifier() and (rest.endswith(".py") or (not rest and top.endswith((".py", ".so")))):
                counts[module] = counts.get(module, 0) + 1
    public = {name: count for name, count in counts.items() if not name.startswith("_") and name not in _NOT_API}
    if not public:
        raise WalkError(f"{library}: its release holds no importable module; name one with --package")
    return tuple(sorted(public, key=lambda name: (name.lower() != wanted, -public[name], name)))


def cached_answer(environment: Environment, call: str, subject: str, script: Path = _WALKER) -> Any:
    """Return the answer of a program in an environment, from the cache where it is there.

    The key covers the program, the environment and the call. An answer with an `error` is not cached.

    Args:
        environment: where the program runs.
        call: the program's last statement, up to the arguments that select a part of the answer.
        subject: what error messages begin with.
        script: the program.

    Raises:
        WalkError: the program did not finish.
    """
    text = script.read_text(encoding="utf-8")
    key = hashlib.sha256(f"{text}\n{environment.digest}\n{call}".encode()).hexdigest()
    file = recode_home() / "walks" / f"{key}.json"
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        answer = _answer(environment, text, call, subject)
    if "error" not in answer:
        write_text(file, json.dumps(answer))
    return answer


def _answer(environment: Environment, script: str, call: str, subject: str) -> Any:
    """Run a call once for each part of its answer: all runs give the same answer, so the parts fit together."""
    parts: list[str] = []
    total = 1
    while len(parts) < total:
        done = run_program(environment, f"{script}\n{call}{len(parts)}, {_PART})\n", limits=_LIMITS)
        if done.outcome != "finished":
            raise WalkError(f"{subject}: listing its public names failed: {_outcome(done)}")
        count, _, text = done.stdout.strip().rpartition("\n")[2].partition(" ")
        if parts and int(count) != total:
            raise WalkError(f"{subject}: two runs listed different public names; try again")
        total = int(count)
        parts.append(text)
    try:
        return json.loads(zlib.decompress(base64.b85decode("".join(parts))))
    except (ValueError, zlib.error):
        raise WalkError(f"{subject}: two runs listed different public names; try again") from None


def _outcome(done: Execution) -> str:
    if done.exception is not None:
        return f"{done.exception.category}: {done.exception.message[:200]}"
    return f"{done.outcome} {done.detail}".strip()


def _name(record: dict[str, Any], modules: dict[str, str]) -> Name:
    own, hidden = f"{record['module']}.{record.get('qualname', '')}", frozenset(record["hidden"])
    return Name(
        tuple(sorted(record["paths"], key=lambda path: _rank(path, own, hidden, modules))),
        record["kind"],
        _definition(record),
        frozenset(record["listed"]),
        hidden,
        record["warnings"],
        _parameters(record.get("parameters")),
        {
            leaf: Member(
                leaf,
                one["kind"],
                one["owner"],
                _definition(one),
                _parameters(one.get("parameters")),
                one.get("refuses", ""),
            )
            for leaf, one in record.get("members", {}).items()
        },
        frozenset(record.get("inherited", ())),
        record.get("defined", ""),
        record.get("refuses", ""),
    )


def _rank(
    path: str, own: str, hidden: frozenset[str], modules: dict[str, str]
) -> tuple[bool, bool, int, bool, bool, int, str]:
    """Return the sort key of a path: public ones first, then short ones, then those with the object's own name, where it is defined.

    A class that also appears in another module, which is no package, was imported there for that module's own use.
    """
    parent, _, leaf = path.rpartition(".")
    home, _, name = own.rpartition(".")
    is_import = home in modules and parent != home and not modules.get(parent, "").endswith("__init__.py")
    return path in hidden, is_import, path.count("."), leaf != name, path != own, len(path), path


def _definition(record: dict[str, Any]) -> Definition:
    return Definition(record.get("file", ""), record.get("line", 0), record.get("qualname", ""))


def _parameters(rows: list[list[Any]] | None) -> tuple[Parameter, ...] | None:
    if rows is None:
        return None
    return tuple(Parameter(name, ParameterKind(kind), default) for name, kind, default in rows)
