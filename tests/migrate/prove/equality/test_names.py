"""Two names of a release are called with the same arguments: what counts as the same, and what shows a difference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from recode.migrate.prove.equality import names
from recode.migrate.prove.equality.names import name_equality
from recode.sandbox.environments import Environment, ensure_environment, ensure_lock
from recode.sandbox.levels import try_level

pytestmark = pytest.mark.skipif(not try_level("isolated").holds, reason="this machine gives no namespaces")
SOURCE = '''
def every(values):
    """Multiply.

    >>> every([1, 2])
    2
    """
    found = 1
    for value in values:
        found = found * value
    return found

def prod(values, start=1):
    import functools, operator
    return functools.reduce(operator.mul, values, start)

def prod_of_absolute(values):
    return abs(prod(values))

def scaled(values, factor): return [value * factor for value in values]
def scaled_by(values, *, factor): return [value * factor for value in values]
def in_place(values): values.sort(); return values
def copied(values): return sorted(values)
def silent(values): return None
def quiet(values): return None

class Box:
    """A box.

    >>> Box(3).size()
    3
    """
    def __init__(self, side): self.side = side
    def size(self):
        """
        >>> Box(3).size()
        3
        >>> Box(-1.5).size()
        -1.5
        """
        return self.side
    def width(self): return self.side * 1
    def double(self): return self.side * 2
'''


@pytest.fixture(scope="module")
def release(toy_index: Path, make_wheel: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    make_wheel(toy_index, "toyequal", "1.0", SOURCE)
    return ensure_environment(ensure_lock(tmp_path_factory.mktemp("locks"), "toyequal", "1.0"))


def test_equal_results_and_errors_on_many_arguments_are_proof(release: Environment) -> None:
    found = name_equality(release, "toyequal.every", "toyequal.prod")
    assert found.holds
    assert found.equal >= 20
    assert found.same_errors > 0


def test_an_argument_that_the_new_name_takes_by_keyword_alone_is_given_so(release: Environment) -> None:
    assert name_equality(release, "toyequal.scaled", "toyequal.scaled_by").holds


@pytest.mark.parametrize(
    ("old", "new"),
    [("every", "prod_of_absolute"), ("in_place", "copied"), ("Box.size", "Box.double"), ("silent", "every")],
)
def test_a_difference_is_found_and_shown(release: Environment, old: str, new: str) -> None:
    found = name_equality(release, f"toyequal.{old}", f"toyequal.{new}")
    assert found.differs
    assert not found.holds


def test_calls_that_do_nothing_prove_nothing(release: Environment) -> None:
    found = name_equality(release, "toyequal.silent", "toyequal.quiet")
    assert (found.equal, found.differs, found.holds) == (0, "", False)
    assert not name_equality(release, "toyequal.every", "toyequal.missing").holds


def test_the_proof_is_kept(release: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    first = name_equality(release, "toyequal.every", "toyequal.prod")
    monkeypatch.setattr(names, "run_program", None)
    assert name_equality(release, "toyequal.every", "toyequal.prod") == first
