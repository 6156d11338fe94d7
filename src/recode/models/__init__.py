"""Language models: loading them, and `complete(prompts) -> completions`."""

from recode.models.completing import complete, render, sample_ids
from recode.models.llama import Sampling
from recode.models.loading import EMBEDDED, load, quiet, resolve

__all__ = ["EMBEDDED", "Sampling", "complete", "load", "quiet", "render", "resolve", "sample_ids"]
