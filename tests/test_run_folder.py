"""Whose a folder of results is: other work is refused, the same work resumes, one process at a time."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from recode.errors import RecipeError, RecodeError
from recode.run_folder import Claim, exclusive, in_turn, write_folder

HOLDER = """
import sys
from pathlib import Path
from recode.run_folder import exclusive

with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_with_results_of_other_work_is_refused(tmp_path: Path) -> None:
    claim = Claim(tmp_path, "settings.json", "an evaluation with other settings")
    claim.take("a", lambda content: False)
    # The claim alone is no work yet: other work may take the folder over.
    claim.take("b", lambda content: content == b"b")
    assert not claim.is_begun()
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(RecipeError, match="holds an evaluation with other settings; choose another folder") as caught:
        claim.take("c", lambda content: content == b"c")
    assert "\n" not in str(caught.value)
    assert claim.path.read_text() == "b"
    claim.take("b", lambda content: content == b"b")
    assert claim.check(lambda content: True)


def test_only_named_results_count(tmp_path: Path) -> None:
    claim = Claim(tmp_path, "recipe.json", "another run", ("log.jsonl", "checkpoints/*"))
    claim.take("a", lambda content: False)
    (tmp_path / "inputs.json").write_text("{}")
    (tmp_path / "checkpoints").mkdir()
    assert not claim.is_begun()
    (tmp_path / "checkpoints" / "1").mkdir()
    assert claim.is_begun()


def test_results_without_a_claim_are_taken_over(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("{}")
    claim = Claim(tmp_path, "settings.json", "other work")
    claim.take("mine", lambda content: False)
    assert claim.is_begun()


def test_a_second_process_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout
        assert first.stdout.readline() == "held\n"
        with pytest.raises(RecodeError, match="another run is at work in this folder"), exclusive(tmp_path):
            pass
        first.kill()
    with exclusive(tmp_path):
        pass


def test_in_turn_waits(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with in_turn(tmp_path / "new"):
            order.append("second")

    with in_turn(tmp_path / "new"):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_folder_is_made_whole_or_not_at_all(tmp_path: Path) -> None:
    def half(folder: Path) -> None:
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path / "model", half)
    assert not (tmp_path / "model").exists()
    write_folder(tmp_path / "model", lambda folder: folder.mkdir())
    assert list(tmp_path.iterdir()) == [tmp_path / "model"]
