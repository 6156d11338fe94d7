"""Evaluate on benchmarks: complete every prompt, judge the completions, summarize.

Completions are saved as they finish, so a killed run resumes, and judging can be repeated without a model.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from recode.errors import RecodeError, RecordError
from recode.evaluate.benchmark import Benchmark, Item, Judgement
from recode.evaluate.benchmarks import open_benchmark
from recode.evaluate.generations import Generations, generation_key
from recode.evaluate.progress import EvaluationProgress, OnProgress, ignore_progress
from recode.evaluate.results import summarize
from recode.models import Backend, Prompt, Sampling
from recode.records import read_jsonl, write_jsonl, write_text
from recode.run_folder import Claim
from recode.sandbox.verdict import Outcome
from recode.shipped import shipped

DEFAULT = ("test_generated", "test_updates", "test_libraries", "no_op")
"""The benchmarks to run if none is named."""
_THOUGHT = Sampling(max_new_tokens=120, temperature=0.0)
_END_OF_THOUGHT = "</think>"
_JUDGED_AT_ONCE = 4000


@dataclass(frozen=True)
class EvaluationOptions:
    """What to evaluate on, and how. None leaves the decision to each benchmark.

    `data` maps benchmarks to paths or hub names; the key "" is for all of them. `completions` is a file to judge instead of a model.
    `limit` is the largest number of items per benchmark, chosen by a hash of their ids: the same items in every run.
    """

    on: Sequence[str] = DEFAULT
    out: Path = Path("runs/evaluation")
    folder: Path = field(default_factory=lambda: shipped("data"))
    data: dict[str, str] = field(default_factory=dict)
    completions: Path | None = None
    samples: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int = 0
    log_samples: bool = False
    limit: int | None = None

    def data_of(self, benchmark: str) -> str | None:
        """Return the path or hub name for a benchmark, or None for its default."""
        return self.data.get(benchmark) or self.data.get("")


@dataclass(frozen=True)
class EvaluatedModel:
    """What completes the prompts.

    With a `thinker`, a second model, each completion begins with the thinker's greedy thought and the first model continues it. That
    measures what the first model can do when its own habit of thought is out of the way.
    """

    backend: Backend
    thinker: Backend | None = None


def evaluate_on(
    options: EvaluationOptions, model: EvaluatedModel | None, on_progress: OnProgress = ignore_progress
) -> dict[str, Any]:
    """Evaluate a model, or without one the given completions.

    Returns:
        What `results.json` says about each benchmark in `options.on`.

    Raises:
        RecodeError: `options.out` holds another evaluation; or a file, the model or the isolation of programs is missing.
    """
    names = dict.fromkeys(options.on)
    benchmarks = [open_benchmark(name, options.data_of(name), options.folder) for name in names]
    _claim(options, model)
    results: dict[str, Any] = {}
    for benchmark in benchmarks:
        benchmark.keep(options.limit)
        benchmark.prepare(on_progress)
        if model is None:
            completed = _given_completions(benchmark, options.completions)
        else:
            completed = _generated_completions(benchmark, options, model, on_progress)
        samples = _judge(benchmark, completed, on_progress)
        if options.log_samples:
            prompts = {item.id: asdict(item.prompt) for item in benchmark.items}
            samples = [{**sample, "prompt": prompts[sample["id"]]} for sample in samples]
        results[benchmark.name] = _summary(benchmark, samples)
        _save(options.out, benchmark.name, samples, results[benchmark.name])
    return results


def decoding(benchmark: Benchmark, options: EvaluationOptions) -> tuple[int, Sampling]:
    """Return how many samples a benchmark takes of each prompt, and how they are drawn.

    One sample is greedy unless a temperature is given.
    """
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


def _claim(options: EvaluationOptions, model: EvaluatedModel | None) -> None:
    """Write the settings of the evaluation to `settings.json`, so that completions of two models never end up in one table.

    Raises:
        RecodeError: the folder holds another evaluation.
    """
    if model is None:
        source = {"completions": _digest(options.completions)}
    else:
        source = {"model": model.backend.name, "fingerprint": model.backend.fingerprint()}
    settings = {
        **source, "thinker": model.thinker.name if model and model.thinker else None, "seed": options.seed,
        "samples": options.samples, "temperature": options.temperature, "top_p": options.top_p, "max_tokens": options.max_tokens,
        "limit": options.limit,
    }  # fmt: skip

    def is_same(content: bytes) -> bool:
        try:
            # Folders written before `limit` existed lack it.
            return {"limit": None, **json.loads(content)} == settings
        except (ValueError, TypeError):
            return False

    Claim(options.out, "settings.json", "an evaluation with other settings").take(json.dumps(settings), is_same)


def _digest(path: Path | None) -> str | None:
    """Return a digest of a file of completions; None if it cannot be read, which is reported when its lines are read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path else None
    except OSError:
        return None


@dataclass(frozen=True)
class _Completed:
    """One completion of an item; `sample` counts the item's completions from 0."""

    item: Item
    sample: int
    text: str


def _given_completions(benchmark: Benchmark, path: Path | None) -> list[_Completed]:
    """Read completions from lines `{"id", "completion"}`; several lines of one id are several samples.

    Raises:
        RecordError: a line lacks a field, or no item has its id; names file, line and field.
    """
    if path is None:
        raise RecodeError("nothing to evaluate: name a model, or give completions with --completions FILE")
    items, counts, completed = {item.id: item for item in benchmark.items}, Counter[str](), []
    for number, row in read_jsonl(path):
        for name in ("id", "completion"):
            if not isinstance(row.get(name), str):
                raise RecordError(f"{path}:{number}: field `{name}`: a string is expected")
        if row["id"] not in items:
            raise RecordError(
                f"{path}:{number}: field `id`: {benchmark.name} has no item `{row['id'][:80]}`; check --on and --data"
            )
        completed.append(_Completed(items[row["id"]], counts[row["id"]], row["completion"]))
        counts[row["id"]] += 1
    if not completed:
        raise RecordError(f"{path}: holds no completion")
    return completed


