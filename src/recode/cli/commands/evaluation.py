"""`recode evaluate` and `recode report`: judge models, compare evaluations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()

_Notes = Annotated[
    list[str] | None,
    typer.Option(
        help="Level of the notes of the project's own splits: `tailored`, `bullet`, `section`, `api` or `none`; repeat for a row each."
    ),
]


@app.command(epilog="Example: `recode evaluate recode-tiny --on test_updates --samples 8 --out runs/base`")
def evaluate(
    model: Annotated[
        str | None, typer.Argument(help="A model or adapter folder, a hub name, `recode-tiny`, `recode-smol-base`, …")
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
    concurrency: Annotated[int, typer.Option(min=1, help="Number of requests to the endpoint at a time.")] = 16,
    samples: Annotated[
        int | None,
        typer.Option(
            min=1, help="Completions per item. 1: greedy; more: sampled, with pass@k (default: the benchmark's own)."
        ),
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0.0, help="Sampling temperature (default: the benchmark's own).")
    ] = None,
    top_p: Annotated[float | None, typer.Option(min=0.01, max=1.0, help="Of sampling.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Longest completion in tokens.")] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="At most this many items of each benchmark, chosen by a hash of their ids."),
    ] = None,
    notes: _Notes = None,
    seed: Annotated[int, typer.Option(help="Of sampling.")] = 0,
    thinker: Annotated[
        str | None,
        typer.Option(help="A model whose greedy thought begins each completion (measures a habit of thought)."),
    ] = None,
    log_samples: Annotated[
        bool, typer.Option("--log-samples", help="Also write the prompts to samples.jsonl.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Judge a model, or given completions, on benchmarks: rates with their intervals, n, and a line for every completion."""
    from recode.cli.evaluate import ModelChoice, run_evaluate
    from recode.evaluate.run import EvaluationOptions

    options = EvaluationOptions(
        on=on or (), out=out, completions=completions, samples=samples, temperature=temperature, top_p=top_p,
        max_tokens=max_tokens, seed=seed, log_samples=log_samples, limit=limit,
    )  # fmt: skip
    choice = ModelChoice(model, endpoint, served, backend, concurrency, thinker)
    run_evaluate(options, choice, data or (), notes or (), as_json=as_json)


@app.command(epilog="Example: `recode report base=runs/base grpo=runs/grpo-1 grpo=runs/grpo-2`")
def report(
    runs: Annotated[
        list[str],
        typer.Argument(help="Evaluations, as FOLDER or NAME=FOLDER (one name: seeds); or a quickstart, or several."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the report on evaluations.")] = Path("runs/report"),
) -> None:
    """Write report.html and report.md on evaluations side by side, or a quickstart's into its folder; of several quickstarts print the seeds."""
    from recode.evaluate.reports.dispatch import report_on

    typer.echo(report_on(runs, out))
