"""How APIs change: one function for each pattern, which returns an `ApiChange` for a given world.

The patterns are those of real releases: names that are renamed, moved or removed; parameters that are renamed, removed, added or made
keyword-only; functions that become methods and methods that become functions; defaults and return values that change.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from recode.invent import notes
from recode.invent.world import Pair, World
from recode.records import Kind


@dataclass(frozen=True)
class ApiChange:
    """An update of one API and how a program uses it.

    `use()` returns an expression before and after the update, with new arguments at each call. `imports` are import lines before and after the
    update. They follow the import of the library, or replace it if `drops_library_import` is true.
    """

    kind: Kind
    old_symbol: str
    new_symbol: str
    note: str
    use: Callable[[], Pair]
    imports: tuple[Pair, ...] = ()
    drops_library_import: bool = False
    statement: bool = False
    """Whether a use may be a whole statement."""


def _call(function: str, *arguments: str) -> str:
    return f"{function}({', '.join(argument for argument in arguments if argument)})"


def _shuffled(rng: random.Random, fixed: list[str], keyword: str, others: list[str]) -> list[str]:
    """Return positional arguments, then keywords with `keyword` anywhere among them."""
    keywords = [*others]
    keywords.insert(rng.randint(0, len(keywords)), keyword)
    return [*fixed, *keywords]


def _path(world: World) -> str:
    """Return the path of a function's module: the library's root or, sometimes, a submodule."""
    return f".{world.names.module()}" if world.rng.random() < 0.3 else ""


def rename_function(world: World) -> ApiChange:
    """`lib.old(...)` becomes `lib.new(...)`, sometimes imported by name."""
    path, old = _path(world), world.names.function()
    new = world.names.variant(old) if world.rng.random() < 0.6 else world.names.function()
    symbols = f"{world.library}{path}.{old}", f"{world.library}{path}.{new}"
    note = notes.renamed(world, "function", *symbols)
    shared = world.keywords(1)
    if world.rng.random() < 0.25:
        lines = (f"from {world.library}{path} import {old}", f"from {world.library}{path} import {new}")

        def use_by_name() -> Pair:
            arguments = [*world.arguments(1, 2), *shared]
            return _call(old, *arguments), _call(new, *arguments)

        return ApiChange("renamed", *symbols, note, use_by_name, (lines,), world.rng.random() < 0.6)

    def use() -> Pair:
        arguments = [*world.arguments(1, 2), *shared]
        return _call(f"{world.root}{path}.{old}", *arguments), _call(f"{world.root}{path}.{new}", *arguments)

    return ApiChange("renamed", *symbols, note, use)


def rename_method(world: World) -> ApiChange:
    """`x.old(...)` becomes `x.new(...)`."""
    old = world.names.function()
    new = world.names.variant(old) if world.rng.random() < 0.6 else world.names.function()
    owner = f"{world.library}.{world.type_name}"
    shared = world.keywords(1)

    def use() -> Pair:
        on, arguments = world.receiver(), [*world.arguments(0, 2), *shared]
        return _call(f"{on}.{old}", *arguments), _call(f"{on}.{new}", *arguments)

    return ApiChange(
        "renamed",
        f"{owner}.{old}",
        f"{owner}.{new}",
        notes.renamed(world, "method", f"{owner}.{old}", f"{owner}.{new}"),
        use,
    )


def rename_attribute(world: World) -> ApiChange:
    """A constant of the library or a property of its type gets a new name."""
    old = world.names.function()
    new = world.names.variant(old) if world.rng.random() < 0.6 else world.names.function()
    if world.rng.random() < 0.5:
        symbols = f"{world.library}.{old}", f"{world.library}.{new}"
        note = notes.renamed(world, world.pick("constant", "alias", "name"), *symbols)
        return ApiChange("renamed", *symbols, note, lambda: (f"{world.root}.{old}", f"{world.root}.{new}"))
    owner = f"{world.library}.{world.type_name}"

    def use() -> Pair:
        on = world.receiver()
        return f"{on}.{old}", f"{on}.{new}"

    symbols = f"{owner}.{old}", f"{owner}.{new}"
    return ApiChange("renamed", *symbols, notes.renamed(world, world.pick("attribute", "property"), *symbols), use)


def rename_class(world: World) -> ApiChange:
    """A class gets a new name; programs construct it."""
    old, new = world.names.type_name(), world.names.type_name()
    path = _path(world)
    symbols = f"{world.library}{path}.{old}", f"{world.library}{path}.{new}"
    shared = world.keywords(1)

    def use() -> Pair:
        arguments = [*world.arguments(0, 2), *shared]
        return _call(f"{world.root}{path}.{old}", *arguments), _call(f"{world.root}{path}.{new}", *arguments)

    return ApiChange("renamed", *symbols, notes.renamed(world, "class", *symbols), use)


def move_function(world: World) -> ApiChange:
    """A function moves to another module, with its name or a new one."""
    old_path, new_path = f".{world.names.module()}", f".{world.names.module()}"
    if world.rng.random() < 0.4:
        old_path = ""
    elif world.rng.random() < 0.25:
        new_path = ""
    if world.rng.random() < 0.2:
        new_path = old_path + f".{world.names.module()}"
    name = world.names.function() if world.rng.random() < 0.8 else world.names.type_name()
    symbols = f"{world.library}{old_path}.{name}", f"{world.library}{new_path}.{name}"
    note = notes.moved(world, *symbols)
    shared = world.keywords(1)
    if world.rng.random() < 0.45:
        lines = (f"from {world.library}{old_path} import {name}", f"from {world.library}{new_path} import {name}")

        def use_by_name() -> Pair:
            call = _call(name, *world.arguments(1, 2), *shared)
            return call, call

        return ApiChange("moved", *symbols, note, use_by_name, (lines,), world.rng.random() < 0.5)

    def use() -> Pair:
        arguments = [*world.arguments(1, 2), *shared]
        return _call(f"{world.root}{old_path}.{name}", *arguments), _call(f"{world.root}{new_path}.{name}", *arguments)

    return ApiChange("moved", *symbols, note, use)


def _target(world: World) -> tuple[str, Callable[[], str]]:
    """Return a callable's symbol and a function that renders what is called: a library function, a method or a class."""
    shape = world.rng.random()
    if shape < 0.45:
        path, name = _path(world), world.names.function()
        return f"{world.library}{path}.{name}", lambda: f"{world.root}{path}.{name}"
    if shape < 0.75:
        name = world.names.function()
        return f"{world.library}.{world.type_name}.{name}", lambda: f"{world.receiver()}.{name}"
    path, name = _path(world), world.names.type_name()
    return f"{world.library}{path}.{name}", lambda: f"{world.root}{path}.{name}"


