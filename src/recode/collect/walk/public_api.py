"""The public names of a library's release, as its own interpreter sees them.

The library is imported and walked in its pinned environment, under isolation: extension modules, lazy attributes and names re-exported at run
time are seen, which reading the sources would miss. `_walk.py` is the program that runs there.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from packaging.utils import canonicalize_name

from recode.errors import RecodeError
from recode.records import write_text
from recode.sandbox.environments import Environment, recode_home
from recode.sandbox.execution import Execution, run_program
from recode.sandbox.zygotes import Limits

_LIMITS = Limits(seconds=900.0, memory=6 << 30, processes=64, files=64 << 20, output=1 << 20)
_NOT_API = frozenset({"tests", "test", "docs", "doc", "examples", "benchmarks", "scripts", "setup", "conftest"})
_PART = 900_000
_WALKER = Path(__file__).with_name("_walker.py")
"""Runs inside a library's environment."""
"""Characters of one part of the answer; what a program prints has to fit in one frame of the sandbox."""


class WalkError(RecodeError):
    """A library cannot be imported in its environment, or walking it failed."""


class Parameter(NamedTuple):
    """A parameter; `kind` as in `inspect.Parameter` (3: keyword only), `default` as it is printed, None where there is none."""

    name: str
    kind: int
    default: str | None

    @property
    def is_variadic(self) -> bool:
        """Whether it is `*args` or `**kwargs`."""
        return self.kind in (2, 4)


@dataclass(frozen=True)
class Place:
    """Where something is defined: a file below site-packages, a line (from 1), a qualified name; empty and 0 where not known."""

    file: str = ""
    line: int = 0
    qualname: str = ""


NOWHERE = Place()


@dataclass(frozen=True)
class Member:
    """A public member of a class. `owner` is `module:qualname` of the class that defines it."""

    name: str
    kind: str
    owner: str
    place: Place
    parameters: tuple[Parameter, ...] | None


@dataclass(frozen=True)
class Name:
    """A public object and every public path that leads to it, the best one first.

    `listed` are the paths that their module's `__all__` names, `hidden` those that it leaves out. `told` says what the
    interpreter warned of when a path was read. `inherited` are the members that come from outside the package; `defined`
    is a class's `module:qualname`. `parameters` is None where nothing tells them.
    """

    paths: tuple[str, ...]
    kind: str
    place: Place
    listed: frozenset[str]
    hidden: frozenset[str]
    told: dict[str, str]
    parameters: tuple[Parameter, ...] | None = None
    members: dict[str, Member] = field(default_factory=dict)
    inherited: frozenset[str] = frozenset()
    defined: str = ""

    @property
    def path(self) -> str:
        """The path that people use: the shortest."""
        return self.paths[0]

    @property
    def is_hidden(self) -> bool:
        """Whether every module that shows it leaves it out of its `__all__`."""
        return self.hidden.issuperset(self.paths)


@dataclass(frozen=True)
class Api:
    """The public API of one release: names by path, modules with their files, and the modules that could not be imported.

    `package` is the one that the library is known by; a distribution may hold more. `reached` are further paths that
    lead somewhere, though no module lists them.
    """

    package: str
    version: str
    names: tuple[Name, ...]
    modules: dict[str, str]
    failures: dict[str, str]
    reached: frozenset[str] = frozenset()

    @functools.cached_property
    def by_path(self) -> dict[str, Name]:
        """Each public path's object."""
        return {path: name for name in self.names for path in name.paths}

    @functools.cached_property
    def by_place(self) -> dict[tuple[str, str], str]:
        """(file, qualified name) → the best public path, of functions, classes and their members."""
        found: dict[tuple[str, str], str] = {}
        for name in sorted(self.names, key=lambda name: (name.is_hidden, name.path.count("."), name.path)):
            places = [(name.place, name.path)]
            places += [(member.place, f"{name.path}.{member.name}") for member in name.members.values()]
            for place, path in places:
                if place.file and place.qualname:
                    found.setdefault((place.file, place.qualname), path)
        return found

    @functools.cached_property
    def by_qualname(self) -> dict[str, Name]:
        """`module:qualname` of each public class, as its members name their owner."""
        owners = {f"{member.owner}" for name in self.names for member in name.members.values()}
        found: dict[str, Name] = {}
        for name in self.names:
            if name.kind == "class" and name.defined in owners:
                found.setdefault(name.defined, name)
        return found

    def find(self, path: str) -> Name | Member | None:
        """Return what a dotted path leads to: a public name, or a member of a public class."""
        if path in self.by_path:
            return self.by_path[path]
        owner, _, leaf = path.rpartition(".")
        holder = self.by_path.get(owner)
        return holder.members.get(leaf) if holder else None

    def has(self, path: str) -> bool:
        """Say whether a dotted path leads anywhere: to a name, a module, or any member of a class, inherited ones too."""
        owner, _, leaf = path.rpartition(".")
        holder = self.by_path.get(owner)
        inherited = bool(holder and leaf in holder.inherited)
        return self.find(path) is not None or path in self.modules or path in self.reached or inherited

    @functools.cached_property
    def by_leaf(self) -> dict[str, list[str]]:
        """Last part of a path → the best paths that end so, members included."""
        found: dict[str, list[str]] = {}
        for name in self.names:
            for path in name.paths:
                found.setdefault(path.rpartition(".")[2], []).append(path)
            for member in name.members:
                found.setdefault(member, []).append(f"{name.path}.{member}")
        return found


