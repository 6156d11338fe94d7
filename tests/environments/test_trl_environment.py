"""The class for TRL's `environment_factory`: alone with the toy library, and in TRL's own trainer on ten tasks and more."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest

from recode.environments.grading import Grader
from recode.environments.tasks import MigrationTask, load_tasks
from recode.environments.trl_environment import MigrationEnvironment, training_rows
from recode.errors import RecordError, SandboxError
from tests.environments.conftest import NEW, OLD

SPLIT, EACH = "@validation", 10


def test_a_rollout_runs_and_submits(task: MigrationTask, grader: Grader) -> None:
    environment = MigrationEnvironment(grader)
    [row] = training_rows([task])
    environment.reset(**row)
    assert environment.get_reward() == 0.0
    assert "AttributeError" in environment.run_program(OLD)
    assert environment.run_program(NEW).startswith("No runs are left")
    assert environment.submit_program(NEW) == "Submitted."
    assert environment.get_reward() == 1.0
    environment.reset(**row)
    environment.submit_program(OLD)
    assert environment.get_reward() == 0.0


def test_a_data_set_without_entries_is_refused(grader: Grader) -> None:
    with pytest.raises(RecordError, match="no column `entry`"):
        MigrationEnvironment(grader).reset(prompt="x")


@pytest.mark.ecosystem
def test_trl_plays_the_tools_and_takes_the_rewards(tiny_model: Path, tmp_path: Path) -> None:
    """In every group one rollout runs the old program, reads the error and submits the gold; the other submits the old program."""
    pytest.importorskip("trl", reason="trl is not installed; run: pip install 'recode-rl[train]'")
    try:
        grader = Grader()
    except SandboxError as error:
        pytest.skip(str(error))
    chosen = sorted(load_tasks(SPLIT).tasks, key=lambda task: len(task.request))[:EACH]
    with grader:
        rewards, said = train(chosen, grader, tiny_model, tmp_path)
    assert rewards == [1.0, 0.0] * EACH
    assert sum("Runs left: 0." in text for text in said) == EACH


def train(tasks: list[MigrationTask], grader: Grader, folder: Path, out: Path) -> tuple[list[float], list[str]]:
    """Train one step whose completions are written by hand; return the rewards and the completions as TRL logs them."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer
    from trl.chat_template_utils import qwen3_chat_template

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<|im_start|>"])
    tokenizer.add_special_tokens({"eos_token": "<|im_end|>"})
    tokenizer.chat_template = qwen3_chat_template
    model = AutoModelForCausalLM.from_pretrained(folder)
    model.resize_token_embeddings(len(tokenizer))
    model.config.max_position_embeddings = 1 << 15

    class Scripted(GRPOTrainer):  # type: ignore[misc]
        """TRL's trainer, with completions written by hand instead of sampled."""

        def _generate_single_turn(self, prompt_ids: Any, *_: Any, **__: Any) -> Any:
            texts = tokenizer.batch_decode(prompt_ids)
            seen: dict[str, int] = {}
            said = []
            for text in texts:
                task = next(task for task in tasks if task.request in text)
                seen[task.id] = seen.get(task.id, 0) + 1
                said.append(_answer(task, text, first=seen[task.id] == 1))
            return [tokenizer(text, add_special_tokens=False)["input_ids"] for text in said], None

    trainer = Scripted(
        model=model,
        args=GRPOConfig(
            output_dir=str(out), per_device_train_batch_size=2 * len(tasks), num_generations=2, max_steps=1, report_to="none",
            max_completion_length=1 << 13, use_cpu=True, log_completions=False, shuffle_dataset=False,
        ),
        train_dataset=Dataset.from_list(training_rows(tasks)),
        processing_class=tokenizer,
        environment_factory=functools.partial(MigrationEnvironment, grader),
    )  # fmt: skip
    trainer.train()
    logs = trainer._logs
    return list(logs["rewards"]["MigrationEnvironment"]), [str(text) for text in logs["completion"]]


def _answer(task: MigrationTask, text: str, *, first: bool) -> str:
    """Return the next message of a rollout: the first of a group repairs, the other submits the old program."""
    after = text.rpartition(task.request)[2]
    if "Submitted." in after:
        return "Done.<|im_end|>"
    if first and "tool_response" in after:
        return _call("submit_program", task.entry.new_code)
    return _call("run_program" if first else "submit_program", task.entry.old_code)


def _call(name: str, program: str) -> str:
    arguments = json.dumps({"name": name, "arguments": {"program": program}}, ensure_ascii=False)
    return f"<tool_call>\n{arguments}\n</tool_call><|im_end|>"
