"""Models behind an OpenAI-compatible endpoint: many requests at once, patient with one that fails, never content with half an answer."""

from __future__ import annotations

import http.client
import json
import os
import queue
import random
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from recode.errors import RecodeError
from recode.models.backends import Have, Keep
from recode.models.prompting import Prompt
from recode.models.sampling import Sampling
from recode.prompts import PREFILL

KEY_VARIABLE = "RECODE_API_KEY"
"""The environment variable with the endpoint's key; no other is read, so that no key goes where it does not belong."""

_LATER = {408, 409, 423, 425, 429}
"""Refusals that pass; every other 4xx is about the request and will be the same tomorrow. 5xx pass too."""
_LONGEST_BODY = 64 << 20
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Patience:
    """How long to wait for an endpoint, in seconds.

    `reply`: for one reply to go on (time without a byte). `outage`: for any good reply at all, while every request fails. `tries`: how often one
    request may fail while others are answered. `first`, `longest`: the pauses between tries, doubled each time and jittered.
    """

    reply: float = 300.0
    outage: float = 900.0
    tries: int = 30
    first: float = 0.5
    longest: float = 30.0


class _Passing(Exception):
    """A failure that may pass: the request is sent again, after `after` seconds if the server said so; `busy` if it only asked for patience."""

    def __init__(self, reason: str, after: float | None = None, busy: bool = False) -> None:
        super().__init__(reason)
        self.after, self.busy = after, busy


class EndpointBackend:
    """One model of an OpenAI-compatible server (`/v1/chat/completions`)."""

    def __init__(self, url: str, model: str, *, concurrency: int = 16, patience: Patience | None = None) -> None:
        """Take the server's address as OpenAI's clients take it, such as `http://localhost:8000/v1`.

        Raises:
            RecodeError: this is no address of a server.
        """
        if not _is_address(url):
            raise RecodeError(f"{url}: not an address; give the server's base, such as http://localhost:8000/v1")
        base = url.rstrip("/").removesuffix("/chat/completions")
        self.url = (base if urlsplit(base).path.strip("/") else f"{base}/v1") + "/chat/completions"
        self.name, self.concurrency = model, concurrency
        self.patience = patience or Patience()

    def fingerprint(self) -> str:
        """Return the address and the model's name: what stands behind them cannot be known."""
        return f"{self.url} {self.name}"

    def generate(self, prompts: Sequence[Prompt], samples: int, sampling: Sampling, have: Have, keep: Keep) -> None:
        """Ask for every missing completion by a request of its own."""
        asked = [(n, s) for n in range(len(prompts)) for s in range(samples) if not have(n, s)]
        if not asked:
            return
        _Requests(self, prompts, sampling, keep, asked).run()


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # Reading the port checks it.
        has_server = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    # The request line takes no other characters; a path with others is written percent-encoded.
    plain = (parts.path + parts.query).isascii() and url.isprintable() and " " not in url
    return has_server and plain


class _Requests:
    """What the threads of one `generate` share: requests that wait, the time of the last good reply, the first fatal error."""

    def __init__(
        self, backend: EndpointBackend, prompts: Sequence[Prompt], sampling: Sampling, keep: Keep, asked: Sequence[tuple[int, int]]
    ) -> None:  # fmt: skip
        self.backend, self.prompts, self.sampling, self.keep = backend, prompts, sampling, keep
        self.patience = backend.patience
        self.error: BaseException | None = None
        self.stop = threading.Event()
        self.last_good = time.monotonic()
        self.count = len(asked)
        self.waiting: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()
        for pair in asked:
            self.waiting.put(pair)

    def run(self) -> None:
        """Answer all requests, or raise the first fatal error after the requests under way have ended."""
        threads = [
            threading.Thread(target=self._work, daemon=True) for _ in range(min(self.backend.concurrency, self.count))
        ]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(_POLL_SECONDS)
        except BaseException:
            self.stop.set()
            raise
        if self.error is not None:
            raise self.error

    def _work(self) -> None:
        while not self.stop.is_set():
            try:
                number, sample = self.waiting.get_nowait()
            except queue.Empty:
                return
            try:
                text = self._patiently(number, sample)
                if text is not None:
                    self.keep(number, sample, text)
            except BaseException as error:  # noqa: BLE001 (raised again in the thread that asked)
                self.error = self.error or error
                self.stop.set()

    def _patiently(self, number: int, sample: int) -> str | None:
        """Return the completion, however often the request has to be sent; None where the run was stopped meanwhile."""
        body = self._body(number, sample)
        pause, failures, began = self.patience.first, 0, time.monotonic()
        failed = began
        while not self.stop.is_set():
            try:
                text = _completion(_post(self.backend.url, body, self.patience.reply), self.prompts[number])
                self.last_good = time.monotonic()
                return text
            except _Passing as failure:
                # A request that fails again although another was answered meanwhile may itself be the problem; in an outage all fail.
                failures += self.last_good > failed and not failure.busy
                failed = time.monotonic()
                silent = failed - max(self.last_good, began)
                if failures >= self.patience.tries or silent > self.patience.outage:
                    raise RecodeError(
                        f"{self.backend.url}: no usable reply ({failure}); "
                        "what was finished is kept: run the same command again when the endpoint is well"
                    ) from None
                self.stop.wait(min(failure.after or pause * random.uniform(0.5, 1.5), self.patience.outage))
                pause = min(2 * pause, self.patience.longest)
        return None

    def _body(self, number: int, sample: int) -> bytes:
        messages = [{"role": role, "content": content} for role, content in self.prompts[number].messages]
        sampling = self.sampling
        return json.dumps(
            {
                "model": self.backend.name, "messages": messages, "max_tokens": sampling.max_new_tokens,
                "temperature": sampling.temperature, "top_p": sampling.top_p, "seed": sampling.seed + sample,
            }
        ).encode()  # fmt: skip


