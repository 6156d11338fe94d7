"""The release that a project moves to, `LIB==B`, and the one that it comes from according to its own files."""

from __future__ import annotations

import configparser
import importlib.metadata
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from recode.errors import RecodeError
from recode.knowledge.versions import parse_release, release
from recode.migrate.project.locks import locked

_TARGET = re.compile(r"\s*([A-Za-z0-9][\w.-]*)\s*==\s*(\S+)\s*")
_REQUIREMENTS = ("requirements*.txt", "requirements/*.txt", "constraints*.txt")
_SEARCHED = 3
"""How many folders, from the scanned one upwards, are searched for lock files and requirements."""


@dataclass(frozen=True)
class CurrentRelease:
    """The release that a project uses now, and the file that says so; the lower bound if the file gives a range."""

    version: str
    where: str


def parse_target(text: str) -> tuple[str, str]:
    """Read `LIB==B`; return the library's normal name and the release.

    Raises:
        RecodeError: the text is not of that form.
    """
    match = _TARGET.fullmatch(text)
    if match is None:
        raise RecodeError(f"--to {text!r}: write the library and its release, such as numpy==2.1.0")
    parse_release(match.group(2), "--to")
    return str(canonicalize_name(match.group(1))), match.group(2)


def current_release(root: Path, library: str, target: str) -> CurrentRelease | None:
    """Return the release of a library that a project uses now; None if no file gives one that is older than the target.

    Lock files are read first, then requirements, then the project's metadata; last, the release that is installed next to ReCode.
    """
    goal = parse_release(target, "--to")
    for candidate in _candidates(root, str(canonicalize_name(library))):
        version = release(candidate.version)
        if version is not None and version < goal:
            return candidate
    return None


def _candidates(root: Path, library: str) -> Iterator[CurrentRelease]:
    folder = (root if root.is_dir() else root.parent).absolute()
    folders = [folder, *folder.parents][:_SEARCHED]
    for readers in (_LOCKS, _RANGES) if library != "python" else (_PYTHON,):
        for place in folders:
            for pattern, reader in readers:
                for file in sorted(place.glob(pattern)):
                    version = _read(file, reader, library)
                    if version:
                        yield CurrentRelease(version, file.name)
            if (place / ".git").exists():
                break
    try:
        yield CurrentRelease(importlib.metadata.version(library), "installed")
    except importlib.metadata.PackageNotFoundError:
        return


def _read(file: Path, reader: Callable[[str, str], str | None], library: str) -> str | None:
    """Return the release that a file gives; None for a broken file."""
    try:
        return reader(file.read_text(encoding="utf-8"), library)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, configparser.Error):
        return None


def _locked(text: str, library: str) -> str | None:
    return locked(text).get(library)


def _requirements(text: str, library: str) -> str | None:
    return _lowest((line.split(" #")[0].split(" --hash")[0].strip(" \\") for line in text.splitlines()), library)


def _pyproject(text: str, library: str) -> str | None:
    value = tomllib.loads(text)
    project: dict[str, Any] = value.get("project", {})
    listed = [*project.get("dependencies", [])]
    for extra in project.get("optional-dependencies", {}).values():
        listed += extra
    poetry = value.get("tool", {}).get("poetry", {}).get("dependencies", {})
    for name, entry in poetry.items():
        text_of = entry if isinstance(entry, str) else entry.get("version", "") if isinstance(entry, dict) else ""
        listed.append(f"{name}{_poetry(text_of)}")
    return _lowest(listed, library)


def _poetry(text: str) -> str:
    """Return a caret or tilde requirement as a lower bound."""
    text = text.strip()
    if text[:1] in ("^", "~"):
        return f">={text[1:]}"
    return f"=={text}" if text[:1].isdigit() else "" if text == "*" else text


def _setup_cfg(text: str, library: str) -> str | None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    return _lowest(parser.get("options", "install_requires", fallback="").splitlines(), library)


def _lowest(lines: Iterator[str] | list[str], library: str) -> str | None:
    """Return the exact release that the requirements demand, or else the lowest they allow."""
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if canonicalize_name(requirement.name) != library:
            continue
        bounds = [
            bound.version.removesuffix(".*")
            for bound in requirement.specifier
            if bound.operator in ("==", "===", ">=", "~=", ">")
        ]
        known = [version for bound in bounds if (version := release(bound)) is not None]
        if known:
            return str(max(known))
    return None


def _required_python(text: str, library: str) -> str | None:
    """Return the lowest release of Python that a `pyproject.toml` allows."""
    value = tomllib.loads(text)
    required = value.get("project", {}).get("requires-python")
    if required is None:
        required = _poetry(value.get("tool", {}).get("poetry", {}).get("dependencies", {}).get("python", ""))
    return _lowest([f"{library}{required}"], library) if required else None


def _setup_cfg_python(text: str, library: str) -> str | None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    required = parser.get("options", "python_requires", fallback="")
    return _lowest([f"{library}{required}"], library) if required else None


def _python_version(text: str, library: str) -> str | None:
    """Return the release in `.python-version`, as pyenv and uv write it."""
    first = next(iter(text.split()), "").removeprefix(f"{library}-")
    return first if release(first) is not None else None


_LOCKS: tuple[tuple[str, Callable[[str, str], str | None]], ...] = (
    *((name, _locked) for name in ("uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "pylock.toml")),
)
_RANGES: tuple[tuple[str, Callable[[str, str], str | None]], ...] = (
    *((pattern, _requirements) for pattern in _REQUIREMENTS),
    ("pyproject.toml", _pyproject),
    ("setup.cfg", _setup_cfg),
)
_PYTHON: tuple[tuple[str, Callable[[str, str], str | None]], ...] = (
    (".python-version", _python_version),
    ("pyproject.toml", _required_python),
    ("setup.cfg", _setup_cfg_python),
)
