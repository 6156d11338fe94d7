"""Local stand-ins for functions, classes and instances of the other process, which forward calls and special methods to it."""

from __future__ import annotations

import abc
import collections
import collections.abc
import dataclasses
import enum
import inspect
import types
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from recode.sandbox.guest import _classes, _values
    from recode.sandbox.guest._side import Side
else:
    import _classes
    import _values

CLASS, STRUCTURE, _SIDE = "_recode_class", "_recode_structure", "_recode_side"
_NUMBER = "_recode_number"


def number_of(value: Any) -> int | None:
    """Return the other side's number of a stand-in; None if the value is not a stand-in."""
    if isinstance(value, Function):
        return value._recode_number
    if isinstance(value, types.FunctionType) and "_recode_function" in vars(value):
        number_there: int = vars(value)["_recode_function"]._recode_number
        return number_there
    kind = type(value)
    if isinstance(value, _Bound):
        raise _values.Unsupported("a method of an object that cannot leave the program's process")
    if isinstance(value, type):
        found = vars(value).get(CLASS)
        return found if type(found) is int else None
    if vars(kind).get(STRUCTURE) == "object":
        number: int = object.__getattribute__(value, _NUMBER)
        return number
    return None


# --- functions ---------------------------------------------------------------------------------------------------------------------------


def describe_function(value: Any) -> tuple[Any, ...]:
    """Return a function's name, qualified name, docstring, and what calling it makes: a coroutine, a generator, or any value."""
    doc = getattr(value, "__doc__", None)
    return (
        str(getattr(value, "__name__", "")), str(getattr(value, "__qualname__", "")), doc if type(doc) is str else None,
        "coroutine" if inspect.iscoroutinefunction(value) else "generator" if inspect.isgeneratorfunction(value)
        else "asynchronous generator" if inspect.isasyncgenfunction(value) else "",
    )  # fmt: skip


