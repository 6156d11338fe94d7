"""ReCode as it is after `pip install`: from a built wheel, in a fresh environment, in an empty folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from recode.sandbox import environments
from tests.dataset.test_build import toml

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
LARGEST_WHEEL = 22_000_000
"""The data set, the embedded models, and an adapter of 10 MB."""

RECIPE = """
method = "grpo"
model = "recode-tiny"
[data]
migrations = ["data/validation.jsonl"]
no_ops = ["data/no_op_train.jsonl"]
max_prompt_tokens = 150
[optimization]
steps = 2
learning_rate = 1e-4
[rollout]
prompts_per_step = 2
samples_per_prompt = 2
minibatches = 1
max_new_tokens = 20
[loss]
clip_low = 0.2
clip_high = 0.2
[reward]
family = "strict"
weights = { format = 1.0, edit = 2.0 }
"""


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment with the wheel; other packages are those of the environment of the tests."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    options = ["--quiet", "--no-index", "--no-deps", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", "--python", python, "install", *options, wheel], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


@pytest.fixture
def run(installed: Path, tmp_path: Path) -> Run:
    """Run the installed `recode` in an empty folder."""
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def recode(*arguments: str | Path, expect: Sequence[int] = (0,)) -> subprocess.CompletedProcess[str]:
        command = [installed.with_name("recode"), *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode in expect, done.stderr + done.stdout
        assert "Traceback" not in done.stderr
        return done

    return recode


def test_the_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size < LARGEST_WHEEL


def test_scan_and_data_and_recipes_by_name(run: Run, tmp_path: Path, installed: Path) -> None:
    where = subprocess.run(
        [installed, "-c", "import recode; print(recode.__file__)"], cwd="/", capture_output=True, text=True, check=True,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
    ).stdout  # fmt: skip
    assert Path(where).is_relative_to(installed.parents[1])
    project = tmp_path / "project"
    project.mkdir()
    (project / "tides.py").write_text("import numpy as np\n\nprint(np.trapz([1, 2]))\n")
    assert "numpy.trapz" in run("scan", "project", "--to", "numpy==2.4.6", "--fast", "--json", expect=[1]).stdout
    run("data", "export", "--format", "recode", "--out", "exported")
    split = (tmp_path / "exported" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(split) == len((ROOT / "data" / "train.jsonl").read_text(encoding="utf-8").splitlines())
    for recipe in ("quickstart/sft", "quickstart/grpo", "24gb/grpo-qwen2.5-coder-0.5b"):
        assert "data/train.jsonl" in run("train", recipe, "--dry-run").stdout
    assert "reward-terms" in run("study", "--list").stdout
    assert "@train" in run("verify", "@none", expect=[2]).stderr


def test_train_and_evaluate(run: Run, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    run("train", "recipe.toml", "--out", "run")
    run("evaluate", "run/model", "--on", "no_op", "--limit", "2", "--max-tokens", "20", "--out", "evaluation")
    results = json.loads((tmp_path / "evaluation" / "results.json").read_text())
    assert results
    assert len((tmp_path / "evaluation" / "samples.jsonl").read_text().splitlines()) == 2
    run("report", "evaluation", "--out", "report")
    assert (tmp_path / "report" / "report.html").exists()


@pytest.mark.skipif(
    f"{sys.version_info.major}.{sys.version_info.minor}" != environments.PYTHON,
    reason="offline, environments can only be made of the Python that runs the tests",
)
def test_verify(run: Run, tmp_path: Path, toy_index: Path) -> None:
    (tmp_path / "toylib.toml").write_text(toml(bad=False))
    verdict = json.loads(run("verify", "toylib.toml", "--json").stdout)
    assert verdict["entries"] == verdict["hold"] > 0
    # The package's own folder of locks is left alone.
    assert sorted(path.name for path in (Path(os.environ["RECODE_HOME"]) / "locks").iterdir()) == [
        "toylib-1.0.txt",
        "toylib-2.0.txt",
    ]
