"""`recode migrate` as a user runs it: the toy library in two real releases, real runs of the tests, a server that replays answers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import recode
from recode.cli.app import app
from recode.errors import RecodeError
from recode.migrate.result import MigrateOptions
from recode.prompts import response
from recode.records import ApiUpdate, Kind, write_records
from recode.sandbox.environments import Environment
from recode.sandbox.levels import try_level

needs_isolation = pytest.mark.skipif(not try_level("isolated").holds, reason="this machine gives no namespaces")

CALC = """\
import toylib


def size(values):
    return toylib.area(values)  # square metres


def weight(values):
    return toylib.total(values, scale=3)


def slowly(values):
    return toylib.slow( values )  # takes its time
"""
CHECK = "import calc\n\nprint(calc.size([1, 2]), calc.weight([1, 2]), calc.slowly([3, 4]))\n"
WINDOW = "import toylib\n\ndef slowly(values):\n    return {}(values)\n"


def update(kind: Kind, old: str, new: str, note: str) -> ApiUpdate:
    return ApiUpdate(
        family_id=f"toylib-{old}", library="toylib", old_version="1.0", new_version="2.0", removed_in="2.0", kind=kind,
        old_symbol=f"toylib.{old}", new_symbol=f"toylib.{new}" if new else "", description="A change.", update_info=note,
    )  # fmt: skip


UPDATES = [
    update("renamed", "area", "surface", "`toylib.area` is now `toylib.surface`."),
    update("parameter_renamed", "total(scale)", "total(factor)", "`scale` of `toylib.total` is now `factor`."),
    update("removed", "slow", "", "`toylib.slow` only raises; use the built-in `sum` instead."),
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "calc.py").write_text(CALC)
    (folder / "check.py").write_text(CHECK)
    (folder / "requirements.txt").write_text("toylib==1.0\n")
    write_records(tmp_path / "updates.jsonl", UPDATES)
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@contextmanager
def model(code: str, *later: str, said: list[str] | None = None) -> Iterator[str]:
    """An OpenAI-compatible server that answers a first question with a program, and each further one of a conversation with the next.

    What it is sent as the last message of a longer conversation is appended to `said`.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            turns = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"]
            asked = [turn["content"] for turn in turns if turn["role"] == "user"]
            if said is not None:
                said.extend(asked[1:])
            code = [first, *later][len(asked) - 1]
            choice = {"message": {"role": "assistant", "content": response("The note says so.", code)}}
            body = json.dumps({"choices": [choice]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    first = code
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()


def run(project: Path, *options: str, answers: str = "") -> tuple[int, str]:
    updates = project.parent / "updates.jsonl"
    still = [] if {"--tests", "--run", "--run-found"} & set(options) else ["--no-run"]
    options = tuple(option for option in options if option != "--run-found")
    done = CliRunner().invoke(
        app, ["migrate", str(project), "--to", "toylib==2.0", "--updates", str(updates), *still, *options], catch_exceptions=False,
        input=answers,
    )  # fmt: skip
    return done.exit_code, done.stdout


def outcomes(text: str) -> dict[str, str]:
    return {row["symbol"].removeprefix("toylib."): row["outcome"] for row in json.loads(text)["places"]}


def test_without_a_model_renames_are_checked_by_name(toy_index: Path, project: Path) -> None:
    code, text = run(project, "--json")
    assert code == 1
    assert outcomes(text) == {"area": "checked by name", "total(scale)": "checked by name", "slow": "left alone"}
    assert json.loads(text)["model"] is None
    assert (project / "calc.py").read_text() == CALC


def test_the_default_is_a_diff_and_nothing_is_written(toy_index: Path, project: Path) -> None:
    code, text = run(project)
    assert code == 1
    assert (
        "-    return toylib.area(values)  # square metres\n+    return toylib.surface(values)  # square metres\n"
        in text
    )
    assert (project / "calc.py").read_text() == CALC


def test_a_name_that_the_new_release_lacks_is_not_written(toy_index: Path, project: Path) -> None:
    wrong = [update("renamed", "area", "outside", "`toylib.area` is now `toylib.outside`."), *UPDATES[1:]]
    write_records(project.parent / "updates.jsonl", wrong)
    code, text = run(project, "--json")
    assert code == 1
    assert outcomes(text)["area"] == "refuted"
    assert "the new release has no toylib.outside" in text


@needs_isolation
def test_everything_proven_applied_and_running(
    toy_index: Path, toy_new: Environment, project: Path, tmp_path: Path
) -> None:
    with model(WINDOW.format("sum")) as url:
        code, text = run(
            project, "--json", "--tests", "python check.py", "--endpoint", url, "--model", "replay", "--samples", "2",
            "--patch", str(tmp_path / "p.patch"), "--html", str(tmp_path / "report.html"),
        )  # fmt: skip
    assert code == 0, text
    assert outcomes(text) == {"area": "proven", "total(scale)": "proven", "slow": "proven"}
    tests = json.loads(text)["tests"]
    assert tests["old code, toylib 1.0"] == tests["new code, toylib 2.0"] == "exit status 0"
    assert tests["old code, toylib 2.0"] == "exit status 1"
    git(project, "apply", str(tmp_path / "p.patch"))
    assert (project / "calc.py").read_text() == CALC.replace("toylib.area", "toylib.surface").replace(
        "scale=3", "factor=3"
    ).replace("toylib.slow( values )", "sum( values )")
    done = subprocess.run([toy_new.python, "check.py"], cwd=project, capture_output=True, text=True, check=False)
    assert done.stdout == "6.0 9 7\n"
    page = (tmp_path / "report.html").read_text()
    assert "toylib.<mark>" in page
    assert "http://" not in page
    assert "https://" not in page


@pytest.mark.parametrize(
    ("first", "why"),
    [
        (WINDOW.format("sum(("), "does not parse"),
        (WINDOW.format("toylib.slow"), "changes nothing"),
        (WINDOW.format("toylib.slow").replace("(values)\n", "(sum(values))\n"), "the code still uses the old API"),
        (WINDOW.format("toylib.sum"), "the new release has no toylib.sum"),
    ],
)
def test_an_answer_that_cannot_be_taken_is_followed_by_one_question_that_says_why(
    toy_index: Path, project: Path, first: str, why: str
) -> None:
    said: list[str] = []
    with model(first, WINDOW.format("sum"), said=said) as url:
        _, text = run(project, "--json", "--endpoint", url, "--model", "replay", "--samples", "1")
    assert outcomes(text)["slow"] == "unproven"
    (question,) = said
    assert why in question


@needs_isolation
def test_a_rewriting_that_a_run_refutes_is_followed_by_one_question_with_the_error(
    toy_index: Path, project: Path
) -> None:
    said: list[str] = []
    with model(WINDOW.format("max"), WINDOW.format("sum"), said=said) as url:
        code, text = run(
            project, "--json", "--tests", "python check.py", "--endpoint", url, "--model", "replay", "--samples", "1"
        )
    assert (code, outcomes(text)["slow"]) == (0, "proven")
    (question,) = said
    assert "`python check.py` prints `6.0 9 4` and not `6.0 9 7`" in question


@needs_isolation
def test_a_wrong_rewriting_is_refuted_and_the_code_left_alone(toy_index: Path, project: Path, tmp_path: Path) -> None:
    with model(WINDOW.format("max"), WINDOW.format("min")) as url:
        code, text = run(
            project, "--json", "--tests", "python check.py", "--endpoint", url, "--model", "replay",
            "--patch", str(tmp_path / "p.patch"),
        )  # fmt: skip
    assert code == 1
    assert outcomes(text)["slow"] in ("refuted", "unproven")
    assert b"max(" not in (tmp_path / "p.patch").read_bytes()


def test_a_rewriting_that_nothing_proves_is_advice(toy_index: Path, project: Path) -> None:
    with model(WINDOW.format("sum")) as url:
        code, text = run(project, "--json", "--endpoint", url, "--model", "replay", "--write")
        assert code == 1
        assert outcomes(text)["slow"] == "unproven"
        assert "toylib.slow( values )" in (project / "calc.py").read_text()
        git(project, "checkout", ".")
        code, text = run(project, "--json", "--endpoint", url, "--model", "replay", "--write", "--unproven")
        assert (code, outcomes(text)["slow"], json.loads(text)["done"]) == (0, "unproven", True)
        assert "sum( values )" in (project / "calc.py").read_text()


def test_a_rewriting_that_still_uses_the_old_api_is_not_taken(toy_index: Path, project: Path) -> None:
    still = WINDOW.format("toylib.slow").replace("(values)\n", "(sum(values))\n")
    with model(still, still) as url:
        _, text = run(project, "--json", "--endpoint", url, "--model", "replay")
    (row,) = [row for row in json.loads(text)["places"] if row["symbol"] == "toylib.slow"]
    assert row["outcome"] == "left alone"
    assert "not taken" in row["remark"]


def test_tests_that_do_not_pass_before_prove_nothing(toy_index: Path, project: Path) -> None:
    code, text = run(project, "--json", "--tests", "python -c 'raise SystemExit(3)'")
    assert code == 1
    assert outcomes(text)["area"] == "checked by name"
    end = json.loads(text)["verdict"]
    assert "does not pass in toylib 1.0 before anything is changed" in end["unchecked"][0]


def test_a_named_successor_is_taken_where_the_tests_prove_it(toy_index: Path, project: Path) -> None:
    named = [*UPDATES[:2], update("replaced", "slow", "surface", "`toylib.slow` is gone; see `toylib.surface`.")]
    write_records(project.parent / "updates.jsonl", named)
    assert outcomes(run(project, "--json")[1])["slow"] == "unproven"
    # The surface is twice the sum: one check cannot distinguish them, the other can.
    (project / "check.py").write_text(
        "import calc\n\nprint(int(calc.slowly([1, -1])), calc.size([1]), calc.weight([1]))\n"
    )
    code, text = run(project, "--json", "--tests", "python check.py")
    assert (code, outcomes(text)["slow"]) == (0, "proven")
    (project / "check.py").write_text(
        "import calc\n\nprint(int(calc.slowly([1, 1])), calc.size([1]), calc.weight([1]))\n"
    )
    code, text = run(project, "--json", "--tests", "python check.py")
    assert code == 1
    assert outcomes(text)["slow"] == "unproven"


def test_a_dirty_tree_is_refused_unless_allowed(toy_index: Path, project: Path) -> None:
    (project / "check.py").write_text("print()\n")
    with pytest.raises(RecodeError, match="--allow-dirty"):
        run(project, "--write")
    run(project, "--write", "--allow-dirty")
    assert "toylib.surface" in (project / "calc.py").read_text()


def test_an_untracked_file_is_refused_only_where_it_would_be_written(project: Path) -> None:
    (project / "notes.py").write_text("print()\n")
    assert run(project, "--offline", "--write")[0] == 1
    assert "toylib.surface" in (project / "calc.py").read_text()
    (project / "new.py").write_text(CALC)
    git(project, "commit", "-qam", "second")
    for more, answers in (([], ""), (["--interactive"], "n\n" * 9)):
        with pytest.raises(RecodeError, match=r"new\.py: git does not have it"):
            run(project, "--offline", "--write", *more, answers=answers)
    assert (project / "new.py").read_text() == CALC
    run(project, "--offline", "--write", "--allow-dirty")
    assert "toylib.surface" in (project / "new.py").read_text()


def test_what_was_not_taken_is_left_in_exit_code_and_report(project: Path, tmp_path: Path) -> None:
    write_records(tmp_path / "updates.jsonl", UPDATES[:1])
    page = tmp_path / "report.html"
    code, text = run(project, "--offline", "--write", "--interactive", "--json", "--html", str(page), answers="n\n")
    report = json.loads(text[text.index("{") :])
    assert (code, report["counts"], report["done"]) == (1, {"left alone": 1}, False)
    assert "No changes" in page.read_text()
    assert (project / "calc.py").read_text() == CALC
    assert run(project, "--offline", "--write", "--interactive", answers="y\n")[0] == 1, "nothing was checked"
    assert "toylib.surface" in (project / "calc.py").read_text()


def test_the_python_api_does_the_same(toy_index: Path, project: Path) -> None:
    result = recode.migrate_project(
        project, to="toylib==2.0", updates=project.parent / "updates.jsonl", options=MigrateOptions(environments=False)
    )
    assert [change.evidence for change in result.offered] == ["by the note alone", "by the note alone"]
    assert not result.done
    assert b"toylib.surface" in result.files()[0].new


@pytest.mark.parametrize(
    ("options", "said"), [(["--interactive"], "--write or --patch"), (["--offline", "--tests", "true"], "--offline")]
)
def test_wrong_use_is_told(toy_index: Path, project: Path, options: list[str], said: str) -> None:
    updates: dict[str, Any] = {"catch_exceptions": False}
    done = CliRunner().invoke(app, ["migrate", str(project), "--to", "toylib==2.0", *options], **updates)
    assert done.exit_code == 2
    assert said in done.output


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def heed_interrupts() -> None:
    """Interrupts are ignored in what a shell starts in the background, and that is inherited."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_killed_migration_leaves_no_process(toy_index: Path, project: Path, number: signal.Signals) -> None:
    mark = f"9{number.value:02}.5"
    updates = project.parent / "updates.jsonl"
    command = ["migrate", str(project), "--to", "toylib==2.0", "--updates", str(updates)]
    tests = f"sleep {mark} & setsid sleep {mark} & sleep {mark}"
    parent = subprocess.Popen(
        [sys.executable, "-m", "recode.cli.app", *command, "--tests", tests],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, preexec_fn=heed_interrupts,
    )  # fmt: skip
    try:
        assert wait_for(lambda: len(sleeping(mark)) == 3), "the tests have begun"
        parent.send_signal(number)
        parent.wait(20)
        assert wait_for(lambda: not sleeping(mark))
        assert wait_for(lambda: not processes_of_session(parent.pid))
    finally:
        parent.kill()
        parent.wait()


def sleeping(mark: str) -> list[str]:
    """The processes that sleep for so many seconds."""
    return [line for line in command_lines().values() if line == f"sleep {mark}"]


def command_lines() -> dict[int, str]:
    found = {}
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found[int(file.parent.name)] = " ".join(file.read_bytes().decode(errors="replace").split("\0")).strip()
    return found


def processes_of_session(session: int) -> list[str]:
    found = []
    for pid, line in command_lines().items():
        with suppress(OSError):
            if os.getsid(pid) == session:
                found.append(line)
    return found


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


# --- what the command ends with ---


def verdict(text: str) -> dict[str, Any]:
    end: dict[str, Any] = json.loads(text)["verdict"]
    return end


@needs_isolation
def test_a_script_of_the_project_is_run_and_shows_what_is_still_broken(toy_index: Path, project: Path) -> None:
    code, text = run(project, "--run-found", "--json")
    end = verdict(text)
    assert (code, end["verdict"], end["ran"]) == (1, "still broken", ["python check.py"])
    assert end["broken"] == [{"file": "calc.py", "line": 13, "error": "RuntimeError: no longer supported"}]
    # The right changes are kept.
    assert outcomes(text) == {"area": "ran", "total(scale)": "ran", "slow": "left alone"}
    code, text = run(project, "--run-found")
    assert code == 1


@needs_isolation
def test_a_project_that_works_afterwards_ends_with_0(toy_index: Path, project: Path) -> None:
    (project / "calc.py").write_text(CALC[: CALC.index("def slowly")])
    (project / "check.py").write_text("import calc\n\nprint(calc.size([1, 2]), calc.weight([1, 2]))\n")
    code, text = run(project, "--run-found", "--json")
    assert (code, verdict(text)["verdict"]) == (0, "works as before")
    assert outcomes(text) == {"area": "proven", "total(scale)": "proven"}


@needs_isolation
def test_another_value_is_listed_and_ends_with_1(toy_index: Path, project: Path) -> None:
    (project / "calc.py").write_text("import toylib\n\n\ndef wide(values):\n    return toylib.spread(values)\n")
    (project / "check.py").write_text("import calc\n\nprint('wide', calc.wide([1, 4]))\n")
    code, text = run(project, "--run", "check.py", "--json")
    end = verdict(text)
    assert (code, end["verdict"]) == (1, "works, with these values changed")
    assert end["changed"] == [
        {"where": "calc.py:5", "old": "3", "new": "(1, 4)"},
        {"where": "check.py", "old": "wide 3", "new": "wide (1, 4)"},
    ]


@needs_isolation
def test_a_break_that_nobody_announced_is_no_calm(toy_index: Path, project: Path) -> None:
    write_records(project.parent / "updates.jsonl", UPDATES[:2])
    (project / "calc.py").write_text("import toylib\n\nCALLS = {'slow': toylib.slow}\n")
    (project / "check.py").write_text("import calc\n\nprint(calc.CALLS['slow']([1]))\n")
    code, text = run(project, "--run-found", "--json")
    assert code == 1
    (broken,) = verdict(text)["broken"]
    assert (broken["file"], broken["line"]) == ("check.py", 3)


@needs_isolation
def test_a_module_that_no_longer_imports_is_shown_without_any_run(toy_index: Path, project: Path) -> None:
    (project / "check.py").unlink()
    (project / "calc.py").write_text("import toylib\n\nTOTAL = getattr(toylib, 'ar' + 'ea')([1, 2])\n")
    code, text = run(project, "--run-found", "--json")
    assert (code, verdict(text)["verdict"]) == (1, "still broken")
    (broken,) = verdict(text)["broken"]
    assert (broken["file"], broken["line"]) == ("calc.py", 3)
    assert "area" in broken["error"]


@needs_isolation
def test_a_notebook_can_be_what_has_to_work(toy_index: Path, project: Path) -> None:
    cell = {
        "cell_type": "code",
        "metadata": {},
        "outputs": [],
        "execution_count": None,
        "source": ["import calc\n", "print(calc.size([1]))"],
    }
    notebook = {
        "cells": [cell],
        "metadata": {"kernelspec": {"language": "python", "name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (project / "look.ipynb").write_text(json.dumps(notebook))
    (project / "calc.py").write_text(CALC[: CALC.index("def weight")])
    code, text = run(project, "--run", "look.ipynb", "--json")
    assert (code, verdict(text)["verdict"], outcomes(text)) == (0, "works as before", {"area": "proven"})


@needs_isolation
def test_a_use_that_was_too_uncertain_is_taken_up_where_a_run_ends(toy_index: Path, project: Path) -> None:
    (project / "calc.py").write_text("import toylib\n\n\ndef size(values):\n    return toylib.area(values)\n")
    (project / "check.py").write_text("import calc\n\nprint(calc.size([1, 2]))\n")
    # With this threshold nothing is certain enough to be reported by reading alone.
    code, text = run(project, "--run-found", "--json", "--confidence", "1.0")
    assert (code, outcomes(text)) == (0, {"area": "proven"})


@needs_isolation
def test_no_run_runs_nothing(toy_index: Path, project: Path) -> None:
    (project / "calc.py").write_text("print('imported')\nopen('mark', 'w')\n")
    code, text = run(project, "--json")
    assert (code, verdict(text)["ran"], verdict(text)["modules imported"]) == (0, [], 0)


@needs_isolation
def test_a_use_that_only_a_run_can_see_is_found_and_rewritten(toy_index: Path, project: Path) -> None:
    (project / "calc.py").write_text("def size(library, values):\n    return library.area(values)\n")
    (project / "check.py").write_text("import toylib\nimport calc\n\nprint(calc.size(toylib, [1, 2]))\n")
    code, text = run(project, "--run-found", "--json", "--patch", str(project / "p.patch"))
    assert (code, outcomes(text)) == (0, {"area": "proven"})
    assert b"+    return library.surface(values)" in (project / "p.patch").read_bytes()
