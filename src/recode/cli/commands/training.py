"""`recode pretrain` and `recode train`: run a training recipe."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from recode.shipped import shipped

app = typer.Typer()


class Engine(enum.StrEnum):
    """What runs a training recipe."""

    TRL = "trl"
    VERL = "verl"


@app.command(epilog="Example: `recode pretrain pretrain-habit --out runs/habit`")
def pretrain(
    recipe: Annotated[
        Path,
        typer.Argument(help='A recipe with `method = "pretrain"`: a file, or a name such as `pretrain-habit`.'),
    ],
    out: Annotated[Path | None, typer.Option(help="Folder of the run (default: runs/ and the recipe's name).")] = None,
) -> None:
    """Pretrain a small model from scratch on made-up migrations. If killed, the same command resumes it."""
    from recode.cli import training

    typer.echo(training.pretrain(shipped(recipe), out or Path("runs") / recipe.stem))


@app.command(epilog="Example: `recode train quickstart/grpo --out runs/grpo`")
def train(
    recipe: Annotated[
        Path,
        typer.Argument(
            help="A recipe whose `method` is sft, grpo or dapo: a file, or a name such as `quickstart/grpo`."
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Folder of the run (default: runs/ and the recipe's name).")] = None,
    seed: Annotated[int | None, typer.Option(help="Replace the recipe's seed.")] = None,
    model: Annotated[str | None, typer.Option(help="Replace the recipe's model.")] = None,
    engine: Annotated[
        Engine, typer.Option(help="`trl`: one process, or several through accelerate; `verl`: a Ray cluster.")
    ] = Engine.TRL,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show commands and files; download, write and start nothing.")
    ] = False,
) -> None:
    """Train a model by SFT, GRPO or DAPO. If killed, the same command resumes from the last checkpoint."""
    from recode.cli import training

    values = {"seed": seed, "model": model}
    overrides = {key: value for key, value in values.items() if value is not None}
    folder = out or Path("runs") / recipe.stem
    typer.echo(training.train(shipped(recipe), folder, overrides, engine.value, dry_run=dry_run))
