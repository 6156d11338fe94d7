"""A toy library in two releases, built as wheels by hand: no test that uses it needs the network."""

from __future__ import annotations

import base64
import hashlib
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recode.sandbox import environments
from recode.sandbox.environments import Environment, ensure_environment, ensure_lock

pytest_plugins = ["tests.release_fixtures"]

TOY_1 = """
def area(values): return sum(values) * 2.0
def total(values, scale=1): return sum(values) * scale
def mean(values): return sum(values) / len(values)
def spread(values): return max(values) - min(values)
def first(values): return values[0]
def deep(values): return sum(values)
def load(values): return sum(values)
def keep(values): return list(values)
def slow(values): return sum(values)
"""
TOY_2 = """
import warnings

def surface(values): return sum(values) * 2.0
def total(values, factor=1): return sum(values) * factor
def average(values): return sum(values) / len(values)
def mean(values):
    warnings.warn("toylib.mean is deprecated, use average", DeprecationWarning, stacklevel=2)
    return average(values)
def spread(values): return (min(values), max(values))
def first(values):
    warnings.warn("something else is deprecated", FutureWarning, stacklevel=2)
    return values[0]
def deep(values):
    warnings.warn("toylib.deep is deprecated", DeprecationWarning, stacklevel=1)
    return sum(values)
def _calm(values):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="toylib.mean")
        return _relay(values)
def _relay(values):
    warnings.warn("toylib.mean is deprecated", DeprecationWarning, stacklevel=3)
    return sum(values)
def load(values):
    import toydependency
def keep(values): return list(values)
def slow(values):
    raise RuntimeError("no longer supported") from None
"""


def write_wheel(
    folder: Path, name: str, version: str, source: str, requires: str = "", modules: dict[str, str] | None = None
) -> Path:
    """Write a wheel of one package: its `__init__.py`, and further modules by file name."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files = {
        f"{name}/__init__.py": source,
        **{f"{name}/{file}": text for file, text in (modules or {}).items()},
        f"{info}/METADATA": metadata + (f"Requires-Dist: {requires}\n" if requires else ""),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text.encode())}\n"
    files[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel


@pytest.fixture(scope="session")
def make_wheel() -> Callable[..., Path]:
    """Return `write_wheel`, for tests that need a library of their own."""
    return write_wheel


@pytest.fixture(scope="session")
def toy_index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """uv, by its own variables, sees only a folder with the toy library's wheels; `$RECODE_HOME` is a fresh folder."""
    folder = tmp_path_factory.mktemp("wheels")
    write_wheel(folder, "toylib", "1.0", TOY_1)
    write_wheel(folder, "toylib", "2.0", TOY_2)
    write_wheel(folder, "toyuser", "1.0", "import toylib\n", requires="toylib<2")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_NO_INDEX", "1")
        patch.setenv("UV_FIND_LINKS", str(folder))
        patch.setenv("UV_CACHE_DIR", str(tmp_path_factory.mktemp("uv")))
        patch.setenv("RECODE_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setattr(environments, "PYTHON", f"{sys.version_info.major}.{sys.version_info.minor}")
        yield folder


@pytest.fixture(scope="session")
def toy_old(toy_index: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return ensure_environment(ensure_lock(tmp_path_factory.mktemp("locks"), "toylib", "1.0"))


@pytest.fixture(scope="session")
def toy_new(toy_index: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return ensure_environment(ensure_lock(tmp_path_factory.mktemp("locks"), "toylib", "2.0"))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small random Llama with grouped-query attention; its tokenizer knows a few made-up tasks."""
    import itertools

    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from recode.invent import generate
    from recode.train.pretrain.tokenizer import train_tokenizer

    entries = itertools.islice(generate(1), 30)
    tokenizer = train_tokenizer([text for entry in entries for text in (entry.update_info, entry.old_code)], 420)
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, initializer_range=0.1, tie_word_embeddings=True, bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
        )
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("tiny")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
