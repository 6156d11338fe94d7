"""The replies of a model, kept so that a killed run asks nothing twice."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from pathlib import Path

from recode.errors import RecordError
from recode.models import Backend, Prompt, Sampling


class Replies:
    """A model's replies, kept on disk as they arrive, under the model and the whole question."""

    def __init__(self, path: Path, backend: Backend) -> None:
        """Read the replies of earlier runs; half a last line, which a killed run leaves, is skipped.

        Raises:
            RecordError: the file cannot be read, or its folder cannot be made.
        """
        self._path, self._backend = path, backend
        self._kept: dict[str, str] = {}
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = path.read_bytes().split(b"\n") if path.exists() else []
        except OSError as error:
            raise RecordError(f"{path}: cannot be read or made ({error.strerror}); check --out") from None
        # Bytes, cut at this byte only: a killed run may leave half a character, and some characters count as line breaks in text.
        for line in lines:
            try:
                value = json.loads(line)
                self._kept[value["asked"]] = str(value["reply"])
            except (ValueError, LookupError, TypeError):
                continue

    def of(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[str]:
        """Return one reply to each prompt, asking for those that are missing.

        Raises:
            RecodeError: the model does not answer, or its reply cannot be kept.
        """
        keys = [self._key(prompt, sampling) for prompt in prompts]

        def keep(number: int, _: int, text: str) -> None:
            # A lone surrogate, which JSON can hold, fits into no file and no record.
            text = text.encode("utf-8", "replace").decode()
            line = json.dumps({"asked": keys[number], "reply": text})
            with self._lock:
                self._kept[keys[number]] = text
                try:
                    with self._path.open("a", encoding="utf-8") as file:
                        # A line break first: this line must not become part of one that a killed run left unfinished.
                        file.write(f"\n{line}\n")
                except OSError as error:
                    raise RecordError(f"{self._path}: cannot be written ({error.strerror})") from None

        self._backend.generate(prompts, 1, sampling, lambda number, _: keys[number] in self._kept, keep)
        return [self._kept[key] for key in keys]

    def _key(self, prompt: Prompt, sampling: Sampling) -> str:
        asked = f"{self._backend.fingerprint()}\n{sampling}\n{prompt.key()}"
        return hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()
