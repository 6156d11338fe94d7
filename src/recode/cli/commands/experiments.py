"""`recode quickstart` and `recode study`: whole experiments, from training to the report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recode.shipped import shipped

app = typer.Typer()


@app.command(epilog="Example: `recode quickstart --seed 2 --out runs/quickstart-2`")
def quickstart(
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs/quickstart"),
    seed: Annotated[int, typer.Option(help="Seed of the order of prompts, sampling and training.")] = 1,
    data: Annotated[
        Path, typer.Option(help="Folder of the data set (default: the one that comes with ReCode).")
    ] = Path("data"),
    recipes: Annotated[Path, typer.Option(help="Folder with sft.toml, grpo.toml and dapo.toml.")] = Path(
        "recipes/quickstart"
    ),
) -> None:
    """Run the whole loop on a CPU in minutes: evaluate, train by SFT, GRPO and DAPO, evaluate, report."""
    from recode.cli.quickstart import run_quickstart
    from recode.quickstart import QuickstartSettings

    run_quickstart(QuickstartSettings(out, shipped(data), shipped(recipes), seed))


@app.command(epilog="Example: `recode study reward-terms`; the tables: `recode study --list`")
def study(
    tables: Annotated[list[str] | None, typer.Argument(help="Tables by name (default: all).")] = None,
    recipes: Annotated[Path, typer.Option(help="Folder with a TOML file for each table.")] = Path("recipes/study"),
    data: Annotated[
        Path, typer.Option(help="Folder of the data set (default: the one that comes with ReCode).")
    ] = Path("data"),
    out: Annotated[Path, typer.Option(help="Folder of models, evaluations and tables.")] = Path("runs/study"),
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Arms at a time, a thread each; 1: all cores for one (default: one a core and 5 GiB, at most 8; 1 with a GPU).",
        ),
    ] = None,
    finished: Annotated[bool, typer.Option("--finished", help="Write the tables that are done; run nothing.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Show the tables and how much of each is done.")] = False,
) -> None:
    """Test the paper's claims: train every arm of a table with every seed, evaluate, write the table with its intervals."""
    from recode.cli.study import print_status, run
    from recode.study.arms import StudyFolders
    from recode.study.run import StudyOptions

    options = StudyOptions(StudyFolders(out, shipped(data)), shipped(recipes), tables or (), jobs)
    if listed:
        print_status(options)
    else:
        run(options, finished=finished)
