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
_MaybeTo = Annotated[
    str | None, typer.Option("--to", help="The library and its target release, as `LIB==B`; or give two lock files.")
]
_FromLock = Annotated[
    Path | None,
    typer.Option(
        help="A lock file as it was: migrate for every library that is newer in --to-lock (uv, Poetry, PDM, Pipenv, pip)."
    ),
]
_ToLock = Annotated[Path | None, typer.Option(help="The lock file as it is to be.")]
_Comment = Annotated[
    Path | None,
    typer.Option(
        help="With lock files: write the patch and its proof as Markdown, for a comment; nothing if nothing is concerned."
    ),
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
    str | None,
    typer.Option(
        help="A model folder, a hub name, `recode-tiny`, `recode-smol-base`; or the model's name at the endpoint."
    ),
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
    float, typer.Option(min=1.0, max=86_400, help="Wall time limit for one run of a command, in seconds.")
]
_OldRequires = Annotated[
    list[str] | None,
    typer.Option(help="An additional requirement for the older environment, such as `numpy<2`; repeat for more."),
]
_Offline = Annotated[
    bool, typer.Option("--offline", help="Build no environments: new names are not checked and no tests are run.")
]
_Samples = Annotated[int, typer.Option(min=1, help="Number of rewritings to request from the model for each place.")]
_Write = Annotated[bool, typer.Option("--write", help="Change the files (needs a clean git tree).")]
_Patch = Annotated[Path | None, typer.Option(help="Write a patch that `git apply` accepts.")]
_AllowDirty = Annotated[bool, typer.Option("--allow-dirty", help="Write even if there are uncommitted changes.")]
_NewRequires = Annotated[
    list[str] | None, typer.Option(help="An additional requirement for the newer environment; repeat for more.")
]


_Compared = Annotated[
    list[str] | None,
    typer.Option(
        "--run",
        help="A command, such as `pytest -q`, to run in copies of the project in both releases, comparing the values of its "
        "expressions. Repeat for more.",
    ),
]


@app.command(epilog="Example: `recode scan . --to numpy==2.1.0 --run 'python main.py'`")
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
    run: _Compared = None,
    limit: _Limit = 600.0,
) -> None:
    """List each use of an API that breaks or is deprecated in a release; needs no model (exit code 1 if anything breaks)."""
    from recode.cli.scan import ScanCommand, run_scan

    if fast and run:
        raise typer.BadParameter("--fast builds no environments to run anything in; leave out --fast or --run")
    command = ScanCommand(
        path, to, old, as_json, sarif, confidence, updates, collect, fast, tuple(run or ()), limit
    )  # fmt: skip
    if run_scan(command):
        raise typer.Exit(1)


_LOCKS_ALONE = "with two lock files, --to, --from, --interactive, --html, --collect and --unproven have no meaning"
_WHERE_TO = "give --to LIB==RELEASE, or both --from-lock and --to-lock (--comment goes with these)"


@app.command(epilog="Example: `recode migrate . --to numpy==2.1.0 --tests 'pytest -q' --patch numpy2.patch`")
def migrate(
    path: _Project,
    to: _MaybeTo = None,
    old: _From = None,
    tests: _Tests = None,
    run: _Run = None,
    no_run: _NoRun = False,
    model: _Model = None,
    endpoint: _Endpoint = None,
    write: _Write = False,
    patch: _Patch = None,
    interactive: _Interactive = False,
    html: Annotated[Path | None, typer.Option(help="Write an HTML report with the diffs side by side.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    allow_dirty: _AllowDirty = False,
    unproven: _Unproven = False,
    samples: _Samples = 4,
    seed: Annotated[int, typer.Option(help="Seed of sampling.")] = 0,
    limit: _Limit = 600.0,
    old_requires: _OldRequires = None,
    new_requires: _NewRequires = None,
    offline: _Offline = False,
    confidence: _Confidence = 0.5,
    updates: _Updates = None,
    collect: _Collect = False,
    from_lock: _FromLock = None,
    to_lock: _ToLock = None,
    comment: _Comment = None,
) -> None:
    """Rewrite what a release breaks or deprecates and print the diff (exit code 0 only if the project works as before).

    Renames are made on the syntax tree, without a model. A model's change is applied only if the tests prove it, or with `--unproven`.
    """
    from recode.cli.migrate import MigrateCommand, MigrateOutput, run_migrate
    from recode.cli.migrate_locks import LockCommand, run_migrate_locks
    from recode.migrate.result import MigrateOptions

    by_locks = from_lock is not None and to_lock is not None
    _refuse_together(
        {
            "--tests and --run need environments; leave out --offline": offline and bool(tests or run),
            "--no-run runs nothing; leave out --tests and --run, or leave out --no-run": no_run and bool(tests or run),
            "--interactive needs --write or --patch FILE": interactive and not (write or patch),
            _LOCKS_ALONE: by_locks and bool(to or old or interactive or html or collect or unproven),
            _WHERE_TO: not by_locks and bool(to is None or from_lock or to_lock or comment),
        }
    )
    options = MigrateOptions(
        model=model, endpoint=endpoint, samples=samples, seed=seed, tests=tests, run=tuple(run or ()), run_found=not no_run,
        test_seconds=limit, old_requires=tuple(old_requires or ()), new_requires=tuple(new_requires or ()),
        environments=not offline, confidence=confidence,
    )  # fmt: skip
    output = MigrateOutput(
        write=write, patch=patch, interactive=interactive, html=html, as_json=as_json, allow_dirty=allow_dirty, unproven=unproven
    )  # fmt: skip
    if from_lock is not None and to_lock is not None:
        done = run_migrate_locks(LockCommand(path, from_lock, to_lock, options, output, comment, updates))
    else:
        done = run_migrate(MigrateCommand(path, str(to), old, options, output, updates, collect))
    raise typer.Exit(0 if done else 1)


def _refuse_together(mistakes: dict[str, bool]) -> None:
    """Refuse options that do not go together: each mistake in words, and whether it was made."""
    for words, made in mistakes.items():
        if made:
            raise typer.BadParameter(words)
