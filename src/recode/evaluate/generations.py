"""Completions saved to disk as they finish, so that a killed run resumes and judging can be repeated without a model."""

from __future__ import annotations

import fcntl
import hashlib
import json
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from recode.errors import RecodeError, RecordError
from recode.models.prompting import Prompt
from recode.models.sampling import Sampling


class Generations:
    """An append-only file of completions by key. One process at a time; any number of threads."""

    def __init__(self, path: Path) -> None:
        """Open the file, or create it. A last line that was cut off when a run was killed is dropped.

        Raises:
            RecodeError: another process has it open.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab+")
        except OSError as error:
            raise RecordError(f"{path}: cannot be opened ({error.strerror})") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise RecodeError(
                f"{path}: in use by another evaluation; wait for it, or choose another folder with --out"
            ) from None
        self._lock = threading.Lock()
        self._texts = self._read(path)

    def _read(self, path: Path) -> dict[str, str]:
        self._file.seek(0)
        data = self._file.read()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            self._file.truncate(len(whole))
        texts: dict[str, str] = {}
        for number, line in enumerate(whole.split(b"\n")[:-1], start=1):
            try:
                row = json.loads(line)
                texts[row["key"]] = row["completion"]
            except (ValueError, KeyError, TypeError):
                raise RecordError(f"{path}:{number}: not a saved completion; delete this line, or the file") from None
        return texts

    def __contains__(self, key: str) -> bool:
        """Return whether a completion is saved."""
        return key in self._texts

    def __getitem__(self, key: str) -> str:
        """Return a saved completion."""
        return self._texts[key]

    def put(self, key: str, completion: str, **labels: Any) -> None:
        """Save a completion with labels for readers of the file; it has been handed to the system when this returns."""
        line = json.dumps({"key": key, **labels, "completion": completion}) + "\n"
        with self._lock:
            self._texts[key] = completion
            self._file.write(line.encode())
            self._file.flush()

    def __enter__(self) -> Self:
        """Return the open file."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()


def generation_key(fingerprint: str, prompt: Prompt, sampling: Sampling, sample: int) -> str:
    """Return a digest of everything that a completion depends on."""
    # Sampling settings do not affect a greedy completion.
    drawn = [sampling.temperature, sampling.top_p, sampling.seed] if sampling.temperature else [0.0]
    parts = json.dumps([fingerprint, prompt.key(), sampling.max_new_tokens, *drawn, sample])
    return hashlib.sha256(parts.encode()).hexdigest()
