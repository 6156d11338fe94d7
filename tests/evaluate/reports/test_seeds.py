"""Several seeds side by side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recode.errors import RecordError
from recode.evaluate.reports.seeds import compare_seeds

SPLITS = ("test_generated", "test_updates", "test_libraries", "no_op")


def write(folder: Path, seed: int, gain: float) -> Path:
    """A report in which GRPO gains so much, and SFT nothing."""
    arms = {}
    for arm, exact in (("able", 0.6), ("base", 0.1), ("sft", 0.1), ("grpo", 0.1 + gain)):
        result = {"exact": exact, "reward": 2.0, "copy": 0.25, "reward_of_copying": 2.7, "n": 200}
        arms[arm] = {**dict.fromkeys(SPLITS, result), "forgetting": {"python_loss": 3.0}}
    none, some = [-0.1, 0.0, 0.1], [gain - 0.1, gain, gain + 0.1]
    delta = {
        "sft": {key: {"exact": none, "reward": none} for key in SPLITS},
        "grpo": {key: {"exact": some, "reward": none} for key in SPLITS},
    }
    folder.mkdir()
    (folder / "report.json").write_text(json.dumps({"seed": seed, "minutes": 7.5, "arms": arms, "delta": delta}))
    return folder


def test_every_seed_is_shown_and_certain_gains_are_counted(tmp_path: Path) -> None:
    runs = [write(tmp_path / name, seed, gain) for name, seed, gain in (("b", 2, 0.05), ("a", 1, 0.4))]
    text = compare_seeds(runs)
    assert "Seeds 1, 2; minutes 7.5, 7.5." in text
    grpo, sft = (next(line for line in text.splitlines() if line.startswith(f"| {arm} |")) for arm in ("grpo", "sft"))
    assert "50.0 [+30.0, +50.0]; 15.0 [-5.0, +15.0]" in grpo
    assert grpo.endswith("| 1 of 2, 0 of 2 |")
    assert sft.endswith("| 0 of 2, 0 of 2 |")
    assert "| *copying* | | 2.70 |" in text


def test_same_seeds_and_unfinished_runs_are_refused(tmp_path: Path) -> None:
    runs = [write(tmp_path / name, 1, 0.4) for name in ("a", "b")]
    with pytest.raises(RecordError, match="same seed"):
        compare_seeds(runs)
    with pytest.raises(RecordError, match="no finished quickstart"):
        compare_seeds([tmp_path / "c"])


def test_what_could_not_be_graded_is_shown(tmp_path: Path) -> None:
    run = write(tmp_path / "a", 1, 0.4)
    report = json.loads((run / "report.json").read_text())
    report["arms"]["grpo"]["no_op"] = {**report["arms"]["grpo"]["no_op"], "ungradable": 2}
    (run / "report.json").write_text(json.dumps(report))
    text = compare_seeds([run])
    assert "### no_op (n = 200, 2 ungradable)" in text
    assert "### test_updates (n = 200)\n" in text
