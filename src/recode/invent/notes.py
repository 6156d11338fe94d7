"""Release notes for made-up updates.

Each function composes a note from interchangeable phrases, so that a model cannot memorise one wording. A note gives the full name of the old
API and of the new one at least once, and suffices for the migration.
"""

from __future__ import annotations

from recode.invent.world import World


def _quoted(name: str) -> str:
    return f"`{name}`"


def _short(world: World, symbol: str) -> str:
    """Return a symbol in full or, sometimes, without the library or as the bare name."""
    shape = world.rng.random()
    if shape < 0.7:
        return symbol
    parts = symbol.split(".")
    return ".".join(parts[1:]) if shape < 0.9 else parts[-1]


def _since(world: World) -> str:
    minor = ".".join(world.new_version.split(".")[:2])
    return world.pick(minor, minor, world.new_version)


def _gone(world: World, subject: str) -> str:
    """Return a sentence that says something was removed or is deprecated."""
    version = _since(world)
    return world.pick(
        f"{subject} was removed in {world.package} {version}",
        f"{subject} has been removed",
        f"{subject} is deprecated since version {version}",
        f"{subject} is deprecated and will be removed",
        f"{subject} no longer exists",
        f"{subject} is gone in version {version}",
        f"Deprecated since {version}: {subject}",
        f"{subject} was dropped in {version}",
        f"{subject} is not available any more",
        f"The deprecated {subject} was removed",
    )


def _ending(world: World) -> str:
    """Return a remark that does not affect the migration, or an empty string."""
    return world.pick(
        "", "", "", "", " The arguments stay the same.", " The behaviour is unchanged.", " Everything else is as before.",
        " Results are identical.", " The signature did not change.", " Nothing else has to change.",
    )  # fmt: skip


def renamed(world: World, what: str, old: str, new: str) -> str:
    """Return a note on a new name for a function, method, attribute, constant or class."""
    a, b = _quoted(old), _quoted(_short(world, new))
    full, call = _quoted(new), world.pick("", "()") if what in ("function", "method") else ""
    a_call, b_call = (f"`{old}{call}`", f"`{_short(world, new)}{call}`")
    text = world.pick(
        f"The {what} {a} was renamed to {full}.",
        f"{a} has been renamed {full}.",
        f"{_gone(world, a)}. Use {b} instead.",
        f"{_gone(world, f'the {what} {a}')}; use {b} instead.",
        f"{_gone(world, a_call)}. Call {b_call} instead." if call else f"{_gone(world, a)}. Write {b} instead.",
        f"Use {full} instead of {a}. {_gone(world, 'The old name')}.",
        f"{a} is now called {full}.",
        f"{_gone(world, a)} in favour of {full}.",
        f"The {what} is now spelled {full}; {_gone(world, 'the old spelling ' + a)}.",
        f"{_gone(world, a)}, replaced by {b}.",
        f"Replace {a_call} with {b_call}.",
        f"{full} replaces {a}, which was removed.",
        f"The name {a} was removed. {full} does the same.",
    )
    return text + _ending(world)


def moved(world: World, old: str, new: str) -> str:
    """Return a note on a new module for a function or class."""
    a, b, name = _quoted(old), _quoted(new), _quoted(old.rsplit(".", 1)[1])
    home, former = _quoted(new.rsplit(".", 1)[0]), _quoted(old.rsplit(".", 1)[0])
    text = world.pick(
        f"{a} was moved to {b}.",
        f"{name} now lives in {home}; {_gone(world, a)}.",
        f"{_gone(world, a)}. Import {name} from {home} instead.",
        f"{_gone(world, f'The alias {a}')}. Use {b} instead.",
        f"The module {former} no longer has {name}. Use {b}.",
        f"{name} moved from {former} to {home}.",
        f"Importing {name} from {former} is deprecated. Please use {b}.",
        f"{_gone(world, a)}; the function is available as {b}.",
    )
    return text + _ending(world)


