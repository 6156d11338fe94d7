"""Values as they are compared between releases: a digest of what a program can see of them, a short text, a copy.

The digest leaves out what only printing changes: addresses, the order of equal dicts and sets, `np.float64(1.5)` against `1.5`, the
last digits of floats. What few programs see (whether an array is writable, how strings are stored) is kept apart, as the latent part.
"""

from __future__ import annotations

import collections
import contextlib
import datetime
import decimal
import enum
import fractions
import hashlib
import os
import pathlib
import pickle
import re
import sys
import types
import uuid
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

if TYPE_CHECKING:
    from recode.migrate.witnesses.runs.guest._recode_libraries import (
        ADDRESS,
        numpy_form,
        pandas_form,
        polars_form,
        replaced_texts,
        scalar,
        sparse_form,
        tensor_form,
        text_form,
    )  # fmt: skip
else:
    from _recode_libraries import (
        ADDRESS,
        numpy_form,
        pandas_form,
        polars_form,
        replaced_texts,
        scalar,
        sparse_form,
        tensor_form,
        text_form,
    )  # fmt: skip

_DEEPEST = 6
_MOST_PARTS = 4_000
"""Parts of a value that are looked at; of longer ones, evenly spread ones."""
_LARGEST_COPY = 1 << 20
_SHORT = 100
_CALLABLES = (
    types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.MethodDescriptorType, types.WrapperDescriptorType,
    types.MethodWrapperType, types.ClassMethodDescriptorType, type,
)  # fmt: skip
_PRINTED = (
    datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo, decimal.Decimal, fractions.Fraction, uuid.UUID, range,
    complex, slice, type(None), type(Ellipsis), type(NotImplemented),
)  # fmt: skip
project_modules: dict[str, bool] = {}
"""Names of the project's own modules."""


class Seen(NamedTuple):
    """What was seen of a value: its digest, its latent part, whether it can be copied, whether it stands on a changed value."""

    digest: str
    latent: str = ""
    copyable: bool = False
    tainted: bool = False
    origin: int = -1
    """The expression that gave it a latent part that the old release's value does not have; -1 if there is none."""


