"""The service's process: it listens, runs until it is asked to end, and drains."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from recode.errors import RecodeError, SandboxError
from recode.machine import cores
from recode.sandbox.fork_servers import Fault, Interpreter, Level, Limits
from recode.sandbox.serve.app import LOOPBACK, Service, make_app
from recode.sandbox.serve.journal import Journal
from recode.sandbox.serve.metrics import Metrics
from recode.sandbox.serve.workers import Workers


@dataclass(frozen=True)
class Listening:
    """Where a server listens, and how many jobs of an earlier one it has queued."""

    address: str
    workers: int
    resumed: int


@dataclass(frozen=True)
class Settings:
    """How to serve. Port 0 takes a free one."""

    interpreter: Interpreter
    level: Level
    most: Limits
    """The most that a program may have, and what it has if its request does not say."""
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int | None = None
    """Programs at a time; None: one per core and half as many again."""
    queue: int = 1024
    """Programs that may wait."""
    journal: Path | None = None
    """Folder of the journal; None: no jobs."""
    drain_seconds: float = 60.0
    """How long requests may take to be answered after the server was asked to end."""


def serve(settings: Settings, on_ready: Callable[[Listening], None]) -> None:
    """Serve until SIGTERM or SIGINT; then accept nothing, answer what was accepted, and return.

    Jobs that have not run stay in the journal.

    Raises:
        RecodeError: the address or the journal is taken, or cannot be used.
        SandboxError: programs cannot be run.
    """
    metrics = Metrics()
    count = settings.workers or cores() + (cores() + 1) // 2
    workers = Workers(
        settings.interpreter, settings.level, settings.most, count=count, queue=settings.queue, on_done=metrics.done
    )
    metrics.watch(workers)
    listener = _listen(settings.host, settings.port)
    journal = None
    try:
        journal = Journal(settings.journal) if settings.journal else None
        workers.start()
        hosts = LOOPBACK if settings.host in LOOPBACK else frozenset[str]()
        # In base64 and JSON, a file takes four thirds of its size and more.
        service = Service(workers, metrics, journal, hosts=hosts, largest=2 * settings.most.files)
        resumed = service.resume()
        config = uvicorn.Config(
            make_app(service), log_level="warning", access_log=False, backlog=2048, server_header=False,
            timeout_graceful_shutdown=round(settings.drain_seconds),
        )  # fmt: skip
        on_ready(Listening(_address(listener), count, resumed))
        with _signals_end_it_softly():
            uvicorn.Server(config).run(sockets=[listener])
    except Fault as fault:
        raise SandboxError(f"programs cannot run: {fault}") from None
    finally:
        listener.close()
        # Requests have been answered by now, or have run out of time. Jobs can wait for the next server.
        workers.close(finish=False)
        if journal:
            journal.close()


@contextmanager
def _signals_end_it_softly() -> Iterator[None]:
    """Make the signals that end the server harmless after it ended: uvicorn raises them again then, before the journal is closed."""
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise RecodeError(f"{host}:{port}: cannot listen there ({error}); choose another --port or --host") from None


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