def _post(url: str, body: bytes, timeout: float) -> bytes:
    """Send one request; return the whole body of a good reply.

    Raises:
        _Passing: the connection, or the server for the time being, failed.
        RecodeError: the server refuses the request, or it cannot be sent at all.
    """
    try:
        with urlopen(Request(url, body, _headers()), timeout=timeout) as reply:
            # A body shorter than announced raises IncompleteRead; one without an announced end is caught when it is parsed.
            data: bytes = reply.read(_LONGEST_BODY)
            if reply.length:
                raise _Passing("a reply that broke off")
            return data
    except HTTPError as error:
        if error.code in _LATER or error.code >= 500:
            raise _Passing(
                f"status {error.code}", _retry_after(error.headers.get("Retry-After")), error.code == 429
            ) from None
        raise RecodeError(f"{url}: refused with status {error.code}: {_said(error)}") from None
    except (http.client.InvalidURL, UnicodeError):
        raise RecodeError(f"{url}: no request can be sent to this address; check --endpoint") from None
    except (URLError, http.client.HTTPException, OSError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, socket.gaierror) and reason.errno == socket.EAI_NONAME:
            raise RecodeError(f"{url}: there is no such host; check --endpoint") from None
        raise _Passing(f"{type(reason).__name__}: {reason}") from None


def _headers() -> dict[str, str]:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if key := os.environ.get(KEY_VARIABLE):
        if not (key.isascii() and key.isprintable()):
            # Without the key, which must not stand in anybody's terminal or log.
            raise RecodeError(
                f"{KEY_VARIABLE} holds a line break or another character that no header takes; set it again"
            )
        headers["Authorization"] = f"Bearer {key}"
    return headers


def _said(error: HTTPError) -> str:
    """Return the first 300 characters of what a server said with its refusal."""
    try:
        return " ".join(error.read(2000).decode("utf-8", "replace").split())[:300]
    except (OSError, http.client.HTTPException):
        return "(no reason given)"


def _retry_after(value: str | None) -> float | None:
    """Return the seconds of a Retry-After header, which may be a date."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _completion(data: bytes, prompt: Prompt) -> str:
    """Return a reply's text, as it would go on from the prompt's prefill.

    Raises:
        _Passing: this is no reply of the protocol: a proxy's page, half a reply, an error with a good status.
    """
    try:
        reply: Any = json.loads(data)
        choice = reply["choices"][0]
        message = choice["message"]
        thought, text = message.get("reasoning_content") or message.get("reasoning"), message.get("content")
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise _Passing(f"not a chat completion: {data[:80].decode('utf-8', 'replace')!r}") from None
    thought = thought if isinstance(thought, str) else ""
    if choice.get("finish_reason") == "error" or not (isinstance(text, str) or thought):
        raise _Passing("a chat completion without text")
    text = text if isinstance(text, str) else ""
    if thought:
        text = f"{thought}\n</think>\n{text}" if text else thought
    # The prompt asks for a think block that a local model finds opened already.
    opened = text.lstrip()
    return opened.removeprefix(PREFILL) if prompt.prefill.startswith(PREFILL) and opened.startswith(PREFILL) else text
