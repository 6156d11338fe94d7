"""Models behind an OpenAI-compatible endpoint: many requests at once, failed ones repeated, incomplete answers never kept."""

from __future__ import annotations

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
from urllib.parse import urlsplit

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, sleep_using_event, wait_exponential

from recode.errors import RecodeError
from recode.models.backends import Have, Keep
from recode.models.prompting import Prompt
from recode.models.sampling import Sampling
from recode.prompts import PREFILL, completion_of

KEY_VARIABLE = "RECODE_API_KEY"
"""The environment variable with the endpoint's key. No other variable is read, so that no key is sent to the wrong server."""

_LATER = {408, 409, 423, 425, 429}
"""Refusals that may pass. Any other 4xx is about the request and would be the same next time. 5xx may pass too."""
_LONGEST_BODY = 64 << 20
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Patience:
    """How long to wait for an endpoint, in seconds."""

    reply: float = 300.0
    """How long to wait for the next byte of a reply, or for a connection."""
    outage: float = 900.0
    """How long every request may fail before the run gives up."""
    tries: int = 30
    """How often one request may fail while others are answered."""
    first: float = 0.5
    """The pause after a request's first failure; it doubles with each further one, and is jittered."""
    longest: float = 30.0
    """The longest pause, before the jitter."""


class _Transient(Exception):
    """A failure that may pass, so that the request is sent again.

    `after` is the pause in seconds that the server asked for. `busy` says that the server only asked for patience: such a failure does not
    count against the request.
    """

    def __init__(self, reason: str, after: float | None = None, busy: bool = False) -> None:
        super().__init__(reason)
        self.after, self.busy = after, busy


class EndpointBackend:
    """One model of an OpenAI-compatible server (`/v1/chat/completions`)."""

    def __init__(self, url: str, model: str, *, concurrency: int = 16, patience: Patience | None = None) -> None:
        """Take the server's address as OpenAI's clients take it, such as `http://localhost:8000/v1`.

        Raises:
            RecodeError: this is not the address of a server.
        """
        if not _is_address(url):
            raise RecodeError(f"{url}: not an address; give the server's base, such as http://localhost:8000/v1")
        base = url.rstrip("/").removesuffix("/chat/completions")
        self.url = (base if urlsplit(base).path.strip("/") else f"{base}/v1") + "/chat/completions"
        self.name, self.concurrency = model, concurrency
        self.patience = patience or Patience()

    def fingerprint(self) -> str:
        """Return the address and the model's name; the model behind them cannot be identified."""
        return f"{self.url} {self.name}"

    def generate(self, prompts: Sequence[Prompt], samples: int, sampling: Sampling, have: Have, keep: Keep) -> None:
        """Request every missing completion, each in a separate request.

        Raises:
            RecodeError: the server refuses a request, cannot be reached, or gives no usable reply for longer than `patience` allows.
        """
        missing = [(n, s) for n in range(len(prompts)) for s in range(samples) if not have(n, s)]
        if not missing:
            return
        if urlsplit(self.url).username is not None:
            raise RecodeError(
                f"{self.url}: no request can be sent to this address; check --endpoint (a key belongs in {KEY_VARIABLE})"
            )
        limits = httpx.Limits(max_connections=self.concurrency, max_keepalive_connections=self.concurrency)
        timeout = httpx.Timeout(self.patience.reply, pool=None)
        headers = _headers()
        try:
            client = httpx.Client(headers=headers, timeout=timeout, limits=limits)
        except (ImportError, ValueError) as error:
            # Raised for proxies that the environment names, such as SOCKS.
            raise RecodeError(f"{self.url}: the proxy settings of this environment cannot be used: {error}") from None
        with client:
            _Requests(self, client, prompts, sampling, keep, missing).run()


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
    """The state that the threads of one `generate` share: waiting requests, the time of the last good reply, the first fatal error."""

    def __init__(
        self, backend: EndpointBackend, client: httpx.Client, prompts: Sequence[Prompt], sampling: Sampling, keep: Keep,
        missing: Sequence[tuple[int, int]],
    ) -> None:  # fmt: skip
        self.backend, self.client, self.prompts, self.sampling, self.keep = backend, client, prompts, sampling, keep
        self.patience = backend.patience
        self.error: BaseException | None = None
        self.stop = threading.Event()
        self.last_good = time.monotonic()
        self.count = len(missing)
        self.waiting: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()
        for pair in missing:
            self.waiting.put(pair)

    def run(self) -> None:
        """Answer all requests. After a fatal error, wait for the requests under way and raise it.

        The threads are daemons, so an interrupt ends the command at once, even while they wait.
        """
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
                text = self._complete(number, sample)
                if text is not None:
                    self.keep(number, sample, text)
            except BaseException as error:  # noqa: BLE001 (raised again in the thread that called `run`)
                self.error = self.error or error
                self.stop.set()

    def _complete(self, number: int, sample: int) -> str | None:
        """Return a completion, repeating the request as often as need be; None if the run was stopped in the meantime."""
        body = self._body(number, sample)
        limit = _RetryLimit(self)

        def attempt() -> str | None:
            if self.stop.is_set():
                return None
            text = _completion(_post(self.client, self.backend.url, body), self.prompts[number])
            self.last_good = time.monotonic()
            return text

        retrying = Retrying(
            retry=retry_if_exception_type(_Transient),
            stop=limit.is_reached,
            wait=limit.pause,
            sleep=sleep_using_event(self.stop),
            reraise=True,
        )
        try:
            return retrying(attempt)
        except _Transient as failure:
            raise RecodeError(
                f"{self.backend.url}: no usable reply ({failure}); "
                "finished completions are kept: run the same command again when the endpoint works"
            ) from None

    def _body(self, number: int, sample: int) -> bytes:
        messages = [{"role": role, "content": content} for role, content in self.prompts[number].messages]
        sampling = self.sampling
        values = {
            "model": self.backend.name, "messages": messages, "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature, "top_p": sampling.top_p, "seed": sampling.seed + sample,
        }  # fmt: skip
        # ASCII, so that a lone surrogate in a prompt can be sent.
        return json.dumps(values).encode()