class Function:
    """Stand-in for a function of the other side."""

    __slots__ = ("__dict__", "_recode_number", "_recode_side")

    def __init__(self, side: Side, number: int, name: str, qualified: str, doc: str | None) -> None:
        self._recode_side, self._recode_number = side, number
        self.__name__, self.__qualname__, self.__doc__ = name, qualified, doc
        self.__module__ = "solution"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function on the other side."""
        return self._recode_side.ask("call", self, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the function from the other side."""
        if name == "__text_signature__" or name.startswith("_recode"):
            raise AttributeError(name)
        if name == "__signature__":
            return _signature(*self._recode_side.ask("signature", self))
        return self._recode_side.ask("get", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute of the function on the other side."""
        if name.startswith(("__", "_recode")):
            object.__setattr__(self, name, value)
        else:
            self._recode_side.plain = False
            self._recode_side.ask("set", self, name, value)

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        """Bind to an instance, as functions do."""
        return self if owner is None else lambda *args, **kwargs: self(owner, *args, **kwargs)


def _coroutine_function(function: Function) -> Any:
    """Return an `async def` function whose coroutines run entirely on the other side."""

    async def run(*args: Any, **kwargs: Any) -> Any:
        return function._recode_side.ask("await", function, args, kwargs)

    run.__name__, run.__qualname__, run.__doc__ = function.__name__, function.__qualname__, function.__doc__
    run.__module__ = function.__module__
    run._recode_function = function  # type: ignore[attr-defined]
    return run


def generator(side: Side, number: int) -> Any:
    """Return a generator whose steps the other side takes."""

    def steps() -> Any:
        how, given = "send", None
        while True:
            try:
                found = side.ask("step_kept", number, how, given)
            except StopIteration as end:
                return end.value
            try:
                how, given = "send", (yield found)
            except GeneratorExit:
                side.ask("step_kept", number, "close")
                raise
            except BaseException as error:  # noqa: BLE001 (whatever is thrown in is thrown in there)
                how, given = "throw", error

    return steps()


async def awaiting(side: Side, number: int) -> Any:
    """Have the other side await an awaitable that it keeps; return the result."""
    return side.ask("await_kept", number)


def _generates() -> Any:
    yield


async def _generates_later() -> Any:
    yield


def function(side: Side, number: int, name: str, qualified: str, doc: str | None, makes: str) -> Any:
    """Return the stand-in for a function."""
    made = Function(side, number, name, qualified, doc)
    if makes == "coroutine":
        return _coroutine_function(made)
    if makes:
        # What `inspect` reads to recognise such functions.
        like = _generates if makes == "generator" else _generates_later
        vars(made).update(__code__=like.__code__, __defaults__=None, __kwdefaults__=None)
    return made


def signature_parts(value: Any) -> tuple[Any, ...]:
    """Return a function's parameters and return annotation."""
    signature, empty = inspect.signature(value), inspect.Parameter.empty
    parameters = [
        (each.name, int(each.kind), each.default is not empty, None if each.default is empty else each.default,
         each.annotation is not empty, None if each.annotation is empty else each.annotation)
        for each in signature.parameters.values()
    ]  # fmt: skip
    returned = signature.return_annotation
    return tuple(parameters), returned is not empty, None if returned is empty else returned


def _signature(parameters: Any, has_return: bool, returned: Any) -> inspect.Signature:
    empty = inspect.Parameter.empty
    kinds = list(inspect._ParameterKind)
    made = [
        inspect.Parameter(
            name, kinds[kind], default=default if has_default else empty, annotation=annotation if annotated else empty
        )
        for name, kind, has_default, default, annotated, annotation in parameters
    ]
    return inspect.Signature(made, return_annotation=returned if has_return else empty)


# --- classes -----------------------------------------------------------------------------------------------------------------------------


class StandInClass(abc.ABCMeta):
    """Metaclass of stand-in classes whose instances stay with the other side."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Create an instance on the other side; return its stand-in."""
        if CLASS not in vars(cls):
            raise _values.Unsupported("a class that derives from one of the program's")
        side: Side = getattr(cls, _SIDE)
        made = side.ask("call", cls, args, kwargs)
        if vars(type(made)).get(STRUCTURE) == "object":
            object.__setattr__(made, "_recode_own", True)
        return made

    def __getattr__(cls, name: str) -> Any:
        """Return an attribute of the class from the other side."""
        if name.startswith(("__", "_recode", "_abc_")) or CLASS not in vars(cls):
            raise AttributeError(name)
        side: Side = type.__getattribute__(cls, _SIDE)
        side.plain = False
        return side.ask("get", cls, name)

    def __setattr__(cls, name: str, value: Any) -> None:
        """Set an attribute of the class on the other side, or an internal one locally."""
        if name.startswith(("__", "_abc_", "_recode")):
            super().__setattr__(name, value)
        else:
            type.__getattribute__(cls, _SIDE).ask("set", cls, name, value)

    def __delattr__(cls, name: str) -> None:
        """Delete an attribute of the class on the other side, or an internal one locally."""
        if name.startswith(("__", "_abc_", "_recode")):
            super().__delattr__(name)
        else:
            type.__getattribute__(cls, _SIDE).ask("delete", cls, name)

    @property
    def __mro__(cls) -> tuple[type, ...]:
        """The classes that the other side's class has."""
        return tuple(kind for kind in type.__dict__["__mro__"].__get__(cls) if kind is not _Object)

    @property
    def __bases__(cls) -> tuple[type, ...]:  # type: ignore[override]
        """The base classes that the other side's class has."""
        found = type.__dict__["__bases__"].__get__(cls)
        return tuple(kind for kind in found if kind is not _Object) or (object,)


class _Bound:
    """A method of a value that stays with the other side."""

    def __init__(self, owner: Any, name: str) -> None:
        self._owner, self._name = owner, name
        self.__name__ = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return getattr(type(self._owner), _SIDE).use(self._owner, self._name, args, kwargs)


class _Object:
    """Base class of all stand-ins for instances."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_recode"):
            raise AttributeError(name)
        kind = type(self)
        if name in vars(kind)["_recode_methods"]:
            return _Bound(self, name)
        if name.startswith("__") and name != "__dict__":
            raise AttributeError(name)
        side: Side = getattr(kind, _SIDE)
        side.plain = False
        found = side.ask("get", self, name)
        return _Bound(self, name) if isinstance(found, Function) else found

    def __setattr__(self, name: str, value: Any) -> None:
        getattr(type(self), _SIDE).ask("set", self, name, value)

    def __delattr__(self, name: str) -> None:
        getattr(type(self), _SIDE).ask("delete", self, name)


def instance(kind: type, number: int) -> Any:
    """Return the stand-in for an object."""
    made: Any = object.__new__(kind)
    object.__setattr__(made, _NUMBER, number)
    return made


def _special(name: str) -> Any:
    def ask(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(type(self), _SIDE).use(self, name, args, kwargs)

    ask.__name__ = name
    return ask


def _await(self: Any) -> Any:
    side: Side = getattr(type(self), _SIDE)
    yield from ()
    return side.ask("await_kept", number_of(self))


def build(side: Side, number: int, said: _classes.Description) -> type:
    """Build the local class from the other side's description of one of its classes.

    Raises:
        Malformed: the description is not that of a valid class.
    """
    names: dict[str, Any] = {
        "__doc__": said.doc, "__module__": "solution", "__qualname__": said.qualified, CLASS: number, STRUCTURE: said.structure, _SIDE: side,
        "_recode_methods": frozenset(said.methods),
    }  # fmt: skip
    for name in said.specials:
        bare = name.removeprefix("!")
        if bare not in _classes.SPECIAL:
            raise _values.Malformed("a special method of another name")
        names[bare] = None if name != bare else _await if bare == "__await__" else _special(bare)
    builder = {
        "object": _build_object, "exception": _build_exception, "enum": _build_enum, "dataclass": _build_dataclass,
        "namedtuple": _build_named_tuple, "value": _build_value, "container": _build_value,
    }[said.structure]  # fmt: skip
    return builder(said, names)


def _build_object(said: _classes.Description, names: dict[str, Any]) -> type:
    bases = tuple(base for base in said.bases if isinstance(base, StandInClass) or base.__module__ == "collections.abc")
    if "__eq__" in names and "__hash__" not in names:
        names["__hash__"] = object.__hash__
    made: Any = StandInClass(
        said.name, (*(base for base in bases if base.__module__ != "collections.abc"), _Object), names
    )
    for abstract in bases:
        base: Any = abstract
        if base.__module__ == "collections.abc":
            base.register(made)
    made.__abstractmethods__ = frozenset()
    return cast(type, made)


def _build_exception(said: _classes.Description, names: dict[str, Any]) -> type:
    def text(self: Any) -> str:
        said = self.__dict__.get(_values.TEXT)
        return said if said is not None else str(self.args[0]) if len(self.args) == 1 else str(self.args or "")

    if not all(isinstance(base, type) for base in said.bases) or not any(
        issubclass(base, BaseException) for base in said.bases
    ):
        raise _values.Malformed("an exception of no exception's class")
    return type(said.bases[0])(said.name, said.bases, {**names, "__str__": text, _values.TEXT: None, **_forwards(said)})


def _build_enum(said: _classes.Description, names: dict[str, Any]) -> type:
    base: Any = said.bases[0]
    if base not in (enum.Enum, enum.IntEnum, enum.StrEnum, enum.Flag, enum.IntFlag) or type(said.parts) is not tuple:
        raise _values.Malformed("an enumeration of another kind")
    made: Any = base(said.name, list(said.parts))
    side: Any = names[_SIDE]
    if len(made) < len(said.parts):
        side.doubt("an enumeration with two names for one member")

    def attribute(self: Any, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        side.plain = False
        return side.ask("get", self, name)

    for name, value in {**names, **_forwards(said), "__getattr__": attribute}.items():
        type.__setattr__(made, name, value)
    return cast(type, made)


def _build_dataclass(said: _classes.Description, names: dict[str, Any]) -> type:
    count = len(_classes.DATACLASS_OPTIONS)
    options = dict(zip(_classes.DATACLASS_OPTIONS, said.parts[:count], strict=True))
    made: list[tuple[str, Any, Any]] = []
    for name, flags, how, value in said.parts[count:]:
        given = dict(zip(("init", "repr", "compare", "hash", "kw_only"), flags, strict=True))
        given |= {1: {"default": value}, 2: {"default_factory": value}}.get(how, {})
        made.append((name, object, dataclasses.field(**given)))
    if not all(dataclasses.is_dataclass(base) for base in said.bases):
        raise _values.Malformed("a dataclass with another base")
    side: Any = names[_SIDE]

    def counted(cls: Any, *args: Any, **kwargs: Any) -> Any:
        side.questions += 1
        return object.__new__(cls)

    namespace = {**names, **_forwards(said), "__new__": counted}
    return dataclasses.make_dataclass(said.name, made, bases=said.bases, namespace=namespace, **options)


def _build_named_tuple(said: _classes.Description, names: dict[str, Any]) -> type:
    fields, defaults = said.parts
    values = [value for _, value in defaults]
    base = collections.namedtuple(said.name, fields, defaults=values)  # type: ignore[misc]
    return type(said.name, (base,), {**names, "__slots__": (), **_forwards(said)})


def _build_value(said: _classes.Description, names: dict[str, Any]) -> type:
    (base,) = said.bases
    if base not in _classes.VALUE_BASES + _classes.CONTAINERS:
        raise _values.Malformed("a value of another kind")
    if "__eq__" in names and "__hash__" not in names:
        names["__hash__"] = base.__hash__
    return type(said.name, (base,), {**names, **_forwards(said), "__new__": _made_there, "__init__": _nothing})


def _nothing(self: Any, *args: Any, **kwargs: Any) -> None:
    """Leave the instance unchanged: the other side has already initialized it."""


def _made_there(cls: Any, *args: Any, **kwargs: Any) -> Any:
    return vars(cls)[_SIDE].ask("call", cls, args, kwargs)


def _forwards(said: _classes.Description) -> dict[str, Any]:
    """Return forwarding methods and properties for a class whose instances are copied but whose code stays with the other side."""

    return {
        **{name: _ForwardedMethod(name) for name in said.methods},
        **{name: _ForwardedValue(name) for name in said.properties},
    }


class _ForwardedMethod:
    """A method of a class or of its instances that the other side runs."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        target, side = kind if owner is None else owner, getattr(kind, _SIDE)
        return lambda *args, **kwargs: side.use(target, self._name, args, kwargs)


class _ForwardedValue:
    """A property, or an attribute of a class, that the other side looks up."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        side: Side = getattr(kind, _SIDE)
        side.plain = False
        return side.ask("get", kind if owner is None else owner, self._name)

    def __set__(self, owner: Any, value: Any) -> None:
        getattr(type(owner), _SIDE).ask("set", owner, self._name, value)
