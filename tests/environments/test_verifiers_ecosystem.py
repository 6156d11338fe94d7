"""The verifiers taskset with the released package: its validation, and episodes against a local OpenAI-compatible server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from recode.environments.tasks import MigrationTask, load_tasks
from recode.prompts import PREFILL, response

pytestmark = pytest.mark.ecosystem
pytest.importorskip("verifiers", reason="verifiers is not installed; run: make test-ecosystem")
pytest.importorskip("recode_migrations", reason="recode-migrations is not installed; run: make test-ecosystem")

SPLIT, EACH = "validation", 12


class Policy(ThreadingHTTPServer):
    """A chat endpoint that knows the tasks. As `oracle` it answers with the gold, as `untouched` with the old program.

    As `repairs` it first answers with the old program, and with the gold once it was told what happened.
    """

    daemon_threads = True

    def __init__(self, tasks: list[MigrationTask]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.tasks = tasks

    def reply(self, model: str, messages: list[dict[str, Any]]) -> str:
        users = [_text(message["content"]) for message in messages if message["role"] == "user"]
        entry = next(task.entry for task in self.tasks if task.request in users[0])
        gold = model == "oracle" or (model == "repairs" and len(users) > 1 and "exception" in users[1])
        return PREFILL + response("", entry.new_code if gold else entry.old_code)


class _Handler(BaseHTTPRequestHandler):
    server: Policy

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        message = {"role": "assistant", "content": self.server.reply(asked["model"], asked["messages"])}
        about = {"id": "1", "created": 0, "model": asked["model"]}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        if asked.get("stream"):
            chunk = {
                "object": "chat.completion.chunk",
                "choices": [{"index": 0, "delta": message, "finish_reason": None}],
            }
            last = {
                "object": "chat.completion.chunk",
                "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
                "usage": usage,
            }
            data = "".join(f"data: {json.dumps({**about, **part})}\n\n" for part in (chunk, last)) + "data: [DONE]\n\n"
            kind = "text/event-stream"
        else:
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            data, kind = (
                json.dumps({**about, "object": "chat.completion", "choices": [choice], "usage": usage}),
                "application/json",
            )
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data.encode())))
        self.end_headers()
        self.wfile.write(data.encode())

    def log_message(self, *_: object) -> None:
        pass


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


@pytest.fixture(scope="module")
def policy() -> Iterator[Policy]:
    with Policy(list(load_tasks(f"@{SPLIT}", limit=EACH).tasks)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def run(command: str, out: Path, *options: str) -> Path:
    """Run one of verifiers' commands on the tasks; return the folder of its results."""
    words = [
        str(Path(sys.executable).with_name(command)),
        "recode-migrations",
        "-n",
        str(EACH),
        "--no-rich",
        "-o",
        str(out),
    ]
    done = subprocess.run(
        [*words, *options], capture_output=True, text=True, check=False, cwd=out.parent, env=os.environ
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    [results] = out.iterdir()
    return results


def test_validation_passes(tmp_path: Path) -> None:
    results = run("vf-validate", tmp_path / "out", "--runtime.type", "subprocess", "--taskset.split", SPLIT)
    rows = [json.loads(line) for line in (results / "results.jsonl").read_text().splitlines()]
    assert [row["reason"] for row in rows] == ["valid"] * EACH
    assert {row["noop"]["reward"] for row in rows} == {0.0}


@pytest.mark.parametrize(
    ("model", "turns", "reward", "answers"),
    [
        ("oracle", 1, 1.0, 1),
        ("untouched", 1, 0.0, 1),
        ("oracle", 2, 1.0, 1),
        ("untouched", 2, 0.0, 2),
        ("repairs", 2, 1.0, 2),
    ],
)
def test_episodes_against_a_server(
    policy: Policy, tmp_path: Path, model: str, turns: int, reward: float, answers: int
) -> None:
    raising = model == "repairs"
    results = run(
        "vf-eval", tmp_path / "out", "-m", model, "--client.base-url", f"http://127.0.0.1:{policy.server_port}/v1",
        "--env.turns", str(turns), "--env.taskset.split", SPLIT, "--no-push", "-c", "4",
    )  # fmt: skip
    episodes = [json.loads(line) for line in (results / "traces.jsonl").read_text().splitlines()]
    assert len(episodes) == EACH
    raises = {task.id for task in policy.tasks if task.entry.old_on_new and task.entry.old_on_new.outcome == "raises"}
    for episode in episodes:
        [trace] = episode["traces"]
        if raising and trace["task"]["key"] not in raises:
            continue
        assert trace["rewards"]["migration"]["score"] == reward, trace["task"]["key"]
        assert trace["metrics"]["format"] == 1.0
        assert sum(bool(node.get("sampled")) for node in trace["nodes"]) == answers
