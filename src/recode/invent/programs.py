"""Made-up programs that use an API: imports, a few lines of set-up, the call in context, and a use of its result."""

from __future__ import annotations

from collections.abc import Callable

from recode.invent.changes import ApiChange
from recode.invent.world import Pair, World

Line = Pair
Pattern = Callable[[World, ApiChange], list[Line]]

_STANDARD = ("math", "json", "os", "sys", "random", "re", "itertools", "statistics", "datetime", "collections", "io")
_STANDARD_FROM = (
    "from pathlib import Path", "from collections import Counter", "from datetime import date", "from io import StringIO",
    "from collections import defaultdict", "from itertools import product", "from functools import partial", "import warnings",
)  # fmt: skip


def _same(*lines: str) -> list[Line]:
    return [(line, line) for line in lines]


def _with(template: str, use: Pair) -> Line:
    """Return a line from a template in which `{}` stands for the use."""
    return template.replace("{}", use[0]), template.replace("{}", use[1])


def _shown(world: World, expression: str) -> str:
    """Return an expression in a form in which people print it."""
    digits, item = world.rng.randint(1, 6), world.pick("v", "x", "item")
    return world.pick(
        expression, expression, f"list({expression})", f"len({expression})", f"float({expression})", f"round({expression}, {digits})",
        f"round(float({expression}), {digits})", f"sorted({expression})", f"{expression}.tolist()", f"{expression}.shape", f"int({expression})",
        f"bool({expression})", f"{expression}.{world.names.function()}()", f"type({expression}).__name__", f"str({expression})",
        f"[round(float({item}), {digits}) for {item} in {expression}]",
        f"{expression}.sum()", f"{expression}[0]", f"{expression}.to_list()", f"sorted({expression}.items())", f"{expression}.values.tolist()",
        f"{expression}.{world.names.function()}.{world.names.function()}()", f"{expression}.to_dict(as_{world.names.word()}=False)",
    )  # fmt: skip


def _print(world: World, expression: str) -> str:
    label = world.names.word()
    return world.pick(
        f"print({_shown(world, expression)})",
        f"print({_shown(world, expression)})",
        f"print({_shown(world, expression)})",
        f'print("{label}:", {_shown(world, expression)})',
        f'print(f"{label} {{{expression}:.{world.rng.randint(1, 4)}f}}")',
        f"print({_shown(world, expression)}, {_shown(world, expression)})",
        f'print({_shown(world, expression)}, sep="{world.pick(",", " ", "|")}")',
    )


def _source(world: World) -> str:
    """Return an expression that creates some data."""
    root, kind = world.root, world.type_name
    keyword = world.keywords(1)
    extra, item = f", {keyword[0]}" if keyword else "", world.pick("i", "n", "k")
    return world.pick(
        f"{root}.{kind}({world.sequence()}{extra})",
        f"{root}.{kind}({world.mapping()}{extra})",
        f"{root}.{world.names.function()}({world.sequence()})",
        f"{root}.{world.names.function()}({world.number()}, {world.number()}{extra})",
        f"{root}.{world.names.function()}({world.argument()}{extra})",
        world.sequence(3, 8),
        world.mapping(),
        f"{world.receiver()}.{world.names.function()}({', '.join(world.keywords(1))})",
        f"[{item} * {world.number()} for {item} in range({world.rng.randint(2, 12)})]",
        world.text(),
        world.number(),
        f"{root}.{world.names.module()}.{world.names.function()}({world.argument()}, {world.number()})",
    )


