"""`recode evaluate`: complete, judge and sum up, with progress bars; every finished completion is kept, and judging can be redone alone."""

from __future__ import annotations

import functools
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from recode.errors import RecodeError, RecordError
from recode.evaluate.benchmark import Benchmark, Item, Judgement
from recode.evaluate.benchmarks import open_benchmark
from recode.evaluate.generations import Generations, generation_key
from recode.evaluate.results import summarize
from recode.models import Backend, Prompt, Sampling
from recode.records import is_begun, read_jsonl, write_jsonl, write_text
from recode.sandbox.verdict import Outcome

DEFAULT = ("test_generated", "test_updates", "test_libraries", "no_op")
"""What is evaluated where nothing is named."""
_THOUGHT = Sampling(max_new_tokens=120, temperature=0.0)
_CLOSING = "</think>"
_JUDGED_AT_ONCE = 4000


@dataclass(frozen=True)
class Options:
    """What the user asked for; None leaves a benchmark its own decoding.

    `data` holds paths or hub names by benchmark, under "" one for all. `completions` is a file to judge instead of a model.
    """

    on: Sequence[str] = DEFAULT
    out: Path = Path("runs/evaluation")
    folder: Path = Path("data")
    data: dict[str, str] = field(default_factory=dict)
    completions: Path | None = None
    samples: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int = 0
    log_samples: bool = False
    limit: int | None = None
    """Items of each benchmark at most, chosen by a hash of their ids: the same ones in every run."""


def run_evaluation(
    options: Options, backend: Backend | None, thinker: Backend | None = None, *, as_json: bool = False
) -> dict[str, Any]:
    """Evaluate with progress bars and print a table; return what `evaluate_on` returns.

    Raises:
        RecodeError: as `evaluate_on`.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        found = evaluate_on(options, backend, thinker, progress)
    _show(found, as_json)
    return found


def evaluate_on(
    options: Options, backend: Backend | None, thinker: Backend | None, progress: Progress
) -> dict[str, Any]:
    """Evaluate; return what is in `results.json` about the benchmarks asked for.

    With a `thinker`, another model, each completion begins with that model's greedy thought, and the model goes on from there: what it can
    do once a habit of its own thoughts is out of the way.

    Raises:
        RecodeError: `out` holds the evaluation of something else; a file, the model or the isolation is missing.
    """
    benchmarks = [open_benchmark(name, _data(options, name), options.folder) for name in dict.fromkeys(options.on)]
    _claim(options, backend, thinker)
    found: dict[str, Any] = {}
    for benchmark in benchmarks:
        benchmark.keep(options.limit)
        benchmark.prepare()
        generate = functools.partial(_generated, benchmark, options, thinker=thinker, progress=progress)
        pairs = generate(backend) if backend else _given(benchmark, options.completions)
        samples = _judged(benchmark, pairs, progress)
        if options.log_samples:
            prompts = {item.id: asdict(item.prompt) for item in benchmark.items}
            samples = [{**sample, "prompt": prompts[sample["id"]]} for sample in samples]
        found[benchmark.name] = _results(benchmark, samples)
        _keep(options.out, benchmark.name, samples, found[benchmark.name])
    return found


def _data(options: Options, name: str) -> str | None:
    return options.data.get(name) or options.data.get("")


def decoding(benchmark: Benchmark, options: Options) -> tuple[int, Sampling]:
    """Return how many samples a benchmark takes of each prompt, and how; one sample is greedy unless a temperature is asked for."""
    own = benchmark.decoding
    samples = own.samples if options.samples is None else options.samples
    temperature = own.temperature if options.temperature is None else options.temperature
    if options.temperature is None and options.samples is not None:
        temperature = 0.0 if samples == 1 else own.temperature or 1.0
    return samples, Sampling(
        options.max_tokens or own.max_new_tokens,
        temperature,
        own.top_p if options.top_p is None else options.top_p,
        options.seed,
    )


def _claim(options: Options, backend: Backend | None, thinker: Backend | None) -> None:
    """Write who is evaluated here; completions of two models must not end up in one table.

    Raises:
        RecodeError: the folder holds the evaluation of something else.
    """
    path = options.out / "settings.json"
    given = {"completions": _digest(options.completions)}
    who = {"model": backend.name, "fingerprint": backend.fingerprint()} if backend else given
    asked = {
        **who, "thinker": thinker.name if thinker else None, "seed": options.seed, "samples": options.samples,
        "temperature": options.temperature, "top_p": options.top_p, "max_tokens": options.max_tokens, "limit": options.limit,
    }  # fmt: skip
    try:
        # A folder of before there was a limit had none.
        begun = is_begun(options.out, path.name)
        there = {"limit": None, **json.loads(path.read_text(encoding="utf-8"))} if begun else asked
    except (ValueError, TypeError):
        there = None
    if there != asked:
        raise RecodeError(
            f"{options.out}: holds an evaluation with other settings; choose another folder with --out, or delete it"
        )
    write_text(path, json.dumps(asked))


def _digest(path: Path | None) -> str | None:
    """Return a digest of the given completions; None where there are none to read, which is told later."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path else None
    except OSError:
        return None


