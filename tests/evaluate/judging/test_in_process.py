"""Answers that are tested in their own process: honest ones, and ones that reach for the test."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from recode.evaluate.benchmark import Judgement
from recode.evaluate.judging.guard import refusal
from recode.evaluate.judging.in_process import MARK, Beside, judge_beside
from recode.sandbox.environments import Environment
from recode.sandbox.fork_servers import Limits

OWN = "import json\nimport fractions\n\ndef f(x):\n    return fractions.Fraction(x, 2)\n"
TESTS = "import fractions\ndef test_half():\n    assert f(3) == fractions.Fraction(3, 2)\ndef test_zero():\n    assert f(0) == 0\n"
HERE = Environment(Path(sys.prefix), Path(sys.executable), "")


def verdicts(*answers: str, seconds: float = 20.0) -> list[Judgement]:
    works = [Beside(answer, TESTS, OWN, HERE) for answer in answers]
    return judge_beside(works, Limits(seconds=seconds, processes=64), lambda n: None)


@pytest.mark.usefixtures("isolated")
def test_honest_answers_get_their_verdicts() -> None:
    right, wrong, broken, absent = verdicts(
        OWN,
        "def f(x):\n    return x",
        "def f(x:\n",
        "def g(x):\n    return x",
    )
    assert (right.outcome, right.scores) == ("passed", {"pass": 1.0})
    assert right.detail == f"{MARK}: 2 tests passed"
    assert [one.outcome for one in (wrong, broken, absent)] == ["failed"] * 3
    assert "SyntaxError" in broken.detail
    assert wrong.scores == {"pass": 0.0}


UNREFUSED = [
    # Code that the guard lets through, and that must not pass all the same.
    "raise SystemExit(0)",
    "def f(x):\n    raise SystemExit(0)",
    "def f(x):\n    raise KeyboardInterrupt",
    'def f(x):\n    print(\'0\' * 32 + \'{"passed": 9, "failed": ""}\')',
    "assert False",
    "def test_half(): pass\ndef test_zero(): pass\n",
    "x = 1 / 0",
]


@pytest.mark.usefixtures("isolated")
def test_what_the_guard_lets_through_cannot_pass_without_passing() -> None:
    assert all(refusal(answer, OWN) is None for answer in UNREFUSED)
    assert {one.outcome for one in verdicts(*UNREFUSED)} == {"failed"}


@pytest.mark.usefixtures("isolated")
def test_changed_libraries_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    # Even where the guard would let it through.
    monkeypatch.setattr("recode.evaluate.judging.in_process.refusal", lambda *given: None)
    changed, lied = verdicts(
        "import fractions\nfractions.Fraction.__eq__ = lambda a, b: True\ndef f(x):\n    return fractions.Fraction(9)",
        "import os\ndef f(x):\n    os._exit(0)",
    )
    assert (changed.outcome, "it changed fractions.Fraction.__eq__" in changed.detail) == ("failed", True)
    assert lied.outcome in ("failed", "crashed")


@pytest.mark.usefixtures("isolated")
def test_an_answer_that_leaves_tests_out_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recode.evaluate.judging.in_process.refusal", lambda *given: None)
    (left_out,) = verdicts(
        "import sys\nframe = sys._getframe()\nwhile 'names' not in frame.f_locals: frame = frame.f_back\n"
        "frame.f_locals['names'][:] = ['test_zero']\ndef f(x):\n    return 0\n"
    )
    assert (left_out.outcome, "1 of 2 tests" in left_out.detail) == ("failed", True)


REFUSED = [
    "import os\ndef f(x): os._exit(0)",
    "import sys\nsys.modules",
    "from unittest import mock",
    "import unittest.mock as m",
    "class A:\n    def __eq__(self, o): return True\ndef f(x): return A()",
    "def f(x): return type('A', (), {'equals': lambda s, o: True})()",
    "import fractions\nfractions.Fraction.__eq__ = lambda a, b: True",
    "import fractions\nfractions.Fraction.limit = 1",
    "def f(x): return x.__class__",
    "def f(x): return getattr(x, 'a')",
    "def f(x): return eval('1')",
    "def f(x): return open('/proc/self/mem')",
    "import json\ndef f(x): return json.codecs.sys",
    "def f(x):\n    try: 1 / 0\n    except Exception as e: return e.__traceback__.tb_frame",
    "def f(x): return (i for i in x).gi_frame",
    "def f(x): return '{0.__globals__}'.format(f)",
    "from operator import attrgetter",
    "import gc",
    "import ctypes",
    "import inspect",
    "from fractions import _gcd",
    "def f(x): return __builtins__",
    "f = lambda x: vars()",
    "import importlib\nimportlib.import_module('os')",
    "import collections\nA = collections.namedtuple('A', 'equals')\ndef f(x): return A(lambda o: True)",
    "from typing import *\ndef f(x): return __import__('os')",
    "def f(x):\n    global test_half\n    test_half = print",
    "from enum import bltns",
    "import enum\nrun = enum.bltns",
    "import string\ng = string.Formatter().get_field",
    "import typing\ntyping.get_type_hints",
    "import functools\nfunctools.singledispatch",
    "from re import compile",
    "import json\njson.compile",
    "code = 'import os\\nos'",
    'code = """\nf.__globals__\n"""',
    *(
        f"import numpy as np\n{line}"
        for line in (
            "def f(x): return np.ma.masked_all(x)",
            "from numpy import ma",
            "import numpy.ma as hidden",
            "from numpy.ma import masked_all",
            "from numpy import *\ndef f(x): return ma.array([x], mask=True)",
            "from numpy.lib.recfunctions import stack_arrays",
            "import matplotlib.cbook\nf = matplotlib.cbook.safe_masked_invalid",
        )
    ),
]


@pytest.mark.parametrize("answer", REFUSED)
def test_what_reaches_for_the_process_is_not_run(answer: str) -> None:
    assert refusal(answer, f"{OWN}import numpy\nimport matplotlib.cbook\n")


def test_plain_code_is_run() -> None:
    answer = 'import re\n\ndef f(x):\n    """Import x, __really__."""\n    return re.compile("a").match(x)\n'
    assert refusal(answer, OWN) is None
    answer = "import torch\n\ndef f(x, mask):\n    masked = x.masked_fill(mask, 0.0)\n    return masked + torch.masked_select(x, mask).sum()\n"
    assert refusal(answer, "import torch\n") is None


def test_what_an_items_own_solution_holds_an_answer_may_hold() -> None:
    own = "import os\nclass A:\n    pass\n"
    assert refusal("import os\nclass B:\n    pass\n", own) is None
    assert refusal("import subprocess", own) == "line 1: import of subprocess"
    own = "import numpy as np\ndef f(x):\n    return np.ma.masked_array(x)\n"
    assert refusal(own.replace("x", "y"), own) is None
    assert refusal(own.replace("masked_array", "masked_all"), own) == "line 3: the attribute `masked_all`"


@pytest.mark.usefixtures("isolated")
def test_a_refused_answer_counts_as_no_pass_and_says_why() -> None:
    (one,) = verdicts("import os\ndef f(x): return x")
    assert (one.outcome, one.scores) == ("ungradable", {"pass": 0.0})
    assert "not run, it holds line 1: import of os" in one.detail


@pytest.mark.usefixtures("isolated")
def test_pytest_runs_hidden_tests_of_any_style() -> None:
    tests = (
        "import unittest, pytest\nfrom sample_1 import f\n"
        "class T(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(f(2), 1)\n"
        "@pytest.mark.parametrize('x', [0, 4])\ndef test_b(x):\n    assert f(x) == x // 2\n"
    )
    works = [
        Beside(answer, tests, OWN, HERE, name="sample_1", runner="pytest", preload=("pytest",))
        for answer in (OWN, "def f(x):\n    return 1", "x = (")
    ]
    right, wrong, broken = judge_beside(works, Limits(seconds=60.0, processes=64), lambda n: None)
    assert (right.outcome, right.detail) == ("passed", f"{MARK}: 3 tests passed")
    assert (wrong.outcome, broken.outcome) == ("failed", "failed")
    assert "test_b" in wrong.detail


WALKED_PAST = [
    "def f(x): return type(int)('Y', (), {'_'*2 + 'eq' + '_'*2: lambda s, o: True})()",
    "t = type\ndef f(x): return t('Y', (), {})()",
    "def f(x):\n    kind = type\n    return kind('Y', (), {})()",
    "def f(x): return type(type(x))('Y', (), {})()",
    "import abc\ndef f(x): return abc.ABCMeta('Y', (), {})()",
    "from abc import ABCMeta as M\ndef f(x): return M('Y', (), {})()",
    "import enum\nY = enum.Enum('Y', {'a': 1})\ndef f(x): return Y.a",
    "from enum import Enum\nY = Enum('Y', {'a': 1})",
    "import typing\nY = typing.NamedTuple('Y', [('equals', int)])\ndef f(x): return Y(lambda o: True)",
    "class Z: pass\nfractions = Z",
    "fractions = None",
    "def fractions(): pass",
    "import json as fractions",
    "from json import loads as fractions",
    "float = lambda x: 0.5",
    "def len(x): return 3",
    "for abs in [lambda x: 0]: pass",
    "with open as any: pass",
    "import numpy as np\nnumpy = 3",
    "torch = 1\ndef f(x): return x",
    "pandas = 1\ndef f(x): return x",
    "def f(x): return dict(equals=lambda o: True)",
    "u = '__'\ndef f(x): return x",
]
USES = "import fractions\ndef test_half():\n    assert float(abs(f(3))) == 1.5 and len([1]) and any([1]) and torch and pandas\n"


@pytest.mark.parametrize("answer", WALKED_PAST)
def test_ways_around_the_guard_are_refused(answer: str) -> None:
    assert refusal(answer, OWN, USES), answer


def test_ordinary_answers_are_not_refused() -> None:
    for answer in (
        OWN,
        "import fractions\ndef f(x):\n    if type(x) is int:\n        return fractions.Fraction(x, 2)\n    return abs(x)",
        "import math\ndef f(x):\n    total = sum(x)\n    return [math.floor(y) for y in sorted(x, key=lambda z: -z)]",
    ):
        assert refusal(answer, OWN, USES) is None, answer


@pytest.mark.usefixtures("isolated")
def test_classes_made_while_the_tests_run_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recode.evaluate.judging.in_process.refusal", lambda *given: None)
    (liar,) = verdicts("def f(x):\n    return type(int)('Y', (), {'_' * 2 + 'eq' + '_' * 2: lambda s, o: True})()")
    assert (liar.outcome, "decides how it compares" in liar.detail) == ("failed", True)


CHEATS = json.loads((Path(__file__).parent / "answers_that_cheat.json").read_text(encoding="utf-8"))


@pytest.mark.usefixtures("isolated")
def test_no_answer_that_cheats_passes() -> None:
    own, tests, answers = CHEATS["own"], CHEATS["tests"], CHEATS["answers"]
    works = [Beside(answer, tests, own, HERE, preload=("numpy", "pandas")) for answer in (own, *answers.values())]
    honest, *judged = judge_beside(works, Limits(seconds=30.0, processes=64), lambda n: None)
    assert honest.outcome == "passed"
    passed = [name for name, one in zip(answers, judged, strict=True) if one.outcome == "passed" or one.scores["pass"]]
    assert not passed


@pytest.mark.parametrize("name", [name for name in CHEATS["answers"] if "binds a builtin" in name or "star" in name])
def test_a_name_can_be_bound_in_many_ways(name: str) -> None:
    tests = CHEATS["tests"] + "assert all(len(x) for x in list(f(1)))\n"
    assert refusal(CHEATS["answers"][name], CHEATS["own"], tests), name


@pytest.mark.usefixtures("isolated")
def test_mocks_of_the_tests_are_no_liars() -> None:
    tests = "from unittest.mock import MagicMock\ndef test_f():\n    m = MagicMock()\n    m.half.return_value = 3\n"
    tests += "    assert m.half(f(2)) == 3\n"
    (one,) = judge_beside([Beside(OWN, tests, OWN, HERE)], Limits(seconds=20.0, processes=64), lambda n: None)
    assert one.outcome == "passed", one


@pytest.mark.usefixtures("isolated")
def test_the_verdict_is_pytests() -> None:
    pairs = json.loads((Path(__file__).parent / "pytest_pairs.json").read_text(encoding="utf-8"))
    works = [
        Beside(
            pair["answer"], pair["tests"], pair["answer"], HERE, name="sample_1", runner="pytest",
            preload=("pytest", "numpy", "pandas"),
        )
        for pair in pairs
    ]  # fmt: skip
    judged = judge_beside(works, Limits(seconds=90.0, processes=64), lambda n: None)
    wrong = {
        pair["name"]: one.detail
        for pair, one in zip(pairs, judged, strict=True)
        if (one.outcome == "passed") != (pair["plain"] == "passed")
    }
    assert not wrong
