"""A thin adapter for `ty` (https://docs.astral.sh/ty): takes a project and an environment, returns diagnostics.

ty was chosen over pyrefly by measurement: on small programs modelled on public breakage reports it finds more of the uses that break,
with less noise and in half the time (docs/migrate.md).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recode.errors import MissingExtraError, RecodeError
from recode.sandbox.environments import Environment
from recode.sandbox.supervised import supervised

RULES = (
    "missing-attribute", "missing-union-attribute", "missing-module-member", "import-not-found", "unknown-argument",
    "too-many-positional-arguments", "missing-argument", "parameter-already-assigned", "positional-only-parameter-as-kwarg",
    "no-matching-overload", "invalid-argument-type", "not-callable", "not-subscriptable", "not-iterable", "unsupported-operator",
    "deprecated",
)  # fmt: skip
"""Rules whose diagnostics can mean that a release broke the code. Others, such as overrides or assignments, concern typing style."""
VALUE_RULES = frozenset(
    {
        "invalid-argument-type", "no-matching-overload", "unsupported-operator", "not-callable", "not-subscriptable", "not-iterable",
    }
)  # fmt: skip
"""Rules about the type of a value. Stubs that became stricter make them report code that still runs."""
_CONFIG = "[analysis]\nrespect-type-ignore-comments = false\n"
"""Ignores the project's settings and `# type: ignore` comments, which show what it wants reported, not what runs."""
_SECONDS = 600.0
_FILES_AT_ONCE = 2_000
"""Maximum number of paths on one command line; far below the kernel's limit."""


class TypeCheckError(RecodeError):
    """The checker itself failed, or is not installed; the message says why."""


@dataclass(frozen=True)
class Diagnostic:
    """One diagnostic of the checker. Lines and columns are 1-based, columns count characters, and the end is exclusive."""

    file: Path
    """Relative to the checked root."""
    line: int
    column: int
    end_line: int
    end_column: int
    rule: str
    message: str

    @property
    def place(self) -> tuple[Path, int, int, str]:
        """Identifies the diagnostic across environments. The message is left out, because types may be spelled differently in each."""
        return self.file, self.line, self.column, self.rule


@dataclass(frozen=True)
class PythonRelease:
    """A release of Python, such as 3.12, whose standard library the checker knows by itself."""

    release: str


Checked = Environment | PythonRelease
"""What a project is checked against: an environment of libraries, or a release of Python."""


def check(root: Path, files: Sequence[Path], against: Checked) -> tuple[Diagnostic, ...]:
    """Check files of a project against an environment, without running any code of either.

    Args:
        root: the project's folder, in which the checker resolves the project's modules.
        files: the files to report on, relative to the root.
        against: an environment with the library releases to check against, or a release of Python.

    Raises:
        MissingExtraError: ty is not installed.
        TypeCheckError: ty failed or took longer than ten minutes.
    """
    found: set[Diagnostic] = set()
    # The checker is started in the project's folder, where a relative path leads elsewhere.
    root = root.absolute()
    with tempfile.TemporaryDirectory(prefix="recode-types-") as scratch:
        config = Path(scratch) / "ty.toml"
        config.write_text(_CONFIG, encoding="utf-8")
        target = _target(against)
        rules = ["--ignore", "all", *(word for rule in RULES for word in ("--error", rule))]
        for some in _portions(files):
            command = [
                _ty(), "check", "--config-file", str(config), "--project", str(root), *target,
                "--output-format", "gitlab", "--exit-zero", "--no-progress", *rules, "--", *(str(root / file) for file in some),
            ]  # fmt: skip
            found.update(_diagnostics(_run(command, root), root))
    return tuple(sorted(found, key=lambda diagnostic: (diagnostic.place, diagnostic.message)))


def _target(against: Checked) -> list[str]:
    if isinstance(against, PythonRelease):
        return ["--python-version", against.release]
    return ["--python", str(against.python)]


def new_diagnostics(old: Iterable[Diagnostic], new: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return the new environment's diagnostics for which the old one has none with the same place and rule."""
    known = {diagnostic.place for diagnostic in old}
    first: dict[tuple[Path, int, int, str], Diagnostic] = {}
    for diagnostic in new:
        if diagnostic.place not in known:
            first.setdefault(diagnostic.place, diagnostic)
    return tuple(first.values())


def version() -> str:
    """Return the checker's name and version, such as `ty 0.0.108`.

    Raises:
        MissingExtraError: ty is not installed.
        TypeCheckError: ty cannot be started.
    """
    return _run([_ty(), "--version"], Path.cwd()).strip()


def _ty() -> str:
    # If the virtual environment is not activated, ty is not on PATH but next to the interpreter.
    found = shutil.which("ty", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if found is None:
        raise MissingExtraError('checking types needs ty; install it with pip install "recode-rl[migrate]"')
    return found


def _run(command: Sequence[str], root: Path) -> str:
    try:
        # The checker ends with this process, however this process ends.
        with supervised(
            command, cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            written: tuple[bytes, bytes] = process.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        raise TypeCheckError(f"ty took longer than {_SECONDS:.0f} s") from None
    except OSError as error:
        raise TypeCheckError(f"ty could not be started ({error.strerror})") from None
    output, errors = (text.decode(errors="replace") for text in written)
    if process.returncode != 0:
        last = (errors.strip() or output.strip() or "no message").splitlines()[-1]
        raise TypeCheckError(f"ty failed with exit status {process.returncode}: {last[:300]}")
    return output


def _diagnostics(output: str, root: Path) -> Iterator[Diagnostic]:
    """Read ty's GitLab code quality report; places outside the root (files of a library) are left out."""
    try:
        rows: list[dict[str, Any]] = json.loads(output)
        for row in rows:
            path = Path(row["location"]["path"])
            begin, end = row["location"]["positions"]["begin"], row["location"]["positions"]["end"]
            rule = str(row["check_name"])
            message = str(row["description"]).removeprefix(f"{rule}: ")
            if path.is_absolute():
                if not path.is_relative_to(root):
                    continue
                path = path.relative_to(root)
            yield Diagnostic(path, begin["line"], begin["column"], end["line"], end["column"], rule, message)
    except (ValueError, KeyError, TypeError) as error:
        raise TypeCheckError(
            f"ty's report could not be read ({error!r}); a release of ty that is not supported?"
        ) from None


def _portions(files: Sequence[Path]) -> Iterator[Sequence[Path]]:
    for start in range(0, len(files), _FILES_AT_ONCE):
        yield files[start : start + _FILES_AT_ONCE]
