"""`recode export`: the tasks in the formats of other frameworks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer()


@app.command(epilog="Example: `recode export --format harbor --out runs/harbor --limit 10`")
def export(
    form: Annotated[Literal["harbor"], typer.Option("--format", help="`harbor`: a task folder per entry.")],
    out: Annotated[Path, typer.Option(help="Folder for the tasks.")],
    source: Annotated[
        str, typer.Option("--tasks", help="A split of the data set, or a file of its entries.")
    ] = "@train",
    limit: Annotated[int | None, typer.Option(min=1, help="How many tasks to export at most.")] = None,
    notes: Annotated[
        Literal["tailored", "bullet", "section", "api", "none"], typer.Option(help="The level of the notes.")
    ] = "tailored",
) -> None:
    """Write tasks for other frameworks; each is run first: its gold program scores 1 and the untouched one 0.

    A killed export resumes. Exit code 1 if a task failed and was left out. (The data set itself: `recode data export`.)
    """
    from recode.cli.dataset import progress_bar
    from recode.environments.grading import Grader
    from recode.environments.harbor import export_tasks
    from recode.environments.tasks import load_tasks

    found = load_tasks(source, limit=limit, notes=notes)
    with Grader() as grader, progress_bar("export") as on_progress:
        done = export_tasks(found.tasks, out, grader, on_progress)
    typer.echo(f"{out}: {done.written + done.kept} tasks ({done.kept} of them were there)")
    typer.echo(
        f"left out: {done.no_ops} that need no edit, {found.ungradable} that cannot be run, {len(done.failed)} failed"
    )
    for name in done.failed:
        typer.echo(f"  {name}: its gold program does not score 1, or the untouched one does not score 0")
    if done.failed:
        raise typer.Exit(1)


@app.command(epilog="Example: `recode openenv --tasks @train --port 8000`")
def openenv(
    splits: Annotated[
        list[str] | None, typer.Option("--tasks", help="A split of the data set, or a file; repeat for more.")
    ] = None,
    runs: Annotated[int, typer.Option(min=0, help="How many programs an episode may run before it submits one.")] = 1,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on.")] = 8000,
    sessions: Annotated[int, typer.Option(min=1, help="How many sessions there may be at once.")] = 64,
) -> None:
    """Serve the multi-turn environment to OpenEnv's clients, until it is interrupted."""
    import uvicorn

    from recode.environments import openenv_server
    from recode.environments.grading import Grader
    from recode.environments.tasks import load_tasks

    tasks = {name.removeprefix("@"): load_tasks(name).tasks for name in splits or ["@train"]}
    with Grader() as grader:
        served = openenv_server.ServedTasks(tasks, grader, runs)
        uvicorn.run(openenv_server.app(served, sessions), host=host, port=port, log_level="info", access_log=False)
