"""`recode collect`, `synthesize`, `verify` and `recode data`: from releases of a library to verified migrations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from recode.shipped import shipped

app = typer.Typer()
data_app = typer.Typer(help="Build the data set.", no_args_is_help=True, rich_markup_mode="markdown")
app.add_typer(data_app, name="data")


_Trust = Annotated[
    bool,
    typer.Option(
        "--trust", help="You trust these programs: where this machine gives no isolation, run them with your rights."
    ),
]


@app.command(epilog="Example: `recode collect numpy --from 1.26.4 --to 2.4.6 --out numpy.jsonl`")
def collect(
    libraries: Annotated[
        list[str], typer.Argument(help="A library by its name on PyPI; for several, each as `LIB:A..B`.")
    ],
    old: Annotated[str | None, typer.Option("--from", help="The older release.")] = None,
    new: Annotated[str | None, typer.Option("--to", help="The newer release.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the families to this JSON Lines file.")] = None,
    package: Annotated[
        str | None, typer.Option(help="The name that programs import (default: read from the release).")
    ] = None,
    old_requires: Annotated[
        list[str] | None,
        typer.Option(help="A further pin for the older environment, such as `numpy<2`; repeat for more."),
    ] = None,
    new_requires: Annotated[
        list[str] | None, typer.Option(help="A further pin for the newer environment; repeat for more.")
    ] = None,
    locks: Annotated[
        Path | None, typer.Option(help="Folder of locks; a missing one is resolved and written (default: a cache).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find the API updates between two releases, with evidence (exit code 1 if a library could not be looked at).

    Both releases are imported and their public names compared; deprecation messages are read in the sources of every minor
    release in between, and the release notes where the source distribution has them.
    """
    from recode.cli.collect import run_collect
    from recode.collect.collector import parse_requests

    requests = parse_requests(libraries, old, new, package, old_requires or (), new_requires or ())
    if not run_collect(requests, locks, out, as_json=as_json):
        raise typer.Exit(1)


@app.command(
    epilog="Example: `recode synthesize numpy.jsonl --endpoint http://localhost:8000/v1 --model NAME --out programs.jsonl`"
)
def synthesize(
    updates: Annotated[Path, typer.Argument(help="Update families, as `recode collect --out` writes them.")],
    model: Annotated[str, typer.Option(help="The model's name at the endpoint; without one, a folder or hub name.")],
    out: Annotated[Path, typer.Option(help="Write the verified entries to this JSON Lines file.")],
    endpoint: Annotated[
        str | None, typer.Option(help="An OpenAI-compatible server, such as http://host:8000/v1.")
    ] = None,
    contexts: Annotated[int, typer.Option(min=1, help="Pairs of programs for each update.")] = 3,
    retries: Annotated[int, typer.Option(min=0, help="Number of further tries after a rejection.")] = 3,
    confidence: Annotated[
        str, typer.Option(help="The lowest confidence of an update to use: high, medium or low.")
    ] = "medium",
    temperature: Annotated[float, typer.Option(min=0.0, help="Of sampling.")] = 0.8,
    max_tokens: Annotated[int, typer.Option(min=1, help="Of one reply.")] = 2000,
    concurrency: Annotated[int, typer.Option(min=1, help="Number of requests to the endpoint at a time.")] = 16,
    locks: Annotated[Path | None, typer.Option(help="Folder of locks (default: that of `recode collect`).")] = None,
) -> None:
    """Have a model write an old and a new program for each update; keep the pairs that hold (exit code 1 if none does).

    Each pair is run in both releases and checked as by `recode verify`; one that fails is returned to the model with the
    reason. A killed run resumes where it stopped.
    """
    from recode.cli.dataset import run_synthesize
    from recode.dataset.synthesize.synthesize import SynthesisModel, SynthesisOptions
    from recode.models import Sampling

    sampling = Sampling(max_new_tokens=max_tokens, temperature=temperature)
    options = SynthesisOptions(contexts, retries, sampling, locks)
    if not run_synthesize(updates, out, SynthesisModel(model, endpoint, concurrency), options, confidence):
        raise typer.Exit(1)


@app.command(epilog="Example: `recode verify @test_updates`")
def verify(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Records (.jsonl), update sources (.toml), folders of either, or a split such as `@train`; `@all`: all splits."
        ),
    ],
    locks: Annotated[Path, typer.Option(help="Folder of locks; a missing one is resolved and written.")] = Path(
        "data/locks"
    ),
    fresh: Annotated[bool, typer.Option("--fresh", help="Run everything again and ignore stored results.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    infer: Annotated[
        bool,
        typer.Option("--infer", help="The file has the six published fields: find the old release of each record."),
    ] = False,
    out: Annotated[Path | None, typer.Option(help="With --infer: write the verified records to this file.")] = None,
    trust: _Trust = False,
) -> None:
    """Run every entry in both pinned environments and show which do not hold, and why (exit code 1 if any)."""
    from recode.cli.dataset import run_infer, run_verify
    from recode.dataset.verify.entries import VerifyOptions

    options = VerifyOptions(shipped(locks), fresh=fresh, trust=trust)
    if infer:
        if out is None or len(files) != 1:
            raise typer.BadParameter("--infer takes one file and --out")
        holds = run_infer(shipped(files[0]), out, options)
    else:
        holds = run_verify([shipped(file) for file in files], options, as_json=as_json)
    if not holds:
        raise typer.Exit(1)


