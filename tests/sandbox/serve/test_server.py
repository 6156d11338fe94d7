"""The service as a process: draining, kills and restarts, and the clients of others."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import httpx
import pytest


class Server:
    """`recode sandbox serve` in a process."""

    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-m", "recode", "sandbox", "serve", "--port", "0", *options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr
        self.said = self.process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", self.said)
        assert found, self.said + self.process.stderr.read()
        self.url = found[0]
        self.client = httpx.Client(base_url=self.url, timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.process.kill()
        self.process.wait()

    def run(self, code: str, **fields: Any) -> httpx.Response:
        body = {"code": code, "language": "python", **fields}
        return self.client.post("/run_code", json=body)

    def add(self, code: str) -> str:
        answer = self.client.post("/jobs", json={"code": code, "language": "python"})
        assert answer.status_code == 202, answer.text
        number: str = answer.json()["id"]
        return number

    def result(self, number: str) -> Any:
        return self.client.get(f"/jobs/{number}?wait=30").json()["result"]


def test_asked_to_end_it_answers_what_it_accepted_and_accepts_no_more(tmp_path: Path) -> None:
    with Server("--workers", "1", "--journal", str(tmp_path)) as server, ThreadPoolExecutor() as pool:
        answers = [pool.submit(server.run, f"import time\ntime.sleep(0.5)\nprint({n})") for n in range(3)]
        time.sleep(0.4)
        server.process.send_signal(signal.SIGTERM)
        assert [one.result().json()["run_result"]["stdout"] for one in answers] == ["0\n", "1\n", "2\n"]
        assert server.process.wait(timeout=20) == 0
        with pytest.raises(httpx.ConnectError):
            server.run("1")


def test_jobs_that_were_acknowledged_survive_a_kill(tmp_path: Path) -> None:
    numbers: dict[str, int] = {}
    with Server("--workers", "2", "--journal", str(tmp_path)) as server:
        first = server.add("print(-1)")
        assert server.result(first)["run_result"]["stdout"] == "-1\n"
        stop = threading.Event()

        def send(start: int) -> None:
            for n in range(start, start + 1000):
                if stop.is_set():
                    return
                try:
                    numbers[server.add(f"import time\ntime.sleep(0.05)\nprint({n})")] = n
                except httpx.HTTPError:
                    return

        senders = [threading.Thread(target=send, args=(1000 * n,)) for n in range(3)]
        for sender in senders:
            sender.start()
        while len(numbers) < 60:
            time.sleep(0.05)
        os.kill(server.process.pid, signal.SIGKILL)
        stop.set()
        for sender in senders:
            sender.join()
    with Server("--workers", "2", "--journal", str(tmp_path)) as server:
        assert int(re.search(r"(\d+) jobs of before", server.said)[1]) > 0  # type: ignore[index]
        for number, n in numbers.items():
            assert server.result(number)["run_result"]["stdout"] == f"{n}\n"
        assert server.result(first)["run_result"]["stdout"] == "-1\n"


def test_a_client_that_hangs_up_frees_its_place() -> None:
    with Server("--workers", "1", "--queue", "5") as server:
        with ThreadPoolExecutor() as pool:
            pool.submit(server.run, "import time\ntime.sleep(2)")
            time.sleep(0.3)
            body = {"code": "while True: pass", "language": "python", "run_timeout": 30}
            with pytest.raises(httpx.TimeoutException):
                server.client.post("/run_code", json=body, timeout=0.3)
            began = time.monotonic()
            assert server.run("print(1)").json()["status"] == "Success"
            assert time.monotonic() - began < 15
        assert 'recode_refused_total{reason="client_gone"} 1.0' in server.client.get("/metrics").text


def test_a_taken_port_or_journal_is_one_line(tmp_path: Path) -> None:
    with Server("--journal", str(tmp_path)) as server:
        for options, word in (
            (["--port", server.url.rpartition(":")[2]], "cannot listen"),
            (["--port", "0", "--journal", str(tmp_path)], "folder"),
        ):
            command = [sys.executable, "-m", "recode", "sandbox", "serve", *options]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 2
            assert done.stderr.startswith("error: ")
            assert word in done.stderr
            assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_right_answers_under_load() -> None:
    with Server() as server, ThreadPoolExecutor(16) as pool:

        def ask(n: int) -> bool:
            code, expected = (
                (f"print({n})", ("Success", 0)) if n % 2 else (f"print({n})\nraise SystemExit(3)", ("Failed", 3))
            )
            answer = server.run(code).json()
            return (answer["status"], answer["run_result"]["return_code"], answer["run_result"]["stdout"]) == (
                *expected,
                f"{n}\n",
            )

        assert all(pool.map(ask, range(200)))


VERL = "verl/utils/reward_score/sandbox_fusion/utils.py"


@pytest.mark.ecosystem
def test_verls_own_client_gets_the_verdicts_it_expects() -> None:
    try:
        path = importlib.metadata.distribution("verl").locate_file(VERL)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("verl is not installed")
    # By its file: the package itself imports torch and Ray, which this client does without.
    spec = importlib.util.spec_from_file_location("verl_sandbox_client", str(path))
    assert spec
    assert spec.loader
    client = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(client)
    cases = {"inputs": ["1\n", "2\n", "3\n"], "outputs": ["2\n", "4\n", "7\n"]}
    with Server() as server:
        url = f"{server.url}/run_code"

        def verdicts(code: str, given: Any = cases, timeout: int = 5) -> list[Any]:
            results, _ = client.check_correctness(url, given, code, timeout=timeout)
            return list(results)

        assert verdicts("print(int(input()) * 2)") == [True, True, False]
        assert verdicts("1/0") == [-2, -2, -2]
        assert verdicts("print(1") == [-2, -2, -2]
        assert verdicts("while True: pass", timeout=1) == [-3, -3, -3]
        assert verdicts("import os\nos.kill(1, 0)\nprint(int(input()) * 2)")[2] is False
        # Half a hundred cases of one answer at once, as a reward asks for them.
        many = {"inputs": [f"{n}\n" for n in range(50)], "outputs": [f"{n * 2}\n" for n in range(50)]}
        assert verdicts("print(int(input()) * 2)", many) == [True] * 50
        named = {"inputs": ["1\n2", "3\n4"], "outputs": ["3", "8"], "fn_name": "add"}
        assert verdicts("def add(a, b):\n    return a + b", named) == [True, False]
        results, metadata = client.check_correctness(url, cases, "int main() {}", timeout=5, language="cpp")
        assert results == [-1, -1, -1]
        assert metadata[0]["status"] == "sandbox_error"


@pytest.mark.ecosystem
def test_sandbox_fusions_own_client_reads_the_answers() -> None:
    fusion = pytest.importorskip("sandbox_fusion")
    with Server() as server:
        request = fusion.RunCodeRequest(code="print(input())", language="python", stdin="x", fetch_files=["main.py"])
        answer = fusion.run_code(request, endpoint=server.url, max_attempts=1)
        assert (answer.status, answer.run_result.status, answer.run_result.return_code) == ("Success", "Finished", 0)
        assert answer.run_result.stdout == "x\n"
        assert set(answer.files) == {"main.py"}
        late = fusion.RunCodeRequest(code="while True: pass", language="python", run_timeout=0.5)
        assert fusion.run_code(late, endpoint=server.url, max_attempts=1).run_result.status == "TimeLimitExceeded"
