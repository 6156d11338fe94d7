"""ReCode: teach code models to follow library API updates by rule-based reinforcement learning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recode.api import migrate_project, scan

__version__ = "0.2.0"
__all__ = ["migrate_project", "scan"]


def __getattr__(name: str) -> Any:
    # Every part of the package imports `recode`, so the heavier functions are imported on first use.
    if name in __all__:
        from recode import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
