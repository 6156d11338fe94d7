"""Changes of signatures, as a table: a `def` before, one after, and the expected differences. Whole names are in test_collector.py."""

from __future__ import annotations

import inspect

import pytest

from recode.collect.walk.differences import signature_differences, signature_text
from recode.collect.walk.public_api import UNKNOWN, Parameter, ParameterKind


def signature(text: str) -> tuple[Parameter, ...]:
    scope: dict[str, object] = {}
    exec(f"def f({text}): pass", scope)
    found = inspect.signature(scope["f"]).parameters.values()  # type: ignore[arg-type]
    return tuple(
        Parameter(p.name, ParameterKind(p.kind), None if p.default is p.empty else repr(p.default)) for p in found
    )


MADE_ANEW = {f"parameter_removed {name}>" for name in ("method", "url", "headers", "body")} | {
    "parameter_added >request"
}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("x, scale=1", "x, factor=1", {"parameter_renamed scale>factor"}),
        ("x, *, delimitor=None", "x, *, delimiter=None", {"parameter_renamed delimitor>delimiter"}),
        ("x, *, interpolation=None", "x, *, weights=None", {"parameter_removed interpolation>", "parameter_added >weights?"}),
        ("x, a, b, c, d", "x", {f"parameter_removed {name}>" for name in "abcd"}),
        ("method, url, headers, body", "request", MADE_ANEW),
        ("a, b", "c, d", {"parameter_removed a>", "parameter_removed b>", "parameter_added >c", "parameter_added >d"}),
        ("*, proxies=None, cert=None", "*, cert=None, proxy=None", {"parameter_renamed proxies>proxy"}),
        ("x, verbose=False", "x", {"parameter_removed verbose>"}),
        ("x, verbose=False", "x, **options", {"parameter_removed verbose>?"}),
        ("x, y=1", "*args, **kwargs", set()),
        ("a, b=1", "new, a, b=1, more=2", {"keyword_only a,b>a,b", "parameter_added >new", "parameter_added >more?"}),
        ("a, b=1", "a, new=1, b=1", {"parameter_added >new?"}),
        ("x", "x, y", {"parameter_added >y"}),
        ("x", "x, y=2", {"parameter_added >y?"}),
        ("x, a=1, b=2", "x, *, a=1, b=2", {"keyword_only a,b>a,b"}),
        ("x, digits=2", "x, digits=3", {"default_changed digits>digits"}),
        ("x, digits=1", "x, digits=1.0", set()),
        ("x, y=1", "x, y", {"default_changed y>y"}),
        ("x, copy='deprecated'", "x, copy=True", {"default_changed copy>copy?"}),
        ("x, _private=1", "x", set()),
    ],
)  # fmt: skip
def test_differences_of_signatures(before: str, after: str, expected: set[str]) -> None:
    found = signature_differences("m.f", signature(before), signature(after), UNKNOWN)
    found_texts = {
        f"{one.kind} {','.join(one.parameters)}>{','.join(one.new_parameters)}{'' if one.certain else '?'}"
        for one in found
    }
    assert found_texts == expected


def test_a_signature_without_known_parameters_gives_no_difference() -> None:
    assert list(signature_differences("m.f", signature("x, y"), None, UNKNOWN)) == []


@pytest.mark.parametrize("text", ["x, y=1", "x, *, y=1", "*args, y, **kw", ""])
def test_signatures_are_written_as_in_a_def(text: str) -> None:
    assert signature_text(signature(text)) == text
