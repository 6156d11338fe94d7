"""A server that replays answers takes the model's place; the programs are really run in both releases."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from recode.cli.dataset import print_synthesis
from recode.collect.join.families import UpdateFamily
from recode.dataset.synthesize.prompt import SETTINGS, Rejection, read_reply, setting_of, synthesis_prompt
from recode.dataset.synthesize.replies import Replies
from recode.dataset.synthesize.synthesize import (
    SynthesisModel,
    SynthesisOptions,
    SynthesisTask,
    read_updates,
    run_synthesis,
    synthesize,
)
from recode.errors import RecodeError, RecordError
from recode.models import EndpointBackend, Prompt, Sampling
from recode.records import ApiUpdate, Migration, read_records, write_records
from recode.sandbox.levels import try_level

needs_isolation = pytest.mark.skipif(
    not (try_level("isolated").holds or try_level("reduced").holds), reason="this machine gives no sandbox"
)
UPDATE = ApiUpdate(
    family_id="toylib-area-renamed", library="toylib", old_version="1.0", new_version="2.0", kind="renamed",
    old_symbol="toylib.area", new_symbol="toylib.surface", description="The area has a new name.",
    update_info="`toylib.area` is now `toylib.surface`.",
)  # fmt: skip


def reply(old: str, new: str, context: str = "fields of a farm") -> str:
    return f"Context: {context}\n\n```python\n{old}```\n\n```python\n{new}```\n"


def programs(call: str, body: str = "sides = [1.5, 2.0]\nprint({call}(sides))\n") -> str:
    return "import toylib\n\n" + body.format(call=call)


GOOD = reply(programs("toylib.area"), programs("toylib.surface"))
OTHER_BODY = "for side in (2.0, 3.5):\n    total = {call}([side, side])\n    print('field', round(total, 1))\n"
OTHER = reply(programs("toylib.area", OTHER_BODY), programs("toylib.surface", OTHER_BODY), "fences")
NOT_MIGRATED = reply(programs("toylib.area"), programs("toylib.area"))


@contextmanager
def model(answers: list[str]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An OpenAI-compatible server that gives these answers one after the other; yields its address and what it was asked."""
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            if not answers:
                self.send_error(400, "no answer is left")
                return
            body = json.dumps({"choices": [{"message": {"role": "assistant", "content": answers.pop(0)}}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", asked
        server.shutdown()


def backend(url: str) -> EndpointBackend:
    return EndpointBackend(url, "replayer", concurrency=1)


def options(locks: Path | None, contexts: int = 1, retries: int = 2) -> SynthesisOptions:
    return SynthesisOptions(contexts, retries, Sampling(max_new_tokens=100, temperature=0.0), locks)


@needs_isolation
def test_a_rejected_reply_goes_back_with_its_reason(toy_index: Path, tmp_path: Path) -> None:
    out = tmp_path / "programs.jsonl"
    with model(["I cannot do that.", NOT_MIGRATED, GOOD]) as (url, asked):
        result = synthesize([UPDATE], backend(url), out, options(tmp_path / "locks"))
    [entry] = read_records(out, Migration)
    assert result.entries == (entry,)
    assert (entry.id, entry.author, entry.author_means, entry.context, entry.stdout) == (
        "toylib-area-renamed-1",
        "model",
        "written by replayer, admitted by running",
        "fields of a farm",
        "7.0\n",
    )
    assert entry.old_on_new is not None
    assert entry.locks is not None
    assert result.rejections == {"no programs": 1, "new_follows": 1}
    first, second, third = (one["messages"] for one in asked)
    assert "`toylib.area` is now `toylib.surface`." in first[1]["content"]
    assert SETTINGS[0] in first[1]["content"]
    assert "exactly two Python code blocks" in second[-1]["content"]
    assert third[-2] == {"role": "assistant", "content": NOT_MIGRATED}
    assert "new_follows: the new program still uses `area` and not `surface`" in third[-1]["content"]


@needs_isolation
def test_a_killed_run_asks_nothing_twice(toy_index: Path, tmp_path: Path) -> None:
    out, locks = tmp_path / "programs.jsonl", tmp_path / "locks"
    answers = [NOT_MIGRATED]
    with model(answers) as (url, asked):
        # The server refuses the second request: as if the run had been killed there.
        with pytest.raises(RecodeError, match="400"):
            synthesize([UPDATE], backend(url), out, options(locks))
        answers.append(GOOD)
        assert len(synthesize([UPDATE], backend(url), out, options(locks)).entries) == 1
        asked.clear()
        assert len(synthesize([UPDATE], backend(url), out, options(locks)).entries) == 1
        assert asked == []


@needs_isolation
def test_contexts_are_told_apart_and_repeats_written_again(toy_index: Path, tmp_path: Path) -> None:
    again = reply(programs("toylib.area").replace("1.5", "2.5"), programs("toylib.surface").replace("1.5", "2.5"))
    with model([GOOD, again, OTHER]) as (url, asked):
        result = synthesize([UPDATE], backend(url), tmp_path / "out.jsonl", options(tmp_path / "locks", contexts=2))
    assert [entry.id for entry in result.entries] == ["toylib-area-renamed-1", "toylib-area-renamed-2"]
    assert result.near_duplicates == 1
    assert SETTINGS[1] in asked[1]["messages"][1]["content"]
    assert "same structure" in asked[2]["messages"][-1]["content"]


@needs_isolation
def test_what_never_holds_is_given_up_and_counted(
    toy_index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with model([NOT_MIGRATED] * 2) as (url, _):
        result = synthesize([UPDATE], backend(url), tmp_path / "out.jsonl", options(tmp_path / "locks", retries=1))
    assert (result.entries, result.given_up) == ((), 1)
    print_synthesis(result, Console(width=100))
    printed = capsys.readouterr().out
    assert "new_follows" in printed
    assert "0 entries of 0 families hold; 1 were given up" in printed


def test_nothing_runs_without_isolation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_here() -> None:
        raise RecodeError("no sandbox")

    monkeypatch.setattr("recode.dataset.synthesize.synthesize.best_level", none_here)
    with pytest.raises(RecodeError, match="no sandbox"):
        synthesize([UPDATE], backend("http://localhost:1/v1"), tmp_path / "out.jsonl", options(None))


def test_updates_are_findings_or_plain_records(tmp_path: Path) -> None:
    file = tmp_path / "updates.jsonl"
    write_records(
        file, [UpdateFamily(update=UPDATE, confidence="low"), UpdateFamily(update=UPDATE, confidence="high"), UPDATE]
    )
    assert read_updates(file) == [UPDATE, UPDATE]
    assert len(read_updates(file, "low")) == 3
    file.write_text('{"library": "x"}\n')
    with pytest.raises(RecordError, match=r"updates\.jsonl:1: field `family_id`.*recode collect --out"):
        read_updates(file)


def test_wrong_use_is_told(tmp_path: Path) -> None:
    file = tmp_path / "updates.jsonl"
    write_records(file, [UpdateFamily(update=UPDATE, confidence="low")])
    chosen = SynthesisModel("m", "http://localhost:1")
    with pytest.raises(RecodeError, match="no confidence is called `sure`"):
        run_synthesis(file, tmp_path / "o", chosen, options(None), "sure")
    with pytest.raises(RecodeError, match="try --confidence low"):
        run_synthesis(file, tmp_path / "o", chosen, options(None), "high")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (GOOD, True),
        ("<think>```python\nx\n```</think>" + GOOD, True),
        ("```\na = 1\n```\n~~~\n```py\nb = 2\n```", True),
        ("```python\na = 1\n```", False),
        (GOOD + "```python\nc = 3\n```", False),
        ("", False),
        ("```python\na = 1\n```\n```json\n{}\n```", False),
    ],
)
def test_a_reply_holds_exactly_two_programs(text: str, found: bool) -> None:
    assert (read_reply(text) is not None) is found


def test_a_prompt_holds_the_last_rejection_only() -> None:
    prompt = synthesis_prompt(UPDATE, "plants", (Rejection("one", "bad"), Rejection("two", "worse")))
    assert [role for role, _ in prompt.messages] == ["system", "user", "assistant", "user"]
    assert prompt.messages[2][1] == "two"


def asked_for(replies: Replies, *questions: str) -> list[str]:
    return replies.of([Prompt((("user", one),)) for one in questions], options(None).sampling)


def test_replies_survive_what_they_hold_and_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl.replies.jsonl"
    odd = ["a\u2028b\x85c\n", "half \ud83d of it", "plain"]
    with model([*odd, "again"]) as (url, asked):
        first = asked_for(Replies(path, backend(url)), "1", "2", "3")
        assert first == [odd[0], "half ? of it", "plain"]
        # As an earlier version wrote, and killed within a character.
        lines = [json.dumps(json.loads(line), ensure_ascii=False) for line in path.read_text().split("\n") if line]
        path.write_bytes("\n".join([*lines[:2], lines[2].replace("plain", "größer")]).encode()[:-7])
        assert asked_for(Replies(path, backend(url)), "1", "2", "3") == [*first[:2], "again"]
        assert len(asked) == 4
        assert asked_for(Replies(path, backend(url)), "1", "2", "3") == [*first[:2], "again"]
        assert len(asked) == 4


def test_replies_that_cannot_be_kept_are_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="check --out"):
        Replies(tmp_path / "file" / "out.jsonl.replies.jsonl", backend("http://localhost:1/v1"))


def test_settings_that_come_round_again_are_told_apart() -> None:
    count = 3 * len(SETTINGS)
    assert len({SynthesisTask(UPDATE, number).prompt().key() for number in range(count)}) == count
    assert tuple(map(setting_of, range(len(SETTINGS)))) == SETTINGS


@pytest.mark.parametrize(("field", "value"), [("library", ""), ("old_symbol", " "), ("old_symbol", "nx.a / nx.b")])
def test_an_update_that_no_program_can_be_run_for_is_told(tmp_path: Path, field: str, value: str) -> None:
    write_records(tmp_path / "u.jsonl", [UPDATE.model_copy(update={field: value})])
    with pytest.raises(RecordError, match=rf"u\.jsonl:1: field `{field}`"):
        read_updates(tmp_path / "u.jsonl")
