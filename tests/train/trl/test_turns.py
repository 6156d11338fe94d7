"""Episodes of two answers: masks, feedback, resuming, and TRL's own loop on the same episode."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import trl
from datasets import Dataset
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM
from trl import GRPOConfig, GRPOTrainer

from recode.prompts import PREFILL, response
from recode.records import read_jsonl
from recode.rewards import execution
from recode.sandbox.environments import Environment
from recode.train.pretrain.tokenizer import train_tokenizer
from recode.train.recipes import PolicyRecipe
from recode.train.trl import run, turns
from recode.train.trl.policy import PolicyTrainer
from recode.train.trl.turns import LAST, Feedback, between, on_last_answer, play
from tests.train.killed_run import MakePolicy, varied


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return train_tokenizer(["hello world, the program ran and printed"] * 3, 400)


def ids_of(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def test_an_episode_is_one_sequence_whose_mask_leaves_out_what_the_environment_wrote(tokenizer: Any) -> None:
    end = tokenizer.eos_token
    first = [ids_of(tokenizer, text) for text in (f"one{end}", f"two{end}", "cut off", f"four{end}")]
    second = [ids_of(tokenizer, f"better{end}")]
    asked: list[tuple[list[list[int]], int, int]] = []
    seen: list[Any] = []

    def sample(prompts: list[list[int]], group: int, turn: int) -> list[list[int]]:
        asked.append((prompts, group, turn))
        return second if turn else first

    def feedback(rows: Sequence[Any], completions: Sequence[str]) -> list[str]:
        seen.append(([row["id"] for row in rows], list(completions)))
        return ["" if text != "two" else "it failed" for text in completions]

    rows = [{"id": number} for number in range(4)]
    prompts = [[7], [7], [8], [8]]
    episodes = play(rows, prompts, 2, 2, tokenizer=tokenizer, sample=sample, feedback=feedback, longest=50)
    middle = between(tokenizer, "it failed", 50)
    assert seen == [([0, 1, 3], ["one", "two", "four"])]
    assert asked == [(prompts, 2, 0), ([[7, *first[1], *middle]], 1, 1)]
    assert episodes.completion_ids == [first[0], first[1] + middle + second[0], first[2], first[3]]
    assert episodes.own[1] == [1] * len(first[1]) + [0] * len(middle) + [1] * len(second[0])
    assert all(set(episodes.own[place]) == {1} for place in (0, 2, 3))
    assert episodes.last == ["one", "better", "cut off", "four"]
    assert episodes.answers == [1, 2, 1, 1]


def test_between_two_answers_stands_a_turn_of_the_user(tokenizer: Any) -> None:
    assert tokenizer.decode(between(tokenizer, "it failed", 50)) == f"<|user|>it failed<|assistant|>{PREFILL}"
    words = "first " + "word " * 200 + "last"
    cut = tokenizer.decode(between(tokenizer, words, 60))
    assert len(between(tokenizer, words, 60)) == 60
    assert cut.startswith("<|user|>")
    assert cut.endswith(f"last<|assistant|>{PREFILL}")
    assert "first" not in cut
    plain = train_tokenizer(["a b c"], 400)
    plain.chat_template = None
    assert plain.decode(between(plain, "it failed", 50)) == f"\n\nit failed\n\n{PREFILL}"


@pytest.fixture
def feedback(toy_new: Environment, monkeypatch: pytest.MonkeyPatch) -> Feedback:
    monkeypatch.setattr(execution, "environment_of", lambda digest, folder: toy_new if digest else None)
    return Feedback()


def test_feedback_is_what_happened_on_the_new_release(feedback: Feedback) -> None:
    row = {"lock": "x", "stdout": "6.0\n", "module": "toylib", "release": "toylib 2.0"}
    answers = [
        "import toylib\nprint(toylib.surface([1, 2]))",
        "import toylib\ntoylib.total([1], scale=2)",
        "import toylib\ntoylib.mean([1])",
        "raise ValueError(object())",
    ]
    said = feedback([row] * 4, [response("t", code) for code in answers])
    assert said[0] == ""
    assert "TypeError" in said[1]
    assert "toylib 2.0" in said[1]
    assert "line 2" in said[1]
    assert "DeprecationWarning" in said[2]
    # Addresses differ from run to run.
    assert "at 0x…" in said[3]
    assert all("Correct the program" in text for text in said[1:])
    assert "holds no program" in feedback([row], ["no answer"])[0]
    assert feedback([{**row, "lock": None}], [response("t", answers[1])]) == [""]
    assert feedback.seconds > 0
    assert feedback.failed == 0


def test_rewards_see_the_last_answer() -> None:
    reward = on_last_answer(lambda completions, **_: [float(len(text)) for text in completions])
    assert reward(completions=["long text"], **{LAST: ["a"]}) == [1.0]
    assert reward(completions=["abc"]) == [3.0]


# --- runs ---


def second_chances(rows: Sequence[Any], completions: Sequence[str]) -> list[str]:
    """Feedback that depends on the answer alone, on about half of the answers."""
    return [f"it failed: {len(text)}" if len(text) % 2 else "" for text in completions]


@pytest.fixture
def two_turns(policy: MakePolicy, monkeypatch: pytest.MonkeyPatch) -> PolicyRecipe:
    monkeypatch.setattr(run, "trl_reward", lambda name, family: varied)
    # A random model seldom ends an answer.
    monkeypatch.setattr(turns, "_ended", lambda tokenizer, ids: True)

    class Half(Feedback):
        def __call__(self, rows: Sequence[Any], completions: Sequence[str]) -> list[str]:
            return second_chances(rows, completions)

    monkeypatch.setattr("recode.train.trl.policy.Feedback", Half)
    recipe = policy(steps=4)
    rollout = recipe.rollout.model_copy(update={"turns": 2, "max_feedback_tokens": 20})
    return recipe.model_copy(update={"rollout": rollout})


def log_of(folder: Path) -> list[dict[str, Any]]:
    return [row for _, row in read_jsonl(folder / "log.jsonl")]


def test_a_run_trains_on_whole_episodes_and_on_the_policys_tokens_alone(
    two_turns: PolicyRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[Any] = []
    score = PolicyTrainer._generate_and_score_completions

    def watched(trainer: PolicyTrainer, inputs: Any) -> Any:
        batches.append(score(trainer, inputs))
        return batches[-1]

    monkeypatch.setattr(PolicyTrainer, "_generate_and_score_completions", watched)
    run.train(two_turns, tmp_path)
    assert [1 < row["episodes/answers"] < 2 for row in log_of(tmp_path)] == [True] * 4
    masked = 0
    for batch in batches:
        own = batch["tool_mask"] * batch["completion_mask"]
        # TRL divides the loss by the tokens that count.
        assert batch["num_items_in_batch"] == own.sum()
        masked += int((batch["completion_mask"] - own).sum())
        assert batch["completion_ids"].shape[1] <= two_turns.rollout.longest
    assert masked > 0
    assert all(row["dynamic_sampling/groups_without_spread"] == 0 for row in log_of(tmp_path))


@pytest.mark.parametrize("packed", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_run_that_was_interrupted_ends_with_the_same_weights(
    two_turns: PolicyRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    settings = two_turns.optimization.model_copy(update={"packed": packed, "precision": "float32"})
    recipe = two_turns.model_copy(update={"optimization": settings})
    sample = PolicyTrainer.own_rollouts

    def lost(trainer: PolicyTrainer, prompts: Any) -> Any:
        if trainer.state.global_step == 3:
            raise KeyboardInterrupt
        return sample(trainer, prompts)

    with monkeypatch.context() as patch:
        patch.setattr(PolicyTrainer, "own_rollouts", lost)
        with pytest.raises(KeyboardInterrupt):
            run.train(recipe, tmp_path / "cut")
    assert len(log_of(tmp_path / "cut")) < 4
    models = [run.train(recipe, tmp_path / name) for name in ("cut", "whole")]
    cut, whole = (load_file(model / "model.safetensors") for model in models)
    assert all(torch.equal(cut[name], whole[name]) for name in whole)


# --- TRL's own loop ---

QUESTION = "do it"
FIRST = [
    '<tool_call>\n{"name": "run", "arguments": {"program": "print(1"}}\n</tool_call><|im_end|>',
    "plain answer<|im_end|>",
]
SECOND = ["better answer<|im_end|>"]
HAPPENED = "it failed: print(1"


def run_tool(program: str) -> str:
    """Run a program.

    Args:
        program: its text.

    Returns:
        what happened.
    """
    return f"it failed: {program}"


run_tool.__name__ = "run"


def model_of(tokenizer: Any) -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=4,
            eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, bos_token_id=None, max_position_embeddings=4096,
            tie_word_embeddings=True,
        )
    )  # fmt: skip


def grpo(folder: Path, **settings: Any) -> GRPOConfig:
    return GRPOConfig(
        output_dir=str(folder), per_device_train_batch_size=2, num_generations=2, max_completion_length=600, use_cpu=True, bf16=False,
        report_to=[], max_steps=1, beta=0.0, loss_type="dapo", **settings,
    )  # fmt: skip


@pytest.mark.parametrize("scale", ["group", "none"])
def test_masks_advantages_and_loss_are_those_of_trls_own_loop(
    scale: str, policy: MakePolicy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = train_tokenizer(["hello world, the program ran"] * 3, 400)
    tokenizer.chat_template = (Path(trl.__file__).parent / "chat_templates" / "qwen3.jinja").read_text(encoding="utf-8")
    tokenizer.add_special_tokens({"eos_token": "<|im_end|>", "additional_special_tokens": ["<|im_start|>"]})

    def reward(completions: Sequence[Any], **_: Any) -> list[float]:
        return [1.0, 0.25]

    asked = {"prompt": [{"role": "user", "content": QUESTION}]}
    theirs = GRPOTrainer(
        model=model_of(tokenizer), args=grpo(tmp_path / "theirs", scale_rewards=scale), reward_funcs=reward,
        processing_class=tokenizer, train_dataset=Dataset.from_list([asked] * 2), tools=[run_tool],
    )  # fmt: skip
    answers = iter([FIRST, SECOND])
    monkeypatch.setattr(
        theirs, "_generate_single_turn", lambda *_, **__: ([ids_of(tokenizer, text) for text in next(answers)], None)
    )
    expected = theirs._generate_and_score_completions([dict(asked) for _ in range(2)])

    prompt = tokenizer.decode(expected["prompt_ids"][0])
    recipe = policy(0)
    rollout = recipe.rollout.model_copy(update={"turns": 2, "max_feedback_tokens": 200})
    rows = [{"prompt": prompt, "target": "x", "old_code": "y", "copy": 0.0, "id": "a"}] * 2
    ours = PolicyTrainer(
        recipe=recipe.model_copy(update={"rollout": rollout}), model=model_of(tokenizer),
        args=grpo(tmp_path / "ours", scale_rewards=scale), reward_funcs=on_last_answer(reward), processing_class=tokenizer,
        train_dataset=Dataset.from_list(rows),
    )  # fmt: skip
    # Qwen3's template shows what a tool says within a user's turn. Ours begins the next answer with a thought, which TRL leaves to the model.
    monkeypatch.setattr(turns, "PREFILL", "")
    said = f"<tool_response>\n{HAPPENED}\n</tool_response>"
    ours.feedback = lambda rows, completions: [said if "tool_call" in text else "" for text in completions]  # type: ignore[assignment]
    ours.feedback.seconds, ours.feedback.failed = 0.0, 0
    scripted = {0: FIRST, 1: SECOND}
    monkeypatch.setattr(
        ours, "_sample", lambda prompts, group, turn=0: [ids_of(tokenizer, text) for text in scripted[turn]]
    )
    found = ours._generate_and_score_completions([dict(row) for row in rows])

    for name in ("prompt_ids", "completion_ids", "completion_mask", "tool_mask", "advantages", "num_items_in_batch"):
        assert torch.equal(found[name], expected[name]), name
    assert 0 in found["tool_mask"]
    for trainer in (theirs, ours):
        trainer.current_gradient_accumulation_steps = 1
    losses = [trainer._compute_loss(trainer.model, batch) for trainer, batch in ((theirs, expected), (ours, found))]
    assert losses[1].item() == pytest.approx(losses[0].item(), abs=1e-6)
    assert losses[0].item() != 0
    for loss in losses:
        loss.backward()
    for (name, one), (_, other) in zip(theirs.model.named_parameters(), ours.model.named_parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad, atol=1e-6), name
