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

from recode.cli.extras import EXTRAS, install_command
from recode.errors import RecodeError
from recode.machine import has_bfloat16
from recode.models import smollm
from recode.sandbox.environments import uv_path
from recode.sandbox.levels import Tried, try_level

_SANDBOX_FIX = (
    "Debian, Ubuntu: apt install bubblewrap libseccomp2. In a container: allow user namespaces (docker run --security-opt "
    "seccomp=unconfined --security-opt apparmor=unconfined). Ubuntu 24.04: sysctl kernel.apparmor_restrict_unprivileged_userns=0"
)


@dataclass(frozen=True)
class _Check:
    subject: str
    works: bool
    detail: str
    fix: str = ""


def examine() -> bool:
    """Print what was found; return whether untrusted programs can be isolated and every extra is installed."""
    checks = [_python(), *map(_extra, EXTRAS), _uv(), _device(), _pretrained(), *_sandbox()]
    table = Table("", "", "detail", "how to fix it")
    for check in checks:
        # Brackets, such as those around an extra's name, would be read as markup.
        details = (escape(check.detail), "" if check.works else escape(check.fix))
        table.add_row(check.subject, "[green]works[/]" if check.works else "[red]missing[/]", *details)
    console = Console()
    console.print(table)
    if missing := [extra for extra in EXTRAS if not _extra(extra).works]:
        console.print(f"missing extras: {install_command(','.join(missing))}", markup=False, soft_wrap=True)
    works = all(check.works for check in checks)
    if works:
        advice = "`recode scan . --to LIB==VERSION` in your project, or `recode quickstart`"
    elif "train" in missing:
        advice = "`recode scan . --to LIB==VERSION` in your project; training needs the extra `train`"
    else:
        advice = "`recode scan . --to LIB==VERSION` in your project; for the rest, the fixes in the table"
    console.print(f"next: {advice}", markup=False, soft_wrap=True)
    return works


def _python() -> _Check:
    return _Check(
        "Python", True, f"{platform.python_version()} on {platform.system()} {platform.release()} {platform.machine()}"
    )


def _extra(name: str) -> _Check:
    modules = EXTRAS[name]
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    installed = [f"{module} {importlib.metadata.version(module)}" for module in modules if module not in missing]
    detail = f"not installed: {', '.join(missing)}" if missing else ", ".join(installed)
    return _Check(f"extra `{name}`", not missing, detail, install_command(name))


def _uv() -> _Check:
    try:
        return _Check("uv (library environments)", True, uv_path())
    except RecodeError as error:
        return _Check("uv (library environments)", False, str(error), install_command("migrate"))


def _device() -> _Check:
    # Without importing torch, which takes seconds.
    gpu = shutil.which("nvidia-smi") is not None
    if gpu:
        return _Check("device", True, "NVIDIA driver found")
    kind = "with bfloat16" if has_bfloat16() else 'without bfloat16, where precision = "auto" means float32'
    return _Check("device", True, f"CPU {kind}: the recipes in quickstart/ and smol/ are made for it")


def _pretrained() -> _Check:
    """Say where the pretrained model is, or that it is made when it is first named; reading its weights would take seconds."""
    detail = (
        str(smollm.folder()) if smollm.is_made() else "not here yet; the first command that names it downloads 93 MB"
    )
    return _Check(f"model {smollm.NAME}", True, detail)


def _sandbox() -> list[_Check]:
    """Try the levels, strongest first; a weaker one is only missing if the stronger one is missing too."""
    isolated = try_level("isolated")
    checks = [_level(isolated, _SANDBOX_FIX)]
    if not isolated.holds:
        checks.append(_level(try_level("reduced"), "Linux 6.12 or later and libseccomp2"))
    return checks


def _level(tried: Tried, fix: str) -> _Check:
    return _Check(f"sandbox, {tried.level}", tried.holds, tried.reason or "holds", fix)
