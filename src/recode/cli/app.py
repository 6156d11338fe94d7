"""The `recode` command: puts the groups of commands together, and turns expected errors into one line."""

from __future__ import annotations

import contextlib
import sys
from typing import Annotated

import typer

import recode
from recode.cli.commands import (
    data,
    doctor,
    environments,
    evaluation,
    experiments,
    project,
    rewards,
    rules,
    sandbox,
    training,
)
from recode.cli.extras import extra_of, install_command
from recode.cli.output import checked_output
from recode.display import printable
from recode.errors import RecodeError

app = typer.Typer(
    name="recode",
    help="Teach code models to follow library API updates by rule-based reinforcement learning.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

_PANELS = (
    ("Fix a project", (project, rules)),
    ("Train and evaluate", (experiments, training, evaluation)),
    ("Make and use data", (data, environments, rewards)),
    ("This machine", (doctor, sandbox)),
)
"""The groups of `recode --help`, in the order in which people need them."""

for title, groups in _PANELS:
    for group in groups:
        for command in (*group.app.registered_commands, *group.app.registered_groups):
            command.rich_help_panel = title
        app.add_typer(group.app)

_START = """\
ReCode {version}

  a release broke your project   recode scan . --to numpy==2.4.6
                                 recode migrate . --to numpy==2.4.6 --tests "pytest -q"
  train a code model             recode quickstart
  check this machine             recode doctor

All commands: recode --help. Help and an example for one: recode scan --help"""


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"recode {recode.__version__}")
        raise typer.Exit


_Version = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
]


@app.callback()
def _recode(context: typer.Context, version: _Version = False) -> None:
    if context.invoked_subcommand is None:
        typer.echo(_START.format(version=recode.__version__))


def main() -> None:
    """Run the command line; report an expected error as one line on standard error (exit code 2)."""
    try:
        if any("\0" in argument for argument in sys.argv):
            raise RecodeError("an argument holds a NUL character; remove it")
        with checked_output():
            app()
    except Exception as error:
        message = _message(error)
        if message is None:
            raise
        # If standard error is full or closed as well, only the exit code is left to report it.
        with contextlib.suppress(OSError):
            typer.secho(f"error: {printable(message)}", fg="red", err=True)
        sys.exit(2)


def _message(error: Exception) -> str | None:
    """Return the message for an error that the user or the machine caused; None for a fault of the program."""
    match error:
        case RecodeError():
            return str(error)
        case ModuleNotFoundError() if error.name and (extra := extra_of(error.name)):
            return f"{error.name} is not installed; run: {install_command(extra)}"
        case OSError() if error.filename is not None:
            return (
                f"{_name(error.filename)}: {error.strerror}; check the path, its permissions and the space on the disk"
            )
        case OSError():
            return error.strerror or " ".join(str(error).split())
        case ValueError() if "embedded null" in str(error):
            # Recognized by Python's own message; there is no narrower type.
            return "a file name holds a NUL character; remove it"
        case RuntimeError() if str(error).startswith("Symlink loop"):
            # `Path.resolve` of Python 3.11 and 3.12; later ones raise an OSError.
            return f"{error}; remove the link"
    return None


def _name(path: object) -> str:
    return path.decode(errors="surrogateescape") if isinstance(path, bytes) else str(path)


if __name__ == "__main__":
    main()