def parameter_renamed(world: World, symbol: str, old: str, new: str) -> str:
    """Return a note on a new name for a parameter."""
    s, a, b = _quoted(symbol), _quoted(old), _quoted(new)
    what = world.pick("parameter", "argument", "keyword", "keyword argument")
    text = world.pick(
        f"The {what} {a} of {s} was renamed to {b}.",
        f"In {s} the {what} {a} is now called {b}.",
        f"{_gone(world, f'The {what} {a} of {s}')}. Use {b} instead.",
        f"{s}: {_gone(world, f'the {what} {a}')}; pass {b} instead.",
        f"{s} takes {b} instead of {a}.",
        f"Pass `{new}=` instead of `{old}=` to {s}. {_gone(world, 'The old name')}.",
        f"{_gone(world, f'{a} in {s}')} in favour of {b}.",
        f"{s} renamed its {what} {a} to {b}.",
    )
    return text + _ending(world)


def parameter_removed(world: World, symbol: str, old: str) -> str:
    """Return a note on a parameter that is removed without replacement."""
    s, a = _quoted(symbol), _quoted(old)
    what = world.pick("parameter", "argument", "keyword", "keyword argument")
    return world.pick(
        f"The {what} {a} of {s} was removed. Drop it from calls; it had no effect.",
        f"{_gone(world, f'The {what} {a} of {s}')}. Leave it out.",
        f"{s} no longer accepts {a}. Remove the {what}.",
        f"{s}: {_gone(world, f'the {what} {a}')} without replacement. Simply omit it.",
        f"{_gone(world, f'{a} in {s}')}. The behaviour it asked for is now the only one, so do not pass it.",
        f"Do not pass {a} to {s} any more; the {what} was removed.",
    )


def value_renamed(world: World, symbol: str, name: str, old: str, new: str) -> str:
    """Return a note on a value of a parameter that is spelled differently."""
    s, p, a, b = _quoted(symbol), _quoted(name), _quoted(old), _quoted(new)
    text = world.pick(
        f"The value {a} of the parameter {p} of {s} was renamed to {b}.",
        f"{_gone(world, f'The option `{name}={old}` of {s}')}. Use `{name}={new}` instead.",
        f"In {s}, {p} no longer accepts {a}; pass {b} instead.",
        f"{s}: {p} must be {b} where it was {a}.",
        f"For {s} use `{name}={new}` instead of `{name}={old}`.",
        f"{_gone(world, f'{a} as a value of {p} in {s}')}, replaced by {b}.",
    )
    return text + _ending(world)


def parameter_added(world: World, symbol: str, name: str, value: str) -> str:
    """Return a note on a default that changed or an argument that is now required."""
    s, p, keyword = _quoted(symbol), _quoted(name), _quoted(f"{name}={value}")
    return world.pick(
        f"The default of {p} in {s} has changed. Pass {keyword} to keep the old behaviour.",
        f"{s} now requires the argument {p}. Pass {keyword} to get what it did before.",
        f"{s} has a new parameter {p}; the former behaviour is {keyword} and must be asked for.",
        f"Calling {s} without {p} is deprecated. Write {keyword} to keep the results you had.",
        f"{s}: the default value of {p} is different since {_since(world)}. To retain the previous behaviour, set {keyword}.",
    )


def keyword_only(world: World, symbol: str, name: str) -> str:
    """Return a note on an argument that has become keyword-only."""
    s, p = _quoted(symbol), _quoted(name)
    return world.pick(
        f"The argument {p} of {s} is now keyword-only. Pass it as `{name}=`.",
        f"{s} no longer accepts {p} by position; use the keyword `{name}=...`.",
        f"Passing {p} as the second positional argument of {s} was removed. Name it: `{name}=...`.",
        f"All arguments of {s} after the first are keyword-only since {_since(world)}. The second one is {p}.",
        f"In {s} the parameter {p} must be given by keyword.",
    )


