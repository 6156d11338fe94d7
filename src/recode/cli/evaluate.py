"""From the words of the command line to an evaluation: which model, by which backend, on which files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from recode.errors import RecodeError
from recode.evaluate.benchmarks import BENCHMARKS
from recode.evaluate.run import DEFAULT, Options, run_evaluation
from recode.models import Backend, EndpointBackend, LocalBackend, VllmBackend, quiet
from recode.shipped import shipped


def launch(
    model: str | None, on: Sequence[str] | None, out: Path, data: Sequence[str] | None, *, completions: Path | None, endpoint: str | None,
    served: str | None, backend: str, concurrency: int, samples: int | None, temperature: float | None, top_p: float | None,
    max_tokens: int | None, limit: int | None, seed: int, thinker: str | None, log_samples: bool, as_json: bool,
) -> None:  # fmt: skip
    """Evaluate what the arguments of `recode evaluate` name.

    Raises:
        RecodeError: they do not fit together, or a part of it fails.
    """
    chosen = [name.strip() for one in on or DEFAULT for name in one.split(",")]
    files, folder = _files(data or [], chosen)
    options = Options(
        chosen, out, folder, files, completions, samples, temperature, top_p, max_tokens, seed, log_samples, limit
    )
    if completions is not None:
        if endpoint or thinker or limit:
            raise RecodeError(
                "--completions judges a whole file without any model; leave --endpoint, --thinker and --limit out"
            )
        run_evaluation(options, None, as_json=as_json)
        return
    if endpoint and thinker:
        raise RecodeError(
            "--thinker begins the model's own answer, which an endpoint gives whole; leave one of them out"
        )
    asked = _backend(model or served, endpoint, served, backend, concurrency)
    if not endpoint:
        quiet()
    run_evaluation(options, asked, LocalBackend(thinker) if thinker else None, as_json=as_json)


def _files(data: Sequence[str], chosen: Sequence[str]) -> tuple[dict[str, str], Path]:
    """Return the files by benchmark, and the folder of the project's own data.

    A bare path of a folder that holds the project's data, such as `data`, is that folder for all its splits.
    """
    files: dict[str, str] = {}
    folder = shipped("data")
    for one in data:
        name, equals, path = one.partition("=")
        if equals and name in BENCHMARKS:
            files[name] = path
        elif (Path(one) / "test_updates.jsonl").exists() or (
            Path(one).is_dir() and all(_is_own(name) for name in chosen)
        ):
            folder = Path(one)
        elif len(set(chosen)) == 1:
            files[""] = one
        else:
            raise RecodeError(
                f"--data {one}: say whose files these are: --data NAME={one}, with one of {', '.join(chosen)}"
            )
    return files, folder


def _is_own(name: str) -> bool:
    return BENCHMARKS.get(name, "").startswith("migrations.")


def _backend(model: str | None, endpoint: str | None, served: str | None, backend: str, concurrency: int) -> Backend:
    """Return what completes the prompts.

    Raises:
        RecodeError: no model is named, or there is no such backend.
    """
    if model is None:
        raise RecodeError("nothing to evaluate: name a model, --endpoint URL --model NAME, or --completions FILE")
    if endpoint:
        return EndpointBackend(endpoint, served or model, concurrency=concurrency)
    if backend == "vllm":
        return VllmBackend(model)
    if backend != "transformers":
        raise RecodeError(f"no backend is called `{backend}`; choose transformers or vllm, or give an --endpoint")
    return LocalBackend(model)
