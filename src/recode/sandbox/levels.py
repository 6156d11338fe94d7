"""Finds out by trial which isolation level this machine supports.

`isolated`: namespaces (by bubblewrap and the kernel), a system call filter and limits. `reduced`: Landlock, the filter and limits, for
machines where namespaces are forbidden; used only if chosen. `unsafe`: limits only, and only on explicit request. docs/sandbox.md
describes what each level guarantees.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from typing import Any

from recode.errors import SandboxError
from recode.sandbox.fork_servers import Fault, ForkServer, Interpreter, Level, Limits
from recode.sandbox.guest import _landlock
from recode.sandbox.judging import value_of

_PROBE = """
import os, socket

def tried(action):
    try:
        action()
    except OSError:
        return False
    return True

def look():
    status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
    return {
        "user": os.getuid(), "pid": os.getpid(), "capabilities": int(status["CapEff"], 16) | int(status["CapPrm"], 16),
        "no_new_privs": int(status["NoNewPrivs"]), "filter": int(status["Seccomp"]),
        "network": tried(lambda: socket.socket(socket.AF_INET)), "writes": tried(lambda: open("/usr/recode-probe", "w")),
        "reads": tried(lambda: os.listdir("/home")) or tried(lambda: os.listdir("/root")) if os.getpid() != 1 else False,
    }
"""
_EXPECTED = {"capabilities": 0, "no_new_privs": 1, "filter": 2, "network": False, "writes": False, "reads": False}


@dataclass(frozen=True)
class Tried:
    """Whether a level works on this machine and, if not, why."""

    level: Level
    holds: bool
    reason: str = ""


def try_level(level: Level) -> Tried:
    """Start a sandbox at a level and check from inside that its restrictions hold."""
    if level == "unsafe":
        return Tried(level, True)
    if level == "reduced" and _landlock.version() < _landlock.NEEDED:
        return Tried(
            level, False, f"needs Landlock {_landlock.NEEDED} (Linux 6.12), and this kernel has {_landlock.version()}"
        )
    fork_server = ForkServer(Interpreter(), level)
    try:
        seen: dict[str, Any] = value_of(fork_server, _PROBE, "look", Limits(seconds=10.0))
    except (Fault, SandboxError) as error:
        return Tried(level, False, str(error))
    finally:
        fork_server.stop()
    expected: dict[str, Any] = {**_EXPECTED, **({"pid": 1} if level == "isolated" else {})}
    wrong = [f"{name} is {seen.get(name)}" for name, value in expected.items() if seen.get(name) != value]
    if level == "isolated" and seen.get("user") == 0:
        wrong.append("the program is root")
    return Tried(level, not wrong, "; ".join(wrong))


CHOICE = "RECODE_SANDBOX"
"""The environment variable that accepts a weaker level: `reduced`."""


def best_level(accept_reduced: bool | None = None) -> Level:
    """Return the strongest level that works on this machine and that the user accepts: `isolated`, or `reduced` if chosen.

    Args:
        accept_reduced: whether to fall back to `reduced`; by default taken from the environment variable RECODE_SANDBOX.

    Raises:
        SandboxError: there is none; the message names the obstacles.
    """
    if accept_reduced is None:
        accept_reduced = os.environ.get(CHOICE) == "reduced"
    return _best_level(accept_reduced)


@functools.cache
def _best_level(accept_reduced: bool) -> Level:
    isolated = try_level("isolated")
    if isolated.holds:
        return "isolated"
    reduced = try_level("reduced")
    if reduced.holds and accept_reduced:
        return "reduced"
    offer = (
        f"; set {CHOICE}=reduced to accept a weaker one, which docs/sandbox.md describes"
        if reduced.holds
        else f"; reduced: {reduced.reason}"
    )
    raise SandboxError(
        f"this machine supports no sandbox for untrusted programs (isolated: {isolated.reason}{offer}); see `recode doctor`"
    )