def _generated_completions(
    benchmark: Benchmark, options: EvaluationOptions, model: EvaluatedModel, on_progress: OnProgress
) -> list[_Completed]:
    """Complete every available item. Completions that an earlier run saved are not generated again."""
    items = [item for item in benchmark.items if not item.unavailable]
    prompts = [item.prompt for item in items]
    samples, sampling = decoding(benchmark, options)
    with Generations(options.out / "generations.jsonl") as saved:
        thoughts = [""] * len(items)
        if model.thinker is not None:
            work = _Generation(f"{benchmark.name}: thoughts", items, prompts, 1, _THOUGHT)
            groups = _generate(model.thinker, work, saved, on_progress)
            thoughts = [group[0].partition(_END_OF_THOUGHT)[0] + _END_OF_THOUGHT for group in groups]
            prompts = [prompt.begun(thought) for prompt, thought in zip(prompts, thoughts, strict=True)]
        work = _Generation(f"{benchmark.name}: completing", items, prompts, samples, sampling)
        groups = _generate(model.backend, work, saved, on_progress)
    return [
        _Completed(item, number, thought + text)
        for item, thought, group in zip(items, thoughts, groups, strict=True)
        for number, text in enumerate(group)
    ]


@dataclass(frozen=True)
class _Generation:
    """Prompts to complete `samples` times each, and the items they belong to."""

    stage: str
    items: Sequence[Item]
    prompts: Sequence[Prompt]
    samples: int
    sampling: Sampling


def _generate(backend: Backend, work: _Generation, saved: Generations, on_progress: OnProgress) -> list[list[str]]:
    """Return the completions of each prompt. Those that are not saved yet are generated and saved."""
    fingerprint = backend.fingerprint()
    keys = [
        [generation_key(fingerprint, prompt, work.sampling, sample) for sample in range(work.samples)]
        for prompt in work.prompts
    ]
    total = work.samples * len(work.prompts)
    on_progress(EvaluationProgress(work.stage, total, sum(key in saved for group in keys for key in group)))

    def have(number: int, sample: int) -> bool:
        return keys[number][sample] in saved

    def keep(number: int, sample: int, completion: str) -> None:
        saved.put(keys[number][sample], completion, id=work.items[number].id, sample=sample)
        on_progress(EvaluationProgress(work.stage, total, 1))

    backend.generate(work.prompts, work.samples, work.sampling, have, keep)
    return [[saved[key] for key in group] for group in keys]


def _judge(benchmark: Benchmark, completed: Sequence[_Completed], on_progress: OnProgress) -> list[dict[str, Any]]:
    """Judge completions.

    Returns:
        The lines of `samples.jsonl`: one per completion, and one per unavailable item that has no completion.
    """
    stage = f"{benchmark.name}: judging"
    judged = [(one.item, one.text) for one in completed if not one.item.unavailable]
    on_progress(EvaluationProgress(stage, len(completed), len(completed) - len(judged)))
    judgements: list[Judgement] = []
    for start in range(0, len(judged), _JUDGED_AT_ONCE):
        judgements += benchmark.judge(
            judged[start : start + _JUDGED_AT_ONCE],
            lambda count: on_progress(EvaluationProgress(stage, len(completed), count)),
        )
    remaining = iter(judgements)
    samples = [
        _line(benchmark, one, _unavailable(one.item) if one.item.unavailable else next(remaining)) for one in completed
    ]
    with_completion = {one.item.id for one in completed}
    for item in benchmark.items:
        if item.unavailable and item.id not in with_completion:
            samples.append({**_line(benchmark, _Completed(item, 0, ""), _unavailable(item)), "completion": None})
    return samples


def _unavailable(item: Item) -> Judgement:
    return Judgement(Outcome.UNAVAILABLE, item.unavailable)


def _line(benchmark: Benchmark, completed: _Completed, judgement: Judgement) -> dict[str, Any]:
    item = completed.item
    shown = {"note": item.note, "given": item.given, "gold": item.gold}
    return {
        "benchmark": benchmark.name, "id": item.id, "sample": completed.sample, "outcome": judgement.outcome,
        "detail": judgement.detail, "scores": judgement.scores, "library": item.library, "kind": item.kind, "split": item.split,
        "group": item.group, "completion": completed.text, "answer": judgement.answer,
        **{name: text for name, text in shown.items() if text},
    }  # fmt: skip


def _summary(benchmark: Benchmark, samples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    summary = summarize(samples, benchmark.counted, benchmark.averaged)
    summary["missing"] = len({item.id for item in benchmark.items} - {sample["id"] for sample in samples})
    return summary


def _save(out: Path, name: str, samples: Sequence[dict[str, Any]], summary: dict[str, Any]) -> None:
    """Write a benchmark's lines and summary; those of other benchmarks in this folder are kept."""
    path, results = out / "samples.jsonl", out / "results.json"
    others = [row for _, row in read_jsonl(path) if row.get("benchmark") != name] if path.exists() else []
    mine = ({key: _encodable(value) for key, value in sample.items()} for sample in samples)
    write_jsonl(path, [*others, *mine])
    before = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {}
    write_text(results, json.dumps({**before, name: summary}, indent=1))


def _encodable(value: Any) -> Any:
    # JSON can spell a lone surrogate, UTF-8 cannot.
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
