"""Recipes: those that ship are valid, and a mistake is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recode.errors import RecipeError
from recode.train.recipes import PolicyRecipe, PretrainRecipe, SftRecipe, load_recipe

RECIPES = Path(__file__).parents[2] / "recipes"
# The study's tables are no recipes themselves (tests/study).
SHIPPED = sorted(path for path in RECIPES.rglob("*.toml") if path.parent.name != "study")
GRPO = """
method = "grpo"
model = "some/model"

[optimization]
steps = 10
learning_rate = 1e-4
"""


@pytest.fixture
def written(tmp_path: Path) -> Any:
    """Return a function that writes a recipe file: the smallest valid one with more text behind."""

    def write(more: str = "", text: str = GRPO) -> Path:
        path = tmp_path / "my.toml"
        path.write_text(text + more, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(RECIPES)))
def test_every_shipped_recipe_is_valid(path: Path) -> None:
    kinds = {"pretrain": PretrainRecipe, "sft": SftRecipe, "grpo": PolicyRecipe, "dapo": PolicyRecipe}
    recipe = load_recipe(path)
    assert isinstance(recipe, kinds[recipe.method])
    if path.parent.name == "quickstart":
        assert path.stem == recipe.method


def test_the_quickstart_trains_its_arms_on_the_same_prompts() -> None:
    arms = [load_recipe(RECIPES / "quickstart" / f"{arm}.toml") for arm in ("sft", "grpo", "dapo")]
    assert len({str(arm.data) for arm in arms}) == 1
    assert len({getattr(arm, "model", None) for arm in arms}) == 1


def test_values_are_read_and_the_rest_has_defaults(written: Any) -> None:
    recipe = load_recipe(written("[rollout]\nsamples_per_prompt = 4\n"))
    assert isinstance(recipe, PolicyRecipe)
    assert (recipe.optimization.steps, recipe.rollout.samples_per_prompt) == (10, 4)
    assert (recipe.rollout.prompts_per_step, recipe.loss.kl) == (8, 0.0)


def test_overrides_replace_the_files_values(written: Any) -> None:
    assert load_recipe(written(), {"seed": 7, "model": "other/model"}).seed == 7
    assert getattr(load_recipe(written(), {"model": "other/model"}), "model", "") == "other/model"
    changed = load_recipe(written("[loss]\nkl = 0.1\n"), {"loss.clip_high": 0.3, "reward.weights": {"exact": 1.0}})
    assert isinstance(changed, PolicyRecipe)
    assert (changed.loss.kl, changed.loss.clip_high, changed.reward.weights) == (0.1, 0.3, {"exact": 1.0})
    with pytest.raises(RecipeError, match=r"unknown key `loss.clip_hi`; did you mean `clip_high`"):
        load_recipe(written(), {"loss.clip_hi": 0.3})
    for seed in ("many", -1, 2**32):
        with pytest.raises(RecipeError, match="`seed`"):
            load_recipe(written(), {"seed": seed})


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            "[rollout]\nsample_per_prompt = 4",
            r"unknown key `rollout\.sample_per_prompt`; did you mean `samples_per_prompt`",
        ),
        ("lerning_rate = 1", r"unknown key `optimization\.lerning_rate`; did you mean `learning_rate`"),
        ("[rolout]\nprompts_per_step = 4", "unknown key `rolout`; did you mean `rollout`"),
        ("[loss]\nzzz = 4", r"unknown key `loss\.zzz`; known keys: .*clip_high"),
        ("[data]\ngenerated = 'many'", r"`data\.generated`: .*valid integer"),
        ("[data]\nno_op_share = 1.5", r"`data\.no_op_share`: .*less than or equal to 1"),
        ("[rollout]\nsamples_per_prompt = 1", r"`rollout\.samples_per_prompt`: .*greater than or equal to 2"),
        ("[loss]\naggregation = 'mean'", r"`loss\.aggregation`: .*'grpo'"),
        ("[reward]\nweights = { formt = 1.0 }", r"`reward\.weights\.formt.*'format'"),
        ("[reward]\nweights = {}", r"`reward\.weights`: .*at least 1"),
        ("[reward]\nweights = { edit = nan }", r"`reward\.weights\.edit`: .*finite"),
        ("[rollout]\nprompts_per_step = 3\nsamples_per_prompt = 3\nminibatches = 2", "must divide the 9 sequences"),
        ("[rollout]\nminibatches = 2\nsequences_at_once = 5", "must divide the 32 of a minibatch"),
        ("[rollout]\nminibatches = 4", "save_every must be a multiple"),
        (
            "[vllm]\nserver = 'localhost:8000'",
            r"`vllm\.server`: `localhost:8000` is not an address like http://localhost:8000",
        ),
        ("[vllm]\nserver = 'http://host:none'", r"`vllm\.server`: .* is not an address"),
    ],
)
def test_a_mistake_names_the_file_and_the_key(more: str, message: str, written: Any) -> None:
    path = written(more)
    with pytest.raises(RecipeError, match=message) as caught:
        load_recipe(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("[optimizer]\nmuon = -0.1", r"`optimizer\.muon`: .*greater than 0"),
        ("[optimizer]\nadamw = 0", r"`optimizer\.adamw`: .*greater than 0"),
        ("[optimizer]\nadamw = inf", r"`optimizer\.adamw`: .*finite"),
        ("[model]\nvocabulary = 5", r"`model\.vocabulary`: .*greater than or equal to 273"),
        ("[model]\nheads = 4\nkv_heads = 3", "`model`: kv_heads must divide the 4 heads"),
        ("[model]\nhead_size = 33", "`model`: head_size must be even"),
    ],
)
def test_a_shape_or_rate_that_cannot_be_pretrained_is_named(more: str, message: str, written: Any) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe(written(more, 'method = "pretrain"\nsteps = 3\n'))


def test_dapo_without_dynamic_sampling_is_refused(written: Any) -> None:
    dapo = GRPO.replace('"grpo"', '"dapo"')
    with pytest.raises(RecipeError, match="without it the method is not DAPO"):
        load_recipe(written(text=dapo))
    recipe = load_recipe(written("[dynamic_sampling]\nenabled = true", dapo))
    assert getattr(recipe, "dynamic_sampling", None).enabled


def test_sft_examples_at_once_divide_those_of_a_step(written: Any) -> None:
    sft = GRPO.replace('"grpo"', '"sft"')
    with pytest.raises(RecipeError, match="examples_at_once must divide the 24 examples of a step"):
        load_recipe(written("examples_per_step = 24\nexamples_at_once = 16", sft))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("method = ", "not valid TOML"),
        ("model = 'a/b'", "`method`"),
        ("method = 'ppo'", "`method`"),
        ("method = 'sft'\nmodel = 'a/b'", "`optimization`: Field required"),
    ],
)
def test_a_file_that_is_no_recipe_is_one_error_line(text: str, message: str, written: Any) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe(written(text=text))


def test_a_missing_file_is_one_error_line(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(tmp_path / "none.toml")
