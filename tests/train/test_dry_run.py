"""`recode train --dry-run`: every shipped recipe, on each engine, without a download, a file or a process."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from recode.cli.app import app
from recode.errors import RecipeError, RecodeError
from recode.models import resolve
from recode.train import distributed
from recode.train.launch import prepare
from recode.train.recipes import Hardware, PolicyRecipe, Vllm, load_recipe
from recode.train.scaling import CARDS, seconds, shape_of

ROOT = Path(__file__).parents[2]
TRAINING = sorted(
    path
    for path in (ROOT / "recipes").rglob("*.toml")
    if not path.stem.startswith("pretrain") and path.parent.name != "study"
)


@pytest.fixture(autouse=True)
def nothing_leaves(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No connection, no process, and an empty folder to run in."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a dry run starts nothing and connects to nothing")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(subprocess, "run", refuse)
    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("path", TRAINING, ids=lambda path: str(path.relative_to(ROOT / "recipes")))
def test_every_recipe_is_shown_on_every_engine(path: Path, tmp_path: Path) -> None:
    recipe = load_recipe(path)
    shown = str(prepare("trl", path, tmp_path / "run", {}).describe())
    assert recipe.model in shown  # type: ignore[operator]
    assert "-m recode train" in shown
    assert "does not fit" not in shown or "24gb" not in str(path) or "24 GB: " in shown
    if path.parent.name == "24gb":
        assert "24 GB" not in shown or ", fits" in next(line for line in shown.splitlines() if ", 24 GB" in line)
    rollout = getattr(recipe, "rollout", None)
    if recipe.method == "sft" or getattr(recipe, "adapter", None) or (rollout is not None and rollout.turns > 1):
        with pytest.raises(RecipeError, match="--engine trl"):
            prepare("verl", path, tmp_path / "run", {}).describe()
    else:
        shown = str(prepare("verl", path, tmp_path / "run", {}).describe())
        assert "verl.trainer.main_ppo --config-path" in shown
        assert '"custom_reward_function"' in shown
    assert not list(tmp_path.iterdir())


def test_the_command_line_shows_it(tmp_path: Path) -> None:
    path = ROOT / "recipes" / "paper" / "dapo-qwen2.5-7b-instruct.toml"
    for engine in ("trl", "verl"):
        done = CliRunner().invoke(app, ["train", str(path), "--engine", engine, "--dry-run", "--seed", "9"])
        assert done.exit_code == 0, done.output
        assert "5,000" not in done.output
        assert ("--seed 9" in done.output) == (engine == "trl")
        assert ('"seed": 9' in done.output) == (engine == "verl")
    assert not list(tmp_path.iterdir())


def test_the_hours_are_those_of_every_batch(tmp_path: Path) -> None:
    path = ROOT / "recipes" / "paper" / "dapo-qwen2.5-coder-7b-instruct.toml"
    recipe = load_recipe(path)
    assert isinstance(recipe, PolicyRecipe)
    shape = shape_of(recipe.model)
    assert shape is not None
    # Two minibatches: two steps on each batch of rollouts.
    batches = recipe.optimization.steps // 2
    hours = batches * seconds(recipe, shape, CARDS[80]).total / 3600
    line = next(line for line in str(prepare("trl", path, tmp_path, {}).describe()).splitlines() if "80 GB" in line)
    assert f" {hours:.1f} hours in all before any refill" in line
    assert f"at most {hours:.0f} hours" in (ROOT / "docs" / "results.md").read_text(encoding="utf-8")


def with_hardware(recipe: object, **hardware: object) -> PolicyRecipe:
    assert isinstance(recipe, PolicyRecipe)
    return recipe.model_copy(update={"hardware": Hardware(**hardware)})  # type: ignore[arg-type]


def test_the_launch_line_has_every_machine_and_process(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = load_recipe(ROOT / "recipes" / "paper" / "dapo-qwen2.5-7b-instruct.toml")
    command = distributed.launch_command(with_hardware(recipe, gpus=8, machines=2, sharding="full"), ["r.toml"])
    text = " ".join(command)
    assert "--num_processes 16 --num_machines 2" in text
    assert "--use_fsdp --fsdp_version 2" in text
    assert "--multi_gpu" not in text
    with pytest.raises(RecipeError, match="set MACHINE_RANK"):
        distributed.with_machine(command)
    monkeypatch.setenv("MACHINE_RANK", "1")
    monkeypatch.setenv("MAIN_ADDRESS", "10.0.0.1")
    assert "--machine_rank 1 --main_process_ip 10.0.0.1" in " ".join(distributed.with_machine(command))
    assert distributed.launch_command(with_hardware(recipe), ["r.toml"])[1:] == [
        "-m",
        "recode",
        "train",
        "r.toml",
    ]


def test_accelerate_itself_takes_the_launch_line() -> None:
    from accelerate.commands.launch import launch_command_parser

    recipe = load_recipe(ROOT / "recipes" / "paper" / "grpo-qwen2.5-7b-instruct.toml")
    for hardware in ({"gpus": 2}, {"gpus": 8, "sharding": "full"}, {"gpus": 8, "machines": 2}):
        command = distributed.launch_command(with_hardware(recipe, **hardware), ["r.toml"])
        line = ["0" if part.startswith("$") else part for part in command[3:]]
        arguments = launch_command_parser().parse_args(line)
        assert arguments.training_script == "recode"
        assert arguments.training_script_args == ["train", "r.toml"]
        assert arguments.num_processes == hardware["gpus"] * hardware.get("machines", 1)
        assert arguments.use_fsdp == ("sharding" in hardware)


@pytest.mark.parametrize("hardware", [{"machines": 2}, {"gpus": 2}, {"gpus": 2, "machines": 2, "sharding": "full"}])
def test_accelerate_starts_several_processes_also_with_one_gpu_a_machine(
    hardware: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    from accelerate.commands import launch as accelerate

    chosen: list[str] = []
    for name in ("multi_gpu_launcher", "simple_launcher"):
        monkeypatch.setattr(accelerate, name, lambda arguments, name=name: chosen.append(name))
    # As a user's own configuration may say.
    monkeypatch.setattr(accelerate, "load_config_from_file", lambda path: None)
    recipe = load_recipe(ROOT / "recipes" / "paper" / "grpo-qwen2.5-7b-instruct.toml")
    command = distributed.launch_command(with_hardware(recipe, **hardware), ["r.toml"])
    line = ["0" if part.startswith("$") else part for part in command[3:]]
    accelerate.launch_command(accelerate.launch_command_parser().parse_args(line))
    assert chosen == ["multi_gpu_launcher"]


def test_a_launched_process_that_is_alone_does_not_launch_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ROOT / "recipes" / "paper" / "grpo-qwen2.5-7b-instruct.toml"
    launched: list[dict[str, str]] = []

    def run(command: list[str], *, env: dict[str, str], **_: object) -> subprocess.CompletedProcess[str]:
        launched.append(env)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 8)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    prepare("trl", path, tmp_path, {}).run()
    assert len(launched) == 1
    # A launched process finds its parent's variables and no other process.
    for name, value in launched[0].items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RecodeError, match="accelerate started one process where"):
        prepare("trl", path, tmp_path, {}).run()
    assert len(launched) == 1


def test_a_server_of_vllm_has_its_own_line() -> None:
    recipe = load_recipe(ROOT / "recipes" / "paper" / "grpo-qwen2.5-7b-instruct.toml")
    assert isinstance(recipe, PolicyRecipe)
    assert distributed.server_command(recipe) is None
    served = recipe.model_copy(update={"vllm": Vllm(mode="server", server="http://far:9000", tensor_parallel=2)})
    line = str(distributed.server_command(served))
    assert "vllm serve Qwen/Qwen2.5-7B-Instruct --port 9000 --tensor-parallel-size 2 --max-model-len 3072" in line


@pytest.mark.parametrize(
    ("server", "port"), [("http://localhost", 80), ("https://far/", 443), ("http://[::1]:8000/", 8000)]
)
def test_the_line_of_a_server_has_the_port_of_its_address_and_the_folder_of_an_embedded_model(
    server: str, port: int
) -> None:
    recipe = load_recipe(ROOT / "recipes" / "quickstart" / "grpo.toml")
    assert isinstance(recipe, PolicyRecipe)
    served = recipe.model_copy(update={"model": "recode-tiny", "vllm": Vllm(mode="server", server=server)})
    assert f"vllm serve {resolve('recode-tiny')} --port {port} " in str(distributed.server_command(served))


def test_more_gpus_than_there_are_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with pytest.raises(RecipeError, match="asks for 2 GPUs and this machine has 1"):
        prepare("trl", ROOT / "recipes" / "paper" / "grpo-qwen2.5-7b-instruct.toml", tmp_path, {}).run()
