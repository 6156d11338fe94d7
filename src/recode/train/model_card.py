"""The card of a trained model: its base model, training data, recipe, results and licence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCardData, hf_hub_download, metadata_load

import recode
from recode.models import EMBEDDED, smollm
from recode.records import write_text
from recode.train.data import Prompts
from recode.train.recipes import PolicyRecipe, SftRecipe

EMBEDDED_LICENCE = "apache-2.0"
"""The embedded models are part of this package and share its licence."""
_SHOWN = ("loss", "reward", "reward_std", "reward_of_copying", "exact", "copy", "kl", "entropy")

_USE = """
```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model, tokenizer = AutoModelForCausalLM.from_pretrained("."), AutoTokenizer.from_pretrained(".")
```
"""


def write_card(
    folder: Path, recipe: SftRecipe | PolicyRecipe, prompts: Prompts, result: dict[str, Any], adapter: Path | None
) -> None:
    """Write `README.md` into a model's or an adapter's folder, with the front matter that Hugging Face reads.

    Args:
        folder: the model's folder, or the adapter's.
        recipe: the recipe of the run.
        prompts: the prompts it was trained on.
        result: steps, seconds and the last step's numbers, as in `result.json`.
        adapter: the folder of the adapter that is merged into the model; None if every weight was trained.
    """
    alone = folder == adapter
    licence = base_licence(recipe.model)
    header = ModelCardData(
        base_model=_hub_name(recipe.model),
        license=licence,
        library_name="peft" if alone else "transformers",
        pipeline_tag="text-generation",
        tags=["recode", recipe.method, *([recipe.adapter.kind] if recipe.adapter else [])],
    )
    write_text(
        folder / "README.md",
        f"---\n{header.to_yaml()}\n---\n\n{_body(recipe, prompts, result, licence, adapter, alone)}",
    )


def _hub_name(model: str) -> str | None:
    """Return the name of a base model on the hub; None for an embedded one and for a folder."""
    if model == smollm.NAME:
        return smollm.HUB_NAME
    return None if model in EMBEDDED or Path(model).exists() else model


def base_licence(model: str) -> str | None:
    """Return the licence that the base model's card names; None if there is no card or it names none."""
    if model == smollm.NAME:
        return smollm.LICENCE
    if model in EMBEDDED:
        return EMBEDDED_LICENCE
    card = Path(model) / "README.md"
    if not Path(model).is_dir():
        try:
            card = Path(hf_hub_download(model, "README.md"))
        except (OSError, ValueError):
            return None
    if not card.exists():
        return None
    licence = (metadata_load(card) or {}).get("license")
    return licence if isinstance(licence, str) else None


def _body(
    recipe: SftRecipe | PolicyRecipe,
    prompts: Prompts,
    result: dict[str, Any],
    licence: str | None,
    adapter: Path | None,
    alone: bool,
) -> str:
    trained = "every weight was trained"
    if recipe.adapter:
        name = {"lora": "LoRA", "dora": "DoRA"}[recipe.adapter.kind]
        merged = "these are its weights alone" if alone else "is merged into these weights"
        trained = f"a {name} adapter was trained; {merged}" if alone else f"a {name} adapter was trained and {merged}"
    numbers = "\n".join(f"| {name} | {result['last'][name]:.4g} |" for name in _SHOWN if name in result["last"])
    files = "\n".join(f"- `{path}`" for path in (*recipe.data.migrations, *recipe.data.no_ops)) or "- none"
    terms = (
        f"The base model's licence, `{licence}`, applies to this model."
        if licence
        else "The base model's card names no licence; look it up before you pass this model on."
    )
    kept = f"\nThe adapter alone is in `{adapter.name}/` next to this folder.\n" if adapter and not alone else ""
    used = "" if alone else _USE
    weights = (
        "`base.json` names the weights that it belongs to; `recode evaluate` takes this folder.\n" if alone else ""
    )
    return f"""# {Path(recipe.model).name}, trained with ReCode by {recipe.method.upper()}

It rewrites Python code to follow a note about a library update. Base model: `{recipe.model}`; {trained}.
{kept}{weights}{used}
## Data

{len(prompts.migrations)} migrations and {len(prompts.no_ops)} entries whose note does not concern their code
({prompts.skipped} left out: too long, or not gradable). Of these, {recipe.data.generated} migrations are made up; the files:

{files}

## Training

{result["steps"]} steps in {result["seconds"]} s with ReCode {recode.__version__}. The last step:

| number | value |
| --- | --- |
{numbers}

`reward_of_copying` is what an answer earns for copying the old code unchanged: judge `reward` by its distance from that. These are training
figures; measure the model with `recode evaluate` before you rely on it.

The recipe:

```json
{json.dumps(recipe.model_dump(mode="json"), indent=1)}
```

## Licence

{terms}
"""