def function_to_method(world: World, old: str, new: str, method: str, more: bool) -> str:
    """Return a note on a function that is replaced by a method."""
    a, b = _quoted(old), _quoted(new)
    root, rest = old.split(".")[0], ", ..." if more else ""
    return world.pick(
        f"{_gone(world, a)}. Use the method {b} instead: `{old}(x{rest})` becomes `x.{method}({rest[2:]})`.",
        f"{_gone(world, f'The function {a}')}; call `x.{method}()` on the object in place of `{old}(x)`.",
        f"Instead of `{old}(x)` write `x.{method}()`. The function was removed from {root}.",
        f"{a} was replaced by the method {b}, as in `x.{method}()`. Further arguments stay.",
        f"{b} replaces the function {a}: its first argument becomes the object that the method is called on.",
    )


def method_to_function(world: World, old: str, new: str, name: str, joins: bool) -> str:
    """Return a note on a method that is replaced by a function."""
    a, b, method = _quoted(old), _quoted(new), old.rsplit(".", 1)[1]
    if joins:
        return world.pick(
            f"{_gone(world, a)}. Use {b} with a list instead: `x.{method}(y)` becomes `{new}([x, y])`.",
            f"{_gone(world, f'The method {a}')}; write `{new}([x, y])` in place of `x.{method}(y)`.",
            f"{b} replaces {a}. It takes a list of both objects, `{new}([x, y])`.",
        )
    return world.pick(
        f"{_gone(world, a)}. Use the function {b} instead: `x.{method}()` becomes `{new}(x)`.",
        f"{_gone(world, f'The method {a}')}; use `{new}(x)` instead.",
        f"Instead of `x.{method}()` write `{new}(x)`. The method was removed.",
        f"{b} replaces the method {a}; the object becomes the first argument of the function {name}.",
    )


def return_changed(world: World, symbol: str, shape: str) -> str:
    """Return a note on a return value that the caller has to convert."""
    s, fix = _quoted(symbol), _quoted(shape.format(f"{symbol}(...)"))
    return world.pick(
        f"{s} returns another type than before. Write {fix} to get the old result.",
        f"The return value of {s} has changed. To get what it returned before, use {fix}.",
        f"Since {_since(world)} the result of {s} is wrapped; {fix} gives the former value.",
        f"{s} changed what it returns; use {fix} for the previous result.",
    )


def with_option(world: World, one: str, many: str, option: str, to_general: bool) -> str:
    """Return a note on a function that became an option of another, or an option that became a function."""
    special, general = _quoted(one), _quoted(f"{many}(..., {option})")
    if to_general:
        return world.pick(
            f"{_gone(world, special)}. Use {general} instead.",
            f"{special} was merged into {_quoted(many)}: pass {_quoted(option)} there.",
            f"{_gone(world, special)} in favour of {_quoted(many)} with {_quoted(option)}.",
            f"Replace {special} by {general}.",
            f"{_gone(world, special)}; call {_quoted(many)} and add {_quoted(option)}.",
        )
    return world.pick(
        f"{_gone(world, f'The option {_quoted(option)} of {_quoted(many)}')}. Use {special} instead.",
        f"{general} was replaced by the new function {special}.",
        f"Use {special} instead of {_quoted(many)} with {_quoted(option)}, which is deprecated.",
        f"{_quoted(many)} no longer takes {_quoted(option)}; call {special}, without that argument.",
    )


def swapped(world: World, old: str, new: str, in_list: bool) -> str:
    """Return a note on a function that is replaced by one with its two arguments swapped or in a list."""
    a, b = _quoted(old), _quoted(new)
    after = f"`{new}([x, y])`" if in_list else f"`{new}(y, x)`"
    says = "takes one list" if in_list else "takes its arguments in the reverse order"
    return world.pick(
        f"{_gone(world, a)}. Use {b} instead, which {says}: `{old}(x, y)` becomes {after}.",
        f"{a} was replaced by {b}. The new function {says}, so write {after}.",
        f"Instead of `{old}(x, y)` write {after}. {_gone(world, 'The old function')}.",
    )


def to_python(world: World, symbol: str, says: str) -> str:
    """Return a note on a function that is replaced by plain Python."""
    a = _quoted(symbol)
    return world.pick(
        f"{_gone(world, a)}. Use {says} instead.",
        f"{_gone(world, a)}, since {says} does the same.",
        f"{a} is redundant and was removed; use {says}.",
        f"Replace {a} with {says}.",
    )