def rename_parameter(world: World) -> ApiChange:
    """A keyword argument gets a new name."""
    symbol, target = _target(world)
    old = world.names.parameter()
    new = world.names.variant(old) if world.rng.random() < 0.5 else world.names.parameter()
    others = world.keywords(1)

    def use() -> Pair:
        called, fixed, value = target(), world.arguments(0, 2), world.option()
        if world.rng.random() < 0.2 and world.variables:
            value = world.rng.choice(world.variables)
        arguments = _shuffled(world.rng, fixed, f"{old}={value}", others)
        return _call(called, *arguments), _call(
            called, *[f"{new}={value}" if a == f"{old}={value}" else a for a in arguments]
        )

    note = notes.parameter_renamed(world, symbol, old, new)
    return ApiChange("parameter_renamed", f"{symbol}({old})", f"{symbol}({new})", note, use)


def remove_parameter(world: World) -> ApiChange:
    """A keyword argument is removed without replacement."""
    symbol, target = _target(world)
    old, value, others = world.names.parameter(), world.option(), world.keywords(1)

    def use() -> Pair:
        called, fixed = target(), world.arguments(0, 2)
        arguments = _shuffled(world.rng, fixed, f"{old}={value}", others)
        return _call(called, *arguments), _call(called, *[a for a in arguments if a != f"{old}={value}"])

    return ApiChange("parameter_removed", f"{symbol}({old})", "", notes.parameter_removed(world, symbol, old), use)