@data_app.command("build", epilog="Example: `recode data build --sources data/sources --out data`")
def data_build(
    sources: Annotated[Path, typer.Option(help="Folder of update sources, or one TOML file.")] = Path("data/sources"),
    out: Annotated[Path, typer.Option(help="Folder for the JSON Lines files and the locks.")] = Path("data"),
    families: Annotated[int | None, typer.Option(min=1, help="At most this many families of each library.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run everything again and ignore stored results.")] = False,
    trust: _Trust = False,
) -> None:
    """Compile update sources to verified records, split by family; print what was left out and why."""
    from recode.cli.dataset import run_build
    from recode.dataset.verify.entries import VerifyOptions

    run_build(shipped(sources), out, VerifyOptions(out / "locks", fresh=fresh, trust=trust), families)


@data_app.command("levels", epilog="Example: `recode data levels --data data`")
def data_levels(
    data: Annotated[Path, typer.Option(help="Folder of the data set; `notes.jsonl` is written there.")] = Path("data"),
) -> None:
    """Take the notes of every update from the releases themselves: item, section, signatures; print how many lack each.

    Downloads are kept, so a killed run resumes.
    """
    from recode.cli.dataset import run_levels

    run_levels(data)


@data_app.command("compose", epilog="Example: `recode data compose --data data`")
def data_compose(
    data: Annotated[Path, typer.Option(help="Folder of the data set; `*_composed.jsonl` are written there.")] = Path(
        "data"
    ),
    fresh: Annotated[bool, typer.Option("--fresh", help="Run everything again and ignore stored results.")] = False,
    trust: _Trust = False,
) -> None:
    """Compose programs of two to five verified entries of one library, and write those that hold when they are run."""
    from recode.cli.dataset import run_compose
    from recode.dataset.verify.entries import VerifyOptions

    run_compose(data, VerifyOptions(data / "locks", fresh=fresh, trust=trust))


@data_app.command("no-ops", epilog="Example: `recode data no-ops --data data`")
def data_no_ops(
    data: Annotated[Path, typer.Option(help="Folder of the data set; `no_op_hard*.jsonl` are written there.")] = Path(
        "data"
    ),
    fresh: Annotated[bool, typer.Option("--fresh", help="Run everything again and ignore stored results.")] = False,
    trust: _Trust = False,
) -> None:
    """Make entries that look as if they needed an edit and need none, and write those that hold when they are run."""
    from recode.cli.dataset import run_hard_no_ops
    from recode.dataset.verify.entries import VerifyOptions

    run_hard_no_ops(data, VerifyOptions(data / "locks", fresh=fresh, trust=trust))


@data_app.command("generate", epilog="Example: `recode data generate --out data`")
def data_generate(
    out: Annotated[Path, typer.Option(help="Folder for the JSON Lines files.")] = Path("data"),
) -> None:
    """Write the made-up test splits, whose names no model was trained on."""
    from recode.dataset.generated import write_generated

    for file, count in write_generated(out).items():
        typer.echo(f"{out / file}: {count} entries")


@data_app.command("knowledge", epilog="Example: `recode data knowledge numpy`")
def data_knowledge(
    libraries: Annotated[list[str] | None, typer.Argument(help="Libraries to collect (default: all).")] = None,
    sources: Annotated[
        Path, typer.Option(help="Folder of the TOML files that say what to compare, skip and add.")
    ] = Path("data/knowledge"),
    written: Annotated[Path, typer.Option(help="Folder of update sources.")] = Path("data/sources"),
    out: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("src/recode/knowledge/files"),
    locks: Annotated[Path | None, typer.Option(help="Folder of locks (default: that of `recode collect`).")] = None,
) -> None:
    """Collect what `recode scan` knows of each library, and write it into the package (exit code 1 if one could not be)."""
    from recode.cli.collect import run_build

    if not run_build(shipped(sources), shipped(written), out, libraries or (), locks):
        raise typer.Exit(1)


@data_app.command("export", epilog="Example: `recode data export --format hf --out runs/data-hf`")
def data_export(
    form: Annotated[
        Literal["recode", "hf", "verl"],
        typer.Option("--format", help="The published six fields, a folder for `datasets`, or verl's Parquet."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the files.")],
    data: Annotated[
        Path, typer.Option(help="Folder of the data set (default: the one that comes with ReCode).")
    ] = Path("@all"),
) -> None:
    """Write every split in the form that another tool reads."""
    from recode.dataset.exports import export

    for file, count in export(shipped(data), out, form).items():
        typer.echo(f"{out / file}: {count} rows")
