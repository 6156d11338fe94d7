"""An endpoint that drops connections, answers slowly, says HTML, breaks off and dies: no finished work is lost, no wrong text is kept."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from recode.errors import RecodeError
from recode.models import EndpointBackend, Patience, Prompt, Sampling

PROMPTS = [Prompt((("user", f"question {n}"),)) for n in range(12)]
QUICK = Patience(reply=1.0, outage=60.0, tries=40, first=0.01, longest=0.05)


class Server(ThreadingHTTPServer):
    """Answers `answer to <question> <seed>`, after what `misbehave(request's number, handler)` does; that returns whether it has replied."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.misbehave: Callable[[int, Any], bool] = lambda number, handler: False
        self.count, self.answered, self.lock = 0, Counter[str](), threading.Lock()
        self.headers: list[dict[str, str]] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay quiet about connections that were meant to break."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.count += 1
            number = self.server.count
            self.server.headers.append(dict(self.headers))
        assert self.path == "/v1/chat/completions"
        if self.server.misbehave(number, self):
            return
        text = f"answer to {body['messages'][-1]['content']} {body['seed']}"
        with self.server.lock:
            self.server.answered[text] += 1
        self.say(200, json.dumps(reply(text)).encode())

    def say(self, status: int, data: bytes, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def drop(self) -> None:
        self.close_connection = True
        self.connection.close()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def reply(text: str | None, **message: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", "content": text, **message}, "finish_reason": "stop"}]}


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=lambda: made.serve_forever(0.01), daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def generated(backend: EndpointBackend, kept: dict[tuple[int, int], str], samples: int = 2, seed: int = 5) -> None:
    lock = threading.Lock()

    def keep(number: int, sample: int, text: str) -> None:
        with lock:
            assert (number, sample) not in kept
            kept[number, sample] = text

    backend.generate(PROMPTS, samples, Sampling(16, 0.7, seed=seed), lambda n, s: (n, s) in kept, keep)


EXPECTED = {(n, s): f"answer to question {n} {5 + s}" for n in range(12) for s in range(2)}


def half_dropped(number: int, handler: Any) -> bool:
    if number % 2:
        handler.drop()
    return bool(number % 2)


def html(number: int, handler: Any) -> bool:
    if number % 3:
        handler.say(200, b"<html><body>Welcome to the proxy</body></html>", "text/html")
    return bool(number % 3)


def broken_off(number: int, handler: Any) -> bool:
    if number % 2 == 0:
        return False
    data = json.dumps(reply("answer to something else")).encode()
    handler.send_response(200)
    if number % 4 == 1:
        handler.send_header("Content-Length", str(len(data)))
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(data[: len(data) // 2])
    handler.wfile.flush()
    handler.drop()
    return True


def slow(number: int, handler: Any) -> bool:
    if number % 4 == 1:
        time.sleep(1.5)
        handler.drop()
        return True
    time.sleep(0.05)
    return False


def busy(number: int, handler: Any) -> bool:
    statuses = {0: 429, 1: 503, 2: 500}
    if number % 4 == 3:
        return False
    handler.say(statuses[number % 4], b"later", "text/plain", Retry_After="0.01")
    return True


def odd(number: int, handler: Any) -> bool:
    shapes: dict[int, Any] = {
        0: {"error": "overloaded"},
        1: {"choices": []},
        2: reply(None),
        3: [],
        4: {"choices": [{"message": "text"}]},
    }
    if number % 6 == 5:
        return False
    handler.say(200, json.dumps(shapes[number % 6]).encode())
    return True


@pytest.mark.parametrize("misbehave", [half_dropped, html, broken_off, slow, busy, odd])
def test_every_completion_is_right_in_the_end(server: Server, misbehave: Callable[[int, Any], bool]) -> None:
    server.misbehave = misbehave
    kept: dict[tuple[int, int], str] = {}
    generated(EndpointBackend(server.url, "m", concurrency=4, patience=QUICK), kept)
    assert kept == EXPECTED


def test_an_outage_is_waited_for(server: Server) -> None:
    over = time.monotonic() + 2.0

    def dead(number: int, handler: Any) -> bool:
        if number > 6 and time.monotonic() < over:
            handler.drop()
            return True
        return False

    server.misbehave = dead
    kept: dict[tuple[int, int], str] = {}
    # More failures of each request than are allowed while other requests succeed.
    generated(EndpointBackend(server.url, "m", concurrency=4, patience=Patience(1.0, 60.0, 12, 0.01, 0.05)), kept)
    assert kept == EXPECTED


def test_what_was_finished_before_the_end_is_not_asked_for_again(server: Server) -> None:
    def dies(number: int, handler: Any) -> bool:
        if number > 9:
            handler.drop()
        return number > 9

    server.misbehave = dies
    kept: dict[tuple[int, int], str] = {}
    gone = Patience(reply=1.0, outage=0.3, tries=50, first=0.01, longest=0.05)
    with pytest.raises(RecodeError, match="finished completions are kept: run the same command again"):
        generated(EndpointBackend(server.url, "m", concurrency=3, patience=gone), kept)
    assert len(kept) == 9
    server.misbehave = lambda number, handler: False
    generated(EndpointBackend(server.url, "m", patience=QUICK), kept)
    assert kept == EXPECTED
    assert set(server.answered.values()) == {1}


@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_refusal_is_one_error_with_the_servers_words(server: Server, status: int) -> None:
    def refuse(number: int, handler: Any) -> bool:
        handler.say(status, b'{"error": "no such\\nmodel"}')
        return True

    server.misbehave = refuse
    with pytest.raises(RecodeError, match=rf"refused with status {status}: .*no such"):
        generated(EndpointBackend(server.url, "m", patience=QUICK), {})
    assert server.count <= 16


def test_one_request_that_always_fails_does_not_go_on_for_ever(server: Server) -> None:
    def poisoned(number: int, handler: Any) -> bool:
        time.sleep(0.002)
        if number % 5 == 1 or handler.server.answered.total() >= 23:
            handler.say(500, b"")
            return True
        return False

    server.misbehave = poisoned
    kept: dict[tuple[int, int], str] = {}
    with pytest.raises(RecodeError, match="no usable reply"):
        generated(EndpointBackend(server.url, "m", concurrency=2, patience=Patience(1.0, 1.0, 5, 0.01, 0.02)), kept)
    assert len(kept) == 23


def test_the_key_goes_along_and_no_other(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "another's")
    generated(EndpointBackend(server.url, "m", patience=QUICK), {}, samples=1)
    assert "Authorization" not in server.headers[0]
    monkeypatch.setenv("RECODE_API_KEY", "ours")
    generated(EndpointBackend(server.url, "m", patience=QUICK), {}, samples=1)
    assert server.headers[-1]["Authorization"] == "Bearer ours"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (reply("<think>why</think>x"), "why</think>x"),
        (reply("x", reasoning_content="why"), "why\n</think>\nx"),
        (reply(None, reasoning_content="cut off"), "cut off"),
        (reply(""), ""),
    ],
)
def test_thoughts_come_first_wherever_the_server_puts_them(server: Server, said: dict[str, Any], expected: str) -> None:
    def answer(number: int, handler: Any) -> bool:
        handler.say(200, json.dumps(said).encode())
        return True

    server.misbehave = answer
    found: list[str] = []
    prompt = Prompt((("user", "q"),), "<think>")
    EndpointBackend(server.url, "m", patience=QUICK).generate(
        [prompt], 1, Sampling(), lambda n, s: False, lambda n, s, text: found.append(text)
    )
    assert found == [expected]


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("http://h:1", "http://h:1/v1/chat/completions"),
        ("http://h:1/v1/", "http://h:1/v1/chat/completions"),
        ("http://h/api/chat/completions", "http://h/api/chat/completions"),
    ],
)
def test_addresses(given: str, asked: str) -> None:
    assert EndpointBackend(given, "m").url == asked


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8000",
        "http://[::1/v1",
        "http://localhost:80a0/v1",
        "http://h/ü/v1",
        "http://h/a b",
        "http://h/v1\n",
        "http://:80/v1",
    ],
)
def test_no_address_is_one_error(url: str) -> None:
    with pytest.raises(RecodeError, match="not an address"):
        EndpointBackend(url, "m")


