"""Pinned library environments, built by uv from a lock.

A *lock* is a text file of exact pins with file hashes, resolved once and shipped in `data/locks`. An *environment* is a virtual
environment with exactly these pins. Its folder is named after the lock's content, so the same lock is never installed twice and a
changed lock never reuses an old folder. Only wheels are installed: nothing is compiled, and no package code runs at installation.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from recode.errors import EnvironmentBuildError, MissingExtraError
from recode.machine import only_one
from recode.machine import recode_home as recode_home
from recode.packages import exact_version, pin, project_name, requirement
from recode.records import write_text
from recode.sandbox.supervised import supervised
from recode.shipped import is_shipped_copy

PYTHON = "3.11"
"""The Python release of all environments: the newest one with wheels for the oldest library releases in the data."""

_WHEELS_ONLY = ("--only-binary", ":all:")


@dataclass(frozen=True)
class Lock:
    """Exact pins of one environment (`name==version`), sorted, each with its file hashes where known."""

    name: str
    pins: tuple[str, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the pins, in hexadecimal."""
        return hashlib.sha256("\n".join(self.pins).encode()).hexdigest()


@dataclass(frozen=True)
class Environment:
    """An installed lock: its folder, its interpreter, and the digest of the lock."""

    folder: Path
    python: Path
    digest: str


def local_wheels() -> Path:
    """Return the folder of wheels that were made on this machine, for releases without one; uv looks there, too."""
    return recode_home() / "wheels"


def _links() -> tuple[str, ...]:
    folder = local_wheels()
    return ("--find-links", str(folder)) if folder.is_dir() else ()


def ensure_lock(folder: Path, library: str, version: str, requires: Sequence[str] = ()) -> Lock:
    """Read the lock of a library's release; resolve and write it first if there is none.

    Args:
        folder: where locks are kept, as `<library>-<version>.txt`. A missing lock is written to `$RECODE_HOME/locks` if the folder is
            read-only or belongs to the installed package.
        library: the distribution's name.
        version: its exact version.
        requires: further requirements, such as `numpy==1.26.4`; a lock that was resolved for different ones is resolved again.

    Raises:
        EnvironmentBuildError: the library, the version or a requirement is invalid (`recode.packages`), the lock holds something other than
            pins, or no set of wheels for Python `PYTHON` meets the requirements.
        MissingExtraError: uv is not installed.
    """
    try:
        files = _lock_files(folder, library, version)
        # Spaces separate the requirements in the header, so spaces within one (`numpy < 2`) are removed.
        wanted = [f"{library}=={version}", *map(requirement, requires)]
    except ValueError as error:
        raise EnvironmentBuildError(str(error)) from None
    header = f"# Python {PYTHON}: {' '.join(wanted)}"
    for file in files:
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        if lines and lines[0] == header:
            return _lock(file, lines)
    lock = Lock(files[-1].stem, _resolve(wanted))
    write_text(files[-1], "\n".join([header, *lock.pins]) + "\n")
    return lock


def _lock_files(folder: Path, library: str, version: str) -> list[Path]:
    """Return the paths where the lock of a release may be; a missing lock is written to the last one.

    Raises:
        ValueError: the library or the version is invalid and must not become part of a path.
    """
    path = folder / f"{project_name(library)}-{exact_version(version)}.txt"
    # A folder that does not exist yet will be created.
    read_only = is_shipped_copy(folder) or (folder.exists() and not os.access(folder, os.W_OK))
    return [path, recode_home() / "locks" / path.name] if read_only else [path]


def read_locks(folder: Path) -> list[Lock]:
    """Return all locks in a folder, by file name."""
    return [_lock(path, path.read_text(encoding="utf-8").splitlines()) for path in sorted(folder.glob("*.txt"))]


def _lock(path: Path, lines: Sequence[str]) -> Lock:
    """Return the lock in a file. Every pin is checked, because every pin is passed to uv."""
    pins = _pins(lines)
    for text in pins:
        try:
            pin(text)
        except ValueError as error:
            raise EnvironmentBuildError(f"{path}: {error}; delete the file to have it resolved again") from None
    return Lock(path.stem, pins)


def locked_requirements(folder: Path, library: str, version: str) -> tuple[str, ...]:
    """Return the requirements a lock was resolved for, besides the release itself; empty if there is no lock.

    Raises:
        EnvironmentBuildError: the lock names something other than requirements.
    """
    try:
        files = _lock_files(folder, library, version)
    except ValueError:
        # `ensure_lock` reports it.
        return ()
    for path in files:
        if path.is_file():
            header = path.read_text(encoding="utf-8").partition("\n")[0]
            try:
                return tuple(map(requirement, header.partition(": ")[2].split(" ")[1:]))
            except ValueError as error:
                raise EnvironmentBuildError(f"{path}:1: {error}; delete the file to have it resolved again") from None
    return ()


def ensure_environment(lock: Lock, home: Path | None = None) -> Environment:
    """Return the environment of a lock; build it if it does not exist.

    Any number of processes and threads may request the same environment at once: one builds it, the others wait. The folder appears
    complete or not at all; leftovers of a killed build are removed by the next one.

    Raises:
        EnvironmentBuildError: a pin cannot be installed, or the folder of environments cannot be created.
        MissingExtraError: uv is not installed.
    """
    root = (home or recode_home()) / "environments"
    key = _key(lock)
    environment = Environment(root / key, root / key / "bin" / "python", lock.digest)
    if environment.python.exists():
        return environment
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentBuildError(
            f"{root}: cannot be created ({error.strerror}); set RECODE_HOME to a folder of yours"
        ) from None
    with only_one(root / f"{key}.lock"):
        if not environment.python.exists():
            # We hold the lock, so anything here is left over from a killed build, or has lost its interpreter.
            for left in [environment.folder, *root.glob(f".{key}.*")]:
                shutil.rmtree(left, ignore_errors=True)
            _build(lock, environment.folder)
    return environment


