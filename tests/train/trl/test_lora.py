"""LoRA and DoRA on models of other makers: ten steps by each method, merged, read back by plain transformers."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from recode.errors import MissingExtraError, RecipeError
from recode.models import Sampling, llama, load
from recode.train.recipes import Adapter
from recode.train.trl import lora, run
from recode.train.trl.lora import layers_of, peft_config, with_plain_weights
from tests.train.killed_run import Kill, MakePolicy, MakeSft, varied

SHAPE: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "initializer_range": 0.1, "bos_token_id": None,
}  # fmt: skip
# DeepSeek-Coder is a Llama with linearly scaled positions, many heads without grouping and an untied head.
DEEPSEEK = {
    "num_key_value_heads": 4, "rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 100000.0},
    "rms_norm_eps": 1e-6, "max_position_embeddings": 16384,
}  # fmt: skip
FOREIGN: dict[str, Any] = {
    "llama": lambda **known: LlamaForCausalLM(LlamaConfig(**{**SHAPE, **known})),
    "qwen2": lambda **known: Qwen2ForCausalLM(Qwen2Config(**{**SHAPE, **known}, tie_word_embeddings=True)),
    "deepseek": lambda **known: LlamaForCausalLM(LlamaConfig(**{**SHAPE, **DEEPSEEK, **known})),
}
TABLE = {"rank": 4, "alpha": 8, "dropout": 0.01}


@pytest.fixture(autouse=True)
def reward_with_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "trl_reward", lambda name, family: varied)


@pytest.fixture(scope="session", params=["llama"])
def foreign(request: Any, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a random model, with a tokenizer and a card that names its licence."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    torch.manual_seed(1)
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    folder = tmp_path_factory.mktemp(request.param)
    FOREIGN[request.param](vocab_size=len(tokenizer), **ends).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: other-licence-1.0\n---\nA model.\n")
    return folder


def recipe_of(method: str, kind: str, model: Path, sft: MakeSft, policy: MakePolicy) -> Any:
    settings = {"steps": 10, "precision": "float32", "save_every": 10}
    recipe = sft(model, **settings) if method == "sft" else policy(4 if method == "dapo" else 0, **settings)
    return recipe.model_copy(update={"model": str(model), "adapter": Adapter(kind=kind, **TABLE)})


# Every model, method and kind once; the rest of the table takes two minutes more.
QUICK = {("llama", "dapo", "dora"), ("qwen2", "sft", "dora"), ("deepseek", "grpo", "lora")}
CASES = [
    pytest.param(*case, marks=[] if case in QUICK else pytest.mark.slow)
    for case in itertools.product(FOREIGN, ("sft", "grpo", "dapo"), ("lora", "dora"))
]


@pytest.mark.parametrize(("foreign", "method", "kind"), CASES, indirect=["foreign"])
def test_ten_steps_merged_and_read_back_write_the_same_tokens(
    method: str, kind: str, foreign: Path, sft: MakeSft, policy: MakePolicy, tmp_path: Path
) -> None:
    folder = run.train(recipe_of(method, kind, foreign, sft, policy), tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    merged = AutoModelForCausalLM.from_pretrained(folder)
    base = AutoModelForCausalLM.from_pretrained(foreign)
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(foreign), tmp_path / "adapter").eval()
    prompt = tokenizer("import lib\nlib.call(1)", return_tensors="pt")["input_ids"]

    def continued(model: Any) -> list[int]:
        out = model.generate(
            input_ids=prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=24, do_sample=False
        )
        return out[0].tolist()

    assert continued(merged) == continued(adapted)
    with torch.no_grad():
        logits, theirs, before = (model(prompt).logits for model in (merged, adapted, base))
    torch.testing.assert_close(logits, theirs, rtol=1e-4, atol=1e-5)
    assert (logits - before).abs().max() > 1e-3
    assert not any("lora" in name for name in merged.state_dict())
    assert not (folder / "training_args.bin").exists()


def test_the_card_tells_data_recipe_numbers_and_licence(
    foreign: Path, sft: MakeSft, policy: MakePolicy, tmp_path: Path
) -> None:
    recipe = recipe_of("grpo", "dora", foreign, sft, policy)
    recipe = recipe.model_copy(update={"optimization": recipe.optimization.model_copy(update={"steps": 1})})
    card = (run.train(recipe, tmp_path) / "README.md").read_text()
    header, _, body = card.removeprefix("---\n").partition("---\n")
    assert "license: other-licence-1.0" in header
    assert "dora" in header
    assert recipe.data.migrations[0] in body
    assert '"rank": 4' in body
    reward = json.loads((tmp_path / "result.json").read_text())["last"]["reward"]
    assert f"| reward | {reward:.4g} |" in body
    assert "`other-licence-1.0`, applies" in body
    alone = (tmp_path / "adapter" / "README.md").read_text()
    assert "library_name: peft" in alone
    assert "from_pretrained" not in alone
    assert "`base.json` names the weights" in alone


@pytest.mark.parametrize("kind", ["lora", "dora"])
def test_the_small_decoder_samples_from_the_adapted_policy(kind: str, tiny_model: Path) -> None:
    model, tokenizer = load(tiny_model)
    torch.manual_seed(2)
    adapted = get_peft_model(model, peft_config(Adapter(kind=kind, **TABLE))).eval()
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    before = {name: tensor.clone() for name, tensor in adapted.state_dict().items()}
    assert llama.supports(layers_of(adapted))
    assert not llama.supports(adapted)
    ids = tokenizer("import lib\nlib.call(1)")["input_ids"]
    plain = with_plain_weights(adapted)
    greedy = llama.sample(plain, [ids], 1, Sampling(16, temperature=0), tokenizer.eos_token_id)[0][0]
    prompt = torch.tensor([ids])
    theirs = adapted.generate(
        input_ids=prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=16, do_sample=False
    )
    assert greedy == theirs[0, len(ids) :].tolist()
    with adapted.disable_adapter():
        base = adapted.generate(
            input_ids=prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=16, do_sample=False
        )
    assert theirs.tolist() != base.tolist()
    assert all(torch.equal(tensor, before[name]) for name, tensor in adapted.state_dict().items())


@pytest.mark.slow
def test_a_killed_run_with_an_adapter_goes_on_to_the_same_weights(
    policy: MakePolicy, kill: Kill, tmp_path: Path
) -> None:
    recipe = policy(4).model_copy(update={"adapter": Adapter(kind="dora", **TABLE)})
    run.train(recipe, tmp_path / "whole")
    kill(recipe, tmp_path / "killed", 3)
    run.train(recipe, tmp_path / "killed")
    for file in ("adapter/adapter_model.safetensors", "model/model.safetensors"):
        whole, resumed = load_file(tmp_path / "whole" / file), load_file(tmp_path / "killed" / file)
        assert whole.keys() == resumed.keys()
        assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.parametrize("method", ["sft", "grpo"])
def test_an_adapter_over_a_four_bit_base_trains_and_is_merged_into_the_whole_one(
    method: str, tiny_model: Path, sft: MakeSft, policy: MakePolicy, tmp_path: Path
) -> None:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed (pip install 'recode-rl[qlora]')")
    recipe = recipe_of(method, "lora", tiny_model, sft, policy)
    recipe = recipe.model_copy(update={"adapter": Adapter(**TABLE, four_bit=True)})
    held, _ = lora.load_base(recipe)
    assert held.is_loaded_in_4bit
    assert not llama.supports(held)
    folder = run.train(recipe, tmp_path)
    merged, base = load_file(folder / "model.safetensors"), load_file(tiny_model / "model.safetensors")
    assert merged.keys() == base.keys()
    assert all(merged[name].shape == base[name].shape for name in base)
    changed = {name for name in base if not torch.equal(merged[name], base[name])}
    assert changed
    assert all("_proj" in name for name in changed)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (("q_prj",), r"adapter\.targets: the model has no layer `q_prj` that can be adapted; did you mean `q_proj`"),
        # peft takes the target that exists and does not report the other.
        (("q_proj", "v_prj"), "no layer `v_prj`"),
        (("self_attn",), "no layer `self_attn` that can be adapted"),
        (("zzz",), "layers: .*down_proj"),
    ],
)
def test_a_target_that_is_no_layer_is_named(
    targets: tuple[str, ...], message: str, sft: MakeSft, tmp_path: Path
) -> None:
    recipe = sft().model_copy(update={"adapter": Adapter(targets=targets)})
    with pytest.raises(RecipeError, match=message):
        run.train(recipe, tmp_path)


def test_the_names_of_layers_may_be_parts_of_a_path(sft: MakeSft) -> None:
    recipe = sft().model_copy(update={"adapter": Adapter(targets=("q_proj", "mlp.up_proj"))})
    model, _ = lora.load_base(recipe)
    adapted = {
        name for name, _ in get_peft_model(model, peft_config(recipe.adapter)).named_parameters() if "lora" in name
    }
    assert adapted
    assert all("q_proj" in name or "mlp.up_proj" in name for name in adapted)


def test_four_bits_without_bitsandbytes_name_the_extra(
    sft: MakeSft, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(lora, "find_spec", lambda name: None)
    recipe = sft().model_copy(update={"adapter": Adapter(four_bit=True)})
    with pytest.raises(MissingExtraError, match="qlora"):
        run.train(recipe, tmp_path)
