"""`recode rules`: the rewriting rules that `recode migrate` follows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from recode.shipped import shipped


class _RulesGroup(TyperGroup):
    """Takes `recode rules LIB` for `recode rules show LIB`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args.insert(0, "show")
        return super().parse_args(ctx, args)


app = typer.Typer()
rules_app = typer.Typer(
    help="Rewriting rules: list a library's (`recode rules pandas`), learn your own, build the shipped ones.",
    no_args_is_help=True, rich_markup_mode="markdown", cls=_RulesGroup,
)  # fmt: skip
app.add_typer(rules_app, name="rules")

_Project = Annotated[Path, typer.Option(help="The project's folder, whose own rules are in `.recode/rules.jsonl`.")]


@rules_app.command(epilog="Example: `recode rules pandas`")
def show(
    library: Annotated[str, typer.Argument(help="A library by its name on PyPI.")],
    project: _Project = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """List the rules of a library: pattern, template, and what was run to prove them."""
    from recode.cli.rules.run import run_show

    run_show(library, project, as_json=as_json)


@rules_app.command(epilog="Example: `recode rules libraries`")
def libraries() -> None:
    """List the libraries that rules come for: their releases, and how many rules there are."""
    from recode.cli.rules.run import run_libraries

    run_libraries()


@rules_app.command(epilog="Example: `recode rules learn before.py after.py --lib pandas --from 1.5.3 --to 2.2.3`")
def learn(
    pair: Annotated[
        list[Path], typer.Argument(help="A program before and after the change; or one file of records (JSON Lines).")
    ],
    library: Annotated[
        str, typer.Option("--lib", help="The library that changed (default: seen in the programs).")
    ] = "",
    old: Annotated[str, typer.Option("--from", help="The older release; both programs are run, in the sandbox.")] = "",
    new: Annotated[str, typer.Option("--to", help="The newer release.")] = "",
    project: _Project = Path(),
    locks: Annotated[Path, typer.Option(help="Folder of locks, for records.")] = Path("data/locks"),
) -> None:
    """Make a rule from your own programs before and after a change; `recode migrate` follows it in this project from then on."""
    from recode.cli.rules.run import run_learn

    if len(pair) > 2:
        raise typer.BadParameter("give two programs, or one file of records")
    if bool(old) != bool(new) or (old and not library):
        raise typer.BadParameter("--lib, --from and --to belong together")
    run_learn(pair, project, library, old, new, shipped(locks))


@rules_app.command(epilog="Example: `recode rules build pandas`")
def build(
    libraries: Annotated[list[str] | None, typer.Argument(help="Only these libraries (default: all).")] = None,
    data: Annotated[Path, typer.Option(help="The folder of the data set, with `rules/pairs`.")] = Path("data"),
    locks: Annotated[Path, typer.Option(help="Folder of locks.")] = Path("data/locks"),
) -> None:
    """Learn the rules that come with ReCode again and write `data/rules` (exit code 1 if a pair written for rules fails)."""
    from recode.cli.rules.run import run_build

    if not run_build(data, locks, libraries or []):
        raise typer.Exit(1)
