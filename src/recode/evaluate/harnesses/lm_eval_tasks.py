"""What the task files for lm-eval, in `tasks/`, refer to. It imports nothing of lm-eval."""

from __future__ import annotations

from typing import Any

import datasets

from recode.evaluate.harnesses.documents import documents, scores


def dataset(benchmark: str, data: str | None = None, **_: Any) -> dict[str, datasets.Dataset]:
    """Return the documents of a benchmark as lm-eval wants them. The arguments come from a task\'s `metadata` and from `--metadata`."""
    return {"test": datasets.Dataset.from_list(documents(benchmark, data=data))}


def process_results(document: dict[str, Any], results: list[str]) -> dict[str, float]:
    """Return the scores of a document\'s completion."""
    return scores(document, results[0])
