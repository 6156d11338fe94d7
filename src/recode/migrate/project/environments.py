"""The environments of a migration: the library in each of its two releases, with the project's other requirements."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from recode.collect.texts.plain_wheels import packages_without_wheels, release_environment
from recode.errors import EnvironmentBuildError
from recode.sandbox.environments import Environment, recode_home


def pinned_environment(library: str, version: str, requires: Sequence[str] = ()) -> Environment:
    """Return the environment of a release with further requirements; it is built if it does not exist yet.

    Raises:
        EnvironmentBuildError: it cannot be built.
        MissingExtraError: uv is not installed.
    """
    if library == "python":
        raise EnvironmentBuildError(
            "environments are made for one release of Python, so nothing is looked up or run in another"
        )
    key = hashlib.sha256(" ".join(requires).encode()).hexdigest()[:16] if requires else "plain"
    return release_environment(recode_home() / "locks" / "migrate" / key, library, version, requires)


def buildable_environment(
    library: str, version: str, requires: Sequence[str] = ()
) -> tuple[Environment, tuple[str, ...]]:
    """Return the environment of a release, and the requirements that it lacks because they have no wheel. Raises as `pinned_environment`."""
    left: list[str] = []
    while True:
        try:
            return pinned_environment(library, version, requires), tuple(left)
        except EnvironmentBuildError as error:
            named = packages_without_wheels(str(error))
            unbuildable = [one for one in requires if requirement_name(one) in named]
            if not unbuildable:
                raise
            left += unbuildable
            requires = [one for one in requires if one not in unbuildable]


def project_environment(root: Path, library: str, version: str, own: Sequence[str] = ()) -> tuple[Environment, bool]:
    """Return the environment of a release beside a project's own requirements, and whether it has them.

    A requirement that has no wheel is left out; those that do not fit together with the release are, all of them.

    Args:
        root: the project's folder.
        library: the library that moves.
        version: its release.
        own: requirements that the user gave; they replace the project's for the same packages.

    Raises:
        EnvironmentBuildError: it cannot be built.
        MissingExtraError: uv is not installed.
    """
    wanted = with_own_pins(project_requirements(root, library, ""), own)
    try:
        environment, left = buildable_environment(library, version, wanted)
        return environment, not left
    except EnvironmentBuildError:
        if wanted == list(own):
            raise
    return pinned_environment(library, version, own), False


def project_requirements(root: Path, library: str, command: str) -> list[str]:
    """Return a project's own requirements without the library itself, and pytest if the test command names it."""
    lines: list[str] = []
    for name in ("requirements.txt", "requirements-test.txt", "test-requirements.txt"):
        lines += _lines(root / name)
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
        lines += [entry for entry in project.get("dependencies", []) if isinstance(entry, str)]
    except (OSError, ValueError, AttributeError):
        pass
    if re.search(r"\b(pytest|py\.test)\b", command):
        lines.append("pytest")
    return _distinct(lines, library)


def with_own_pins(common: Sequence[str], own: Sequence[str]) -> list[str]:
    """Return the project's requirements, replaced by the user's own for the same packages."""
    packages = {requirement_name(requirement) for requirement in own}
    return [*(requirement for requirement in common if requirement_name(requirement) not in packages), *own]


def requirement_name(requirement: str) -> str:
    """Return the normal name of the package that a requirement is about."""
    return canonicalize_name(re.split(r"[^\w.-]", requirement)[0])


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def _distinct(lines: Iterable[str], library: str) -> list[str]:
    """Return the requirements among lines, each package once, as uv reads them; options, URLs and comments are ignored."""
    chosen: dict[str, str] = {}
    for line in lines:
        text = line.partition(" #")[0].strip()
        if not text or text.startswith(("#", "-")):
            continue
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        name = canonicalize_name(requirement.name)
        if (
            name == canonicalize_name(library)
            or requirement.url
            or (requirement.marker and not requirement.marker.evaluate())
        ):
            continue
        extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
        chosen.setdefault(name, f"{requirement.name}{extras}{requirement.specifier}".replace(" ", ""))
    return sorted(chosen.values())