def installed_environments(home: Path | None = None) -> list[Environment]:
    """Return the complete environments on disk, by folder name; their digests are not known."""
    root = (home or recode_home()) / "environments"
    folders = sorted(path for path in root.iterdir() if not path.name.startswith(".")) if root.exists() else []
    found = (Environment(folder, folder / "bin" / "python", "") for folder in folders)
    return [environment for environment in found if environment.python.exists()]


def packages_of(environment: Environment) -> list[str]:
    """Return the packages of an environment as `name==version`."""
    folders = environment.folder.glob("lib/*/site-packages/*.dist-info")
    return sorted("==".join(folder.name.removesuffix(".dist-info").rsplit("-", 1)) for folder in folders)


def prune_environments(keep: Sequence[Lock] = (), home: Path | None = None) -> list[Environment]:
    """Delete environments that belong to no lock in `keep`, and leftovers of killed builds; return the deleted environments.

    An environment that is being built is left alone. One that is in use loses its files, so prune only when nothing is running.
    """
    root = (home or recode_home()) / "environments"
    kept = {_key(lock) for lock in keep}
    deleted = []
    for environment in installed_environments(home):
        key = environment.folder.name
        if key in kept:
            continue
        with only_one(root / f"{key}.lock"):
            # Renamed first, so that nobody finds a half-deleted environment.
            doomed = root / f".{key}.doomed"
            environment.folder.rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)
        deleted.append(environment)
    for left in root.glob(".*"):
        key = left.name.split(".")[1]
        with only_one(root / f"{key}.lock"):
            shutil.rmtree(left, ignore_errors=True)
    return deleted


def has_safe_path(python: str) -> bool:
    """Say whether an interpreter knows `-P`: any but that of an environment made with a release before 3.11."""
    try:
        text = (Path(python).parent.parent / "pyvenv.cfg").read_text(encoding="utf-8")
    except OSError:
        return True
    found = re.search(r"^version(?:_info)? = 3\.(\d+)", text, re.MULTILINE)
    return found is None or int(found[1]) >= 11


def _key(lock: Lock) -> str:
    return hashlib.sha256(f"python {PYTHON}\n{lock.digest}".encode()).hexdigest()[:24]


def _build(lock: Lock, folder: Path) -> None:
    """Install into a temporary sibling folder, then rename it.

    A virtual environment can be renamed, because the interpreter finds its packages next to `pyvenv.cfg`; `--relocatable` keeps the
    scripts working too.
    """
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        venv = temporary / "venv"
        running = f"{sys.version_info.major}.{sys.version_info.minor}"
        interpreter = sys.executable if running == PYTHON else PYTHON
        _uv("venv", "--relocatable", "--python", interpreter, str(venv), what=lock.name)
        pins = temporary / "pins.txt"
        pins.write_text("\n".join(lock.pins) + "\n", encoding="utf-8")
        target = ("--python", str(venv / "bin" / "python"), "--no-deps", *_WHEELS_ONLY, *_links())
        # Compiled now: an isolated program cannot write byte code, and would otherwise compile at every import.
        _uv("pip", "install", *target, "--compile-bytecode", "-r", str(pins), what=lock.name)
        venv.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _resolve(requirements: Sequence[str]) -> tuple[str, ...]:
    with tempfile.TemporaryDirectory() as scratch:
        wanted = Path(scratch) / "wanted.in"
        wanted.write_text("\n".join(requirements) + "\n", encoding="utf-8")
        options = (
            *_WHEELS_ONLY,
            *_links(),
            "--python-version",
            PYTHON,
            "--generate-hashes",
            "--no-header",
            "--no-annotate",
        )
        text = _uv("pip", "compile", *options, str(wanted), what=" ".join(requirements))
    return _pins(text.splitlines())


def _pins(lines: Sequence[str]) -> tuple[str, ...]:
    """Return the pins of a requirements file: continued lines joined, comments and other options dropped, sorted."""
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines)).splitlines()
    return tuple(sorted(line.strip() for line in joined if re.match(r"[A-Za-z0-9]", line)))


def _uv(*arguments: str, what: str) -> str:
    """Run uv with the user's own configuration; return its output."""
    command = [uv_path(), *arguments, "--quiet", "--color", "never"]
    with supervised(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        printed, errors = process.communicate()
    if process.returncode:
        # uv prints the cause last, after remarks on other interpreters of the machine.
        reason = " ".join(errors.partition("error: ")[2].split() or errors.split())[:600]
        raise EnvironmentBuildError(
            f"{what}: uv could not build the environment ({reason}); check the network and the pins, "
            f"and that Python {PYTHON} is installed or may be downloaded by uv"
        )
    return str(printed)


def uv_path() -> str:
    """Return the uv executable: on PATH, next to the running interpreter, or in the `uv` package.

    Raises:
        MissingExtraError: uv is not installed.
    """
    beside = Path(sys.executable).with_name("uv")
    if found := shutil.which("uv") or (str(beside) if beside.exists() else None):
        return found
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        raise MissingExtraError(
            "uv, which builds the library environments, was not found; run: pip install 'recode-rl[migrate]'"
        ) from None
