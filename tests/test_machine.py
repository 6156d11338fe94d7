from __future__ import annotations

import os

import pytest

from recode.machine import cores, memory


def test_the_cores_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert cores() == os.cpu_count()
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1


def test_the_memory_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory() > 1 << 28
    monkeypatch.delattr(os, "sysconf", raising=False)
    assert memory() == 8 << 30
