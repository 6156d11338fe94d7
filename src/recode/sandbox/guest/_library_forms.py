"""Forms of numpy, pandas and torch values, for processes that have imported these libraries."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any


def _module(name: str) -> Any:
    return importlib.import_module(name)


def _numpy() -> Any:
    return _module("numpy")


def _pandas() -> Any:
    return _module("pandas")


def _loaded(name: str) -> Any:
    return sys.modules.get(name)


# --- numpy -------------------------------------------------------------------------------------------------------------------------------

_PLAIN = "biufcUSmM"


def _numpy_form(value: Any) -> tuple[str, Any] | None:
    numpy = _loaded("numpy")
    if isinstance(value, numpy.dtype) and value.kind in _PLAIN + "O":
        return "dtype", (value.str,)
    if isinstance(value, numpy.generic) and value.dtype.kind in _PLAIN:
        return "scalar", (value.dtype.str, numpy.asarray(value).tobytes())
    return None


def _scalar(dtype: str, data: bytes) -> Any:
    return _numpy().frombuffer(data, dtype=dtype)[0]


def _array_apart(value: Any) -> tuple[str, Any, list[Any]] | None:
    numpy = _loaded("numpy")
    if type(value) is not numpy.ndarray:
        return None
    flags = value.flags
    # A copy has memory, strides and flags of its own.
    kind = "ndarray" if value.base is None and flags.c_contiguous and flags.writeable else "ndarray view"
    if value.dtype.kind == "O":
        return kind, ("O", value.shape), list(value.flat)
    if value.dtype.kind in _PLAIN:
        return kind, (value.dtype.str, value.shape), [value.tobytes()]
    return None


def _make_array(argument: tuple[str, tuple[int, ...]]) -> Any:
    return _numpy().empty(argument[1], dtype=argument[0])


def _fill_array(value: Any, items: list[Any]) -> None:
    numpy = _numpy()
    if value.dtype.kind == "O":
        flat = numpy.empty(len(items), dtype=object)
        for place, item in enumerate(items):
            flat[place] = item
        value[...] = flat.reshape(value.shape)
    else:
        value[...] = numpy.frombuffer(items[0], dtype=value.dtype).reshape(value.shape)


# --- pandas ------------------------------------------------------------------------------------------------------------------------------


def _column(values: Any) -> tuple[Any, ...]:
    """Return the plain form of a column's or index's array: a numpy array, or the name of its type and a list."""
    numpy, pandas = _loaded("numpy"), _loaded("pandas")
    if isinstance(values.dtype, pandas.CategoricalDtype):
        return "category", values.categories, bytes(numpy.asarray(values.codes, dtype="i8")), bool(values.ordered)
    if isinstance(values.dtype, numpy.dtype) and values.dtype.kind == "O":
        return "objects", tuple(values)
    if isinstance(values.dtype, numpy.dtype):
        return "numpy", values.dtype.str, numpy.asarray(values).tobytes()
    if isinstance(values.dtype, pandas.DatetimeTZDtype):
        return "zoned", bytes(numpy.asarray(values.asi8)), str(values.dtype), str(values.dtype.tz)
    return "other", str(values.dtype), tuple(None if item is pandas.NA else item for item in values)


def _column_again(kind: str, *parts: Any) -> Any:
    pandas = _pandas()
    numpy = _numpy()
    if kind == "numpy":
        return numpy.frombuffer(parts[1], dtype=parts[0]).copy()
    if kind == "objects":
        made = numpy.empty(len(parts[0]), dtype=object)
        for place, item in enumerate(parts[0]):
            made[place] = item
        return made
    if kind == "category":
        codes = numpy.frombuffer(parts[1], dtype="i8")
        return pandas.Categorical.from_codes(codes, categories=parts[0], ordered=parts[2])
    if kind == "zoned":
        unit = parts[1].partition("[")[2].partition(",")[0]
        return (
            pandas.DatetimeIndex(numpy.frombuffer(parts[0], dtype=f"M8[{unit}]"))
            .tz_localize("UTC")
            .tz_convert(parts[2])
            .array
        )
    return pandas.array(list(parts[1]), dtype=parts[0])


def _pandas_form(value: Any) -> tuple[str, Any] | None:
    pandas = _loaded("pandas")
    if value is pandas.NaT or value is pandas.NA:
        return "missing", (value is pandas.NaT,)
    if type(value) is pandas.Timestamp:
        return "timestamp", (value.value, value.unit, str(value.tz) if value.tz is not None else None)
    if type(value) is pandas.Timedelta:
        return "pandas_timedelta", (value.value, value.unit)
    if type(value) is pandas.Period:
        return "period", (value.ordinal, value.freqstr)
    if isinstance(value, pandas.Index):
        return _index_form(value)
    return None


def _index_form(value: Any) -> tuple[str, Any] | None:
    pandas = _loaded("pandas")
    if type(value) is pandas.RangeIndex:
        return "range_index", (value.start, value.stop, value.step, value.name)
    if type(value) is pandas.MultiIndex:
        codes = tuple(tuple(map(int, codes)) for codes in value.codes)
        return "multi_index", (tuple(value.levels), codes, tuple(value.names))
    if type(value) in (pandas.Index, pandas.DatetimeIndex, pandas.TimedeltaIndex, pandas.CategoricalIndex):
        return "index", (_column(value.array), value.name, getattr(value, "freqstr", None))
    return None


def _index_again(column: tuple[Any, ...], name: Any, freq: str | None) -> Any:
    index = _pandas().Index(_column_again(*column), name=name)
    if freq is not None:
        index.freq = freq
    return index


def _timestamp(value: int, unit: str, zone: str | None) -> Any:
    stamp = _pandas().Timestamp(value, tz="UTC" if zone else None).as_unit(unit)
    return stamp.tz_convert(zone) if zone else stamp


def _frame_apart(value: Any) -> tuple[str, Any, list[Any]] | None:
    pandas = _loaded("pandas")
    if type(value) is pandas.Series:
        return "series", None, [_column(value.array), value.index, value.name]
    if type(value) is pandas.DataFrame:
        columns = [_column(value.iloc[:, place].array) for place in range(value.shape[1])]
        return "frame", None, [value.columns, value.index, *columns]
    return None


def _fill_series(value: Any, items: list[Any]) -> None:
    pandas = _pandas()
    column, index, name = items
    pandas.Series.__init__(value, pandas.Series(_column_again(*column), index=index, name=name, copy=True))


def _fill_frame(value: Any, items: list[Any]) -> None:
    pandas = _pandas()
    columns, index, *parts = items
    made = pandas.DataFrame(
        {place: pandas.Series(_column_again(*part), index=index, copy=True) for place, part in enumerate(parts)},
        index=index,
    )
    made.columns = columns
    pandas.DataFrame.__init__(value, made)


# --- torch -------------------------------------------------------------------------------------------------------------------------------


def _torch_form(value: Any) -> tuple[str, Any] | None:
    torch = _loaded("torch")
    if isinstance(value, torch.dtype):
        return "torch_dtype", (str(value).removeprefix("torch."),)
    if type(value) is torch.Size:
        return "torch_size", tuple(value)
    return None


def _torch_dtype(name: str) -> Any:
    torch = _module("torch")
    found = getattr(torch, name)
    if not isinstance(found, torch.dtype):
        raise TypeError(name)
    return found


def _torch_size(*sizes: int) -> Any:
    torch = _module("torch")
    return torch.Size(sizes)


def _tensor_apart(value: Any) -> tuple[str, Any, list[Any]] | None:
    torch = _loaded("torch")
    if (
        type(value) is not torch.Tensor
        or value.layout is not torch.strided
        or value.device.type != "cpu"
        or value.requires_grad
    ):
        return None
    raw = value.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if value.numel() else b""
    return "tensor", (value.dtype, tuple(value.shape)), [raw]


def _make_tensor(argument: tuple[Any, tuple[int, ...]]) -> Any:
    torch = _module("torch")
    return torch.empty(argument[1], dtype=argument[0])


def _fill_tensor(value: Any, items: list[Any]) -> None:
    torch = _module("torch")
    if value.numel():
        value.copy_(torch.frombuffer(bytearray(items[0]), dtype=value.dtype).reshape(value.shape))


# --- all of them -------------------------------------------------------------------------------------------------------------------------

_FORMS: dict[str, Callable[[Any], tuple[str, Any] | None]] = {
    "numpy": _numpy_form,
    "pandas": _pandas_form,
    "torch": _torch_form,
}
_APART: dict[str, tuple[Callable[[Any], tuple[str, Any, list[Any]] | None], ...]] = {
    "numpy": (_array_apart,),
    "pandas": (_frame_apart,),
    "torch": (_tensor_apart,),
}
VALUES: dict[str, Callable[..., Any]] = {
    "dtype": lambda text: _numpy().dtype(text),
    "scalar": _scalar,
    "missing": lambda is_time: _pandas().NaT if is_time else _pandas().NA,
    "timestamp": _timestamp,
    "pandas_timedelta": lambda value, unit: _pandas().Timedelta(value, unit="ns").as_unit(unit),
    "period": lambda ordinal, freq: _pandas().Period(ordinal=ordinal, freq=freq),
    "range_index": lambda start, stop, step, name: _pandas().RangeIndex(start, stop, step, name=name),
    "multi_index": lambda levels, codes, names: _pandas().MultiIndex(levels=levels, codes=codes, names=names),
    "index": _index_again,
    "torch_dtype": _torch_dtype,
    "torch_size": _torch_size,
}
MAKE: dict[str, Callable[[Any], Any]] = {
    "ndarray": _make_array,
    "ndarray view": _make_array,
    "series": lambda _: _pandas().Series(dtype=object),
    "frame": lambda _: _pandas().DataFrame(),
    "tensor": _make_tensor,
}
FILL: dict[str, Callable[[Any, list[Any]], None]] = {
    "ndarray": _fill_array,
    "ndarray view": _fill_array,
    "series": _fill_series,
    "frame": _fill_frame,
    "tensor": _fill_tensor,
}


def form_of(value: Any) -> tuple[str, Any] | None:
    """Return the form of an immutable value of an imported library; None for any other value."""
    top = _library_of(value)
    return _FORMS[top](value) if top in _FORMS and _loaded(top) else None


def take_apart(value: Any) -> tuple[str, Any, list[Any]] | None:
    """Return kind, constructor argument and contents of a mutable value of an imported library; None for any other value."""
    top = _library_of(value)
    if top in _APART and _loaded(top):
        for apart in _APART[top]:
            found = apart(value)
            if found is not None:
                return found
    return None


def _library_of(value: Any) -> str:
    module = type(value).__module__
    return module.partition(".")[0] if type(module) is str else ""
