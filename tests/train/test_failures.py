"""Every way in which a run stops: one clear line, no finished step is lost, and the same command resumes to the same weights."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

from recode.errors import RecipeError, RecodeError
from recode.models import load
from recode.records import read_jsonl
from recode.train.failures import check_server
from recode.train.recipes import PolicyRecipe, Vllm
from recode.train.trl import run
from recode.train.trl.policy import PolicyTrainer
from tests.train.killed_run import Kill, MakePolicy, MakeSft, varied

FAILS_AT = 4
"""The step that fails; checkpoints are written at steps 2 and 4."""


@pytest.fixture(autouse=True)
def reward_with_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "trl_reward", lambda name, family: varied)


@pytest.fixture(scope="module")
def whole(policy: MakePolicy, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """The weights of a run that nothing stopped."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "trl_reward", lambda name, family: varied)
        return weights(run.train(policy(), tmp_path_factory.mktemp("whole")))


def weights(model: Path) -> dict[str, torch.Tensor]:
    return load_file(model / "model.safetensors")


def at_step(trainer: PolicyTrainer, step: int) -> bool:
    return trainer.state.global_step + 1 == step


def raising(error: Exception) -> Callable[[pytest.MonkeyPatch], None]:
    """Return what makes the loss of the failing step raise."""

    def inject(patch: pytest.MonkeyPatch) -> None:
        loss = PolicyTrainer._compute_loss

        def failing(trainer: PolicyTrainer, *args: Any) -> Any:
            if at_step(trainer, FAILS_AT):
                raise error
            return loss(trainer, *args)

        patch.setattr(PolicyTrainer, "_compute_loss", failing)

    return inject


def not_a_number(patch: pytest.MonkeyPatch) -> None:
    loss = PolicyTrainer._compute_loss
    patch.setattr(
        PolicyTrainer, "_compute_loss",
        lambda trainer, *args: loss(trainer, *args) * (float("nan") if at_step(trainer, FAILS_AT) else 1.0),
    )  # fmt: skip


def full_disk(error: Exception) -> Callable[[pytest.MonkeyPatch], None]:
    """Return what makes the disk full in the middle of the second checkpoint."""

    def inject(patch: pytest.MonkeyPatch) -> None:
        save = torch.save

        def failing(value: Any, path: Any, *args: Any, **kwargs: Any) -> None:
            if f"checkpoint-{FAILS_AT}/" in str(path):
                Path(path).write_bytes(b"half")
                raise error
            save(value, path, *args, **kwargs)

        patch.setattr(torch, "save", failing)

    return inject


def failing_reward(patch: pytest.MonkeyPatch) -> None:
    def reward(trainer_state: Any, completion_ids: list[list[int]], **_: Any) -> list[float]:
        if trainer_state.global_step + 1 == FAILS_AT:
            raise KeyError("gold")
        return varied(completion_ids)

    patch.setattr(run, "trl_reward", lambda name, family: reward)


INJECTIONS: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], str]] = {
    "loss is not a number": (not_a_number, r"not a number at step 4; lower optimization\.learning_rate in a new folder"),
    "GPU out of memory": (
        raising(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")),
        r"GPU's memory is full; lower rollout\.sequences_at_once \(now 6\), or set optimization\.gradient_checkpointing = true, "
        r"or train an \[adapter\] in a new folder",
    ),
    "memory of the machine": (
        raising(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")),
        "memory is full; lower",
    ),
    "a policy without probabilities": (
        raising(RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")),
        r"not numbers any more; lower optimization\.learning_rate in a new folder",
    ),
    "full disk": (full_disk(OSError(errno.ENOSPC, "No space left on device")), "disk is full; make room"),
    "full disk, said by C": (
        full_disk(RuntimeError("PytorchStreamWriter failed: No space left on device")), "disk is full; make room",
    ),
    "a reward that raises": (
        failing_reward, r"`reward` raised KeyError: 'gold'; fix it, or take it out of reward\.weights in a new folder",
    ),
}  # fmt: skip


# One of the policy, one of the machine and one of the disk; each takes two runs.
QUICK = {"loss is not a number", "memory of the machine", "full disk"}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[] if case in QUICK else pytest.mark.slow) for case in INJECTIONS]
)
def test_a_stopped_run_says_why_and_goes_on_to_the_same_weights(
    case: str, policy: MakePolicy, whole: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    inject, message = INJECTIONS[case]
    with pytest.MonkeyPatch.context() as patch:
        inject(patch)
        with pytest.raises(RecodeError, match=message) as caught:
            run.train(policy(), tmp_path)
    assert "\n" not in str(caught.value)
    assert "Checkpoints" in str(caught.value) or "checkpoints" in str(caught.value)
    assert run._last_checkpoint(tmp_path / "checkpoints") == str(tmp_path / "checkpoints" / "checkpoint-2")
    assert not (tmp_path / "result.json").exists()
    resumed = weights(run.train(policy(), tmp_path))
    assert resumed.keys() == whole.keys()
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    assert [row["step"] for _, row in read_jsonl(tmp_path / "log.jsonl")] == [1, 2, 3, 4, 5]


def test_a_run_goes_on_with_less_memory_as_it_is_told_to(policy: MakePolicy, tmp_path: Path) -> None:
    inject, _ = INJECTIONS["GPU out of memory"]
    with pytest.MonkeyPatch.context() as patch:
        inject(patch)
        with pytest.raises(RecodeError, match=r"lower rollout\.sequences_at_once .* the same command resumes"):
            run.train(policy(0, precision="float32"), tmp_path / "run")
    leaner = policy(0, precision="float32", gradient_checkpointing=True)
    leaner = leaner.model_copy(update={"rollout": leaner.rollout.model_copy(update={"sequences_at_once": 2})})
    resumed = weights(run.train(leaner, tmp_path / "run"))
    undisturbed = weights(run.train(policy(0, precision="float32"), tmp_path / "undisturbed"))
    # The same steps, summed in another order.
    for name, weight in undisturbed.items():
        torch.testing.assert_close(resumed[name], weight, rtol=1e-3, atol=1e-4)
    for folder in ("run", "undisturbed"):
        assert len(list(read_jsonl(tmp_path / folder / "log.jsonl"))) == 5


@pytest.mark.slow
def test_a_run_killed_while_it_writes_a_checkpoint_goes_on_from_the_one_before(
    policy: MakePolicy, whole: dict[str, torch.Tensor], kill: Kill, tmp_path: Path
) -> None:
    kill(policy(), tmp_path, 4, "saving")
    names = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert {"checkpoint-2", "checkpoint-4"} <= names
    resumed = weights(run.train(policy(), tmp_path))
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def served(recipe: PolicyRecipe, server: str = "http://127.0.0.1:9") -> PolicyRecipe:
    return recipe.model_copy(update={"vllm": Vllm(mode="server", server=server, timeout=0.2)})


def test_an_unreachable_vllm_server_is_named_before_a_model_is_loaded(
    policy: MakePolicy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "load_base", None)
    with pytest.raises(
        RecodeError, match=r"server at http://127\.0\.0\.1:9 does not answer; start it with: .*vllm serve"
    ):
        run.train(served(policy()), tmp_path)


def test_a_server_that_answers_is_waited_for_no_longer(policy: MakePolicy) -> None:
    asked: list[str] = []

    class Healthy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Healthy) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        check_server(served(policy(), f"http://127.0.0.1:{server.server_port}/"))
        server.shutdown()
    assert asked == ["/health"]


