"""The releases of TRL that `hooks.py` fits, checked before TRL is imported."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from packaging.specifiers import SpecifierSet

from recode.errors import MissingExtraError, RecodeError

TESTED = SpecifierSet(">=1.16,<1.17")
"""Also the bound of the `train` extra in pyproject.toml; a test compares them."""


def check_trl() -> None:
    """Make sure that a release of TRL is installed whose private methods we know.

    Raises:
        MissingExtraError: TRL is not installed.
        RecodeError: another release is installed.
    """
    try:
        installed = version("trl")
    except PackageNotFoundError:
        raise MissingExtraError("training needs TRL; run: pip install 'recode-rl[train]'") from None
    if not TESTED.contains(installed, prereleases=True):
        raise RecodeError(
            f"TRL {installed} is installed, and training overrides private methods of TRL {TESTED}; run: pip install 'trl{TESTED}'"
        )
