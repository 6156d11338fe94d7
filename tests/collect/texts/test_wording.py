from __future__ import annotations

import pytest

from recode.collect.texts.wording import (
    deprecated_since,
    names_in,
    plain,
    removed_in,
    replacements_in,
    sentences,
    subject_part,
    verb_of,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("``np.in1d`` is deprecated. Use `np.isin` instead.", ["np.isin"]),
        ("Removed :meth:`~a.B.c`. Use :meth:`a.B.d` instead.", ["a.B.d"]),
        ("`product` is deprecated, please use `prod` instead.", ["prod"]),
        ("trapz has been renamed to ``trapezoid``", ["trapezoid"]),
        ("``x`` was removed in favor of using ``y``", ["y"]),
        ("The 'proxies' argument is now deprecated. Use 'proxy' or 'mounts' instead.", ["proxy", "mounts"]),
        ("Moved to numpy.exceptions.AxisError", ["numpy.exceptions.AxisError"]),
        ("`a` should be used instead of it", ["a"]),
        ("`scipy.{simps,trapz}` were removed in favour of ``{simpson,trapezoid}``", ["simpson", "trapezoid"]),
        ("Use the new `fetch` function", ["fetch"]),
        ("Use a different value instead", []),
        ("It is deprecated and will be removed", []),
        ("[`Series.a`](https://x.y/z) is deprecated, use [`Series.b`](https://x.y)", ["Series.b"]),
    ],
)
def test_what_to_use_instead(text: str, expected: list[str]) -> None:
    assert replacements_in(plain(text))[: len(expected) or None] == expected


@pytest.mark.parametrize(
    ("text", "heading", "verb"),
    [
        ("`x` has been removed", "", "removed"),
        ("`x` is deprecated and will be removed in 2.0", "", "deprecated"),
        ("The deprecated `x` was removed", "", "removed"),
        ("`x` will be removed in a future release", "", "deprecated"),
        ("`a` was renamed to `b`", "", "renamed"),
        ("`a` is no longer available", "", "removed"),
        ("`f` now returns a tuple", "", "return_changed"),
        ("The default of `k` changed from 1 to 2", "", "default_changed"),
        ("`k` must be given as a keyword", "", "keyword_only"),
        ("`a`: use `b`", "Removals", "removed"),
        ("Faster `f`", "Improvements", None),
    ],
)
def test_what_happened(text: str, heading: str, verb: str | None) -> None:
    assert verb_of(text, heading) == verb


def test_sentences_end_outside_of_code_and_numbers() -> None:
    text = "`a. b` is gone since v1.2. Use e.g. `c`; it is new."
    assert list(sentences(text)) == ["`a. b` is gone since v1.2.", "Use e.g. `c`;", "it is new."]


def test_names_and_the_part_that_they_are_the_subject_of() -> None:
    assert names_in("`a.{b,c}` and 'd' of e.f() in words") == ["a.b", "a.c", "d", "e.f()"]
    assert subject_part("`a` is deprecated, use `b`") == "`a` is deprecated, "
    assert subject_part("Use `b` instead of `a`") == "Use `b` instead of `a`"


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("`x` is deprecated since version 1.2 and will be removed in 1.4", "1.2", "1.4"),
        ("deprecated as of NumPy 1.25.0, and will be removed in NumPy 2.0.", "1.25.0", "2.0"),
        ("Deprecated in 0.20.", "0.20", ""),
        ("It will be removed in SciPy 1.14.", "", "1.14"),
        ("`x` is deprecated", "", ""),
    ],
)
def test_releases_that_a_message_names(text: str, since: str, until: str) -> None:
    assert (deprecated_since(text), removed_in(text)) == (since, until)