class _RetryLimit:
    """Decides when one request has failed too often, and how long to pause before it is sent again."""

    def __init__(self, requests: _Requests) -> None:
        self._requests = requests
        self._patience = requests.patience
        self._backoff = wait_exponential(multiplier=self._patience.first, max=self._patience.longest)
        self._began = self._failed = time.monotonic()
        self._failures = 0

    def is_reached(self, state: RetryCallState) -> bool:
        """Count a failure. Say whether to give up: after too many of this request's own, or after too long an outage of the endpoint.

        A request that fails again although another was answered in the meantime may itself be the problem. In an outage all requests fail.
        """
        last_good = self._requests.last_good
        self._failures += last_good > self._failed and not _failure(state).busy
        self._failed = time.monotonic()
        silent = self._failed - max(last_good, self._began)
        return self._failures >= self._patience.tries or silent > self._patience.outage

    def pause(self, state: RetryCallState) -> float:
        """Return the seconds to wait before the next attempt."""
        after = _failure(state).after or self._backoff(state) * random.uniform(0.5, 1.5)
        return min(after, self._patience.outage)


def _failure(state: RetryCallState) -> _Transient:
    failure = state.outcome.exception() if state.outcome else None
    assert isinstance(failure, _Transient)
    return failure


def _post(client: httpx.Client, url: str, body: bytes) -> bytes:
    """Send one request; return the whole body of a good reply.

    Raises:
        _Transient: the connection failed, or the server failed for the time being.
        RecodeError: the server refuses the request, or it cannot be sent at all.
    """
    try:
        with client.stream("POST", url, content=body) as reply:
            # A body shorter than announced raises RemoteProtocolError; one without an announced length is caught when it is parsed.
            data = _read(reply)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError):
        raise RecodeError(f"{url}: no request can be sent to this address; check --endpoint") from None
    except httpx.HTTPError as error:
        if _is_unknown_host(error):
            raise RecodeError(f"{url}: there is no such host; check --endpoint") from None
        raise _Transient(f"{type(error).__name__}: {error}") from None
    if reply.status_code in _LATER or reply.status_code >= 500:
        after = _retry_after(reply.headers.get("Retry-After"))
        raise _Transient(f"status {reply.status_code}", after, reply.status_code == 429)
    if not reply.is_success:
        reason = " ".join(data[:2000].decode("utf-8", "replace").split())[:300] or "(no reason given)"
        raise RecodeError(f"{url}: refused with status {reply.status_code}: {reason}")
    return data


def _read(reply: httpx.Response) -> bytes:
    data = b""
    for chunk in reply.iter_bytes():
        data += chunk
        if len(data) > _LONGEST_BODY:
            raise _Transient(f"a reply of more than {_LONGEST_BODY >> 20} MiB")
    return data


def _is_unknown_host(error: BaseException) -> bool:
    """Say whether the resolver says that the host does not exist; a resolver that fails may recover."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME:
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _headers() -> dict[str, str]:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if key := os.environ.get(KEY_VARIABLE):
        if not (key.isascii() and key.isprintable()):
            # The key itself is left out: it must not appear in a terminal or a log.
            raise RecodeError(
                f"{KEY_VARIABLE} holds a line break or another character that no header takes; set it again"
            )
        headers["Authorization"] = f"Bearer {key}"
    return headers


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
    """Return a reply's text as a continuation of the prompt's prefill.

    Raises:
        _Transient: the reply does not follow the protocol: a proxy's page, half a reply, an error with a good status.
    """
    try:
        reply: Any = json.loads(data)
        choice = reply["choices"][0]
        message = choice["message"]
        thought, text = message.get("reasoning_content") or message.get("reasoning"), message.get("content")
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise _Transient(f"not a chat completion: {data[:80].decode('utf-8', 'replace')!r}") from None
    thought = thought if isinstance(thought, str) else ""
    if choice.get("finish_reason") == "error" or not (isinstance(text, str) or thought):
        raise _Transient("a chat completion without text")
    text = text if isinstance(text, str) else ""
    return completion_of(text, thought, opened=prompt.prefill.startswith(PREFILL))
