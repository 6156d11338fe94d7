"""ReCode: teach code models to follow library API updates by rule-based reinforcement learning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recode.api import scan

__version__ = "0.1.0"
__all__ = ["scan"]


def __getattr__(name: str) -> Any:
    # `import recode` is asked for by every part of the package, so what is heavier waits until it is wanted.
    if name == "migrate":
        # The package of that name; it can be called. Whoever imports a part of it finds it here as well.
        import importlib

        return importlib.import_module("recode.migrate")
    if name in __all__:
        from recode import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
