"""Names, versions and requirements of packages, checked before they reach an installer or a file name.

A record or a data file is text from somewhere. `"numpy\\n--extra-index-url http://..."`, `-r /etc/passwd` or `../../x` in the place
of a library's name would otherwise become options of uv or paths on this machine.
"""

from __future__ import annotations

import re

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9.!+_-]{1,100}")
_PIN = re.compile(
    r"(?P<name>[^\s=\[\]]+)(?:\[[A-Za-z0-9._,-]+\])?==(?P<version>[^\s=]+)(?: +--hash=[a-z0-9]+:[0-9a-f]+)*"
)
_SHOWN = 80


def project_name(text: str) -> str:
    """Return the name of a project on PyPI as it is, checked by PyPI's rule (at most 100 characters).

    Raises:
        ValueError: it is not one.
    """
    if _NAME.fullmatch(text) is None:
        raise ValueError(
            f"{_shown(text)} is not the name of a package: letters, digits, `.`, `_` and `-`, beginning and ending with a letter "
            "or digit"
        )
    return text


def exact_version(text: str) -> str:
    """Return a version as it is, checked by PEP 440: one exact release, without operator, marker or path.

    Raises:
        ValueError: it is not one.
    """
    try:
        if _VERSION.fullmatch(text) is None:
            raise InvalidVersion
        Version(text)
    except InvalidVersion:
        raise ValueError(f"{_shown(text)} is not an exact version (PEP 440); give one such as 1.26.4") from None
    return text


def requirement(text: str) -> str:
    """Return a requirement without its white space: a name, extras and versions, such as `numpy<2`.

    Raises:
        ValueError: it is not one, or it names an address or a marker.
    """
    try:
        parsed = Requirement(text)
        if parsed.url or parsed.marker or any(character in text for character in "\r\n\0"):
            raise InvalidRequirement
        project_name(parsed.name)
    except (InvalidRequirement, ValueError):
        raise ValueError(
            f"{_shown(text)} is not a requirement of the form `numpy` or `numpy<2` (no addresses, markers or options)"
        ) from None
    return "".join(text.split())


def pin(text: str) -> str:
    """Return a line of a lock as it is: `name==version`, then the hashes of its files.

    Raises:
        ValueError: it is anything else.
    """
    match = _PIN.fullmatch(text)
    if match is None:
        raise ValueError(f"{_shown(text)} is not a pin of the form `name==version --hash=sha256:...`")
    project_name(match["name"])
    exact_version(match["version"])
    return text


def _shown(text: str) -> str:
    """Return text as one short line, with anything unprintable escaped."""
    return ascii(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
