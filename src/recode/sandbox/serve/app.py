"""The HTTP side of the service: `run_code` as Sandbox Fusion has it, jobs that outlive the server, health and metrics."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import CancelledError, Future
from contextlib import asynccontextmanager, suppress
from typing import Any

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from recode.errors import RecodeError
from recode.sandbox.serve.journal import Journal
from recode.sandbox.serve.metrics import Metrics
from recode.sandbox.serve.protocol import RunCodeRequest, RunCodeResponse
from recode.sandbox.serve.workers import Closing, QueueFull, Workers

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_KEEP_SECONDS = 24 * 3600.0
_SWEEP_SECONDS = 600.0


class Refused(Exception):
    """A request that is not accepted: the HTTP status, what to say, and further headers."""

    def __init__(self, status: int, reason: str, detail: Any, headers: dict[str, str] | None = None) -> None:
        super().__init__()
        self.status, self.reason, self.detail, self.headers = status, reason, detail, headers or {}


class Service:
    """The handlers of the HTTP requests."""

    def __init__(
        self, workers: Workers, metrics: Metrics, journal: Journal | None, *, hosts: frozenset[str], largest: int
    ) -> None:
        """Take what runs programs, what counts them, where jobs are kept, the `Host` names to answer to, and the bytes of a request."""
        self.workers, self.metrics, self.journal, self.hosts, self.largest = workers, metrics, journal, hosts, largest

    # --- requests that are answered when the program has run ---

    async def run_code(self, request: Request) -> Response:
        """Run a program and answer with what it did. If the connection breaks, nothing was acknowledged and the program is dropped."""
        asked = await self._read(request)
        future = self._submit(asked)
        answered = asyncio.ensure_future(asyncio.wrap_future(future))
        gone = asyncio.ensure_future(_gone(request))
        await asyncio.wait((answered, gone), return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not answered.done():
            answered.cancel()
            self.metrics.refused("client_gone")
            return Response(status_code=499)
        try:
            return _json(answered.result().model_dump_json())
        except asyncio.CancelledError:
            raise Refused(503, "closing", "the server is ending; send it again") from None

    # --- jobs: acknowledged once they are on the disk ---

    async def add_job(self, request: Request) -> Response:
        """Accept a program, answer 202 with its number once it is on the disk, and run it later, also after a restart."""
        journal = self._journal()
        asked = await self._read(request)
        body = asked.model_dump_json()
        number = request.headers.get("idempotency-key") or uuid.uuid4().hex
        if len(number) > 100 or not number.replace("-", "").replace("_", "").isalnum():
            raise Refused(422, "invalid", "Idempotency-Key: at most 100 letters, digits, - and _")
        known = journal.get(number)
        if known is None:
            self._has_room()
            if await asyncio.wrap_future(journal.add(number, body)):
                self.metrics.accepted()
                self._start(number, asked)
            known = journal.get(number)
        if known is not None and known.request != body:
            raise Refused(409, "conflict", f"job {number} is another request")
        place = f"/jobs/{number}"
        return JSONResponse({"id": number, "state": _state(known)}, 202, {"Location": place})

    async def get_job(self, request: Request) -> Response:
        """Answer with a job's state, and its result if it has run; `?wait=SECONDS` waits that long for it."""
        journal, number = self._journal(), request.path_params["number"]
        until = asyncio.get_running_loop().time() + _wait_of(request)
        while (job := journal.get(number)) is not None and job.result is None:
            if asyncio.get_running_loop().time() >= until:
                break
            await asyncio.sleep(0.02)
        if job is None:
            raise Refused(404, "unknown", f"no job {number}: never accepted, forgotten, or of another journal")
        return JSONResponse({"id": number, "state": _state(job), "result": json.loads(job.result or "null")})

    async def forget_job(self, request: Request) -> Response:
        """Delete a job and its result."""
        if not await asyncio.wrap_future(self._journal().forget(request.path_params["number"])):
            raise Refused(404, "unknown", "no such job")
        return Response(status_code=204)

    def resume(self) -> int:
        """Queue the jobs that were accepted before this server started and have not run; return how many."""
        count = 0
        for job in self.journal.unfinished() if self.journal else ():
            self._start(job.id, RunCodeRequest.model_validate_json(job.request))
            count += 1
        return count

    def _start(self, number: str, asked: RunCodeRequest) -> None:
        with suppress(Closing):
            # What is in the journal runs after the next start.
            future = self.workers.submit(asked, accepted=True)
            future.add_done_callback(lambda done: self._keep(number, done))

    def _keep(self, number: str, done: Future[RunCodeResponse]) -> None:
        with suppress(CancelledError):
            if self.journal:
                self.journal.finish(number, done.result().model_dump_json())

    # --- health and metrics ---

    async def health(self, request: Request) -> Response:
        """Answer 200 while programs are accepted: the isolation level, and how many run and wait."""
        workers = self.workers
        said = {
            "status": "ok", "level": workers.level, "workers": workers.count, "running": workers.running, "waiting": workers.waiting,
        }  # fmt: skip
        return JSONResponse(said)

    async def ping(self, request: Request) -> Response:
        """Answer like Sandbox Fusion's own check."""
        return JSONResponse("pong")

    async def show_metrics(self, request: Request) -> Response:
        """Answer in Prometheus's format."""
        return Response(self.metrics.text(), media_type="text/plain; version=0.0.4")

    # --- what they share ---

    def _journal(self) -> Journal:
        if self.journal is None:
            raise Refused(404, "no_journal", "jobs need a journal: start the server with --journal FOLDER")
        return self.journal

    def _submit(self, asked: RunCodeRequest) -> Future[RunCodeResponse]:
        try:
            return self.workers.submit(asked)
        except (QueueFull, Closing) as error:
            raise _refusal(error) from None

    def _has_room(self) -> None:
        try:
            self.workers.has_room()
        except (QueueFull, Closing) as error:
            raise _refusal(error) from None

    async def _read(self, request: Request) -> RunCodeRequest:
        # A page in a browser can only send JSON to another host after asking, which nobody answers here.
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise Refused(415, "invalid", "send JSON with Content-Type: application/json")
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > self.largest:
                raise Refused(413, "too_large", f"a request may have {self.largest >> 20} MB")
        try:
            asked = RunCodeRequest.model_validate_json(bytes(body))
        except ValidationError as error:
            raise Refused(422, "invalid", json.loads(error.json(include_url=False, include_input=False))) from None
        if beyond := asked.beyond(self.workers.most):
            raise Refused(422, "beyond_limits", beyond)
        return asked

    def answered(self, handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """Return a handler that also answers what is refused."""

        async def handle(request: Request) -> Response:
            try:
                if self.hosts and (request.url.hostname or "") not in self.hosts:
                    raise Refused(403, "host", f"this server answers to {', '.join(sorted(self.hosts))}")
                return await handler(request)
            except Refused as refused:
                self.metrics.refused(refused.reason)
                return JSONResponse({"detail": refused.detail}, refused.status, refused.headers)
            except RecodeError as error:
                self.metrics.refused("journal")
                return JSONResponse({"detail": str(error)}, 507)

        return handle


def make_app(service: Service) -> Starlette:
    """Return the application; jobs of an earlier server are queued as it starts."""
    routes = [
        Route(path, service.answered(handler), methods=[method])
        for method, path, handler in (
            ("POST", "/run_code", service.run_code),
            ("POST", "/jobs", service.add_job),
            ("GET", "/jobs/{number}", service.get_job),
            ("DELETE", "/jobs/{number}", service.forget_job),
            ("GET", "/health", service.health),
            ("GET", "/v1/ping", service.ping),
            ("GET", "/metrics", service.show_metrics),
        )
    ]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        sweeping = asyncio.ensure_future(_sweep(service.journal))
        try:
            yield
        finally:
            sweeping.cancel()

    return Starlette(routes=routes, lifespan=lifespan)


async def _sweep(journal: Journal | None) -> None:
    """Forget results that nobody fetched for a day."""
    while journal is not None:
        with suppress(RecodeError):
            await asyncio.wrap_future(journal.forget_older(_KEEP_SECONDS))
        await asyncio.sleep(_SWEEP_SECONDS)


async def _gone(request: Request) -> None:
    """Return when the client has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _refusal(error: QueueFull | Closing) -> Refused:
    if isinstance(error, QueueFull):
        return Refused(429, "queue_full", "the queue is full", {"Retry-After": str(error.retry_after)})
    return Refused(503, "closing", "the server is ending; send it again to its successor", {"Retry-After": "1"})


def _json(text: str) -> Response:
    return Response(text, media_type="application/json")


def _state(job: Any) -> str:
    return "done" if job is not None and job.result is not None else "waiting"


def _wait_of(request: Request) -> float:
    try:
        return min(60.0, max(0.0, float(request.query_params.get("wait", "0"))))
    except ValueError:
        raise Refused(422, "invalid", "wait: a number of seconds") from None