class AbsentValue:
    """Stands for a value of the old release that the new one could not give; every use of it is one more."""

    __slots__ = ("digest",)

    def __init__(self, digest: str) -> None:
        object.__setattr__(self, "digest", digest)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return AbsentValue("")

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return AbsentValue("")

    def __setattr__(self, name: str, value: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def __delitem__(self, key: Any) -> None:
        pass

    def __mro_entries__(self, bases: Any) -> Any:
        return ()

    def __iter__(self) -> Any:
        raise AbsentValueError("a value of the old release cannot be iterated over here")

    def __enter__(self) -> Any:
        return AbsentValue("")

    def __exit__(self, *error: Any) -> None:
        return None

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return "<a value of the old release>"


def _use(*_: Any) -> AbsentValue:
    return AbsentValue("")


for _name in (
    "getitem add radd sub rsub mul rmul truediv rtruediv floordiv rfloordiv mod rmod pow rpow and rand or ror xor rxor matmul "
    "rmatmul lshift rshift lt le gt ge neg pos abs invert"
).split():
    setattr(AbsentValue, f"__{_name}__", _use)


class AbsentValueError(Exception):
    """An absent value was used in a way that needs a real one."""


class Values:
    """Digests values; knows which objects stand for others (`taint`)."""

    def __init__(self) -> None:
        self.taint: dict[int, tuple[str, Any]] = {}
        self.same: dict[str, str] = {}
        """Digests of new values that count as old ones."""
        self.origins: dict[int, tuple[int, Any]] = {}
        """Objects with another latent part than in the old release, and the expressions that gave it to them."""

    def see(self, value: Any) -> Seen:
        """Return what is seen of a value; never raises."""
        if value is None or value is True or value is False:
            return Seen(repr(value) + ";", "", True)
        if type(value) is int or (type(value) is str and len(value) < 40 and "/" not in value and "0x" not in value):
            return Seen(repr(value) + ";", "", True)
        if type(value) is AbsentValue:
            return Seen(value.digest, "", False, True)
        known = self.taint.get(id(value))
        if known is not None:
            return Seen(known[0], "", False, True)
        look = _Look(self)
        try:
            look.at(value, 0)
        except Exception:  # A value that cannot be looked at.
            return Seen("?" + type(value).__name__)
        text = "".join(look.parts)
        digest = (
            text
            if len(text) <= 40
            else hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
        )
        origin = self.origins.get(id(value), (-1, None))[0]
        return Seen(self.same.get(digest, digest), "".join(sorted(set(look.latent))), look.plain, look.tainted, origin)


class _Look:
    """One walk through a value."""

    def __init__(self, values: Values) -> None:
        self.values = values
        self.parts: list[str] = []
        self.latent: list[str] = []
        self.plain, self.tainted = True, False
        self.left = _MOST_PARTS
        self.open: dict[int, bool] = {}

    def at(self, value: Any, depth: int) -> None:
        """Add a value and what is in it."""
        self.left -= 1
        kind = type(value)
        if kind in (bool, int) or value is None:
            self.parts.append(repr(value) + ";")
        elif isinstance(value, (str, bytes, bytearray, float)):
            self.parts.append(scalar(value))
        elif kind is AbsentValue or id(value) in self.values.taint:
            self.tainted, self.plain = True, False
            self.parts.append(value.digest if kind is AbsentValue else self.values.taint[id(value)][0])
        elif depth > _DEEPEST or id(value) in self.open:
            self.plain = False
            self.parts.append("…;")
        else:
            self.open[id(value)] = True
            self._inner(value, depth)
            del self.open[id(value)]

    def _inner(self, value: Any, depth: int) -> None:
        if isinstance(value, (type, types.GenericAlias) if hasattr(types, "GenericAlias") else type):
            self.opaque("callable;")
        elif isinstance(value, types.ModuleType):
            self.opaque("module;")
        elif isinstance(value, _CALLABLES) or type(value).__name__ in ("ufunc", "cython_function_or_method", "partial"):
            self.opaque("callable;")
        elif isinstance(value, enum.Enum):
            self.parts.append(f"enum:{type(value).__name__}.{value.name};")
        elif _library(value, "pandas") and pandas_form(self, value, depth):
            pass
        elif isinstance(value, _PRINTED):
            self.parts.append(_named(value) + repr(value) + ";")
        elif isinstance(value, (pathlib.PurePath, re.Pattern)):
            self.parts.append(type(value).__name__ + text_form(str(value)) + ";")
        elif isinstance(value, (dict, types.MappingProxyType)):
            self.many(
                "dict{",
                [
                    self._pair(
                        key,
                        value[key] if isinstance(value, types.MappingProxyType) else dict.__getitem__(value, key),
                        depth,
                    )
                    for key in self.some(list(value))
                ],
                len(value),
                True,
            )
        elif isinstance(value, (set, frozenset)):
            self.many("set{", [self.apart(one, depth) for one in self.some(list(value))], len(value), True)
        elif isinstance(value, (list, tuple, collections.deque)):
            name = {"list": "[", "tuple": "("}.get(type(value).__name__, "(" if isinstance(value, tuple) else "[")
            self.many(name, [self.apart(one, depth) for one in self.some(list(value))], len(value))
        elif isinstance(value, (type({}.keys()), type({}.values()), type({}.items()))):
            self.many("view[", [self.apart(one, depth) for one in self.some(list(value))], len(value))
        elif isinstance(value, BaseException):
            self.opaque(f"error:{type(value).__name__};")
        else:
            self._foreign(value, depth)

    def opaque(self, text: str) -> None:
        """Add something that is not looked into."""
        self.plain = False
        self.parts.append(text)

    def some(self, items: list[Any]) -> list[Any]:
        most = max(self.left, 10)
        return items if len(items) <= most else items[:: len(items) // most + 1]

    def apart(self, value: Any, depth: int) -> str:
        outer, self.parts = self.parts, []
        self.at(value, depth + 1)
        text, self.parts = "".join(self.parts), outer
        return text

    def _pair(self, key: Any, value: Any, depth: int) -> str:
        return self.apart(key, depth) + ":" + self.apart(value, depth)

    def many(self, opening: str, texts: list[str], length: int, in_order: bool = False) -> None:
        self.parts.append("%s%d:%s}" % (opening, length, ",".join(sorted(texts) if in_order else texts)))

    def _foreign(self, value: Any, depth: int) -> None:
        reader: Callable[[_Look, Any, int], None] | None = None
        if _library(value, "numpy"):
            reader = numpy_form
        elif _library(value, "scipy") and hasattr(value, "tocoo"):
            reader = sparse_form
        elif _library(value, "polars") and type(value).__name__ in ("DataFrame", "Series"):
            reader = polars_form
        elif _library(value, "torch") and type(value).__name__ == "Tensor":
            reader = tensor_form
        if reader is not None:
            reader(self, value, depth)
        elif type(value).__module__ in project_modules:
            self._own(value, depth)
        elif isinstance(value, collections.abc.Sequence) and len(value) <= 1_000:
            self.plain = False
            self.many("sequence(", [self.apart(value[n], depth) for n in range(len(value))], len(value))
        else:
            # A function may become an object with `__call__`, or a class, without anyone noticing.
            self.opaque("callable;" if callable(value) else "object;")

    def _own(self, value: Any, depth: int) -> None:
        """Look into an object of the project: everything, or the annotated fields where a library's class is among its bases."""
        self.opaque(type(value).__name__ + "<")
        fields = getattr(value, "__dict__", None) or {}
        bases = [base for base in type(value).__mro__ if base.__module__ not in project_modules]
        if any(base.__module__ not in ("builtins", "abc", "typing", "dataclasses") for base in bases):
            known: dict[str, Any] = {}
            for base in type(value).__mro__:
                if base.__module__ in project_modules:
                    known.update(base.__dict__.get("__annotations__", {}))
            fields = {name: fields[name] for name in fields if name in known}
        self.many(
            "", [self._pair(name, fields[name], depth) for name in fields if isinstance(name, str)], len(fields), True
        )


def _named(value: Any) -> str:
    return "" if value is None else type(value).__name__ + ":"


def _library(value: Any, name: str) -> bool:
    module = getattr(type(value), "__module__", None)
    return isinstance(module, str) and module.partition(".")[0] == name and name in sys.modules


def short(value: Any) -> str:
    """Return a value as one short line, with its type where that says more than the text."""
    if isinstance(value, AbsentValue):
        return "?"
    try:
        text = repr(value)
    except Exception:  # `repr` of the project's or a library's object.
        text = "?"
    with contextlib.suppress(Exception):  # Attributes of a library's object.
        text += _shape(value)
    text = " ".join(ADDRESS.sub("0x…", text).split())
    for folder, name in replaced_texts:
        text = text.replace(folder, name)
    return text if len(text) <= _SHORT else text[: _SHORT - 2] + " …"


def _shape(value: Any) -> str:
    """Return type and shape of an array, which its text may not say."""
    if not (hasattr(value, "shape") and hasattr(value, "dtype")):
        return ""
    shape = "x".join(map(str, value.shape)) if value.shape else ""
    flags = getattr(value, "flags", None)
    read_only = " read-only" if flags is not None and getattr(flags, "writeable", True) is False and shape else ""
    return " {}{}{}".format(value.dtype, f"[{shape}]" if shape else "", read_only)


def copied(value: Any) -> bytes | None:
    """Return a copy that another process can read; None if there is none or it is large."""
    try:
        data = pickle.dumps(value, protocol=4)
    except Exception:  # Whatever a library's pickling raises.
        return None
    return data if len(data) <= _LARGEST_COPY else None


def close(old: Any, new: Any) -> bool:
    """Return whether two values differ by rounding alone."""
    if isinstance(old, float) and isinstance(new, float):
        return abs(old - new) <= 1e-7 * max(abs(old), abs(new), 1e-300)
    if not (_library(old, "numpy") and _library(new, "numpy")):
        return False
    import numpy

    if getattr(old, "shape", None) != getattr(new, "shape", 1) or old.dtype != new.dtype or old.dtype.kind not in "fc":
        return False
    rounding = 1e-4 if old.dtype.itemsize <= 4 else 1e-7
    return bool(numpy.allclose(old, new, rtol=rounding, atol=rounding * 1e-3, equal_nan=True))


def restored(value: Any, old: Any) -> bool:
    """Give an object the content of another of the same type; return whether that was possible."""
    try:
        if type(value) is not type(old):
            return False
        if isinstance(value, (list, bytearray)):
            value[:] = old
        elif isinstance(value, (dict, set)):
            value.clear()
            value.update(old)
        elif _library(value, "numpy") and value.shape == old.shape and value.dtype == old.dtype:
            value[...] = old
        elif _library(value, "pandas") and hasattr(value, "_update_inplace"):
            value._update_inplace(old)
        else:
            return False
    except Exception:  # Read-only arrays and the like.
        return False
    return True


def temporary_folders() -> list[str]:
    """Return the folder for temporary files, as the process sees it."""
    return [folder for folder in dict.fromkeys([os.environ.get("TMPDIR", ""), "/tmp"]) if folder]
