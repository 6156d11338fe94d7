"""Two processes on a CPU, started as on two GPUs: dynamic sampling in step, one model, one log."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from recode.records import read_jsonl
from tests.train.killed_run import MakePolicy


@pytest.mark.slow
def test_two_processes_fill_their_shares_and_write_one_run(policy: MakePolicy, tmp_path: Path) -> None:
    recipe = policy(6, steps=3, precision="float32")
    recipe = recipe.model_copy(update={"rollout": recipe.rollout.model_copy(update={"prompts_per_step": 4})})
    script = Path(__file__).with_name("several_processes.py")
    # On a CPU `accelerate launch` leaves starting several processes to MPI; torchrun sets the same variables.
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2",
               str(script), json.dumps(recipe.model_dump(mode="json")), str(tmp_path)]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=900, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    log = [row for _, row in read_jsonl(tmp_path / "log.jsonl")]
    assert [row["step"] for row in log] == [1, 2, 3]
    shares = [json.loads((tmp_path / f"batches-{place}.json").read_text()) for place in (0, 1)]
    for row, first, second in zip(log, *shares, strict=True):
        flat = 0
        for ids, parities in (first, second):
            assert len(ids) == 4
            for start in (0, 2):
                assert ids[start] == ids[start + 1]
                flat += parities[start] == parities[start + 1]
        assert row["dynamic_sampling/groups_without_spread"] == flat
        used = 4
        unused = row["dynamic_sampling/groups_dropped"] - flat + row["dynamic_sampling/groups_surplus"]
        assert row["dynamic_sampling/groups_generated"] == used + unused
    assert shares[0] != shares[1]
    assert (tmp_path / "model" / "config.json").exists()
    # They average their gradients: there is one model.
    assert (tmp_path / "weights-0.json").read_text() == (tmp_path / "weights-1.json").read_text()
