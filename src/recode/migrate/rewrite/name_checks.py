"""Asking a release about names: whether it has them, and whether two of them are the same object.

The release is imported in its pinned environment, in the sandbox. The questions are our own, so nothing model-written runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Literal

from recode.errors import RecodeError
from recode.sandbox.environments import Environment
from recode.sandbox.execution import Servers, run_program

Answer = Literal["yes", "no", "unknown"]

_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_PROGRAM = """
import importlib, inspect, json, warnings
warnings.simplefilter("ignore")

def reach(path):
    parts = path.split(".")
    for size in range(len(parts), 0, -1):
        try:
            thing = importlib.import_module(".".join(parts[:size]))
        except ImportError:
            continue
        for part in parts[size:]:
            owner, thing = thing, getattr(thing, part)
        return thing
    raise ImportError(path)

def has(path, parameter):
    try:
        thing = reach(path)
    except Exception:
        parent = path.rpartition(".")[0]
        try:
            # Attributes that instances get when they are created or fitted are not attributes of the class.
            return "unknown" if inspect.isclass(reach(parent)) else "no"
        except Exception:
            return "no"
    if not parameter:
        return "yes"
    try:
        parameters = inspect.signature(thing).parameters
    except Exception:
        return "unknown"
    if parameter in parameters:
        return "yes"
    return "unknown" if any(p.kind is p.VAR_KEYWORD for p in parameters.values()) else "no"

def reached(module, rest):
    try:
        thing = importlib.import_module(module)
        for part in rest.split("."):
            thing = getattr(thing, part)
    except Exception:
        return "no"
    return "yes"

def same(name, other):
    try:
        first, second = reach(name), reach(other)
    except Exception:
        return "no"
    # Small constants may be the same object by chance.
    return "yes" if first is second and not isinstance(first, (int, float, str, bytes, tuple, type(None))) else "no"

print(json.dumps([globals()[kind](first, second) for kind, first, second in QUESTIONS]))
"""


class ReleaseNames:
    """What one release answers about names. Each question is asked once."""

    def __init__(self, environment: Environment | None) -> None:
        """Take the release's environment; with None every answer is `unknown`."""
        self._environment = environment
        self._servers = Servers()
        self._answers: dict[tuple[str, str, str], Answer] = {}

    def has(self, path: str, parameter: str = "") -> Answer:
        """Return whether the release has this name, and the parameter if one is given."""
        return self._ask([("has", path, parameter)])[0]

    def reached(self, module: str, rest: str) -> bool | None:
        """Return whether `rest` can be reached as attributes after `import module`; None if that is unknown."""
        return {"yes": True, "no": False, "unknown": None}[self._ask([("reached", module, rest)])[0]]

    def same(self, pairs: Iterable[tuple[str, str]]) -> list[bool]:
        """Return for each pair whether both names are the same object in this release."""
        return [answer == "yes" for answer in self._ask([("same", name, other) for name, other in pairs])]

    def prepare(self, names: Iterable[tuple[str, str]]) -> None:
        """Ask `has` for many (path, parameter) in a single run."""
        self._ask([("has", path, parameter) for path, parameter in names])

    def _ask(self, questions: list[tuple[str, str, str]]) -> list[Answer]:
        new = [question for question in dict.fromkeys(questions) if question not in self._answers]
        if new:
            self._answers.update(zip(new, self._run(new), strict=True))
        return [self._answers[question] for question in questions]

    def _run(self, questions: list[tuple[str, str, str]]) -> list[Answer]:
        unknown: list[Answer] = ["unknown"] * len(questions)
        if self._environment is None:
            return unknown
        for _, first, second in questions:
            if not _PATH.fullmatch(first) or (second and not _PATH.fullmatch(second)):
                return unknown
        code = f"QUESTIONS = {questions!r}\n{_PROGRAM}"
        try:
            run = run_program(self._environment, code, servers=self._servers)
            answers = json.loads(run.stdout.strip().splitlines()[-1])
        except (RecodeError, ValueError, IndexError):
            return unknown
        if len(answers) != len(questions):
            return unknown
        return [answer if answer in ("yes", "no") else "unknown" for answer in answers]
