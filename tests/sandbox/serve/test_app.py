"""The service's HTTP side, with real programs."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from recode.sandbox.fork_servers import Interpreter, Limits
from recode.sandbox.levels import best_level
from recode.sandbox.serve.app import LOOPBACK, Service, make_app
from recode.sandbox.serve.journal import Journal
from recode.sandbox.serve.metrics import Metrics
from recode.sandbox.serve.workers import Workers

LOCAL = "http://127.0.0.1"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    metrics = Metrics()
    workers = Workers(
        Interpreter(), best_level(), Limits(seconds=10.0, patience=4.0), count=1, queue=1, on_done=metrics.done
    )
    metrics.watch(workers)
    workers.start()
    journal = Journal(tmp_path)
    service = Service(workers, metrics, journal, hosts=LOOPBACK, largest=1 << 20)
    with TestClient(make_app(service), base_url=LOCAL) as client:
        yield client
    workers.close(finish=False)
    journal.close()


def test_the_documented_example_of_sandbox_fusion(client: TestClient) -> None:
    answer = client.post("/run_code", json={"code": 'print("Hello, world!")', "language": "python"}).json()
    assert answer["run_result"].pop("execution_time") > 0
    assert answer == {
        "status": "Success", "message": "", "compile_result": None, "executor_pod_name": None, "files": {},
        "run_result": {"status": "Finished", "return_code": 0, "stdout": "Hello, world!\n", "stderr": ""},
    }  # fmt: skip


def test_what_verl_sends_is_taken(client: TestClient) -> None:
    body = {"compile_timeout": 5, "run_timeout": 5, "code": "print(int(input()) + 1)", "stdin": "41", "memory_limit_MB": 1024,
            "language": "python", "files": {}, "fetch_files": []}  # fmt: skip
    assert client.post("/run_code", json=body).json()["run_result"]["stdout"] == "42\n"


def test_files_go_in_and_out_in_base64(client: TestClient) -> None:
    body = {"code": "open('b', 'w').write(open('a').read() * 2)", "language": "python", "fetch_files": ["b"],
            "files": {"a": base64.b64encode(b"x").decode(), "left out": None}}  # fmt: skip
    assert client.post("/run_code", json=body).json()["files"] == {"b": base64.b64encode(b"xx").decode()}


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ({"language": "python"}, {}, 422),
        ({"code": "1", "language": "cobol"}, {}, 422),
        ({"code": "1", "language": "python", "run_timeout": 11}, {}, 422),
        ({"code": "#" * (2 << 20), "language": "python"}, {}, 413),
        ({"code": "1", "language": "python"}, {"Content-Type": "text/plain"}, 415),
        ({"code": "1", "language": "python"}, {"Host": "evil.example"}, 403),
    ],
)
def test_what_is_refused_is_explained_and_counted(
    client: TestClient, body: dict[str, Any], headers: dict[str, str], status: int
) -> None:
    answer = client.post("/run_code", json=body, headers=headers)
    assert (answer.status_code, bool(answer.json()["detail"])) == (status, True)
    assert "recode_refused_total{" in client.get("/metrics").text


def test_a_job_is_on_the_disk_before_it_is_acknowledged_and_its_result_can_be_fetched(
    client: TestClient, tmp_path: Path
) -> None:
    answer = client.post("/jobs", json={"code": "print(7)", "language": "python"})
    number = answer.json()["id"]
    assert (answer.status_code, answer.headers["location"]) == (202, f"/jobs/{number}")
    done = client.get(f"/jobs/{number}?wait=9").json()
    assert (done["state"], done["result"]["run_result"]["stdout"]) == ("done", "7\n")
    assert client.delete(f"/jobs/{number}").status_code == 204
    assert client.get(f"/jobs/{number}").status_code == 404
    assert client.delete(f"/jobs/{number}").status_code == 404


def test_a_job_sent_twice_with_one_key_runs_once(client: TestClient) -> None:
    headers = {"Idempotency-Key": "mine-1"}
    sent = [client.post("/jobs", json={"code": "print(7)", "language": "python"}, headers=headers) for _ in range(2)]
    assert [(one.status_code, one.json()["id"]) for one in sent] == [(202, "mine-1")] * 2
    assert client.post("/jobs", json={"code": "8", "language": "python"}, headers=headers).status_code == 409
    client.get("/jobs/mine-1?wait=9")
    assert 'recode_programs_total{outcome="success"} 1.0' in client.get("/metrics").text
    assert (
        client.post("/jobs", json={"code": "8", "language": "python"}, headers={"Idempotency-Key": "a/b"}).status_code
        == 422
    )


def test_a_full_queue_answers_429_with_a_time(client: TestClient) -> None:
    body = {"code": "import time\ntime.sleep(1)", "language": "python"}
    answers = [client.post("/jobs", json=body) for _ in range(4)]
    statuses = [one.status_code for one in answers]
    assert statuses[0] == 202
    assert statuses[-1] == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    accepted = [one.json()["id"] for one in answers if one.status_code == 202]
    assert all(client.get(f"/jobs/{number}?wait=20").json()["state"] == "done" for number in accepted)


def test_health_ping_and_metrics(client: TestClient) -> None:
    client.post("/run_code", json={"code": "1/0", "language": "python"})
    assert client.get("/health").json() == {
        "status": "ok",
        "level": best_level(),
        "workers": 1,
        "running": 0,
        "waiting": 0,
    }
    assert client.get("/v1/ping").json() == "pong"
    text = client.get("/metrics").text
    assert 'recode_programs_total{outcome="failed"} 1.0' in text
    assert "recode_queue_length 0.0" in text