def rename_value(world: World) -> ApiChange:
    """A value that a keyword accepts is spelled differently."""
    symbol, target = _target(world)
    name, others = world.names.parameter(), world.keywords(1)
    old = f'"{world.names.word()}"'
    new = world.rng.choice(
        (f'"{world.names.word()}"', f'"{old[1:-1]}_{world.names.word()}"', "None", "True", f'"{old[1:3]}"')
    )

    def use() -> Pair:
        called, fixed = target(), world.arguments(0, 2)
        arguments = _shuffled(world.rng, fixed, f"{name}={old}", others)
        return _call(called, *arguments), _call(
            called, *[f"{name}={new}" if a == f"{name}={old}" else a for a in arguments]
        )

    note = notes.value_renamed(world, symbol, name, old, new)
    return ApiChange("replaced", f"{symbol}({name})", f"{symbol}({name})", note, use)


def add_parameter(world: World) -> ApiChange:
    """A default changes or an argument becomes required; the old behaviour needs an explicit argument."""
    symbol, target = _target(world)
    name, value, others = world.names.parameter(), world.option(), world.keywords(1)

    def use() -> Pair:
        called, fixed = target(), [*world.arguments(1, 2), *others]
        return _call(called, *fixed), _call(called, *fixed, f"{name}={value}")

    kind: Kind = world.rng.choice(("default_changed", "parameter_added"))
    return ApiChange(kind, symbol, f"{symbol}({name})", notes.parameter_added(world, symbol, name, value), use)


def make_keyword_only(world: World) -> ApiChange:
    """A positional argument has to be passed by keyword."""
    symbol, target = _target(world)
    name = world.names.parameter()

    def use() -> Pair:
        called, first, value = target(), world.argument(), world.option()
        return _call(called, first, value), _call(called, first, f"{name}={value}")

    return ApiChange(
        "keyword_only", f"{symbol}({name})", f"{symbol}({name})", notes.keyword_only(world, symbol, name), use
    )


def function_to_method(world: World) -> ApiChange:
    """`lib.old(x, a)` becomes `x.new(a)`."""
    old = world.names.function()
    new = old if world.rng.random() < 0.4 else world.names.function()
    shared = world.keywords(1)

    def use() -> Pair:
        on, rest = world.receiver(), [*world.arguments(0, 1), *shared]
        return _call(f"{world.root}.{old}", on, *rest), _call(f"{on}.{new}", *rest)

    symbols = f"{world.library}.{old}", f"{world.library}.{world.type_name}.{new}"
    return ApiChange(
        "replaced", *symbols, notes.function_to_method(world, symbols[0], symbols[1], new, bool(shared)), use
    )


def method_to_function(world: World) -> ApiChange:
    """`x.old(a)` becomes `lib.new(x, a)`, or `lib.new([x, a])` where two things are joined."""
    old = world.names.function()
    new = old if world.rng.random() < 0.5 else world.names.function()
    joins, shared = world.rng.random() < 0.3, world.keywords(1)

    def use() -> Pair:
        on, rest = world.receiver(), world.arguments(1, 1) if joins else world.arguments(0, 1)
        first = [f"[{on}, {rest[0]}]"] if joins else [on, *rest]
        return _call(f"{on}.{old}", *rest, *shared), _call(f"{world.root}.{new}", *first, *shared)

    symbols = f"{world.library}.{world.type_name}.{old}", f"{world.library}.{new}"
    return ApiChange("replaced", *symbols, notes.method_to_function(world, symbols[0], symbols[1], new, joins), use)


def into_accessor(world: World) -> ApiChange:
    """`x.old()` becomes `x.group.new()`."""
    old, group = world.names.function(), world.names.module()
    new = old if world.rng.random() < 0.6 else world.names.function()
    owner = f"{world.library}.{world.type_name}"

    def use() -> Pair:
        on, rest = world.receiver(), world.arguments(0, 1)
        return _call(f"{on}.{old}", *rest), _call(f"{on}.{group}.{new}", *rest)

    symbols = f"{owner}.{old}", f"{owner}.{group}.{new}"
    return ApiChange("moved", *symbols, notes.renamed(world, "method", *symbols), use)


def change_return(world: World) -> ApiChange:
    """The function returns something else; the caller converts it back."""
    path, name = _path(world), world.names.function()
    symbol = f"{world.library}{path}.{name}"
    after = world.names.function()
    shape = world.rng.choice(("list({})", "{}." + after + "()", "{}[0]", "dict({})", "{}." + after, "tuple({})"))
    shared = world.keywords(1)

    def use() -> Pair:
        call = _call(f"{world.root}{path}.{name}", *world.arguments(1, 2), *shared)
        return call, shape.format(call)

    return ApiChange("return_changed", symbol, symbol, notes.return_changed(world, symbol, shape), use)


