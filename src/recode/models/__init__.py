"""Language models: loading, sampling (`complete`), and the backends that evaluations and synthesis sample from."""

from recode.models.backends import Backend
from recode.models.completing import complete, migration_prompt, render, sample_ids
from recode.models.endpoint import EndpointBackend, Patience
from recode.models.loading import EMBEDDED, load, quiet, resolve
from recode.models.local import LocalBackend
from recode.models.prompting import Prompt, render_prompt
from recode.models.sampling import Sampling
from recode.models.vllm_engine import VllmBackend

__all__ = [
    "EMBEDDED", "Backend", "EndpointBackend", "LocalBackend", "Patience", "Prompt", "Sampling", "VllmBackend", "complete", "load",
    "migration_prompt", "quiet", "render", "render_prompt", "resolve", "sample_ids",
]  # fmt: skip
