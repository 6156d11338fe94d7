"""What the service counts, in Prometheus's format."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from recode.sandbox.serve.protocol import CommandStatus, RunCodeResponse, RunStatus
from recode.sandbox.serve.workers import Workers

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """The counts of one server."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._programs = Counter(
            "recode_programs", "Programs that were run, by how they ended.", ["outcome"], registry=registry
        )
        self._ran = Histogram(
            "recode_run_seconds", "Time from a worker's start to its answer.", buckets=_SECONDS, registry=registry
        )
        self._waited = Histogram("recode_wait_seconds", "Time in the queue.", buckets=_SECONDS, registry=registry)
        self._refused = Counter("recode_refused", "Requests that were not accepted.", ["reason"], registry=registry)
        self._jobs = Counter("recode_jobs_accepted", "Jobs that were written to the journal.", registry=registry)
        self._queue = Gauge("recode_queue_length", "Programs that wait.", registry=registry)
        self._running = Gauge("recode_running", "Programs that run.", registry=registry)

    def watch(self, workers: Workers) -> None:
        """Report the workers' queue."""
        self._queue.set_function(lambda: workers.waiting)
        self._running.set_function(lambda: workers.running)

    def done(self, answer: RunCodeResponse, waited: float, took: float) -> None:
        """Count a program and its times in seconds."""
        self._programs.labels(_outcome(answer)).inc()
        self._waited.observe(waited)
        self._ran.observe(took)

    def refused(self, reason: str) -> None:
        """Count a request that was not accepted."""
        self._refused.labels(reason).inc()

    def accepted(self) -> None:
        """Count a job that was written to the journal."""
        self._jobs.inc()

    def text(self) -> bytes:
        """Return all of it in Prometheus's text format."""
        return generate_latest(self._registry)


def _outcome(answer: RunCodeResponse) -> str:
    if answer.status is RunStatus.SANDBOX_ERROR or answer.run_result is None:
        return "ungradable"
    if answer.run_result.status is CommandStatus.TIME_LIMIT_EXCEEDED:
        return "timeout"
    return "success" if answer.status is RunStatus.SUCCESS else "failed"