def walk(environment: Environment, packages: Sequence[str], version: str) -> Api:
    """Return the public API of a distribution's packages installed in an environment; remembered for the environment.

    Raises:
        WalkError: the first package cannot be imported there; the message says why.
    """
    names: list[Name] = []
    modules: dict[str, str] = {}
    failures: dict[str, str] = {}
    for package in packages:
        answer = kept(environment, f"walk({package!r}, ", f"{package} {version}")
        if "error" not in answer:
            names += (_name(record, answer["modules"]) for record in answer["names"])
            modules |= answer["modules"]
            failures |= answer["failures"]
        elif package == packages[0]:
            raise WalkError(
                f"{package} {version}: cannot be imported in its environment: {answer['error']}; if a dependency is too "
                "new for it, pin that with --old-requires or --new-requires"
            )
        else:
            failures[package] = answer["error"]
    return Api(packages[0], version, tuple(names), modules, failures)


def probe(environment: Environment, package: str, paths: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return what happens to a program that uses each path: it `works`, `warns` or `raises`, and the message.

    A module's `__getattr__` may still answer for names that it does not list, or say in its error what to use instead.
    """
    if not paths:
        return {}
    answers = kept(environment, f"print_probe({list(paths)!r}, ", package)
    return {path: (outcome, message) for path, (outcome, message) in zip(paths, answers, strict=True)}


def import_names(environment: Environment, library: str) -> tuple[str, ...]:
    """Return the names by which programs import a distribution, first the one that is named like it, or else the largest.

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


def kept(environment: Environment, call: str, what: str, script: Path = _WALKER) -> Any:
    """Return what a call of a program answers in the environment; remembered unless it is an error."""
    text = script.read_text(encoding="utf-8")
    key = hashlib.sha256(f"{text}\n{environment.digest}\n{call}".encode()).hexdigest()
    file = recode_home() / "walks" / f"{key}.json"
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        answer = _answer(environment, text, call, what)
    if "error" not in answer:
        write_text(file, json.dumps(answer))
    return answer


def _answer(environment: Environment, script: str, call: str, what: str) -> Any:
    """Run a call as often as its answer has parts: its runs are alike, so the parts fit together."""
    parts: list[str] = []
    total = 1
    while len(parts) < total:
        done = run_program(environment, f"{script}\n{call}{len(parts)}, {_PART})\n", limits=_LIMITS)
        if done.outcome != "finished":
            raise WalkError(f"{what}: walking its public names failed: {_told(done)}")
        count, _, text = done.stdout.strip().rpartition("\n")[2].partition(" ")
        if parts and int(count) != total:
            raise WalkError(f"{what}: two walks of its public names differ; try again")
        total = int(count)
        parts.append(text)
    try:
        return json.loads(zlib.decompress(base64.b85decode("".join(parts))))
    except (ValueError, zlib.error):
        raise WalkError(f"{what}: two walks of its public names differ; try again") from None


def _told(done: Execution) -> str:
    if done.exception is not None:
        return f"{done.exception.category}: {done.exception.message[:200]}"
    return f"{done.outcome} {done.detail}".strip()


def _name(record: dict[str, Any], modules: dict[str, str]) -> Name:
    own, hidden = f"{record['module']}.{record.get('qualname', '')}", frozenset(record["hidden"])
    return Name(
        tuple(sorted(record["paths"], key=lambda path: _rank(path, own, hidden, modules))),
        record["kind"],
        _place(record),
        frozenset(record["listed"]),
        hidden,
        record["told"],
        _parameters(record.get("parameters")),
        {
            leaf: Member(leaf, one["kind"], one["owner"], _place(one), _parameters(one.get("parameters")))
            for leaf, one in record.get("members", {}).items()
        },
        frozenset(record.get("inherited", ())),
        record.get("defined", ""),
    )


def _rank(
    path: str, own: str, hidden: frozenset[str], modules: dict[str, str]
) -> tuple[bool, bool, int, bool, bool, int, str]:
    """Order paths: public ones first, then short ones, then those that go by the object's own name, where it is defined.

    That a public module's class also stands in another module, which is no package, is how modules import from each other.
    """
    parent, _, leaf = path.rpartition(".")
    home, _, name = own.rpartition(".")
    is_import = home in modules and parent != home and not modules.get(parent, "").endswith("__init__.py")
    return path in hidden, is_import, path.count("."), leaf != name, path != own, len(path), path


def _place(record: dict[str, Any]) -> Place:
    return Place(record.get("file", ""), record.get("line", 0), record.get("qualname", ""))


def _parameters(found: list[list[Any]] | None) -> tuple[Parameter, ...] | None:
    return None if found is None else tuple(Parameter(*one) for one in found)