def test_an_address_that_no_request_can_be_sent_to_is_refused_at_once() -> None:
    with pytest.raises(RecodeError, match="no request can be sent"):
        generated(EndpointBackend("http://user:word@localhost/v1", "m"), {})


@pytest.mark.parametrize("key", ["secret\r", "secret\nX: y", "secret–", "secret\udcff"])
def test_a_key_that_cannot_be_sent_is_not_shown(server: Server, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("RECODE_API_KEY", key)
    with pytest.raises(RecodeError, match="RECODE_API_KEY holds a line break or another character") as caught:
        generated(EndpointBackend(server.url, "m", patience=QUICK), {})
    assert "secret" not in str(caught.value)
    assert server.count == 0


def test_a_lone_surrogate_in_a_prompt_is_sent(server: Server) -> None:
    found: list[str] = []
    EndpointBackend(server.url, "m", patience=QUICK).generate(
        [Prompt((("user", "\udcff"),))], 1, Sampling(), lambda n, s: False, lambda n, s, text: found.append(text)
    )
    assert found == ["answer to \udcff 0"]


def test_a_redirect_is_refused(server: Server) -> None:
    def elsewhere(number: int, handler: Any) -> bool:
        handler.say(307, b"", Location="http://127.0.0.1:9/v1")
        return True

    server.misbehave = elsewhere
    with pytest.raises(RecodeError, match="refused with status 307"):
        generated(EndpointBackend(server.url, "m", patience=QUICK), {})


def test_a_proxy_that_cannot_be_used_is_one_error(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "gopher://localhost:1")
    with pytest.raises(RecodeError, match="proxy settings of this environment cannot be used"):
        generated(EndpointBackend(server.url, "m", patience=QUICK), {})
