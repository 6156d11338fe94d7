"""Loading a model by folder, hub name, or the name of an embedded one."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from recode.errors import RecodeError
from recode.models import adapters, smollm

EMBEDDED = {"recode-tiny": "tiny/base", "recode-tiny-able": "tiny/able", "recode-smol-base": "smol/base"}
"""The models in this package and their folders: `recode-tiny` with the stale habit and before the habit was trained, and an adapter of
`smollm2-135m` after its warm-up."""


def known_names() -> tuple[str, ...]:
    """Return the names that stand for a model without a folder or a hub."""
    return (*EMBEDDED, smollm.NAME)


def resolve(name: str | Path) -> str:
    """Return the folder of an embedded model or of a pretrained one that is made when it is first needed, or the name as it is.

    Raises:
        MissingExtraError: the model is made from a package's file, and what reads it is not installed.
        RecodeError: the name looks like a folder, and there is no model in it; or a pretrained model cannot be downloaded.
    """
    if str(name) in EMBEDDED:
        return str(Path(__file__).parent / EMBEDDED[str(name)])
    if str(name) == smollm.NAME:
        return str(smollm.make())
    folder = Path(name)
    if folder.exists() and not any((folder / file).exists() for file in ("config.json", adapters.CONFIG)):
        raise RecodeError(f"{name}: no model in this folder (config.json is missing); name a Hugging Face model folder")
    if not folder.exists() and (str(name).count("/") != 1 or str(name).startswith((".", "/", "~"))):
        known = ", ".join(known_names())
        raise RecodeError(
            f"{name}: no such model folder; use a folder, a hub name like `owner/model`, or one of: {known}"
        )
    return str(name)


def load(name: str | Path, dtype: str = "float32", **options: Any) -> tuple[Any, Any]:
    """Return a causal language model in evaluation mode and its tokenizer.

    `options` go to `from_pretrained`, such as `quantization_config`.

    Raises:
        RecodeError: there is no such model, or it cannot be loaded; says why.
    """
    from transformers import AutoModelForCausalLM

    source = resolve(name)
    base = adapters.base_of(Path(source))
    tokenizer = load_tokenizer(name)
    if base is not None:
        folder = resolve(base)
        adapters.check_base(Path(source), Path(folder))
        model, _ = load(folder, dtype, **options)
        with _explained(name):
            return adapters.merged(model, source).eval(), tokenizer
    with _explained(name):
        # Weights of another shape are reported rather than raised for, so that they can be named.
        model, report = AutoModelForCausalLM.from_pretrained(
            source, dtype=dtype, output_loading_info=True, ignore_mismatched_sizes=True, **options
        )
        _check_whole(source, report)
    return model.eval(), tokenizer


def load_tokenizer(name: str | Path) -> Any:
    """Return a model's tokenizer; one without a pad token pads with the end token.

    Raises:
        RecodeError: there is no such model, or its tokenizer cannot be loaded; says why.
    """
    from transformers import AutoTokenizer

    source = resolve(name)
    base = adapters.base_of(Path(source))
    if base is not None and not (Path(source) / "tokenizer_config.json").exists():
        return load_tokenizer(base)
    with _explained(name):
        tokenizer = AutoTokenizer.from_pretrained(source)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


@contextmanager
def _explained(name: str | Path) -> Iterator[None]:
    """Turn any exception that a broken or missing file causes in the libraries into one line; they raise many kinds.

    Raises:
        RecodeError: something was raised that is not about memory.
    """
    import torch

    try:
        yield
    except RecodeError:
        raise
    except Exception as error:
        if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error):
            raise
        reason = next(iter(str(error).splitlines()), "")
        # The messages of these two explain the problem. Many others come from code that did not expect a broken file.
        if not isinstance(error, OSError | ValueError) or not reason:
            reason = f"{type(error).__name__}: {reason}; check the model's files, or get them again"
        raise RecodeError(f"{name}: cannot be loaded: {reason}") from None


def _check_whole(name: str, report: dict[str, Any]) -> None:
    """Make sure that every weight was read, because transformers initialises missing ones at random. Tied weights are not missing.

    Raises:
        RecodeError: a weight is missing or has another shape.
    """
    mismatched = [key[0] if isinstance(key, tuple) else key for key in report.get("mismatched_keys") or ()]
    for keys, what in ((report.get("missing_keys"), "missing"), (mismatched, "of another shape than config.json says")):
        if keys:
            first, more = min(keys), f" (and {len(keys) - 1} more)" if len(keys) > 1 else ""
            raise RecodeError(
                f"{name}: cannot be loaded: the weight `{first}`{more} is {what}; check the model's files, or get them again"
            )


def quiet() -> None:
    """Silence what the libraries print on their own, except errors."""
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    for name in ("datasets", "trl", "accelerate", "torch.distributed"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if find_spec("datasets"):
        import datasets

        datasets.disable_progress_bars()