def _setup(world: World, low: int, high: int) -> list[Line]:
    """Return lines that bind variables."""
    lines: list[Line] = []
    for _ in range(world.rng.randint(low, high)):
        shape = world.rng.random()
        if shape < 0.1:
            first, second = world.names.variable(), world.names.variable()
            lines += _same(f"{first}, {second} = {_source(world)}, {_source(world)}")
            world.variables += [first, second]
        elif shape < 0.2 and world.variables:
            on = world.rng.choice(world.variables)
            lines += _same(
                world.pick(
                    f"{on}.{world.names.function()}({world.argument()})",
                    f"{on}[{world.text()}] = {world.option()}",
                    f"{on}.{world.names.parameter()} = {world.option()}",
                    f"{on} = {_source(world)}",
                )
            )
        elif shape < 0.28:
            name, kind = world.names.variable(), world.type_name
            rows = [f"    {world.sequence(2, 4)}," for _ in range(world.rng.randint(2, 3))]
            lines += _same(f"{name} = {world.root}.{kind}(", *rows, ")")
            world.variables.append(name)
        elif shape < 0.34:
            name = world.names.variable()
            columns = [f'    "{world.names.word()}": {world.sequence(2, 4)},' for _ in range(world.rng.randint(2, 3))]
            lines += _same(f"{name} = {world.root}.{world.type_name}({{", *columns, "})")
            world.variables.append(name)
        else:
            expression = _source(world)
            lines += _same(f"{world.bind()} = {expression}")
    return lines


def _assigned(world: World, change: ApiChange) -> list[Line]:
    use = change.use()
    name = world.bind()
    after = f".{world.names.function()}({', '.join(world.keywords(1))})" if world.rng.random() < 0.25 else ""
    lines = [_with(f"{name} = {{}}{after}", use)]
    if world.rng.random() < 0.25:
        lines += _setup(world, 1, 1)
    return lines + _same(_print(world, name))


def _printed(world: World, change: ApiChange) -> list[Line]:
    use = change.use()
    return [_with(_print(world, "\0").replace("\0", "{}"), use)]


def _function(world: World, change: ApiChange) -> list[Line]:
    name, parameter = world.names.function(), world.names.variable()
    outer = list(world.variables)
    world.variables.append(parameter)
    body: list[Line] = []
    if world.rng.random() < 0.4:
        body += [_indent(line) for line in _setup(world, 1, 1)]
    use = change.use()
    if world.rng.random() < 0.6:
        body.append(_indent(_with(world.pick("return {}", "return {}", f"return {_shown(world, '{}')}"), use)))
    else:
        local = world.names.variable()
        body += [_indent(_with(f"{local} = {{}}", use)), *_same(f"    return {_shown(world, local)}")]
    world.variables = outer
    argument = world.rng.choice(outer) if outer else world.sequence()
    return _same(f"def {name}({parameter}):") + body + _same("", "", _print(world, f"{name}({argument})"))


def _indent(line: Line) -> Line:
    return f"    {line[0]}", f"    {line[1]}"


def _loop(world: World, change: ApiChange) -> list[Line]:
    item = world.names.variable()
    over = world.rng.choice(world.variables) if world.variables else world.sequence()
    head = world.pick(
        f"for {item} in {over}:",
        f"for {item} in {world.sequence(2, 4)}:",
        f"for {item} in range({world.rng.randint(2, 9)}):",
    )
    outer = list(world.variables)
    world.variables.append(item)
    use = change.use()
    if world.rng.random() < 0.5:
        lines = [_indent(_with(f"print({world.pick('{}', f'{item}, {{}}', _shown(world, '{}'))})", use))]
    else:
        local = world.names.variable()
        lines = [_indent(_with(f"{local} = {{}}", use)), *_same(f"    {_print(world, local)}")]
    world.variables = outer
    return _same(head) + lines


def _comprehension(world: World, change: ApiChange) -> list[Line]:
    item = world.pick("x", "v", "row", "part", "name")
    over = world.rng.choice(world.variables) if world.variables else world.sequence()
    outer = list(world.variables)
    world.variables.append(item)
    use = change.use()
    world.variables = outer
    name = world.bind()
    shape = world.pick(
        f"[{{}} for {item} in {over}]",
        f"{{{item}: {{}} for {item} in {over}}}",
        f"[{_shown(world, '{}')} for {item} in {over}]",
    )
    return [_with(f"{name} = {shape}", use), *_same(_print(world, name))]