Pair = tuple[Item, int, str]
"""An item, the sample's number, and the completion."""


def _given(benchmark: Benchmark, path: Path | None) -> list[Pair]:
    """Read completions from a file of `{"id", "completion"}` lines; several lines may have one id.

    Raises:
        RecordError: a line lacks a field, or its id is no item's; names file, line and field.
    """
    if path is None:
        raise RecodeError("nothing to evaluate: name a model, or give completions with --completions FILE")
    items, counts, pairs = {item.id: item for item in benchmark.items}, Counter[str](), []
    for number, row in read_jsonl(path):
        for name in ("id", "completion"):
            if not isinstance(row.get(name), str):
                raise RecordError(f"{path}:{number}: field `{name}`: a string is expected")
        if row["id"] not in items:
            raise RecordError(
                f"{path}:{number}: field `id`: {benchmark.name} has no item `{row['id'][:80]}`; check --on and --data"
            )
        pairs.append((items[row["id"]], counts[row["id"]], row["completion"]))
        counts[row["id"]] += 1
    if not pairs:
        raise RecordError(f"{path}: holds no completion")
    return pairs


def _generated(
    benchmark: Benchmark, options: Options, backend: Backend, thinker: Backend | None, progress: Progress
) -> list[Pair]:
    """Complete every available item, from where an earlier run stopped."""
    items = [item for item in benchmark.items if not item.unavailable]
    samples, sampling = decoding(benchmark, options)
    with Generations(options.out / "generations.jsonl") as kept:
        prompts = [item.prompt for item in items]
        thoughts = [""] * len(items)
        if thinker is not None:
            drawn = _complete(thinker, prompts, items, 1, _THOUGHT, kept, progress, f"{benchmark.name}: thoughts")
            thoughts = [group[0].partition(_CLOSING)[0] + _CLOSING for group in drawn]
            prompts = [prompt.begun(thought) for prompt, thought in zip(prompts, thoughts, strict=True)]
        groups = _complete(backend, prompts, items, samples, sampling, kept, progress, f"{benchmark.name}: completing")
    return [
        (item, number, thought + text)
        for item, thought, group in zip(items, thoughts, groups, strict=True)
        for number, text in enumerate(group)
    ]


def _complete(
    backend: Backend, prompts: Sequence[Prompt], items: Sequence[Item], samples: int, sampling: Sampling, kept: Generations,
    progress: Progress, title: str,
) -> list[list[str]]:  # fmt: skip
    print_ = backend.fingerprint()
    keys = [[generation_key(print_, prompt, sampling, number) for number in range(samples)] for prompt in prompts]
    there = sum(key in kept for group in keys for key in group)
    task = progress.add_task(title, total=samples * len(prompts), completed=there)

    def keep(number: int, sample: int, completion: str) -> None:
        kept.put(keys[number][sample], completion, id=items[number].id, sample=sample)
        progress.advance(task)

    backend.generate(prompts, samples, sampling, lambda number, sample: keys[number][sample] in kept, keep)
    return [[kept[key] for key in group] for group in keys]


