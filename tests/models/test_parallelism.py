"""Processes side by side: bound by cores, memory and the GPU."""

from __future__ import annotations

import pytest
import torch

from recode.evaluate.judging.judge_pool import sensible
from recode.models import parallelism
from recode.train.worker_pool import sensible_jobs


def test_processes_are_bound_by_cores_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for cores, gigabytes, expected in ((2, 16, 2), (4, 8, 1), (4, 16, 3), (64, 512, 8), (1, 64, 1), (8, 2, 1)):
        monkeypatch.setattr(parallelism, "cores", lambda cores=cores: cores)
        monkeypatch.setattr(parallelism, "memory", lambda gigabytes=gigabytes: gigabytes << 30)
        assert parallelism.sensible_processes(8, 5 << 30) == sensible_jobs() == expected
        assert sensible() >= min(expected, 4)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert parallelism.sensible_processes(8, 1) == sensible_jobs() == sensible() == 1
