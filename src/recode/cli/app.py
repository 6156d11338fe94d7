"""The `recode` command: puts the groups of commands together, and turns expected errors into one line."""

from __future__ import annotations

import sys

import typer

from recode.cli.commands import data, doctor, evaluation, experiments, project, rewards, sandbox, training
from recode.errors import RecodeError

app = typer.Typer(
    name="recode",
    help="Teach code models to follow library API updates by rule-based reinforcement learning.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
for group in (project, data, rewards, training, evaluation, experiments, sandbox, doctor):
    app.add_typer(group.app)


@app.callback()
def _recode() -> None:
    # With a callback, Typer requires the command's name even if there is only one command.
    pass


def main() -> None:
    """Run the command line; report an expected error as one line (exit code 2)."""
    try:
        app()
    except RecodeError as error:
        typer.secho(f"error: {error}", fg="red", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
