"""A TRL run in several processes: the commands that start them (`accelerate launch`, and `vllm serve` for a separate server)."""

from __future__ import annotations

import json
import os
import shlex
import sys

from recode.errors import RecipeError, RecodeError
from recode.models import resolve
from recode.train.recipes import PolicyRecipe, SftRecipe

MACHINE_RANK, MAIN_ADDRESS = "MACHINE_RANK", "MAIN_ADDRESS"
"""Environment variables with the number of each of several machines, from 0, and the address of machine 0."""
PORT = 29500
LAUNCHED = "RECODE_LAUNCHED"
"""Set for everything that `recode train` launches. A launched process that finds itself alone must not launch again, without end."""
_FSDP = (
    "--use_fsdp", "--fsdp_version", "2", "--fsdp_auto_wrap_policy", "TRANSFORMER_BASED_WRAP",
    "--fsdp_reshard_after_forward", "true", "--fsdp_state_dict_type", "FULL_STATE_DICT",
    "--fsdp_cpu_ram_efficient_loading", "true",
)  # fmt: skip


def started_by_launcher() -> bool:
    """Say whether this process is one of several that a launcher started."""
    return "WORLD_SIZE" in os.environ


def is_main() -> bool:
    """Say whether this process is the main one of a run, which writes, shows progress and holds the folder."""
    return os.environ.get("RANK", "0") == "0"


def check_launched() -> None:
    """Make sure that this process may launch others.

    Raises:
        RecodeError: it was launched itself, but as the only process.
    """
    if LAUNCHED in os.environ:
        raise RecodeError(
            "accelerate started one process where [hardware] asks for several; look at its configuration (`accelerate env`), "
            f"or delete it. Started by hand? Then unset {LAUNCHED}"
        )


def launch_command(recipe: SftRecipe | PolicyRecipe, arguments: list[str]) -> list[str]:
    """Return the command that runs `recode train` with these arguments in all processes of this machine.

    With one process it is the plain command. With several machines their number and address are shell variables.
    """
    hardware = recipe.hardware
    train = ["recode", "train", *arguments]
    if hardware.processes == 1:
        return [sys.executable, "-m", *train]
    precision = {"bfloat16": "bf16", "auto": "bf16", "float32": "no"}[recipe.optimization.precision]
    command = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", str(hardware.processes),
               "--num_machines", str(hardware.machines), "--mixed_precision", precision, "--dynamo_backend", "no"]  # fmt: skip
    if hardware.machines > 1:
        command += ["--machine_rank", f"${MACHINE_RANK}", "--main_process_ip", f"${MAIN_ADDRESS}"]
        command += ["--main_process_port", str(PORT)]
    if hardware.sharding == "full":
        command += _FSDP
    else:
        # Explicit, because accelerate takes one GPU on each machine for a run of a single process.
        command.append("--multi_gpu")
    return [*command, "-m", *train]


def with_machine(command: list[str]) -> list[str]:
    """Return the command with this machine's number and the main address filled in.

    Raises:
        RecipeError: a variable is not set.
    """
    filled = []
    for part in command:
        name = part.removeprefix("$")
        if part.startswith("$") and name not in os.environ:
            raise RecipeError(
                f"hardware.machines is above 1: set {MACHINE_RANK} (0, 1, …) and {MAIN_ADDRESS} (of machine 0) on each machine"
            )
        filled.append(os.environ[name] if part.startswith("$") else part)
    return filled


def server_command(recipe: SftRecipe | PolicyRecipe) -> str | None:
    """Return the shell line that starts the vLLM server; None if the recipe has none.

    Raises:
        RecodeError: there is no such model.
    """
    vllm = recipe.vllm if isinstance(recipe, PolicyRecipe) else None
    if vllm is None or vllm.mode != "server":
        return None
    assert isinstance(recipe, PolicyRecipe)
    length = recipe.data.max_prompt_tokens + recipe.rollout.max_new_tokens
    transfer = json.dumps({"backend": "nccl"})
    # TRL sends weights through the server's development endpoints, and needs the processed log-probabilities for its correction.
    return (
        f"VLLM_SERVER_DEV_MODE=1 vllm serve {shlex.quote(resolve(recipe.model))} --port {vllm.port} "
        f"--tensor-parallel-size {vllm.tensor_parallel} --max-model-len {length} --weight-transfer-config '{transfer}' "
        "--logprobs-mode processed_logprobs --max-logprobs -1"
    )
