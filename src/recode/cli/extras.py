"""The optional parts of the installation: which extra brings which modules."""

from __future__ import annotations

EXTRAS = {
    "train": ("torch", "transformers", "trl", "datasets", "peft", "accelerate", "tensorboard", "scipy"),
    "smol": ("gguf",),
    "report": ("matplotlib",),
    "data": ("uv",),
    "serve": ("starlette", "uvicorn", "prometheus_client", "httptools", "uvloop"),
}
"""Each extra that `recode doctor` checks, and the modules it installs."""

_ALSO = {
    "openenv": "openenv",
    "uvicorn": "openenv",
    "tokenizers": "train",
    "safetensors": "train",
    "huggingface_hub": "train",
    "numpy": "train",
}
"""Modules that come as dependencies of an extra's packages."""


def extra_of(module: str) -> str | None:
    """Return the extra that installs a module, or None for a module that belongs to none."""
    top = module.partition(".")[0]
    return next((extra for extra, modules in EXTRAS.items() if top in modules), _ALSO.get(top))


def install_command(extra: str) -> str:
    """Return the command that adds an extra; it works in a checkout as well, where ReCode is already installed."""
    return f"pip install 'recode-rl[{extra}]'"
