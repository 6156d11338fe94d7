"""The public names of Python's own standard library in one release, listed by that release's interpreter.

The interpreters are those that uv finds or may download, and those of pyenv. Nothing but Python's own modules is imported, so the
interpreter runs without a sandbox.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import os
import subprocess
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recode.collect.walk.public_api import Api, read_api
from recode.errors import EnvironmentBuildError
from recode.machine import only_one
from recode.records import write_text
from recode.sandbox.environments import Environment, Lock, recode_home, uv_path

_HERE = Path(__file__).parent
_SECONDS = 600.0
_NOT_SOURCES = frozenset({"test", "tests", "idlelib", "site-packages", "ensurepip", "turtledemo", "pydoc_data"})


@dataclass(frozen=True)
class StandardLibrary:
    """One release of Python, such as 3.12, and its interpreter."""

    release: str
    python: Path

    def api(self) -> Api:
        """Return the public names of all modules.

        Raises:
            EnvironmentBuildError: the interpreter cannot list them.
        """
        answer = self._answer("walk", "")
        for record in answer["names"]:
            # Before 3.10, byte code does not show that a function only raises.
            for described in (record, *record.get("members", {}).values()):
                described.pop("refuses", None)
        return read_api("sys", self.release, [answer])

    def probe(self, paths: Sequence[str]) -> dict[str, tuple[str, str]]:
        """Return path → what happens to a program that uses it, and the message, as `public_api.probe` does."""
        answers = self._answer("probe", json.dumps(list(paths)))
        return {path: (outcome, message) for path, (outcome, message) in zip(paths, answers, strict=True)}

    def describe(self, paths: Sequence[str], script: Path) -> Any:
        """Return base classes and results of some names; `script` is the file of `describe` (`knowledge/_shape.py`)."""
        return self._answer("describe", json.dumps(list(paths)), script)

    def sources(self) -> Iterator[tuple[str, str]]:
        """Yield (path, text) of the modules' own sources, with paths below the folder of the standard library."""
        folder = self._folder
        for file in sorted(folder.rglob("*.py")):
            path = file.relative_to(folder)
            if _NOT_SOURCES.isdisjoint(path.parts):
                yield path.as_posix(), file.read_text(encoding="utf-8", errors="replace")

    def environment(self) -> Environment:
        """Return an empty environment of this release, in which programs can run; built if it does not exist.

        Raises:
            EnvironmentBuildError: it cannot be built.
        """
        root = recode_home() / "environments"
        folder = root / f"python-{self.release}"
        pins = Lock(folder.name, (f"python=={self.release}",))
        found = Environment(folder, folder / "bin" / "python", pins.digest)
        root.mkdir(parents=True, exist_ok=True)
        with only_one(root / f"{folder.name}.lock"):
            if not found.python.exists():
                command = [uv_path(), "venv", "--quiet", "--clear", "--python", str(self.python), str(folder)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise EnvironmentBuildError(f"Python {self.release}: {' '.join(done.stderr.split())[:200]}")
        return found

    @functools.cached_property
    def _folder(self) -> Path:
        return self.python.resolve().parent.parent / "lib" / f"python{self.release}"

    def _answer(self, call: str, argument: str, *beside: Path) -> Any:
        """Return the answer of `_standard_walker.py`, from the cache where it is there."""
        scripts = [_HERE / "_standard_walker.py", _HERE / "_walker.py", *beside]
        code = b"".join(script.read_bytes() for script in scripts)
        key = hashlib.sha256(code + f"\n{self.python.resolve()}\n{call}\n{argument}".encode()).hexdigest()
        file = recode_home() / "walks" / f"{key}.json"
        try:
            return json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            pass
        paths = os.pathsep.join(str(folder) for folder in dict.fromkeys(script.parent for script in scripts))
        start = f"import sys; sys.path[:0] = {paths!r}.split({os.pathsep!r}); import runpy"
        program = f"{start}; sys.argv = ['', {call!r}]; runpy.run_path({str(scripts[0])!r}, run_name='__main__')"
        try:
            done = subprocess.run(
                [str(self.python), "-I", "-S", "-c", program],
                input=argument, capture_output=True, text=True, timeout=_SECONDS, check=True,
            )  # fmt: skip
            text = zlib.decompress(base64.b85decode(done.stdout.strip().rpartition("\n")[2]))
        except (OSError, subprocess.SubprocessError, ValueError, zlib.error) as error:
            said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1:]
            raise EnvironmentBuildError(
                f"Python {self.release}: cannot list its modules ({''.join(said)[:200]})"
            ) from None
        write_text(file, text.decode())
        return json.loads(text)


def standard_library(release: str) -> StandardLibrary:
    """Return a release of Python, such as 3.12; patch releases do not count.

    Raises:
        EnvironmentBuildError: no interpreter of it is installed, and uv cannot download one.
        MissingExtraError: uv is not installed.
    """
    series = ".".join(release.split(".")[:2])
    for folder in sorted(Path("~/.pyenv/versions").expanduser().glob(f"{series}.*")):
        if (folder / "bin" / "python").exists():
            return StandardLibrary(series, folder / "bin" / "python")
    for command in (("python", "find", series), ("python", "install", series), ("python", "find", series)):
        done = subprocess.run([uv_path(), *command, "--quiet"], capture_output=True, text=True, check=False)
        found = Path(done.stdout.strip().splitlines()[-1]) if done.stdout.strip() and command[1] == "find" else None
        if found is not None and found.exists():
            return StandardLibrary(series, found)
    raise EnvironmentBuildError(f"Python {series} is not installed, and uv cannot download it; install it")