def test_a_server_that_goes_away_while_training_is_named(
    policy: MakePolicy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = served(policy())
    monkeypatch.setattr(run, "check_server", lambda recipe: None)
    monkeypatch.setattr(run, "_vllm", lambda recipe: {})
    sample = PolicyTrainer.own_rollouts

    def lost(trainer: PolicyTrainer, *args: Any) -> Any:
        if at_step(trainer, FAILS_AT):
            raise ConnectionError("The server cannot be reached")
        return sample(trainer, *args)

    monkeypatch.setattr(PolicyTrainer, "own_rollouts", lost)
    with pytest.raises(RecodeError, match=r"does not answer; .* resumes from there"):
        run.train(recipe, tmp_path)
    assert (tmp_path / "checkpoints" / "checkpoint-2").exists()


@pytest.fixture
def bare(tiny_model: Path, tmp_path: Path) -> Path:
    """A model whose tokenizer has neither a chat template nor a pad token."""
    folder = shutil.copytree(tiny_model, tmp_path / "bare")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = None
    tokenizer.pad_token = None
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    tokenizer.save_pretrained(folder)
    assert AutoTokenizer.from_pretrained(folder).pad_token_id is None
    return folder


def test_a_tokenizer_without_template_and_pad_token_trains(
    bare: Path, sft: MakeSft, policy: MakePolicy, tmp_path: Path
) -> None:
    run.train(sft(bare, steps=2), tmp_path / "sft")
    recipe = policy(0, steps=2).model_copy(update={"model": str(bare)})
    model, tokenizer = load(run.train(recipe, tmp_path / "grpo"))
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    assert model.config.vocab_size == len(tokenizer)


def test_with_the_end_as_pad_token_the_end_is_still_learnt(bare: Path, sft: MakeSft, tmp_path: Path) -> None:
    recipe = sft(bare)
    model, tokenizer = load(bare)
    prompts = run.load_prompts(recipe.data, tokenizer, recipe.seed)
    trainer = run._sft(recipe, tmp_path, model, tokenizer, prompts, run._Watcher(tmp_path, None))
    batch = next(iter(trainer.get_train_dataloader()))
    assert ((batch["labels"] == tokenizer.eos_token_id).sum(1) == 1).all()


def test_a_tokenizer_without_an_end_is_refused(bare: Path, sft: MakeSft, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(bare)
    tokenizer.eos_token = None
    tokenizer.save_pretrained(bare)
    with pytest.raises(RecipeError, match="no end token"):
        run.train(sft(bare), tmp_path / "run")


def test_prompts_over_the_limit_are_left_out_and_counted(policy: MakePolicy, tiny_model: Path, tmp_path: Path) -> None:
    recipe = policy(0, steps=1)
    _, tokenizer = load(tiny_model)
    prompts = run.load_prompts(recipe.data, tokenizer, recipe.seed)
    lengths = sorted(len(tokenizer(row["prompt"])["input_ids"]) for row in prompts.migrations + prompts.no_ops)
    limit = lengths[len(lengths) // 2]
    short = run.load_prompts(recipe.data.model_copy(update={"max_prompt_tokens": limit}), tokenizer, recipe.seed)
    assert short.skipped == sum(length > limit for length in lengths) > 0
    with pytest.raises(RecipeError, match=r"no entry to train on; check .*max_prompt_tokens"):
        run.load_prompts(recipe.data.model_copy(update={"max_prompt_tokens": 3}), tokenizer, recipe.seed)


def test_a_prompt_that_leaves_no_room_in_the_context_is_refused(policy: MakePolicy, tmp_path: Path) -> None:
    recipe = policy(0)
    recipe = recipe.model_copy(update={"rollout": recipe.rollout.model_copy(update={"max_new_tokens": 2048})})
    with pytest.raises(RecipeError, match=r"more than the model's context of 2048: lower data\.max_prompt_tokens"):
        run.train(recipe, tmp_path)
