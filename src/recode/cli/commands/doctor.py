"""`recode doctor`: check this machine."""

from __future__ import annotations

import typer

app = typer.Typer()


@app.command(epilog="Example: `recode doctor`")
def doctor() -> None:
    """Show what works on this machine and how to fix what doesn't (exit code 1 if something is missing)."""
    from recode.cli.doctor import examine

    if not examine():
        raise typer.Exit(1)
