"""Migration of real projects: find the uses that a release breaks, rewrite them, prove the rewriting.

The package can be called: `recode.migrate(path, to="numpy==2.1.0")` is `recode.api.migrate`, which a type checker sees there.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    """A module that does what its name says. A function of this name beside the package would be hidden by the package."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        # By name: what composes the stages stands above them.
        return importlib.import_module("recode.api").migrate(*arguments, **named)


sys.modules[__name__].__class__ = _Callable