def _nested(world: World, change: ApiChange) -> list[Line]:
    use = change.use()
    called = world.names.function()
    keyword = world.keywords(1)
    rest = f", {keyword[0]}" if keyword else ""
    shape = world.pick(
        f"{world.root}.{called}({{}}{rest})", f"{called}({world.argument()}, {{}})",
        f"{{}} {world.pick('+', '-', '*', '/', '==', '>')} {world.number()}",
        f'{{"{world.names.word()}": {{}}, "{world.names.word()}": {world.option()}}}',
        f"{{}}.{called}().{world.names.function()}({world.argument()})",
        f"({{}}, {world.argument()})", f"{world.receiver()}.{called}({{}}{rest})", f"{world.receiver()}[{{}}]",
    )  # fmt: skip
    name = world.bind()
    return [_with(f"{name} = {shape}", use), *_same(_print(world, name))]


def _twice(world: World, change: ApiChange) -> list[Line]:
    lines = []
    for _ in range(2):
        use = change.use()
        name = world.bind()
        lines.append(_with(f"{name} = {{}}", use))
    first, second = world.variables[-2:]
    return lines + _same(
        world.pick(f"print({first}, {second})", f"print({first} == {second})", _print(world, first)),
        _print(world, second),
    )


def _conditional(world: World, change: ApiChange) -> list[Line]:
    use = change.use()
    if world.rng.random() < 0.5:
        return [
            _with(f"if {{}}{world.pick('', ' > ' + world.number(), ' is None')}:", use),
            *_same(f"    {_print(world, world.argument())}"),
        ]
    name = world.bind()
    head = f"if {world.argument()} {world.pick('>', '<', '==', 'in')} {world.argument()}:"
    return [
        *_same(head),
        _indent(_with(f"{name} = {{}}", use)),
        *_same("else:", f"    {name} = {world.option()}", _print(world, name)),
    ]


def _multiline(world: World, change: ApiChange) -> list[Line]:
    use, chain = change.use(), f"    {world.receiver()}.{world.names.function()}({world.argument()})"
    name = world.bind()
    lines = _same(f"{name} = (", chain, f"    .{world.names.function()}()", ")")
    return [*lines, _with(f"print({world.pick('{}', _shown(world, '{}'), f'{name}, {{}}')})", use)]


def _with_statement(world: World, change: ApiChange) -> list[Line]:
    use = change.use()
    name = world.bind()
    return [_with(f"with {{}} as {name}:", use), *_same(f"    {_print(world, name)}")]


_PATTERNS: tuple[tuple[Pattern, int], ...] = (
    (_assigned, 34),
    (_printed, 22),
    (_function, 12),
    (_loop, 7),
    (_comprehension, 6),
    (_nested, 12),
    (_twice, 7),
    (_conditional, 4),
    (_multiline, 4),
    (_with_statement, 1),
)


def _imports(world: World, change: ApiChange) -> list[Line]:
    lines: list[Line] = []
    if world.rng.random() < 0.18:
        lines += _same(world.pick(*(f"import {name}" for name in _STANDARD), *_STANDARD_FROM))
        if world.rng.random() < 0.4:
            lines += _same("")
    if world.rng.random() < 0.2:
        other = world.names.module()
        lines += _same(
            f"import {other} as {other[: world.rng.randint(1, 3)]}" if world.rng.random() < 0.6 else f"import {other}"
        )
    if not change.drops_library_import:
        lines += _same(world.import_line)
    return lines + list(change.imports)


def draw_program(world: World, change: ApiChange) -> Pair:
    """Return a program that uses the API at least once, before and after the change. Both parse."""
    lines = _imports(world, change)
    if change.drops_library_import:
        # Nothing else of the library may be used, since its own import is not there.
        world.root = world.names.module()
        lines += _same(f"import {world.root}")
    if world.rng.random() < 0.85:
        lines += _same("")
    lines += _setup(world, 0, 3)
    patterns, weights = zip(*_PATTERNS, strict=True)
    chosen: Pattern = world.rng.choices(patterns, weights)[0]
    lines += chosen(world, change)
    if world.rng.random() < 0.3:
        lines += _setup(world, 1, 1) + _same(_print(world, world.variables[-1] if world.variables else world.number()))
    before, after = zip(*lines, strict=True)
    return "\n".join(before) + "\n", "\n".join(after) + "\n"
