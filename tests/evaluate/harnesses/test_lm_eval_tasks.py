"""lm-eval itself runs our task files."""

from __future__ import annotations

import json
from typing import Any

import pytest

from recode.evaluate.harnesses.documents import SPLITS, TASKS
from recode.evaluate.judging.migrations import evaluate, read_split, summary
from recode.models import resolve
from recode.prompts import response
from recode.shipped import shipped

COUNT = 10


def test_every_split_has_a_task_file() -> None:
    assert {path.stem for path in TASKS.glob("recode_*.yaml")} == {
        f"recode_{split}" for split in (*SPLITS, "migrations")
    }
    group = (TASKS / "recode_migrations.yaml").read_text(encoding="utf-8")
    assert all(f"recode_{split}" in group for split in SPLITS)


def run(model: Any, task: str, **options: Any) -> dict[str, Any]:
    lm_eval = pytest.importorskip("lm_eval")
    from lm_eval.tasks import TaskManager

    found: dict[str, Any] = lm_eval.simple_evaluate(
        model=model, tasks=[task], limit=COUNT, task_manager=TaskManager(include_path=str(TASKS), include_defaults=False),
        bootstrap_iters=0, **options,
    )  # fmt: skip
    return found


def mean(found: dict[str, Any], task: str, score: str) -> Any:
    return found["results"][task].get(f"{score},none")


@pytest.mark.ecosystem
def test_a_model_has_our_numbers() -> None:
    pytest.importorskip("lm_eval")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = resolve("recode-tiny")
    arguments = {"pretrained": folder, "dtype": "float32"}
    task = "recode_test_generated"
    found = run("hf", task, model_args=arguments, batch_size=COUNT, device="cpu", apply_chat_template=True)
    entries = read_split("test_generated", shipped("data"))[:COUNT]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ours = evaluate(AutoModelForCausalLM.from_pretrained(folder, dtype="float32"), tokenizer, entries)
    theirs = {sample["doc"]["id"]: sample["resps"][0][0] for sample in found["samples"][task]}
    for (judged,) in ours:
        assert theirs[judged.id].strip() == judged.completion.strip()
    own = summary([judged for (judged,) in ours])
    for score in ("exact", "edit", "copy", "lift"):
        assert mean(found, task, score) == pytest.approx(own[score], abs=1e-9)


@pytest.mark.ecosystem
@pytest.mark.network
@pytest.mark.parametrize("kind", ["oracle", "untouched"])
def test_answers_to_real_entries_run_in_our_sandbox(kind: str) -> None:
    pytest.importorskip("lm_eval")
    from lm_eval.api.model import LM

    class Scripted(LM):
        def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
            found = []
            for request in requests:
                old = request.doc["user"].partition("```python\n")[2].partition("\n```")[0]
                found.append(request.doc["gold"] if kind == "oracle" else response("", old))
            return found

        def loglikelihood(self, requests: Any, disable_tqdm: bool = False) -> Any:
            raise NotImplementedError

        def loglikelihood_rolling(self, requests: Any, disable_tqdm: bool = False) -> Any:
            raise NotImplementedError

    found = run(Scripted(), "recode_test_updates")
    right = float(kind == "oracle")
    assert len(found["samples"]["recode_test_updates"]) == COUNT
    for score in ("passed", "exact", "execution"):
        assert mean(found, "recode_test_updates", score) == right, json.dumps(found["results"])
    assert mean(found, "recode_test_updates", "copy") == 1.0 - right
