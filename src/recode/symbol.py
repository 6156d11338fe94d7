"""The notation for API symbols, parsed once: the field type of every record that names one.

- `numpy.trapz` is a function, `numpy.ndarray.ptp` a method; empty parentheses change nothing.
- `numpy.sum(axis)` is a parameter. Several are separated by commas; `execute(**params)` is a variadic one.
- `sklearn.svm.SVC(kernel="linear")` is one value of a parameter, `marshmallow.fields.Nested("self")` a value given by position.
- `sqlalchemy.select(columns=[...])` is any list, `"..."` any string, `{...}` any dictionary, `(...)` any generator, and `axis=...` any value.
- `sqlalchemy.MetaData.create_all(bind=)` is the parameter left out.

The empty text is the symbol without a name: an API that nothing replaces, or a record that is about none.
"""

from __future__ import annotations

import ast
import enum
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from recode.source import parse_quietly

_LONGEST = 10_000
"""Characters of a symbol. Shipped ones have a few hundred at most; the limit keeps parsing fast for any file."""
_PATH = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_SYMBOL = re.compile(rf"\s*({_PATH.pattern})\s*(?:\((.*)\)\s*)?", re.DOTALL)
_KEYWORD = re.compile(r"([^\W\d]\w*)\s*=(?!=)\s*(.*)", re.DOTALL)
_STARRED = re.compile(r"(\*{1,2})\s*([^\W\d]\w*)")
_GENERATOR = re.compile(r"\(\s*\.\.\.\s*\)")
# What the parser raises for text that is not an expression.
_NO_EXPRESSION = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError, SystemError)


class ValueKind(enum.Enum):
    """Which values of a parameter a symbol is about."""

    ANY = enum.auto()
    MISSING = enum.auto()
    """The parameter is left to its default."""
    LITERAL = enum.auto()
    EXPRESSION = enum.auto()
    """An expression that is not a literal, such as `dtype=numpy.float`: reading a program cannot recognize its value."""
    TEXT = enum.auto()
    LIST = enum.auto()
    DICTIONARY = enum.auto()
    GENERATOR = enum.auto()


_NODES: dict[ValueKind, tuple[type[ast.expr], ...]] = {
    ValueKind.TEXT: (ast.JoinedStr,),
    ValueKind.LIST: (ast.List, ast.ListComp),
    ValueKind.DICTIONARY: (ast.Dict, ast.DictComp),
    ValueKind.GENERATOR: (ast.GeneratorExp,),
}


@dataclass(frozen=True)
class Argument:
    """A parameter that a symbol names, and the values that the symbol is about.

    `name` is empty for a value given by position. `stars` is `*` or `**` for a variadic parameter. `value` is the value as it is
    written, empty for any value and for a parameter left out.
    """

    name: str
    stars: str = ""
    kind: ValueKind = ValueKind.ANY
    value: str = ""

    @property
    def word(self) -> str:
        """The text of a literal value as programs mention it, without quotes; empty for all other values."""
        if self.kind is not ValueKind.LITERAL:
            return ""
        try:
            return str(_literal(self.value))
        except ValueError:
            # A number with more digits than Python writes in decimal.
            return ""

    def accepts(self, node: ast.expr) -> bool:
        """Say whether an expression of a program is one of the values, judging by its syntax alone."""
        match self.kind:
            case ValueKind.ANY:
                return True
            case ValueKind.MISSING | ValueKind.EXPRESSION:
                return False
            case ValueKind.LITERAL:
                try:
                    given = ast.literal_eval(node)
                except (*_NO_EXPRESSION, TypeError):
                    return False
                meant = _literal(self.value)
                # 1 == True, but neither stands for the other in a symbol.
                return type(meant) is type(given) and bool(meant == given)
            case ValueKind.TEXT if isinstance(node, ast.Constant):
                return isinstance(node.value, str)
        return isinstance(node, _NODES[self.kind])


