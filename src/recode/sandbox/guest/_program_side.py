"""The program's side of the exchange with its test."""

from __future__ import annotations

import io
import sys
import types
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recode.sandbox.guest import _globals, _side
else:
    import _globals
    import _side

_PRINTED = 300_000
_WARNINGS = 100


class ProgramSide(_side.Side):
    """Performs the operations that the test requests, and reports the text printed and the warnings issued in the meantime."""

    def __init__(self, exchange: _side.Exchange, own: frozenset[str]) -> None:
        super().__init__(1, exchange, own)
        self._out, self._errors = self._captured(), self._captured()
        sys.stdout, sys.stderr = self._out, self._errors
        self._seen: list[tuple[type[Warning], str, int]] = []
        self._seeded = False
        self._logs = _globals.Logs()
        warnings.simplefilter("always")
        warnings.showwarning = self._see  # type: ignore[assignment]

    @staticmethod
    def _captured() -> io.TextIOWrapper:
        return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="surrogatepass", write_through=True)

    def _see(self, message: Any, category: type[Warning], filename: str, lineno: int, *_: Any) -> None:
        if len(self._seen) < _WARNINGS:
            self._seen.append((category, str(message)[:2000], lineno))

    def printed(self) -> tuple[str, str]:
        """Return the text printed to stdout and stderr since the last message."""
        return self._text(self._out), self._text(self._errors)

    @staticmethod
    def _text(stream: io.TextIOWrapper) -> str:
        buffer = stream.buffer
        if not isinstance(buffer, io.BytesIO) or not buffer.tell():
            return ""
        text = buffer.getvalue()[:_PRINTED].decode("utf-8", "surrogatepass")
        buffer.seek(0)
        buffer.truncate()
        return text

    def warned(self) -> tuple[Any, ...]:
        """Return the warnings since the last message."""
        seen, self._seen = tuple(self._seen), []
        return seen

    def changed_globals(self) -> tuple[Any, ...]:
        """Return what was logged and, if the test has set it, the state of the random number generators."""
        logged = self._logs.taken()
        return (*(_globals.seeds() if self._seeded else ()), *((("logs", logged),) if logged else ()))

    def apply_globals(self, changes: Any) -> None:
        """Take over the test's random state, its standard input, and the built-in functions that it has replaced."""
        self._seeded = self._seeded or any(name == "random" for name, _ in changes)
        _globals.apply(changes)

    def serve(
        self, namespace: dict[str, Any], receive: Callable[[], bytes | None], send: Callable[[bytes], None]
    ) -> None:
        """Answer the test's requests until the channel closes. The first one asks for names of the program."""
        while (message := receive()) is not None:
            said = self._read(message)
            if said[0] == "do" and said[1] == "names":
                chosen = {name: namespace[name] for name in said[2][0] if name in namespace}
                said = ("do", "get", (types.SimpleNamespace(names=chosen), "names"), *said[3:])
            send(self.answer(said))
            del said
