"""The `recode` command: parse, import lazily, call one function per command; nothing else."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from recode.errors import RecodeError

app = typer.Typer(
    name="recode",
    help="Teach code models to follow library API updates by rule-based reinforcement learning.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def main() -> None:
    """Run the command line; report an expected error as one line (exit code 2)."""
    try:
        app()
    except RecodeError as error:
        typer.secho(f"error: {error}", fg="red", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