def _judged(benchmark: Benchmark, pairs: Sequence[Pair], progress: Progress) -> list[dict[str, Any]]:
    """Judge completions; return the lines of `samples.jsonl`, one a completion, and one for each unavailable item that has none."""
    task: TaskID = progress.add_task(f"{benchmark.name}: judging", total=len(pairs))
    asked = [(item, completion) for item, _, completion in pairs if not item.unavailable]
    judgements: list[Judgement] = []
    for start in range(0, len(asked), _JUDGED_AT_ONCE):
        judgements += benchmark.judge(asked[start : start + _JUDGED_AT_ONCE], lambda n: progress.advance(task, n))
    verdicts = iter(judgements)
    samples = [
        _line(
            benchmark,
            item,
            number,
            text,
            Judgement(Outcome.UNAVAILABLE, item.unavailable) if item.unavailable else next(verdicts),
        )
        for item, number, text in pairs
    ]
    given = {item.id for item, _, _ in pairs}
    for item in benchmark.items:
        if item.unavailable and item.id not in given:
            samples.append(_line(benchmark, item, 0, None, Judgement(Outcome.UNAVAILABLE, item.unavailable)))
    progress.update(task, completed=len(pairs))
    return samples


def _line(
    benchmark: Benchmark, item: Item, number: int, completion: str | None, judgement: Judgement
) -> dict[str, Any]:
    shown = {"note": item.note, "given": item.given, "gold": item.gold}
    return {
        "benchmark": benchmark.name, "id": item.id, "sample": number, "outcome": judgement.outcome, "detail": judgement.detail,
        "scores": judgement.scores, "library": item.library, "kind": item.kind, "split": item.split, "group": item.group,
        "completion": completion, "answer": judgement.answer, **{name: text for name, text in shown.items() if text},
    }  # fmt: skip


def _results(benchmark: Benchmark, samples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    summed = summarize(samples, benchmark.counted, benchmark.averaged)
    summed["missing"] = len({item.id for item in benchmark.items} - {sample["id"] for sample in samples})
    return summed


def _keep(out: Path, name: str, samples: Sequence[dict[str, Any]], found: dict[str, Any]) -> None:
    """Put a benchmark's lines and results beside those of others that were evaluated in this folder."""
    path, results = out / "samples.jsonl", out / "results.json"
    others = [row for _, row in read_jsonl(path) if row.get("benchmark") != name] if path.exists() else []
    mine = ({key: _spelled(value) for key, value in sample.items()} for sample in samples)
    write_jsonl(path, [*others, *mine])
    before = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {}
    write_text(results, json.dumps({**before, name: found}, indent=1))


def _spelled(value: Any) -> Any:
    # A lone surrogate, which JSON can spell and UTF-8 cannot.
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _show(results: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(results, indent=1))
        return
    for name, values in results.items():
        console = Console()
        console.print(results_table(name, values))
        for word in ("unavailable", "ungradable", "missing"):
            if values[word]:
                console.print(f"{values[word]} {_WORDS[word]}", style="yellow")


_WORDS = {
    "unavailable": "items cannot be judged on this machine and do not count (why: `detail` in samples.jsonl)",
    "ungradable": "completions could not be graded and do not count (why: `detail` in samples.jsonl)",
    "missing": "items have no completion and do not count",
}


def results_table(name: str, values: dict[str, Any]) -> Table:
    """Return a benchmark's metrics with their intervals, and its parts below."""
    metrics = list(values["intervals"])
    shown = Table(title=f"{name} (n = {values['n']})", caption="95% intervals in brackets", title_justify="left")
    for column in ("", *metrics, "n"):
        shown.add_column(column, justify="right" if column else "left")
    shown.add_row("all", *(_cell(values, metric) for metric in metrics), str(values["n"]), end_section=True)
    for parts in values["by"].values():
        for number, (part, its) in enumerate(parts.items(), start=1):
            shown.add_row(
                part,
                *(_cell(its, metric, brief=True) for metric in metrics),
                str(its["n"]),
                end_section=number == len(parts),
            )
    return shown


def _cell(values: dict[str, Any], metric: str, brief: bool = False) -> str:
    if metric not in values:
        return "-"
    low, mean, high = values["intervals"][metric]
    return f"{mean:.3f}" if brief else f"{mean:.3f}\n[{low:.3f}, {high:.3f}]"
