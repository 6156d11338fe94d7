"""`recode sandbox` and `recode env`: run untrusted programs, and manage the environments they run in."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from recode.shipped import shipped

app = typer.Typer()
sandbox_app = typer.Typer(help="Run untrusted programs.", no_args_is_help=True, rich_markup_mode="markdown")
app.add_typer(sandbox_app, name="sandbox")
env_app = typer.Typer(help="Manage the pinned library environments.", no_args_is_help=True, rich_markup_mode="markdown")
app.add_typer(env_app, name="env")


@sandbox_app.command("run", epilog="Example: `recode sandbox run tasks.jsonl --limit 3 --preload numpy`")
def sandbox_run(
    file: Annotated[
        Path, typer.Argument(help='JSON Lines: {"id", "program", "entry_point", "calls"} or {"id", "program", "test"}.')
    ],
    limit: Annotated[float, typer.Option(min=0.1, max=86_400, help="Wall time per program, in seconds.")] = 3.0,
    python: Annotated[str | None, typer.Option(help="The Python that runs the programs (default: this one).")] = None,
    preload: Annotated[
        list[str] | None, typer.Option(help="A module to import before any program runs; repeat for more.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Number of programs to run at a time (default: at least one per core).")
    ] = None,
    reduced: Annotated[
        bool, typer.Option("--reduced", help="Accept the weaker isolation where namespaces are forbidden.")
    ] = False,
    unsafe: Annotated[bool, typer.Option("--unsafe", help="No isolation: only for programs you have read.")] = False,
) -> None:
    """Judge untrusted programs: one JSON line {"id", "outcome", "level", "seconds", "detail"} per task, in order."""
    from recode.cli.sandbox import run_tasks
    from recode.sandbox.levels import best_level

    level = "unsafe" if unsafe else best_level(accept_reduced=reduced or None)
    for line in run_tasks(file, limit=limit, python=python, preload=preload or [], level=level, workers=workers):
        typer.echo(json.dumps(line))
        sys.stdout.flush()


@sandbox_app.command("serve", epilog="Example: `recode sandbox serve --port 8080 --preload numpy --journal jobs`")
def sandbox_serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: a free one.")] = 8080,
    host: Annotated[
        str, typer.Option(help="Address to listen on. There is no password: everybody who reaches it can run programs.")
    ] = "127.0.0.1",
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Number of programs to run at a time (default: one per core and half as many)."),
    ] = None,
    queue: Annotated[
        int, typer.Option(min=1, help="Number of programs that may wait; more are refused with 429.")
    ] = 1024,
    max_seconds: Annotated[float, typer.Option(min=0.1, max=86_400, help="Longest `run_timeout` of a request.")] = 60.0,
    memory: Annotated[int, typer.Option(min=64, help="Most memory of a program, in MB.")] = 2048,
    python: Annotated[str | None, typer.Option(help="The Python that runs the programs (default: this one).")] = None,
    preload: Annotated[
        list[str] | None, typer.Option(help="A module to import before any program runs; repeat for more.")
    ] = None,
    journal: Annotated[
        Path | None, typer.Option(help="Folder in which accepted jobs are kept; without it there is no `/jobs`.")
    ] = None,
    reduced: Annotated[
        bool, typer.Option("--reduced", help="Accept the weaker isolation where namespaces are forbidden.")
    ] = False,
) -> None:
    """Run programs for others on this machine: `POST /run_code` in Sandbox Fusion's format, as verl and others call it."""
    from recode.cli.sandbox import serve_requests
    from recode.sandbox.fork_servers import Interpreter, Limits
    from recode.sandbox.levels import best_level

    interpreter = Interpreter(python or Interpreter().python, tuple(preload or ()))
    interpreter.require_python()
    most = Limits(seconds=max_seconds, memory=memory << 20, processes=64, output=1 << 20, patience=4.0)
    serve_requests(
        interpreter, best_level(accept_reduced=reduced or None), most,
        host=host, port=port, workers=workers, queue=queue, journal=journal,
    )  # fmt: skip


@env_app.command("list", epilog="Example: `recode env list`")
def env_list() -> None:
    """Show the installed environments, their sizes and packages."""
    from rich.console import Console

    from recode.cli.sandbox import environment_table

    Console().print(environment_table())


@env_app.command("prune", epilog="Example: `recode env prune --keep data/locks`")
def env_prune(
    keep: Annotated[
        Path | None, typer.Option(help="Folder of locks whose environments are kept (default: delete all).")
    ] = None,
) -> None:
    """Delete environments; they are rebuilt when needed. Do not run this while programs run in them."""
    from recode.cli.sandbox import prune

    typer.echo(f"{prune(shipped(keep) if keep else None)} environments deleted")
