"""The `recode` command: parse, import lazily, call one function per command; nothing else."""

from __future__ import annotations

import enum
import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from recode.errors import RecodeError

app = typer.Typer(
    name="recode",
    help="Teach code models to follow library API updates by rule-based reinforcement learning.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


@app.callback()
def _recode() -> None:
    # With a callback, Typer asks for the command's name even where there is only one command.
    pass


# --- rewards ---


@app.command(epilog="Example: `recode reward completions.jsonl --family paper`")
def reward(
    file: Annotated[Path, typer.Argument(help='JSON lines {"completion", "target"} and, for the lift, "old_code".')],
    family: Annotated[
        str, typer.Option(help="`strict`, or `paper`: the published numbers, faults included.")
    ] = "strict",
) -> None:
    """Score completions by the reward's rules: one JSON line of scores for each line, in order.

    A score is null where the gold program does not parse. `total` is format + edit, at most 3.
    """
    from recode.rewards.lines import read_lines, score_lines

    for scores in score_lines(read_lines(file), family):
        typer.echo(json.dumps(scores))


# --- data ---

data_app = typer.Typer(help="Build the data set.", no_args_is_help=True, rich_markup_mode="markdown")
app.add_typer(data_app, name="data")


@app.command(epilog="Example: `recode collect numpy --from 1.26.4 --to 2.4.6 --out numpy.jsonl`")
def collect(
    libraries: Annotated[list[str], typer.Argument(help="A library as PyPI spells it; several: each as `LIB:A..B`.")],
    old: Annotated[str | None, typer.Option("--from", help="The older release.")] = None,
    new: Annotated[str | None, typer.Option("--to", help="The newer release.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the families there, as JSON Lines.")] = None,
    package: Annotated[
        str | None, typer.Option(help="The name programs import (default: found in the release).")
    ] = None,
    old_requires: Annotated[
        list[str] | None,
        typer.Option(help="A further pin for the older environment, such as `numpy<2`; repeat for more."),
    ] = None,
    new_requires: Annotated[list[str] | None, typer.Option(help="The same for the newer environment.")] = None,
    locks: Annotated[
        Path | None, typer.Option(help="Folder of locks; a missing one is resolved and written (default: a cache).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find the API updates between two releases, with evidence (exit code 1 if a library could not be looked at).

    Both releases are imported and their public names compared; deprecation messages are read in the sources of every minor
    release in between, and the release notes where the source distribution has them.
    """
    from recode.collect.collector import asked_of, collect_and_print

    asked = asked_of(libraries, old, new, package, old_requires or (), new_requires or ())
    if not collect_and_print(asked, locks, out, as_json=as_json):
        raise typer.Exit(1)


@app.command(
    epilog="Example: `recode synthesize numpy.jsonl --endpoint http://localhost:8000/v1 --model NAME --out programs.jsonl`"
)
def synthesize(
    updates: Annotated[Path, typer.Argument(help="Update families, as `recode collect --out` writes them.")],
    model: Annotated[str, typer.Option(help="The model's name at the endpoint; without one, a folder or hub name.")],
    out: Annotated[Path, typer.Option(help="Where the verified entries go, as JSON Lines.")],
    endpoint: Annotated[
        str | None, typer.Option(help="An OpenAI-compatible server, such as http://host:8000/v1.")
    ] = None,
    contexts: Annotated[int, typer.Option(min=1, help="Pairs of programs for each update.")] = 3,
    retries: Annotated[int, typer.Option(min=0, help="Further tries after a rejection.")] = 3,
    confidence: Annotated[
        str, typer.Option(help="Leave out updates that are less sure: high, medium or low.")
    ] = "medium",
    temperature: Annotated[float, typer.Option(min=0.0, help="Of sampling.")] = 0.8,
    max_tokens: Annotated[int, typer.Option(min=1, help="Of one reply.")] = 2000,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests to the endpoint at once.")] = 16,
    locks: Annotated[Path | None, typer.Option(help="Folder of locks (default: that of `recode collect`).")] = None,
) -> None:
    """Have a model write old and new programs for updates; keep those that hold (exit code 1 if none does).

    Each pair is run in both releases by the rule of `recode verify`; what fails goes back to the model with the reason.
    A killed run goes on where it was.
    """
    from recode.dataset.synthesize.synthesize import run_synthesis

    held = run_synthesis(
        updates, model, out, endpoint=endpoint, contexts=contexts, retries=retries, confidence=confidence,
        temperature=temperature, max_tokens=max_tokens, concurrency=concurrency, locks=locks,
    )  # fmt: skip
    if not held:
        raise typer.Exit(1)


@app.command(epilog="Example: `recode verify data/test_updates.jsonl`")
def verify(
    files: Annotated[
        list[Path], typer.Argument(help="Records (.jsonl), update sources (.toml), or folders of sources.")
    ],
    locks: Annotated[Path, typer.Option(help="Folder of locks; a missing one is resolved and written.")] = Path(
        "data/locks"
    ),
    fresh: Annotated[bool, typer.Option("--fresh", help="Run everything anew, whatever is remembered.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    infer: Annotated[
        bool, typer.Option("--infer", help="The file has the published six fields: look for the old release.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="With --infer: where the verified records go.")] = None,
) -> None:
    """Run every entry in both pinned environments and show which do not hold, and why (exit code 1 if any)."""
    if infer:
        from recode.dataset.verify.inferring import infer_file

        if out is None or len(files) != 1:
            raise typer.BadParameter("--infer takes one file and --out")
        if not infer_file(files[0], out, locks, fresh=fresh):
            raise typer.Exit(1)
        return
    from recode.dataset.verify.checking import verify_files

    if not verify_files(files, locks, fresh=fresh, as_json=as_json):
        raise typer.Exit(1)


@data_app.command("build", epilog="Example: `recode data build --sources data/sources --out data`")
def data_build(
    sources: Annotated[Path, typer.Option(help="Folder of update sources, or one TOML file.")] = Path("data/sources"),
    out: Annotated[Path, typer.Option(help="Where the JSON Lines files and the locks go.")] = Path("data"),
    families: Annotated[int | None, typer.Option(min=1, help="At most so many families of each library.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run everything anew, whatever is remembered.")] = False,
) -> None:
    """Compile update sources to verified records, split by family; print what was left out, and why."""
    from recode.dataset.build import build

    build(sources, out, families=families, fresh=fresh)


@data_app.command("generate", epilog="Example: `recode data generate --out data`")
def data_generate(
    out: Annotated[Path, typer.Option(help="Where the JSON Lines files go.")] = Path("data"),
) -> None:
    """Write the made-up test splits: names that no model was trained on."""
    from recode.dataset.generated import write_generated

    for file, count in write_generated(out).items():
        typer.echo(f"{out / file}: {count} entries")


@data_app.command("knowledge", epilog="Example: `recode data knowledge numpy`")
def data_knowledge(
    libraries: Annotated[list[str] | None, typer.Argument(help="Only these (default: all).")] = None,
    sources: Annotated[Path, typer.Option(help="Folder of what to compare, skip and add.")] = Path("data/knowledge"),
    written: Annotated[Path, typer.Option(help="Folder of update sources.")] = Path("data/sources"),
    out: Annotated[Path, typer.Option(help="Where the files go.")] = Path("src/recode/knowledge/files"),
    locks: Annotated[Path | None, typer.Option(help="Folder of locks (default: that of `recode collect`).")] = None,
) -> None:
    """Collect what `recode scan` knows of each library, and write it into the package (exit code 1 if one could not be)."""
    from recode.knowledge.build import build_all

    if not build_all(sources, written, out, libraries or (), locks):
        raise typer.Exit(1)


@data_app.command("export", epilog="Example: `recode data export --format hf --out runs/data-hf`")
def data_export(
    form: Annotated[
        Literal["recode", "hf", "verl"],
        typer.Option("--format", help="The published six fields, a folder for `datasets`, or verl's Parquet."),
    ],
    out: Annotated[Path, typer.Option(help="Where the files go.")],
    data: Annotated[Path, typer.Option(help="Folder of the data set.")] = Path("data"),
) -> None:
    """Write every split in the form that another tool reads."""
    from recode.dataset.exports import export

    for file, count in export(data, out, form).items():
        typer.echo(f"{out / file}: {count} rows")


# --- migration ---

_Project = Annotated[Path, typer.Argument(help="A project's folder, a Python file or a notebook.")]
_To = Annotated[str, typer.Option(help="The library and the release to move to, as `LIB==B`.")]
_From = Annotated[
    str | None, typer.Option("--from", help="The release it comes from (default: what the project's own files say).")
]
_Confidence = Annotated[float, typer.Option(min=0.0, max=1.0, help="Leave out what is less sure.")]
_Updates = Annotated[
    Path | None, typer.Option(help="A file of updates to use instead of what is known (`recode collect --out`).")
]
_Collect = Annotated[bool, typer.Option("--collect", help="Compare the two releases now, whatever is shipped.")]


@app.command(epilog="Example: `recode scan . --to numpy==2.1.0`")
def scan(
    path: _Project,
    to: _To,
    old: _From = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list, a row per use.")] = False,
    sarif: Annotated[Path | None, typer.Option(help="Write a SARIF 2.1.0 file there, for code review tools.")] = None,
    confidence: _Confidence = 0.5,
    updates: _Updates = None,
    collect: _Collect = False,
) -> None:
    """List each use of an API that breaks or is deprecated in a release (exit code 1 if anything breaks). No model is needed."""
    from recode.cli.scan import run_scan

    if run_scan(path, to, old, as_json=as_json, sarif=sarif, confidence=confidence, updates=updates, collect=collect):
        raise typer.Exit(1)


@app.command(epilog="Example: `recode migrate . --to numpy==2.1.0 --tests 'pytest -q' --patch numpy2.patch`")
def migrate(
    path: _Project,
    to: _To,
    old: _From = None,
    tests: Annotated[
        str | None,
        typer.Option(help="A command that proves: run in a copy, old code in the old release, new code in the new."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A model folder, a hub name, `recode-tiny`; or the model's name at the endpoint.")
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="An OpenAI-compatible server, such as http://host:8000/v1.")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Change the files (needs a clean git tree).")] = False,
    patch: Annotated[Path | None, typer.Option(help="Write a patch there that `git apply` takes.")] = None,
    interactive: Annotated[
        bool, typer.Option("--interactive", help="Ask about each change: yes, no, edit. With --write or --patch.")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Write a report there, with the diffs side by side.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    allow_dirty: Annotated[bool, typer.Option("--allow-dirty", help="Write over uncommitted changes.")] = False,
    unproven: Annotated[
        bool,
        typer.Option(
            "--unproven",
            help="Take rewritings that nothing proves, too: a model's, or a rename whose receiver was guessed.",
        ),
    ] = False,
    samples: Annotated[int, typer.Option(min=1, help="Rewritings to ask a model for, a place.")] = 4,
    seed: Annotated[int, typer.Option(help="Of sampling.")] = 0,
    limit: Annotated[
        float, typer.Option(min=1.0, max=86_400, help="Wall time of a run of the tests in seconds.")
    ] = 600.0,
    old_requires: Annotated[
        list[str] | None,
        typer.Option(help="A further pin for the older environment, such as `numpy<2`; repeat for more."),
    ] = None,
    new_requires: Annotated[list[str] | None, typer.Option(help="The same for the newer environment.")] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Build no environment: new names are not checked, no tests run.")
    ] = False,
    confidence: _Confidence = 0.5,
    updates: _Updates = None,
    collect: _Collect = False,
) -> None:
    """Rewrite what a release breaks or deprecates; print the diff (exit code 1 if a place that breaks is left alone).

    Renames are done by syntax tree, without a model. A model's rewriting is offered where the tests prove it (others: `--unproven`).
    """
    from recode.cli.migrate import run_migrate
    from recode.cli.migration_output import Output
    from recode.migrate.pipeline import Extras

    if offline and tests:
        raise typer.BadParameter("--tests needs environments; leave out --offline")
    if interactive and not (write or patch):
        raise typer.BadParameter("--interactive needs --write or --patch FILE")
    extras = Extras(
        model=model, endpoint=endpoint, samples=samples, seed=seed, tests=tests, test_seconds=limit,
        old_requires=tuple(old_requires or ()), new_requires=tuple(new_requires or ()), environments=not offline,
        confidence=confidence,
    )  # fmt: skip
    output = Output(
        write=write, patch=patch, interactive=interactive, html=html, as_json=as_json, allow_dirty=allow_dirty, unproven=unproven
    )  # fmt: skip
    if not run_migrate(path, to, old, extras, output, updates=updates, collect=collect):
        raise typer.Exit(1)


# --- the sandbox ---

sandbox_app = typer.Typer(help="Run untrusted programs.", no_args_is_help=True, rich_markup_mode="markdown")
app.add_typer(sandbox_app, name="sandbox")
env_app = typer.Typer(help="The pinned library environments.", no_args_is_help=True, rich_markup_mode="markdown")
app.add_typer(env_app, name="env")


@sandbox_app.command("run", epilog="Example: `recode sandbox run tasks.jsonl --limit 3 --preload numpy`")
def sandbox_run(
    file: Annotated[
        Path, typer.Argument(help='JSON lines {"id", "program", "entry_point", "calls"} or {"id", "program", "test"}.')
    ],
    limit: Annotated[float, typer.Option(min=0.1, max=86_400, help="Wall time of a program in seconds.")] = 3.0,
    python: Annotated[str | None, typer.Option(help="The Python that runs the programs (default: this one).")] = None,
    preload: Annotated[
        list[str] | None, typer.Option(help="A module to load before any program; repeat for more.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Programs at once (default: one a core, or more).")] = None,
    unsafe: Annotated[bool, typer.Option("--unsafe", help="No isolation: only for programs you have read.")] = False,
) -> None:
    """Judge programs nobody has read: one JSON line {"id", "outcome", "level", "seconds", "detail"} for each, in order."""
    from recode.cli.sandbox import run_tasks

    for line in run_tasks(
        file, limit=limit, python=python, preload=preload or [], level="unsafe" if unsafe else None, workers=workers
    ):
        typer.echo(json.dumps(line))


@env_app.command("list", epilog="Example: `recode env list`")
def env_list() -> None:
    """Show the installed environments, their sizes and packages."""
    from rich.console import Console

    from recode.cli.sandbox import environment_table

    Console().print(environment_table())


@env_app.command("prune", epilog="Example: `recode env prune --keep data/locks`")
def env_prune(
    keep: Annotated[
        Path | None, typer.Option(help="Folder of locks whose environments stay (default: none stays).")
    ] = None,
) -> None:
    """Delete environments; they are made again when they are needed. Not while programs run in them."""
    from recode.cli.sandbox import prune

    typer.echo(f"{prune(keep)} environments deleted")


@app.command(epilog="Example: `recode doctor`")
def doctor() -> None:
    """Show what works on this machine, and how to mend what does not (exit code 1 if something needed is missing)."""
    from recode.cli.doctor import examine

    if not examine():
        raise typer.Exit(1)


# --- training ---


@app.command(epilog="Example: `recode pretrain recipes/pretrain-habit.toml --out runs/habit`")
def pretrain(
    recipe: Annotated[Path, typer.Argument(help='A recipe with `method = "pretrain"`.')],
    out: Annotated[Path | None, typer.Option(help="Folder of the run (default: runs/ and the recipe's name).")] = None,
) -> None:
    """Pretrain a small model from scratch on made-up migrations; killed, it goes on from its last checkpoint."""
    from recode.train.launch import launch

    typer.echo(launch(recipe, out or Path("runs") / recipe.stem, {}, allowed=("pretrain",)))


class Engine(enum.StrEnum):
    """What runs a training recipe."""

    TRL = "trl"
    VERL = "verl"


@app.command(epilog="Example: `recode train recipes/quickstart/grpo.toml --out runs/grpo`")
def train(
    recipe: Annotated[Path, typer.Argument(help="A recipe with `method` sft, grpo or dapo.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the run (default: runs/ and the recipe's name).")] = None,
    seed: Annotated[int | None, typer.Option(help="Instead of the recipe's seed.")] = None,
    model: Annotated[str | None, typer.Option(help="Instead of the recipe's model.")] = None,
    engine: Annotated[
        Engine, typer.Option(help="`trl`: one process, or several by accelerate; `verl`: a Ray cluster.")
    ] = Engine.TRL,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show commands and files; download, write and start nothing.")
    ] = False,
) -> None:
    """Train a model by SFT, GRPO or DAPO; killed, the same command goes on from the last checkpoint."""
    from recode.train.launch import launch_on

    asked = {"seed": seed, "model": model}
    overrides = {key: value for key, value in asked.items() if value is not None}
    folder = out or Path("runs") / recipe.stem
    typer.echo(launch_on(engine.value, recipe, folder, overrides, dry_run=dry_run))


# --- evaluation ---


@app.command(epilog="Example: `recode evaluate recode-tiny --on test_updates --samples 8 --out runs/base`")
def evaluate(
    model: Annotated[
        str | None, typer.Argument(help="A model or adapter folder, a hub name, `recode-tiny` or `recode-tiny-able`.")
    ] = None,
    on: Annotated[
        list[str] | None, typer.Option(help="A benchmark; repeat for more (default: the test splits).")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for results.json, samples.jsonl and all completions.")] = Path(
        "runs/evaluation"
    ),
    data: Annotated[
        list[str] | None, typer.Option(help="A benchmark's files: PATH, or NAME=PATH; repeat for more.")
    ] = None,
    completions: Annotated[
        Path | None, typer.Option(help='Judge these lines {"id", "completion"} instead of a model.')
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="An OpenAI-compatible server, such as http://host:8000/v1.")
    ] = None,
    served: Annotated[str | None, typer.Option("--model", help="The model's name at the endpoint.")] = None,
    backend: Annotated[
        str, typer.Option(help="`transformers` or `vllm`, for models without an endpoint.")
    ] = "transformers",
    concurrency: Annotated[int, typer.Option(min=1, help="Requests to the endpoint at once.")] = 16,
    samples: Annotated[
        int | None, typer.Option(min=1, help="1: greedy. More: sampled, with pass@k (default: the benchmark's own).")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0.0, help="Of sampling (default: the benchmark's own).")
    ] = None,
    top_p: Annotated[float | None, typer.Option(min=0.01, max=1.0, help="Of sampling.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Longest completion in tokens.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Items of each benchmark at most, chosen by a hash of their ids.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of sampling.")] = 0,
    thinker: Annotated[
        str | None,
        typer.Option(help="A model whose greedy thought begins each completion (measures a habit of thought)."),
    ] = None,
    log_samples: Annotated[bool, typer.Option("--log-samples", help="Put the prompts into samples.jsonl too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Judge a model, or given completions, on benchmarks: rates with their intervals, n, and a line for every completion."""
    from recode.cli.evaluate import launch

    launch(
        model, on, out, data, completions=completions, endpoint=endpoint, served=served, backend=backend, concurrency=concurrency,
        samples=samples, temperature=temperature, top_p=top_p, max_tokens=max_tokens, limit=limit, seed=seed, thinker=thinker,
        log_samples=log_samples, as_json=as_json,
    )  # fmt: skip


@app.command(epilog="Example: `recode report base=runs/base grpo=runs/grpo-1 grpo=runs/grpo-2`")
def report(
    runs: Annotated[
        list[str],
        typer.Argument(help="Evaluations, as FOLDER or NAME=FOLDER (one name: seeds); or a quickstart, or several."),
    ],
    out: Annotated[Path, typer.Option(help="Where the report on evaluations goes.")] = Path("runs/report"),
) -> None:
    """Write report.html and report.md on evaluations side by side, or a quickstart's into its folder; of several quickstarts print the seeds."""
    from recode.evaluate.reports.choose import report_on

    typer.echo(report_on(runs, out))


@app.command(epilog="Example: `recode quickstart --seed 2 --out runs/quickstart-2`")
def quickstart(
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs/quickstart"),
    seed: Annotated[int, typer.Option(help="Of prompts' order, sampling and training.")] = 1,
    data: Annotated[Path, typer.Option(help="Folder of the data set.")] = Path("data"),
    recipes: Annotated[Path, typer.Option(help="Folder with sft.toml, grpo.toml and dapo.toml.")] = Path(
        "recipes/quickstart"
    ),
) -> None:
    """See it work on a CPU in minutes: evaluate, train by SFT, GRPO and DAPO, evaluate, report."""
    from recode.quickstart import run_quickstart

    run_quickstart(out, data, recipes, seed)


@app.command(epilog="Example: `recode study reward-terms`; the tables: `recode study --list`")
def study(
    tables: Annotated[list[str] | None, typer.Argument(help="Tables by name (default: all).")] = None,
    recipes: Annotated[Path, typer.Option(help="Folder with a TOML file for each table.")] = Path("recipes/study"),
    data: Annotated[Path, typer.Option(help="Folder of the data set.")] = Path("data"),
    out: Annotated[Path, typer.Option(help="Folder of models, evaluations and tables.")] = Path("runs/study"),
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Arms at a time, a thread each; 1: all cores for one (default: one a core and 5 GiB, at most 8; 1 with a GPU).",
        ),
    ] = None,
    finished: Annotated[bool, typer.Option("--finished", help="Write the tables that are done; run nothing.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Show the tables and how much of each is done.")] = False,
) -> None:
    """Test the paper's claims: train every arm of a table with every seed, evaluate, write the table with its intervals."""
    from recode.study.run import list_tables, run_study

    if listed:
        from rich.console import Console

        Console().print(list_tables(recipes, data, out))
        return
    run_study(tables or [], recipes, data, out, jobs=jobs, finished=finished)


def main() -> None:
    """Run the command line; report an expected error as one line (exit code 2)."""
    try:
        app()
    except RecodeError as error:
        typer.secho(f"error: {error}", fg="red", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
