"""Calls two names of a library with the same generated arguments and compares results, exceptions and changed arguments.

The text of this file runs inside a release's environment, before a line that calls `main`. It imports the standard library, and of
the environment what the arguments are made of. It prints one JSON object.
"""

from __future__ import annotations

import ast
import copy
import doctest
import importlib
import inspect
import io
import json
import math
import random
import re
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

TRIES, SECONDS, MOST_EQUAL = 1500, 20.0, 60
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")
_LONGEST = 160


class CannotCompare(Exception):
    """A value that has no form to compare."""


# --- the two names ---


def reach(path: str) -> tuple[Any, Any]:
    """Return the object of a dotted path and its class, if it is reached through one."""
    parts = path.split(".")
    for size in range(len(parts), 0, -1):
        try:
            thing = importlib.import_module(".".join(parts[:size]))
        except ImportError:
            continue
        owner = None
        for part in parts[size:]:
            owner, thing = thing, getattr(thing, part)
        return thing, owner if inspect.isclass(owner) else None
    raise AttributeError(path)


# --- arguments ---


def pools() -> dict[str, list[Callable[[random.Random], Any]]]:
    """Return makers of values, by kind; kinds of libraries that are not there are left out."""
    made: dict[str, list[Callable[[random.Random], Any]]] = {
        "number": [lambda r: r.randint(-3, 9), lambda r: round(r.uniform(-5, 5), 3), lambda r: r.randint(1, 4)],
        "text": [lambda r: r.choice(["", "a", "A b", "x.y", "1", "path/to", "é", "word"])],
        "flag": [lambda r: r.random() < 0.5],
        "nothing": [lambda r: None],
        "list": [
            lambda r: [r.randint(-5, 9) for _ in range(r.randint(1, 6))],
            lambda r: [[r.randint(0, 9) for _ in range(3)] for _ in range(r.randint(1, 3))],
            lambda r: tuple(r.uniform(-2, 2) for _ in range(4)),
            lambda r: [r.choice("abc") for _ in range(r.randint(1, 4))],
        ],
        "dict": [lambda r: {r.choice("abcd"): r.randint(0, 9) for _ in range(3)}],
        "bytes": [lambda r: r.choice([b"", b"a", b"a=1&b=2", b"\xff\x00"])],
        "function": [lambda r: r.choice([abs, len, str, lambda x: x, lambda x: x * 2])],
    }
    for kind, name, maker in (
        ("array", "numpy", _arrays),
        ("frame", "pandas", _frames),
        ("graph", "networkx", _graphs),
    ):
        if name in sys.modules:
            made[kind] = maker(sys.modules[name])
    return made


def _arrays(np: Any) -> list[Callable[[random.Random], Any]]:
    def shaped(*shape: int) -> Callable[[random.Random], Any]:
        return lambda r: np.array([r.randint(-4, 9) for _ in range(math.prod(shape))]).reshape(shape)

    def floats(r: random.Random) -> Any:
        return np.array(
            [r.choice([r.uniform(-3, 3), float("nan")]) if r.random() < 0.2 else r.uniform(-3, 3) for _ in range(5)]
        )

    return [
        shaped(5), shaped(2, 3), shaped(3, 3), shaped(2, 2, 2), shaped(1), shaped(0), floats,
        lambda r: np.sort(floats(r)), lambda r: np.array([True, False, r.random() < 0.5]), lambda r: floats(r) * 1j,
    ]  # fmt: skip


def _frames(pd: Any) -> list[Callable[[random.Random], Any]]:
    def series(r: random.Random) -> Any:
        values = [r.choice([r.randint(0, 9), None]) for _ in range(5)]
        return pd.Series(values, index=list("abcde"), name=r.choice([None, "s"]))

    def frame(r: random.Random) -> Any:
        return pd.DataFrame(
            {"a": [r.randint(0, 9) for _ in range(4)], "b": [r.uniform(0, 1) for _ in range(4)], "c": list("xyxz")}
        )

    return [
        series, frame, lambda r: pd.date_range("2020-01-01", periods=r.randint(2, 5)), lambda r: pd.Timestamp(2020, 1, r.randint(1, 28)),
        lambda r: frame(r)[["a", "b"]], lambda r: series(r).astype(str),
    ]  # fmt: skip


def _graphs(nx: Any) -> list[Callable[[random.Random], Any]]:
    def graph(kind: Any) -> Callable[[random.Random], Any]:
        def make(r: random.Random) -> Any:
            made = kind()
            made.add_edges_from([(r.randint(0, 5), r.randint(0, 5), {"weight": r.randint(1, 4)}) for _ in range(7)])
            return made

        return make

    return [graph(nx.Graph), graph(nx.DiGraph), lambda r: nx.path_graph(r.randint(2, 6))]


