"""Whether two names of a release do the same on generated arguments; what was found is kept, so that it costs once."""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from recode.errors import RecodeError
from recode.records import write_text
from recode.sandbox.environments import Environment, recode_home
from recode.sandbox.execution import run_program

FEWEST = 20
"""Calls with different, equal results that count as proof."""
_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_PROGRAM = Path(__file__).with_name("_generated_calls.py")


@dataclass(frozen=True)
class NameEquality:
    """What the calls of two names with the same arguments showed.

    Attributes:
        equal: how many different results were equal.
        same_errors: how many calls raised the same exception.
        differs: the arguments on which they differ, and both results; empty if none were found.
    """

    equal: int = 0
    same_errors: int = 0
    differs: str = ""

    @property
    def holds(self) -> bool:
        """Whether the names do the same, as far as calls can show it."""
        return not self.differs and self.equal >= FEWEST


def name_equality(environment: Environment, old: str, new: str) -> NameEquality:
    """Call two names of a release, in its environment and in the sandbox; nothing is shown if it lacks one of them.

    Args:
        environment: the release's.
        old: a dotted name, such as `numpy.in1d`.
        new: its successor.
    """
    if _PATH.fullmatch(old) is None or _PATH.fullmatch(new) is None:
        return NameEquality()
    file = _file(environment, old, new)
    try:
        return NameEquality(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        pass
    code = f"{_PROGRAM.read_text(encoding='utf-8')}\nmain({old!r}, {new!r})\n"
    try:
        run = run_program(environment, code)
        answer = json.loads(run.stdout.strip().splitlines()[-1])
        found = NameEquality(int(answer["equal"]), int(answer["same errors"]), str(answer["differs"]))
    except (RecodeError, ValueError, IndexError, KeyError, TypeError):
        return NameEquality()
    # A folder that cannot be written costs time alone.
    with suppress(RecodeError):
        write_text(file, json.dumps(asdict(found)) + "\n")
    return found


def _file(environment: Environment, old: str, new: str) -> Path:
    """Return where the answer is kept: by environment, program and names."""
    key = hashlib.sha256(
        f"{environment.digest}\0{_PROGRAM.read_text(encoding='utf-8')}\0{old}\0{new}".encode()
    ).hexdigest()
    return recode_home() / "equality" / f"{key[:32]}.json"