class Symbol(str):
    """A symbol: its text as it was written, with the parts that the notation gives them.

    Equality, hashing and JSON are those of the text.
    """

    __slots__ = ("_arguments", "_is_call", "_path")
    _path: str
    _arguments: tuple[Argument, ...]
    _is_call: bool

    def __new__(cls, text: str = "") -> Self:
        """Parse a symbol.

        Raises:
            ValueError: the text is not in the notation of this module.
        """
        if type(text) is cls:
            return text
        if len(text) > _LONGEST:
            raise ValueError(f"{text[:40]!r}… has {len(text)} characters; a symbol has at most {_LONGEST}")
        symbol = super().__new__(cls, text)
        match = _SYMBOL.fullmatch(text)
        if match is None and text.strip():
            raise ValueError(f"{text!r} is not a dotted path such as numpy.ndarray.ptp or numpy.sum(axis)")
        symbol._path = match.group(1) if match else ""
        symbol._is_call = match is not None and match.group(2) is not None
        symbol._arguments = tuple(_arguments(text, match.group(2) or "")) if match else ()
        return symbol

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        """Copy and pickle by the text alone."""
        return type(self), (str(self),)

    @property
    def path(self) -> str:
        """The dotted path, without parentheses."""
        return self._path

    @property
    def name(self) -> str:
        """The last part of the path: the function, method or class."""
        return self._path.rpartition(".")[2]

    @property
    def parent(self) -> str:
        """The path without its last part."""
        return self._path.rpartition(".")[0]

    @property
    def package(self) -> str:
        """The first part of the path: the name that programs import."""
        return self._path.partition(".")[0]

    @property
    def of_class(self) -> bool:
        """Whether the parent looks like a class; only its spelling shows it."""
        last = self.parent.rpartition(".")[2]
        return last[:1].isupper() or last == "ndarray"

    @property
    def is_call(self) -> bool:
        """Whether it is written with parentheses, and so is about a call or its arguments."""
        return self._is_call

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """The arguments in the parentheses, in order; `...` alone is none."""
        return self._arguments

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters, variadic ones without their asterisks."""
        return tuple(argument.name for argument in self._arguments if argument.name)

    @property
    def keywords(self) -> tuple[str, ...]:
        """The names of the parameters that can be given as keywords: those without asterisks."""
        return tuple(argument.name for argument in self._arguments if argument.name and not argument.stars)

    @property
    def parameter(self) -> str:
        """The first parameter; empty where there is none."""
        return next(iter(self.parameters), "")

    @property
    def has_values(self) -> bool:
        """Whether it is about some values of its parameters only."""
        return any(argument.kind is not ValueKind.ANY for argument in self._arguments)

    @property
    def is_simple(self) -> bool:
        """Whether it is a path alone, or a path with one parameter and any value."""
        return bool(self._path) and len(self.keywords) == len(self._arguments) <= 1 and not self.has_values

    @property
    def values(self) -> tuple[str, ...]:
        """The texts of the literal values, as programs mention them."""
        return tuple(word for argument in self._arguments if (word := argument.word))

    @property
    def leaves(self) -> frozenset[str]:
        """The names that distinguish it from other symbols: its parameters, or else the last part of its path."""
        return frozenset(self.parameters or ([self.name] if self._path else []))

    @property
    def words(self) -> frozenset[str]:
        """Every name and value that a program or a message can mention: leaves, values, and the parameters' callable."""
        return self.leaves | set(self.values) | ({self.name} if self._path else set())

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate as text in the notation; write the text."""
        text = core_schema.str_schema()
        write = core_schema.plain_serializer_function_ser_schema(str)
        return core_schema.no_info_after_validator_function(cls, text, serialization=write)


def is_path(text: str) -> bool:
    """Say whether a text is a dotted path that programs can write: modules may have other names, such as `3d`."""
    return _PATH.fullmatch(text) is not None


def written(path: str, parameters: Sequence[str] = ()) -> Symbol:
    """Return the symbol of a path, or of some of its parameters.

    Raises:
        ValueError: the path or a parameter is not in the notation.
    """
    return Symbol(f"{path}({', '.join(parameters)})" if parameters else path)


def _arguments(text: str, inside: str) -> Iterator[Argument]:
    """Yield the arguments between the parentheses.

    Raises:
        ValueError: a part is neither a parameter nor an expression.
    """
    part = ""
    for piece in inside.split(","):
        # A comma inside brackets or quotes does not separate arguments: the text before it does not parse by itself.
        part = f"{part},{piece}" if part else piece
        if (argument := _argument(part.strip())) is not None:
            if argument != _NOTHING:
                yield argument
            part = ""
    if part.strip():
        raise ValueError(
            f"{text!r}: `{part.strip()}` is not a parameter; write numpy.sum(axis), numpy.array(copy=False) or f(x=[...])"
        )


_NOTHING = Argument("")
"""The argument of an empty text, and of `...`."""


def _argument(part: str) -> Argument | None:
    """Return the argument that a text means; None where the text is incomplete."""
    if part in ("", "..."):
        return _NOTHING
    if part.isidentifier() and part not in ("None", "True", "False"):
        return Argument(part)
    if match := _STARRED.fullmatch(part):
        return Argument(match.group(2), match.group(1))
    if match := _KEYWORD.fullmatch(part):
        kind, name, value = _kind(match.group(2)), match.group(1), match.group(2)
    else:
        kind, name, value = _kind(part), "", part
    if kind is None:
        return None
    return Argument(name, "", kind, "" if kind is ValueKind.ANY else value)


def _literal(value: str) -> object:
    return ast.literal_eval(parse_quietly(value, "eval"))


def _kind(value: str) -> ValueKind | None:
    """Return the kind of values that a text means; None where it is not an expression."""
    if not value:
        return ValueKind.MISSING
    if _GENERATOR.fullmatch(value):
        return ValueKind.GENERATOR
    try:
        node = parse_quietly(value, "eval").body
    except _NO_EXPRESSION:
        return None
    match node:
        case ast.Constant(value=constant) if constant is ...:
            return ValueKind.ANY
        case ast.Constant(value="..."):
            return ValueKind.TEXT
        case ast.List(elts=[ast.Constant(value=inner)]) if inner is ...:
            return ValueKind.LIST
        case ast.Set(elts=[ast.Constant(value=inner)]) if inner is ...:
            return ValueKind.DICTIONARY
    try:
        ast.literal_eval(node)
    except (*_NO_EXPRESSION, TypeError):
        return ValueKind.EXPRESSION
    return ValueKind.LITERAL
