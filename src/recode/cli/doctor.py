"""`recode doctor`: what works on this machine, and what to type where something does not."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import shutil
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from recode.errors import RecodeError
from recode.sandbox.environments import uv_path
from recode.sandbox.levels import Tried, try_level

_EXTRAS = {"train": ("torch", "trl", "transformers", "datasets"), "report": ("matplotlib",), "data": ("uv",)}


@dataclass(frozen=True)
class _Finding:
    what: str
    works: bool
    detail: str
    mend: str = ""


def examine() -> bool:
    """Print what was found; return whether untrusted programs can be run isolated and every extra is there."""
    findings = [_python(), *(_extra(name, modules) for name, modules in _EXTRAS.items()), _uv(), _device(), *_sandbox()]
    table = Table("", "", "detail", "to mend it")
    for one in findings:
        # What stands in brackets, such as an extra's name, would be taken for markup.
        shown = (escape(one.detail), "" if one.works else escape(one.mend))
        table.add_row(one.what, "[green]works[/]" if one.works else "[red]missing[/]", *shown)
    Console().print(table)
    return all(one.works for one in findings)


def _python() -> _Finding:
    return _Finding(
        "Python", True, f"{platform.python_version()} on {platform.system()} {platform.release()} {platform.machine()}"
    )


def _extra(name: str, modules: tuple[str, ...]) -> _Finding:
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    have = [f"{module} {importlib.metadata.version(module)}" for module in modules if module not in missing]
    detail = ", ".join(have) if not missing else f"not installed: {', '.join(missing)}"
    return _Finding(f"extra `{name}`", not missing, detail, f"pip install -e '.[{name}]'")


def _uv() -> _Finding:
    try:
        return _Finding("uv (library environments)", True, uv_path())
    except RecodeError as error:
        return _Finding("uv (library environments)", False, str(error), "pip install uv")


def _device() -> _Finding:
    # Without importing torch, which takes seconds.
    gpu = shutil.which("nvidia-smi") is not None
    return _Finding("device", True, "NVIDIA driver found" if gpu else "CPU: recipes/quickstart is made for it")


def _sandbox() -> list[_Finding]:
    """Try the levels, strongest first; a weaker one is only missing where the stronger is too."""
    isolated = try_level("isolated")
    mend = (
        "Debian, Ubuntu: apt install bubblewrap libseccomp2. In a container: allow user namespaces (docker run --security-opt "
        "seccomp=unconfined --security-opt apparmor=unconfined). Ubuntu 24.04: sysctl kernel.apparmor_restrict_unprivileged_userns=0"
    )
    found = [_level(isolated, mend)]
    if not isolated.holds:
        found.append(_level(try_level("reduced"), "Linux 6.12 or later and libseccomp2"))
    return found


def _level(tried: Tried, mend: str) -> _Finding:
    return _Finding(f"sandbox, {tried.level}", tried.holds, tried.reason or "holds", mend)
