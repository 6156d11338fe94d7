"""`recode evaluate`: find the model and the files that the arguments name, evaluate, print the results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from recode.errors import RecodeError
from recode.evaluate.benchmarks import has_levels, is_benchmark
from recode.evaluate.progress import progress_lines
from recode.evaluate.run import DEFAULT, EvaluatedModel, EvaluationOptions, evaluate_on
from recode.models import Backend, EndpointBackend, LocalBackend, VllmBackend, quiet
from recode.shipped import shipped


@dataclass(frozen=True)
class ModelChoice:
    """Which model completes the prompts, and by which backend.

    `served` is the model's name at the endpoint. `thinker` names a model whose greedy thought begins each completion.
    """

    model: str | None = None
    endpoint: str | None = None
    served: str | None = None
    backend: str = "transformers"
    concurrency: int = 16
    thinker: str | None = None


def run_evaluate(
    options: EvaluationOptions, choice: ModelChoice, data: Sequence[str] = (), notes: Sequence[str] = (), *,
    as_json: bool = False,
) -> None:  # fmt: skip
    """Evaluate with progress bars; print the results as tables or JSON.

    Args:
        options: what to evaluate on; `data` and `folder` are filled in from the argument `data`.
        choice: the model; ignored where `options.completions` names a file.
        data: paths, or `NAME=PATH` for one benchmark.
        notes: levels of the notes at which the project's own splits are read.
        as_json: print JSON.

    Raises:
        RecodeError: the arguments contradict each other, or the evaluation fails.
    """
    names = [name.strip() for names in options.on or DEFAULT for name in names.split(",")]
    names = [one for name in names for one in _at_levels(name, notes)]
    files, folder = _files(data, names)
    options = replace(options, on=names, data=files, folder=folder)
    model = _model(options, choice)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        results = evaluate_on(options, model, progress_lines(progress))
    print_results(results, as_json)


def _model(options: EvaluationOptions, choice: ModelChoice) -> EvaluatedModel | None:
    """Return the model to evaluate; None where a file of completions is judged.

    Raises:
        RecodeError: the options contradict each other, or no model is named.
    """
    if options.completions is not None:
        if choice.endpoint or choice.thinker or options.limit:
            raise RecodeError(
                "--completions judges a whole file without any model; leave --endpoint, --thinker and --limit out"
            )
        return None
    if choice.endpoint and choice.thinker:
        raise RecodeError(
            "--thinker begins the model's own answer, but an endpoint returns whole answers; leave one of them out"
        )
    backend = _backend(choice)
    if not choice.endpoint:
        quiet()
    return EvaluatedModel(backend, LocalBackend(choice.thinker) if choice.thinker else None)


def _files(data: Sequence[str], names: Sequence[str]) -> tuple[dict[str, str], Path]:
    """Return the files by benchmark, and the folder of the project's own data.

    A path without a name that is a folder of the project's data, such as `data`, is used for all its splits.

    Raises:
        RecodeError: a path has no name, and there are several benchmarks it could belong to.
    """
    files: dict[str, str] = {}
    folder = shipped("data")
    for argument in data:
        name, equals, path = argument.partition("=")
        if equals and is_benchmark(name):
            files[name] = str(shipped(path))
            continue
        path = str(shipped(argument))
        if (Path(path) / "test_updates.jsonl").exists() or (Path(path).is_dir() and all(map(_is_own, names))):
            folder = Path(path)
        elif len(set(names)) == 1:
            files[""] = path
        else:
            raise RecodeError(
                f"--data {argument}: say which benchmark it is for: --data NAME={argument}, with one of {', '.join(names)}"
            )
    return files, folder


def _at_levels(name: str, levels: Sequence[str]) -> list[str]:
    """Return a benchmark's name with each level; the name alone where it has a level already, or its notes have none."""
    if not levels or "@" in name or not has_levels(name):
        return [name]
    return [name if level == "tailored" else f"{name}@{level}" for level in levels]


def _is_own(name: str) -> bool:
    return has_levels(name)


def _backend(choice: ModelChoice) -> Backend:
    """Return what completes the prompts.

    Raises:
        RecodeError: no model is named, or there is no such backend.
    """
    model = choice.model or choice.served
    if model is None:
        raise RecodeError("nothing to evaluate: name a model, --endpoint URL --model NAME, or --completions FILE")
    if choice.endpoint:
        return EndpointBackend(choice.endpoint, choice.served or model, concurrency=choice.concurrency)
    if choice.backend == "vllm":
        return VllmBackend(model)
    if choice.backend != "transformers":
        raise RecodeError(
            f"no backend is called `{choice.backend}`; choose transformers or vllm, or give an --endpoint"
        )
    return LocalBackend(model)


_NOT_COUNTED = {
    "unavailable": "items cannot be judged on this machine and do not count (why: `detail` in samples.jsonl)",
    "ungradable": "completions could not be graded and do not count (why: `detail` in samples.jsonl)",
    "missing": "items have no completion and do not count",
}


def print_results(results: dict[str, Any], as_json: bool = False) -> None:
    """Print a table per benchmark and what does not count; or JSON."""
    if as_json:
        print(json.dumps(results, indent=1))
        return
    console = Console()
    for name, values in results.items():
        console.print(results_table(name, values))
        for reason, explanation in _NOT_COUNTED.items():
            if values[reason]:
                console.print(f"{values[reason]} {explanation}", style="yellow")


def results_table(name: str, values: dict[str, Any]) -> Table:
    """Return a benchmark's metrics with their intervals; below them those of each split, library and kind."""
    metrics = list(values["intervals"])
    shown = Table(title=f"{name} (n = {values['n']})", caption="95% intervals in brackets", title_justify="left")
    for column in ("", *metrics, "n"):
        shown.add_column(column, justify="right" if column else "left")
    shown.add_row("all", *(_cell(values, metric) for metric in metrics), str(values["n"]), end_section=True)
    for parts in values["by"].values():
        for number, (part, part_values) in enumerate(parts.items(), start=1):
            cells = [_cell(part_values, metric, brief=True) for metric in metrics]
            shown.add_row(part, *cells, str(part_values["n"]), end_section=number == len(parts))
    return shown


def _cell(values: dict[str, Any], metric: str, brief: bool = False) -> str:
    """Return a metric with its interval, and with its own n where it exists for fewer items than the others."""
    if metric not in values:
        return "-"
    low, mean, high = values["intervals"][metric]
    text = f"{mean:.3f}" if brief else f"{mean:.3f}\n[{low:.3f}, {high:.3f}]"
    fewer = values.get(f"{metric}_n")
    return text if fewer is None else f"{text}\nn = {fewer}"
