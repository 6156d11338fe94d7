"""A Harbor environment for machines without containers: bubblewrap, with the image's files where the Dockerfile puts them.

It reads no Dockerfile. Our two images have the pinned release, and `program.py` in `/app` or everything in `/tests`.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

from harbor.environments.base import BaseEnvironment, ExecResult
from harbor.environments.capabilities import EnvironmentCapabilities

from recode.sandbox.environments import Environment, _lock, ensure_environment
from tests.environments.bubblewrap import FOLDERS, in_container


class BubblewrapEnvironment(BaseEnvironment):
    """Runs each command in a bubblewrap of its own, over folders that last until the environment is stopped."""

    @staticmethod
    def type() -> str:
        return "bubblewrap"

    @property
    def capabilities(self) -> EnvironmentCapabilities:
        return EnvironmentCapabilities()

    def _validate_definition(self) -> None:
        for name in ("Dockerfile", "requirements.txt"):
            if not (self.environment_dir / name).is_file():
                raise FileNotFoundError(self.environment_dir / name)

    async def start(self, force_build: bool) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="bubblewrap-"))
        for name in FOLDERS:
            (self.root / name).mkdir()
        requirements = self.environment_dir / "requirements.txt"
        self.release: Environment = ensure_environment(_lock(requirements, requirements.read_text().splitlines()))
        if "COPY . /tests/" in (self.environment_dir / "Dockerfile").read_text():
            shutil.copytree(self.environment_dir, self.root / "tests", dirs_exist_ok=True)
            for path in (self.root / "tests").rglob("*"):
                path.chmod(0o700)
            (self.root / "tests").chmod(0o700)
        else:
            shutil.copy(self.environment_dir / "program.py", self.root / "app")
        await self.ensure_dirs(self._mount_targets(writable_only=True))

    async def stop(self, delete: bool) -> None:
        shutil.rmtree(self.root, ignore_errors=True)

    def _at(self, path: str) -> Path:
        return self.root / str(path).lstrip("/")

    async def upload_file(self, source_path: Path | str, target_path: str) -> None:
        self._at(target_path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source_path, self._at(target_path))

    async def upload_dir(self, source_dir: Path | str, target_dir: str) -> None:
        shutil.copytree(source_dir, self._at(target_dir), dirs_exist_ok=True)

    async def download_file(self, source_path: str, target_path: Path | str) -> None:
        shutil.copy(self._at(source_path), target_path)

    async def download_dir(self, source_dir: str, target_dir: Path | str) -> None:
        shutil.copytree(self._at(source_dir), target_dir, dirs_exist_ok=True)

    async def exec(
        self, command: str, cwd: str | None = None, env: dict[str, str] | None = None,
        timeout_sec: int | None = None, user: str | int | None = None, **_: Any,
    ) -> ExecResult:  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            *in_container(self.release, self.root, cwd or "/app"), "bash", "-c", command,
            env={"PATH": f"{self.release.folder}/bin:/usr/bin:/bin", "LANG": "C.UTF-8", **(env or {})},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, errors = await asyncio.wait_for(process.communicate(), timeout_sec)
        return ExecResult(stdout=out.decode(), stderr=errors.decode(), return_code=process.returncode or 0)
