"""What is seen of values of common libraries, without importing a library that the program has not imported."""

from __future__ import annotations

import hashlib
import re
from typing import Any

MOST_ELEMENTS = 20_000
"""Elements of an array that are looked at; of longer ones, evenly spread ones."""
ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")
replaced_texts: list[tuple[str, str]] = []
"""Folders that differ between runs, with what stands for them."""


def pandas_form(look: Any, value: Any, depth: int) -> bool:
    """Add a value of pandas; return whether it is of a known kind."""
    name = type(value).__name__
    if name in ("NAType", "NaTType"):
        look.parts.append("missing;")
    elif name in ("Timestamp", "Timedelta", "Period", "Interval"):
        look.latent.append("unit {};".format(getattr(value, "unit", "")))
        look.parts.append(name + str(value) + ";")
    elif name == "DataFrame":
        look.parts.append(f"DataFrame{value.shape!r}")
        look.at(list(value.columns), depth + 1)
        look.at(value.index, depth + 1)
        for number in range(min(value.shape[1], 200)):
            _column(look, value.iloc[:, number], depth)
    elif name == "Series":
        look.parts.append(f"Series{value.shape!r}")
        look.at(value.name, depth + 1)
        look.at(value.index, depth + 1)
        _column(look, value, depth)
    elif name.endswith("Index") or (name.endswith("Array") and hasattr(value, "dtype")):
        look.parts.append("Index" if name.endswith("Index") else "Array")
        _column(look, value, depth)
    elif hasattr(value, "kind") and name.endswith("Dtype"):
        look.parts.append(f"dtype:{value};")
    else:
        return False
    return True


def _column(look: Any, column: Any, depth: int) -> None:
    dtype = str(column.dtype)
    if dtype in ("str", "string") or dtype.startswith("string["):
        look.latent.append(f"strings are stored as {dtype};")
        dtype = "object"
    elif dtype == "object":
        look.latent.append("strings are stored as object;")
    elif dtype.startswith(("datetime64", "timedelta64")):
        look.latent.append(f"unit {dtype};")
        dtype = dtype.partition("[")[0]
    step = len(column) // MOST_ELEMENTS + 1
    some = column[::step] if not hasattr(column, "iloc") else column.iloc[::step]
    look.parts.append("%s*%d" % (dtype, len(column)))
    if dtype in ("object", "category", "datetime64", "timedelta64") or not hasattr(some, "to_numpy"):
        look.many("[", [_missing(one) or look.apart(one, depth) for one in look.some(list(some))], len(column))
    else:
        array = some.to_numpy()
        numpy_form(look, array, depth, flags=False)


def _missing(value: Any) -> str:
    name = type(value).__name__
    return (
        "missing"
        if value is None or name in ("NAType", "NaTType") or (isinstance(value, float) and value != value)
        else ""
    )


def numpy_form(look: Any, value: Any, depth: int, flags: bool = True) -> None:
    """Add an array, a scalar or a dtype of NumPy."""
    import numpy

    if isinstance(value, numpy.ma.MaskedArray):
        look.parts.append("masked")
        numpy_form(look, value.filled(), depth)
        look.at(numpy.ma.getmaskarray(value), depth + 1)
    elif isinstance(value, numpy.ndarray):
        if flags and not value.flags.writeable:
            look.latent.append("read-only;")
        step = value.size // MOST_ELEMENTS + 1
        some = value.ravel()[::step]
        look.parts.append(f"array:{_dtype(value.dtype)}{value.shape!r}")
        if value.dtype.kind in "fc":
            look.parts.append(_rounded(numpy, some))
        elif value.dtype.kind == "O":
            look.many("[", [look.apart(one, depth) for one in look.some(some.tolist())], value.size)
        else:
            look.parts.append(hashlib.blake2b(numpy.ascontiguousarray(some).tobytes(), digest_size=12).hexdigest())
    elif isinstance(value, numpy.generic):
        default = type(value).__name__ in ("float64", "int64", "bool", "bool_", "str_", "bytes_")
        look.parts.append("" if default else _dtype(value.dtype) + ":")
        plain = value.item()
        look.parts.append(scalar(plain) if isinstance(plain, (float, str, bytes)) else repr(plain) + ";")
    elif isinstance(value, numpy.dtype):
        look.parts.append(f"dtype:{_dtype(value)};")
    else:
        look.opaque("object;")


def _dtype(dtype: Any) -> str:
    return str(dtype.str if dtype.names is None else dtype.descr)


def _rounded(numpy: Any, array: Any) -> str:
    """Return the digest of floats to about nine digits (five for short floats)."""
    digits = 4 if array.dtype.itemsize <= (8 if array.dtype.kind == "c" else 4) else 9
    array = array.astype(numpy.complex128 if array.dtype.kind == "c" else numpy.float64)
    pieces = []
    for part in [array.real, array.imag] if array.dtype.kind == "c" else [array]:
        with numpy.errstate(all="ignore"):
            magnitude = numpy.where((part != 0) & numpy.isfinite(part), numpy.floor(numpy.log10(numpy.abs(part))), 0)
            scale = 10.0 ** (digits - 1 - numpy.clip(magnitude, -290, 290))
            pieces.append((numpy.round(part * scale) / scale + 0.0).tobytes())
    return hashlib.blake2b(b"|".join(pieces), digest_size=12).hexdigest()


def sparse_form(look: Any, value: Any, depth: int) -> None:
    """Add a sparse matrix."""
    table = value.tocoo()
    look.parts.append(f"sparse{value.shape!r}")
    entries = sorted(zip(table.row.tolist(), table.col.tolist(), table.data.tolist()))
    look.at([_dtype(table.data.dtype), entries], depth + 1)
    look.plain = False


def polars_form(look: Any, value: Any, depth: int) -> None:
    """Add a frame or series of polars."""
    if type(value).__name__ == "Series":
        look.at(["Series", str(value.name), _polars_type(value.dtype), value.to_list()], depth + 1)
    else:
        look.at(
            ["DataFrame", list(value.columns), [_polars_type(one) for one in value.dtypes], value.rows()], depth + 1
        )


def _polars_type(dtype: Any) -> str:
    # Text was called Utf8 before 0.20.
    return str(dtype).replace("Utf8", "String")


def tensor_form(look: Any, value: Any, depth: int) -> None:
    """Add a tensor."""
    look.parts.append("tensor")
    look.at(value.detach().cpu().numpy(), depth + 1)


def scalar(value: Any) -> str:
    if isinstance(value, float):
        return "nan;" if value != value else f"{value:.9g};" if value != int_of(value) else "%d.;" % value
    if isinstance(value, str):
        return text_form(value) + ";"
    return "bytes" + repr(bytes(value)) + ";"


def int_of(value: float) -> Any:
    """Return a float without its fraction; None for infinity."""
    return float(int(value)) if abs(value) < 1e9 else None


def text_form(value: str) -> str:
    for folder, name in replaced_texts:
        value = value.replace(folder, name)
    return repr(ADDRESS.sub("0x", value))
