"""Where a walk finds a definition: the path does not depend on the machine."""

from __future__ import annotations

import dataclasses

import pytest

from recode.collect.walk._walker import below


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("/home/a/env/lib/python3.11/site-packages/numpy/core/_methods.py", "numpy/core/_methods.py"),
        ("/home/a/.pyenv/versions/3.11.7/lib/python3.11/typing.py", "python3.11/typing.py"),
        ("", ""),
    ],
)
def test_paths_begin_with_the_library(file: str, expected: str) -> None:
    assert below(file) == expected


def test_what_python_itself_defines_has_a_short_path() -> None:
    assert below(dataclasses.__file__).endswith("dataclasses.py")
    assert not below(dataclasses.__file__).startswith("/")