def shown_arguments(things: list[Any], names: set[str]) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Return the arguments of the calls in docstrings' examples, evaluated; a method's receiver comes first."""
    found = []
    for thing in things:
        space: dict[str, Any] = dict(vars(sys.modules.get(getattr(thing, "__module__", None) or "", sys)))
        space |= {name: module for name, module in sys.modules.items() if "." not in name}
        space |= {
            short: sys.modules[name]
            for name, short in (("numpy", "np"), ("pandas", "pd"), ("networkx", "nx"))
            if name in sys.modules
        }
        try:
            examples = doctest.DocTestParser().get_examples(inspect.getdoc(thing) or "")
        except ValueError:
            continue
        for example in examples:
            try:
                tree = ast.parse(example.source)
                found += [
                    arguments for node in ast.walk(tree) if (arguments := _evaluated(node, names, space)) is not None
                ]
                exec(compile(tree, "<example>", "exec"), space)
            except Exception:
                continue
    return found


def _evaluated(node: ast.AST, names: set[str], space: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    if (
        not isinstance(node, ast.Call)
        or any(isinstance(one, ast.Starred) for one in node.args)
        or any(k.arg is None for k in node.keywords)
    ):
        return None

    def value(part: ast.expr) -> Any:
        return eval(compile(ast.Expression(part), "<example>", "eval"), space)

    called = node.func
    name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
    if name not in names:
        return None
    first = []
    if isinstance(called, ast.Attribute) and not inspect.ismodule(receiver := value(called.value)):
        first = [receiver]
    return (*first, *map(value, node.args)), {str(k.arg): value(k.value) for k in node.keywords}


# --- one call ---


def outcome(function: Any, args: tuple[Any, ...], keywords: dict[str, Any], seed: int) -> tuple[str, Any]:
    """Return how a call ends, with what it changes in its arguments, in a form that can be compared."""
    args, keywords = copy.deepcopy((args, keywords))
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            result = form(function(*args, **keywords))
    except CannotCompare:
        raise
    except Exception as error:
        return "raises", type(error).__name__
    # In the order in which they were given, by position or by name.
    return "gives", (result, [form(value) for value in (*args, *keywords.values())])


def form(value: Any, depth: int = 0) -> Any:
    """Return a value as plain data: type, shape and content.

    Raises:
        CannotCompare: it has no content that can be seen.
    """
    if depth > 6:
        raise CannotCompare
    if value is None or isinstance(value, (bool, int, str, bytes)):
        return type(value).__name__, value
    if isinstance(value, (float, complex)):
        return type(value).__name__, repr(value)
    kind = type(value).__module__.partition(".")[0] + "." + type(value).__name__
    if isinstance(value, dict):
        return kind, [(form(key, depth + 1), form(item, depth + 1)) for key, item in value.items()]
    if isinstance(value, (set, frozenset)):
        return kind, sorted(repr(form(item, depth + 1)) for item in value)
    if isinstance(value, (list, tuple)):
        return kind, [form(item, depth + 1) for item in value]
    if hasattr(value, "dtype") and hasattr(value, "tolist") and not hasattr(value, "index"):
        return (
            kind,
            str(value.dtype),
            getattr(value, "shape", ()),
            repr(value.tolist()),
            bool(getattr(getattr(value, "flags", None), "writeable", True)),
        )
    if hasattr(value, "to_dict") and hasattr(value, "index"):
        return (
            kind,
            str(getattr(value, "dtypes", "")),
            form(list(value.index)),
            repr(value.to_dict()),
            repr(getattr(value, "name", "")),
        )
    if hasattr(value, "adj") and hasattr(value, "nodes"):
        return kind, repr(dict(value.nodes(data=True))), repr({node: dict(near) for node, near in value.adj.items()})
    if hasattr(value, "__next__"):
        return kind, [form(item, depth + 1) for _, item in zip(range(200), value)]
    if inspect.isroutine(value) or inspect.isclass(value) or inspect.ismodule(value):
        return kind, getattr(value, "__qualname__", repr(value))
    text = repr(value)
    if _ADDRESS.search(text):
        if not getattr(value, "__dict__", None):
            raise CannotCompare
        return kind, form(vars(value), depth + 1)
    return kind, text


# --- many calls ---


class Caller:
    """Calls both names with the same arguments, as each takes them."""

    def __init__(self, old: Any, new: Any) -> None:
        self.old, self.new = old, new
        self.old_names, self.new_positional = self._parameters(old)[0], self._parameters(new)[1]

    @staticmethod
    def _parameters(function: Any) -> tuple[list[Any], int]:
        try:
            found = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError):
            return [], 99
        if any(one.kind is one.VAR_POSITIONAL for one in found):
            return found, 99
        return found, sum(one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD) for one in found)

    def both(
        self, args: tuple[Any, ...], keywords: dict[str, Any], seed: int
    ) -> tuple[tuple[str, Any], tuple[str, Any]]:
        """Return how both calls end; arguments that the new name does not take by position go by name."""
        first = outcome(self.old, args, keywords, seed)
        named = {
            one.name: value for one, value in zip(self.old_names[self.new_positional :], args[self.new_positional :])
        }
        return first, outcome(self.new, args[: self.new_positional], {**named, **keywords}, seed)


def generated(
    caller: Caller, shown: list[tuple[tuple[Any, ...], dict[str, Any]]], values: dict[str, Any], rng: random.Random
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return arguments: those of an example with one replaced, or new ones by the parameters' kinds."""

    def any_value(kind: str = "") -> Any:
        return rng.choice(values[kind or rng.choice(list(values))])(rng)

    if shown and rng.random() < 0.5:
        args, keywords = copy.deepcopy(rng.choice(shown))
        if args and rng.random() < 0.8:
            place = rng.randrange(len(args))
            args = (*args[:place], near(args[place], values, rng), *args[place + 1 :])
        return args, keywords
    takes = [one for one in caller.old_names if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    needed = sum(one.default is one.empty for one in takes) if caller.old_names else rng.randint(1, 3)
    favourite = rng.choice(list(values))
    args = tuple(any_value(favourite if rng.random() < 0.6 else "") for _ in range(max(needed, 0)))
    keywords = {}
    for one in takes[needed:]:
        if rng.random() < 0.2:
            keywords[one.name] = near(one.default, values, rng)
    return args, keywords


def near(value: Any, values: dict[str, Any], rng: random.Random) -> Any:
    """Return a value of the same kind as another one."""
    if isinstance(value, bool):
        return rng.random() < 0.5
    if isinstance(value, (int, float)):
        return type(value)(value + rng.randint(-2, 3))
    kinds: dict[type, str] = {str: "text", list: "list", tuple: "list", dict: "dict", bytes: "bytes"}
    kind = kinds.get(type(value)) or {"numpy": "array", "pandas": "frame", "networkx": "graph"}.get(
        type(value).__module__.partition(".")[0], ""
    )
    if kind in values and rng.random() < 0.8:
        return rng.choice(values[kind])(rng)
    return copy.deepcopy(value)


def main(old: str, new: str, seed: int = 0) -> None:
    """Print how many calls give the same, how many raise the same, and the first that differs."""
    warnings.simplefilter("ignore")
    rng, start = random.Random(seed), time.monotonic()
    answer: dict[str, Any] = {"equal": 0, "same errors": 0, "differs": ""}
    try:
        (first, owner), (second, _) = reach(old), reach(new)
    except Exception as error:
        print(json.dumps(answer | {"absent": str(error)[:_LONGEST]}))
        return
    caller, values = Caller(first, second), pools()
    shown = shown_arguments([first, second], {old.rpartition(".")[2], new.rpartition(".")[2]})
    seen: set[str] = set()
    waiting = list(shown)
    for number in range(TRIES):
        if time.monotonic() - start > SECONDS or answer["equal"] >= MOST_EQUAL:
            break
        args, keywords = waiting.pop() if waiting else generated(caller, shown, values, rng)
        if owner is not None and not (args and isinstance(args[0], owner)):
            continue
        try:
            before, after = caller.both(args, keywords, number)
        except Exception:
            # The arguments cannot be copied, or a result cannot be seen.
            continue
        if before != after:
            answer["differs"] = f"{_text(args, keywords)}: {_short(before)} and {_short(after)}"
            break
        if before[0] == "raises":
            answer["same errors"] += 1
        elif before[1][0] != ("NoneType", None) or before[1][1] != [form(one) for one in (*args, *keywords.values())]:
            key = repr(before[1])
            if key not in seen:
                seen.add(key)
                answer["equal"] += 1
    print(json.dumps(answer))


def _text(args: tuple[Any, ...], keywords: dict[str, Any]) -> str:
    shown = [*map(repr, args), *(f"{name}={value!r}" for name, value in keywords.items())]
    return " ".join(", ".join(shown).split())[:_LONGEST]


def _short(ended: tuple[str, Any]) -> str:
    return f"{ended[0]} {ended[1] if ended[0] == 'raises' else ended[1][0]}"[:_LONGEST]
