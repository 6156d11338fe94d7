"""`recode reward`: score completions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command(epilog="Example: `recode reward completions.jsonl --family paper`")
def reward(
    file: Annotated[
        Path, typer.Argument(help='JSON Lines: {"completion", "target"}, plus "old_code" for the lift reward.')
    ],
    family: Annotated[
        str, typer.Option(help="`strict`, or `paper` for the published reward, known faults included.")
    ] = "strict",
) -> None:
    """Score completions with the rule-based reward: one JSON line of scores per input line, in order.

    A score is null where the gold program does not parse. `total` is format + edit, at most 3.
    """
    from recode.rewards.lines import read_lines, score_lines

    for scores in score_lines(read_lines(file), family):
        typer.echo(json.dumps(scores))
