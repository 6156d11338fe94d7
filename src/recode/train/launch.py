"""Start a recipe from the command line: quiet libraries, a progress display, one line at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from recode.errors import RecipeError
from recode.models import quiet
from recode.train.recipes import PretrainRecipe, load_recipe


def launch(recipe_path: Path, folder: Path, overrides: dict[str, Any], *, allowed: tuple[str, ...]) -> Path:
    """Run a recipe with a progress display; return the folder of the trained model.

    Raises:
        RecipeError: the recipe is wrong or is for another command.
    """
    recipe = load_recipe(recipe_path, overrides)
    if recipe.method not in allowed:
        command = "pretrain" if recipe.method == "pretrain" else "train"
        raise RecipeError(f"{recipe_path}: method `{recipe.method}` belongs to `recode {command}`")
    quiet()
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as progress:
        steps = recipe.steps if isinstance(recipe, PretrainRecipe) else recipe.optimization.steps
        task = progress.add_task(f"{recipe.method} {folder}", total=steps, note="")

        def show(step: dict[str, float]) -> None:
            progress.update(task, completed=step["step"], note=note(step))

        if isinstance(recipe, PretrainRecipe):
            from recode.train.pretrain import pretrain

            return pretrain(recipe, folder, on_step=show)
        from recode.train.run import train

        return train(recipe, folder, on_step=show)


def note(step: dict[str, float]) -> str:
    """Return the numbers of a step that are worth watching, on one line."""
    if "reward" not in step:
        rate = f"  {step['tokens_per_s']:.0f} tokens/s" if "tokens_per_s" in step else ""
        return f"loss {step['loss']:.3f}{rate}"
    return (
        f"reward {step['reward']:.2f} (copying {step['reward_of_copying']:.2f})  spread {step['reward_std']:.2f}  "
        f"exact {step['exact']:.2f}  {step['num_tokens'] / step['seconds']:.0f} tokens/s"
    )
