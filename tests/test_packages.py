"""Only names and versions of packages reach uv and file names, whatever text a record holds in their place."""

from __future__ import annotations

import pytest

from recode.packages import exact_version, pin, project_name, requirement

HOSTILE = [
    "numpy\n--extra-index-url https://evil.example/simple",
    "-r /etc/passwd",
    "--index-url=https://evil.example",
    "../../x",
    "/etc/passwd",
    "numpy @ https://evil.example/numpy-1.0-py3-none-any.whl",
    "numpy ; python_version > '3'",
    "numpy\0",
    "numpy\r",
    "nümpy",
    "\ud800",
    "numpy-",
    ".numpy",
    "a" * 300,
    "",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_no_name_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ValueError, match="is not the name of a package") as caught:
        project_name(text)
    assert str(caught.value).isascii()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        *HOSTILE,
        "1.0 ; python_version > '3'",
        "1.0 --hash=sha256:00",
        "1.0\n",
        " 1.0",
        ">=1.0",
        "==1.0",
        "1.*",
        "../1.0",
        "1/0",
        "latest",
    ],
)
def test_what_is_no_exact_version_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ValueError, match="is not an exact version") as caught:
        exact_version(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", [*HOSTILE[:9], *HOSTILE[10:], "numpy==1.0\n-r x", "numpy==1.0 --hash=sha256:00"])
def test_what_is_no_plain_requirement_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a requirement"):
        requirement(text)


@pytest.mark.parametrize(
    "text", [*HOSTILE, "numpy", "numpy>=1.0", "numpy==1.0 ; python_version > '3'", "numpy==1.0 --index-url=x"]
)
def test_what_is_no_pin_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        pin(text)


def test_what_is_right_comes_back() -> None:
    for name in ("numpy", "scikit-learn", "zope.interface", "ruamel_yaml", "A", "7zip"):
        assert project_name(name) == name
    for version in ("1.26.4", "1.8.5.post1", "2.0.0rc1", "1!2.0", "1.0+cpu", "2026.9.0", "v1.0"):
        assert exact_version(version) == version
    assert requirement("numpy < 2, >= 1.20") == "numpy<2,>=1.20"
    assert requirement("pandas[parquet]") == "pandas[parquet]"
    for line in ("numpy==1.0", "numpy==1.0 --hash=sha256:00af --hash=sha256:01", "uvicorn[standard]==0.1"):
        assert pin(line) == line
