"""`recode scan` and `recode migrate`: find and rewrite what a release breaks in a project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()

_Project = Annotated[Path, typer.Argument(help="A project's folder, a Python file or a notebook.")]
_To = Annotated[str, typer.Option(help="The library and its target release, as `LIB==B`.")]
_From = Annotated[
    str | None, typer.Option("--from", help="The current release (default: read from the project's own files).")
]
_Confidence = Annotated[float, typer.Option(min=0.0, max=1.0, help="Leave out findings with a lower confidence.")]
_Updates = Annotated[
    Path | None, typer.Option(help="A file of updates to use instead of the shipped ones (`recode collect --out`).")
]
_Collect = Annotated[
    bool, typer.Option("--collect", help="Compare the two releases now instead of using the shipped updates.")
]
_Tests = Annotated[
    str | None,
    typer.Option(
        help="A test command that proves changes: run on a copy, old code in the old release, new code in the new."
    ),
]
_Run = Annotated[
    list[str] | None,
    typer.Option(
        "--run",
        help="A command, script or notebook that has to work as before: same exit status, same output. Repeat for more.",
    ),
]
_NoRun = Annotated[
    bool,
    typer.Option(
        "--no-run",
        help="Run nothing. By default, without --tests and --run, the project's scripts and tests are run in the sandbox, "
        "in both releases, for at most a minute each.",
    ),
]
_Model = Annotated[
    str | None, typer.Option(help="A model folder, a hub name, `recode-tiny`; or the model's name at the endpoint.")
]
_Endpoint = Annotated[str | None, typer.Option(help="An OpenAI-compatible server, such as http://host:8000/v1.")]
_Interactive = Annotated[
    bool, typer.Option("--interactive", help="Ask about each change: yes, no or edit. Needs --write or --patch.")
]
_Unproven = Annotated[
    bool,
    typer.Option(
        "--unproven",
        help="Also apply unproven changes: a model's, or a rename where the receiver's type was guessed.",
    ),
]
_Limit = Annotated[
    float, typer.Option(min=1.0, max=86_400, help="Wall time limit for one run of the tests, in seconds.")
]
_OldRequires = Annotated[
    list[str] | None,
    typer.Option(help="An additional requirement for the older environment, such as `numpy<2`; repeat for more."),
]
_Offline = Annotated[
    bool, typer.Option("--offline", help="Build no environments: new names are not checked and no tests are run.")
]
_NewRequires = Annotated[
    list[str] | None, typer.Option(help="An additional requirement for the newer environment; repeat for more.")
]


@app.command(epilog="Example: `recode scan . --to numpy==2.1.0`")
def scan(
    path: _Project,
    to: _To,
    old: _From = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list with one row per use.")] = False,
    sarif: Annotated[Path | None, typer.Option(help="Write a SARIF 2.1.0 file for code review tools.")] = None,
    confidence: _Confidence = 0.5,
    updates: _Updates = None,
    collect: _Collect = False,
    fast: Annotated[
        bool,
        typer.Option("--fast", help="Use what is known of the library alone: build no environment, compare no types."),
    ] = False,
) -> None:
    """List each use of an API that breaks or is deprecated in a release; needs no model (exit code 1 if anything breaks)."""
    from recode.cli.scan import ScanCommand, run_scan

    if run_scan(ScanCommand(path, to, old, as_json, sarif, confidence, updates, collect, fast)):
        raise typer.Exit(1)


@app.command(epilog="Example: `recode migrate . --to numpy==2.1.0 --tests 'pytest -q' --patch numpy2.patch`")
def migrate(
    path: _Project,
    to: _To,
    old: _From = None,
    tests: _Tests = None,
    run: _Run = None,
    no_run: _NoRun = False,
    model: _Model = None,
    endpoint: _Endpoint = None,
    write: Annotated[bool, typer.Option("--write", help="Change the files (needs a clean git tree).")] = False,
    patch: Annotated[Path | None, typer.Option(help="Write a patch that `git apply` accepts.")] = None,
    interactive: _Interactive = False,
    html: Annotated[Path | None, typer.Option(help="Write an HTML report with the diffs side by side.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    allow_dirty: Annotated[
        bool, typer.Option("--allow-dirty", help="Write even if there are uncommitted changes.")
    ] = False,
    unproven: _Unproven = False,
    samples: Annotated[
        int, typer.Option(min=1, help="Number of rewritings to request from the model for each place.")
    ] = 4,
    seed: Annotated[int, typer.Option(help="Seed of sampling.")] = 0,
    limit: _Limit = 600.0,
    old_requires: _OldRequires = None,
    new_requires: _NewRequires = None,
    offline: _Offline = False,
    confidence: _Confidence = 0.5,
    updates: _Updates = None,
    collect: _Collect = False,
) -> None:
    """Rewrite what a release breaks or deprecates and print the diff (exit code 0 only if the project works as before).

    Renames are made on the syntax tree, without a model. A model's change is applied only if the tests prove it, or with `--unproven`.
    """
    from recode.cli.migrate import MigrateCommand, MigrateOutput, run_migrate
    from recode.migrate.result import MigrateOptions

    if offline and (tests or run):
        raise typer.BadParameter("--tests and --run need environments; leave out --offline")
    if no_run and (tests or run):
        raise typer.BadParameter("--no-run runs nothing; leave out --tests and --run, or leave out --no-run")
    if interactive and not (write or patch):
        raise typer.BadParameter("--interactive needs --write or --patch FILE")
    options = MigrateOptions(
        model=model, endpoint=endpoint, samples=samples, seed=seed, tests=tests, run=tuple(run or ()),
        run_found=not no_run, test_seconds=limit,
        old_requires=tuple(old_requires or ()), new_requires=tuple(new_requires or ()), environments=not offline,
        confidence=confidence,
    )  # fmt: skip
    output = MigrateOutput(
        write=write, patch=patch, interactive=interactive, html=html, as_json=as_json, allow_dirty=allow_dirty, unproven=unproven
    )  # fmt: skip
    if not run_migrate(MigrateCommand(path, to, old, options, output, updates, collect)):
        raise typer.Exit(1)