def replace_with_option(world: World) -> ApiChange:
    """`lib.old(x)` becomes `lib.new(x, mode="old")`, or the other way round."""
    path = _path(world)
    special, general = world.names.function(), world.names.function()
    if world.rng.random() < 0.25:
        special, general = world.names.type_name(), world.names.type_name()
    option = f"{world.names.parameter()}={world.option()}"
    to_general = world.rng.random() < 0.65
    method = world.rng.random() < 0.35 and special.islower()
    owner = f"{world.library}.{world.type_name}" if method else f"{world.library}{path}"

    def use() -> Pair:
        root = world.receiver() if method else f"{world.root}{path}"
        arguments = world.arguments(0 if method else 1, 2)
        one, many = _call(f"{root}.{special}", *arguments), _call(f"{root}.{general}", *arguments, option)
        return (one, many) if to_general else (many, one)

    one, many = f"{owner}.{special}", f"{owner}.{general}"
    note = notes.with_option(world, one, many, option, to_general)
    return ApiChange("replaced", *((one, many) if to_general else (many, one)), note, use)


def swap_arguments(world: World) -> ApiChange:
    """A function is replaced by another, which takes the arguments in another order or in a list."""
    path, old, new = _path(world), world.names.function(), world.names.function()
    in_list = world.rng.random() < 0.5
    symbols = f"{world.library}{path}.{old}", f"{world.library}{path}.{new}"

    def use() -> Pair:
        first, second = world.argument(), world.argument()
        after = [f"[{first}, {second}]"] if in_list else [second, first]
        return _call(f"{world.root}{path}.{old}", first, second), _call(f"{world.root}{path}.{new}", *after)

    return ApiChange("replaced", *symbols, notes.swapped(world, *symbols, in_list), use)


def to_python(world: World) -> ApiChange:
    """A function is removed; an operator, a builtin or an expression does the same."""
    shapes = (
        ("list({a})", "`list(x)`"),
        ("{a}[0]", "indexing with `[0]`"),
        ("{a} + {b}", "the `+` operator, `x + y`"),
        ("{a} * {b}", "the `*` operator, `x * y`"),
        ("{a} == {b}", "the comparison `x == y`"),
        ("sorted({a})", "the builtin `sorted`"),
        ("len({a})", "the builtin `len`"),
        ("isinstance({a}, {b})", "the builtin `isinstance`"),
        ("{a}.copy()", "the method `copy`, as in `x.copy()`"),
        ("sum({a})", "Python's `sum`"),
        ("abs({a})", "the builtin `abs`"),
        ("{a} @ {b}", "the `@` operator, `x @ y`"),
        ("~{a}", "the operator `~`, as in `~x`"),
    )
    shape, says = world.rng.choice(shapes)
    binary, method = "{b}" in shape, world.rng.random() < 0.4
    old = world.names.function()
    symbol = f"{world.library}.{world.type_name}.{old}" if method else f"{world.library}.{old}"

    def use() -> Pair:
        a, b = world.receiver(), world.argument()
        before = (
            _call(f"{a}.{old}", b if binary else "") if method else _call(f"{world.root}.{old}", a, b if binary else "")
        )
        return before, shape.format(a=a, b=b)

    return ApiChange("removed", symbol, "", notes.to_python(world, symbol, says), use)


PATTERNS: tuple[tuple[Callable[[World], ApiChange], int], ...] = (
    (rename_function, 14),
    (rename_method, 14),
    (rename_attribute, 7),
    (rename_class, 6),
    (move_function, 10),
    (rename_parameter, 13),
    (remove_parameter, 7),
    (rename_value, 7),
    (add_parameter, 6),
    (make_keyword_only, 5),
    (function_to_method, 6),
    (method_to_function, 6),
    (into_accessor, 4),
    (change_return, 4),
    (replace_with_option, 10),
    (swap_arguments, 4),
    (to_python, 4),
)
"""Each pattern with its weight, roughly its frequency in real releases."""


def draw_change(world: World) -> ApiChange:
    """Return a change of a random pattern."""
    patterns, weights = zip(*PATTERNS, strict=True)
    chosen: Callable[[World], ApiChange] = world.rng.choices(patterns, weights)[0]
    return chosen(world)
