"""The execution reward: one for an answer that runs clean and prints what it should, zero for any other, None where it cannot be decided."""

from __future__ import annotations

from pathlib import Path

import pytest

from recode.errors import RecipeError, SandboxError
from recode.prompts import response
from recode.rewards import execution
from recode.rewards.answer import text_of
from recode.rewards.execution import refused, score, spells_out, trl_reward
from recode.rewards.hiding import constructs
from recode.sandbox.environments import Environment, ensure_environment, ensure_lock
from recode.sandbox.execution import Execution
from recode.sandbox.fork_servers import Limits
from recode.sandbox.levels import best_level

OLD = "import toylib\n\nvalues = [1.5, 2.0]\nprint(toylib.area(values))\n"
NEW = OLD.replace("area", "surface")
STDOUT = "7.0\n"


@pytest.fixture(scope="module", autouse=True)
def isolated() -> None:
    try:
        best_level()
    except SandboxError as error:
        pytest.skip(str(error))


def scored(code: str, environment: Environment | None, stdout: str | None = STDOUT) -> float | None:
    return score(response("t", code), NEW, OLD, stdout, environment, "toylib")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (NEW, 1.0),
        (NEW.replace("values", "v"), 1.0),
        (OLD, 0.0),
        (NEW.replace("1.5", "1.0"), 0.0),
        # It prints what it should, and does not do the task.
        ("print(7.0)\n", 0.0),
        ("print('7.0')\n", 0.0),
        pytest.param(
            "print('7' + '.0')\n",
            0.0,
            marks=pytest.mark.xfail(
                strict=True, reason="a value put together at run time is not seen in the text; docs/rewards.md says so"
            ),
        ),
        (NEW + "raise SystemExit(1)\n", 0.0),
        (NEW.replace("print(", "import warnings\nwarnings.warn('old', DeprecationWarning)\nprint("), 0.0),
        (NEW + "import os\nos._exit(0)\n", 0.0),
        ("this is no program", 0.0),
    ],
)
def test_scores(toy_new: Environment, code: str, expected: float) -> None:
    assert scored(code, toy_new) == expected


def test_no_answer_is_zero_and_no_environment_is_none(toy_new: Environment) -> None:
    assert score("no answer", NEW, OLD, STDOUT, toy_new) == 0.0
    assert scored(NEW, None) is None
    assert scored(NEW, toy_new, stdout=None) is None
    assert score(response("t", NEW), "def (", OLD, STDOUT, toy_new) is None


def test_a_sandbox_that_fails_is_no_wrong_answer(toy_new: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise SandboxError("gone")

    monkeypatch.setattr(execution, "run_program", fails)
    assert scored(NEW, toy_new) is None


def test_literals_of_the_known_programs_may_stay() -> None:
    assert spells_out("print('sum', 7)", "sum 7\n", ("print('sum', f())",))
    assert not spells_out("print('sum', f())", "sum 7\n", ("print('sum', f())",))


@pytest.mark.parametrize(
    ("code", "stdout"),
    [
        ("print([4, 31])", "[4, 31]\n"),
        ("print(list((4, 31)))", "[4, 31]\n"),
        ("print(-42)", "-42\n"),
        ("print({'a': 1.5})", "{'a': 1.5}\n"),
        ("print(b'abc')", "b'abc'\n"),
        ("print('at', [4, 31])", "at [4, 31]\n"),
        ("print(f'{0.5:.3f}')", "0.500\n"),
        ("import numpy\nprint(numpy.array([1.0, 2.5]))", "[1.  2.5]\n"),
        ("print('  two words ')", "  two words \n"),
    ],
)
def test_values_in_brackets_and_with_signs_are_seen(code: str, stdout: str) -> None:
    assert spells_out(code, stdout, ("print(f())",))
    # What the gold shows itself may be shown.
    assert not spells_out(code, stdout, (code,))


def test_a_line_of_which_not_every_value_is_spelled_out_is_no_fault() -> None:
    gold = "import numpy as np\nprint(np.ones((2, 3)).sum(axis=0).shape, 5)"
    assert not spells_out("print(np.sum(np.ones((2, 3)), axis=-2).shape, 5)", "(3,) 5\n", (gold,))
    assert not spells_out("print(f(4))", "[4, 31]\n", ("print(f())",))
    assert not spells_out("print(f(4))", "x007\n", ("print(f())",))


def test_as_a_reward_of_trl(toy_index: Path, tmp_path: Path) -> None:
    lock = ensure_lock(tmp_path, "toylib", "2.0")
    ensure_environment(lock)
    reward = trl_reward(tmp_path)
    completions = [response("t", NEW), response("t", OLD), response("t", NEW)]
    columns = {"target": [NEW] * 3, "old_code": [OLD] * 3, "stdout": [STDOUT] * 3, "module": ["toylib"] * 3}
    assert reward(completions=completions, lock=[lock.digest, lock.digest, None], **columns) == [1.0, 0.0, None]
    assert reward.__name__ == "execution"


def test_a_missing_folder_of_locks_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="needs the locks"):
        trl_reward(tmp_path / "none")


def test_a_chat_message_in_parts_is_its_text() -> None:
    parts = [{"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]
    assert (text_of(parts), text_of([]), text_of("c")) == ("ab", "", "c")


WARNS = "import toylib\n\nprint(toylib.mean([1.0, 3.0]))\n"
FOLLOWS = WARNS.replace("mean", "average")


@pytest.mark.parametrize(
    "silencer",
    [
        "import warnings\nwarnings.simplefilter('ignore')\n",
        "from warnings import filterwarnings as f\nf('ignore')\n",
        "import sys\nsys.modules['warnings'].filters.insert(0, ('ignore', None, Warning, None, 0))\n",
        "__import__('warnings').showwarning = print\n",
    ],
)
def test_a_silenced_warning_earns_nothing(toy_new: Environment, silencer: str) -> None:
    def reward(code: str) -> float | None:
        return score(response("t", code), FOLLOWS, WARNS, "2.0\n", toy_new, "toylib")

    assert (reward(FOLLOWS), reward(WARNS), reward(silencer + WARNS)) == (1.0, 0.0, 0.0)


DISGUISES = {
    "exec": f"exec({WARNS!r})",
    "eval of compile": f"eval(compile({WARNS!r}, 'x', 'exec'))",
    "compiled as the library": f"import toylib\nexec(compile({WARNS!r}, toylib.__file__, 'exec'), vars(toylib))",
    "a thread of the library's function": "import threading, toylib\nr = []\n"
    "t = threading.Thread(target=lambda a: r.append(toylib.mean(a)), args=([1.0, 3.0],))\nt.start(); t.join(); print(r[0])\n",
    "thread": "import threading\nimport toylib\nt = threading.Thread(target=lambda: print(toylib.mean([1.0, 3.0])))\nt.start()\nt.join()\n",
    "executor": "from concurrent.futures import ThreadPoolExecutor\nimport toylib\nwith ThreadPoolExecutor() as p:\n    print(p.submit(toylib.mean, [1.0, 3.0]).result())\n",
    "subprocess": f"import subprocess, sys\nsys.stdout.write(subprocess.run([sys.executable, '-c', {WARNS!r}], capture_output=True, text=True).stdout)",
    "fork": "import os\nimport toylib\nif os.fork() == 0:\n    print(toylib.mean([1.0, 3.0]), flush=True)\n    os._exit(0)\nos.wait()\n",
    "after many": "import warnings\nfor i in range(300): warnings.warn(str(i))\n" + WARNS,
    "module of its own": f"open('m.py', 'w').write({WARNS!r})\nimport sys\nsys.path.insert(0, '.')\nimport m\n",
    "recorder by frames": "import sys\nimport toylib\nx = toylib.mean([1.0, 3.0])\nf = sys._getframe()\nwhile f:\n    [v.clear() for v in f.f_locals.values() if type(v) is list]\n    f = f.f_back\nprint(x)",
    "code of another name": "import toylib\ndef g(): return toylib.mean([1.0, 3.0])\ng.__code__ = g.__code__.replace(co_filename=toylib.__file__)\nprint(g())",
    "class of the module": "import warnings, types\nobject.__setattr__(warnings, '__class__', types.ModuleType)\nwarnings.simplefilter('ignore')\n"
    + WARNS,
    "catch_warnings": "import warnings\nimport toylib\nwith warnings.catch_warnings():\n    warnings.simplefilter('ignore')\n    print(toylib.mean([1.0, 3.0]))\n",
    "recorded and dropped": "import warnings\nimport toylib\nwith warnings.catch_warnings(record=True):\n    print(toylib.mean([1.0, 3.0]))\n",
    "handlers replaced": "import warnings\nwarnings.showwarning = warnings._showwarnmsg = warnings.warn = lambda *a, **k: None\nwarnings.filters = []\n"
    + WARNS,
    "no module of warnings": "import sys\nsys.modules.pop('warnings')\n" + WARNS,
    "put together": "import sys\ngetattr(sys, 'mod' + 'ules').pop('warnings')\n" + WARNS,
    "timeit": f"import timeit\ntimeit.timeit({WARNS!r}, number=1)",
    "reports closed": "import os\nfor n in range(3, 64):\n    try: os.close(n)\n    except OSError: pass\n" + WARNS,
    "reports led away": "import os\nd = os.open('/dev/null', os.O_WRONLY)\nfor n in range(3, 20):\n    if n != d: getattr(os, 'dup2')(d, n)\n"
    + WARNS,
    "a copy of the library without its warnings": "import toylib, sys\ntext = open(toylib.__file__).read().replace('warnings.warn', 'str')\n"
    "open('own.py', 'w').write(text.replace(', DeprecationWarning, stacklevel=2', ''))\nsys.path.insert(0, '.')\nimport own\nprint(own.mean([1.0, 3.0]))\n",
    "the library's warnings replaced": "import toylib\nclass W:\n    warn = staticmethod(lambda *a, **k: None)\ntoylib.warnings = W\n"
    "print(toylib.mean([1.0, 3.0]))\n",
    "replaced under another name": "import toylib\nt = toylib\nclass W:\n    warn = staticmethod(lambda *a, **k: None)\nt.warnings = W\n"
    "print(t.mean([1.0, 3.0]))\n",
    "the old name is the new function": "import toylib\ntoylib.mean = toylib.average\nprint(toylib.mean([1.0, 3.0]))\n",
    "update_wrapper": "import argparse, functools, toylib\nclass W:\n    warn = staticmethod(lambda *a, **k: None)\n"
    "functools.update_wrapper(toylib, argparse.Namespace(warnings=W), assigned=())\nprint(toylib.mean([1.0, 3.0]))\n",
    "wraps": "import argparse, functools, toylib\nclass W:\n    warn = staticmethod(lambda *a, **k: None)\n"
    "functools.wraps(argparse.Namespace(warnings=W), assigned=())(toylib)\nprint(toylib.mean([1.0, 3.0]))\n",
    "mock": "import toylib\nfrom unittest import mock\nmock.patch.object(toylib, 'warnings').start()\nprint(toylib.mean([1.0, 3.0]))\n",
    "decorated": "import toylib, functools\nprint(functools.reduce(lambda a, b: toylib.mean([1.0, 3.0]), [1, 2]))",
}


REGISTRY = """
for version in range(60):
    __warningregistry__ = {"version": version}
    __warningregistry__["toylib.mean is deprecated, use average", DeprecationWarning, LINE] = True
    VALUE
"""


def test_a_registry_of_seen_warnings_of_its_own_earns_nothing(toy_new: Environment) -> None:
    """The interpreter drops a warning that the module's registry holds, before anything could record it."""
    for name in ("__warningregistry__", "x as __warningregistry__"):
        code = f"import toylib\nfrom m import {name}\nprint(toylib.mean([1.0, 3.0]))\n"
        assert refused(code, (FOLLOWS, WARNS)) or "as" not in name
    code = "import toylib\n" + REGISTRY.replace("LINE", "6").replace("VALUE", "value = toylib.mean([1.0, 3.0])")
    assert score(response("t", code + "print(value)\n"), FOLLOWS, WARNS, "2.0\n", toy_new, "toylib") == 0.0


def test_an_attribute_that_only_the_answer_sets_is_refused() -> None:
    swapped = (
        "import toylib\nm = toylib.part\nkept, m.warnings = m.warnings, None\nprint(m.mean([1]))\nm.warnings = kept\n"
    )
    assert refused(swapped, (FOLLOWS, WARNS)) == "the attribute warnings that is set"
    own = "class A:\n    def __init__(self, x):\n        self.x = x\n"
    assert refused(own + FOLLOWS, (FOLLOWS, WARNS)) is None
    for call in ("A.__init__(toylib.part, 1)", "getattr(A, '__init__')(toylib.part, 1)"):
        assert refused(f"import toylib\n{own}{call}\n", (FOLLOWS, WARNS)) == "the attribute x that is set"
    for body in ("import toylib.part as self", "def g(self): self.x = 1", "(lambda self: 0)(1)"):
        inner = f"class A:\n    def __init__(self):\n        {body}\n        self.x = 1\nA()\n"
        assert "the attribute x that is set" in constructs(inner)
    decorated = "class A:\n    @d\n    def __init__(self): self.x = 1\n"
    assert refused(decorated, (FOLLOWS, WARNS)) == "the attribute x that is set"
    nested = "class A:\n    def __init__(self):\n        for self in [toylib.part]:\n            self.x = 1\nA()\n"
    assert refused(f"import toylib\n{nested}", (FOLLOWS, WARNS)) == "the attribute x that is set"


@pytest.mark.parametrize("name", DISGUISES)
def test_the_old_code_in_disguise_earns_nothing(toy_new: Environment, name: str) -> None:
    """By the text, and where the text says nothing by what is recorded."""
    code = DISGUISES[name]
    assert score(response("t", code), FOLLOWS, WARNS, "2.0\n", toy_new, "toylib") == 0.0


SEEN_IN_THE_TEXT = ("put together", "no module of warnings")


@pytest.mark.parametrize("name", [name for name in DISGUISES if name not in SEEN_IN_THE_TEXT])
def test_what_the_text_hides_is_recorded(toy_new: Environment, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(execution, "refused", lambda code, known: None)
    assert score(response("t", DISGUISES[name]), FOLLOWS, WARNS, "2.0\n", toy_new, "toylib") == 0.0


@pytest.mark.parametrize(
    "code",
    [
        FOLLOWS + "# warn\n",
        '"""Warnings of the day."""\n' + FOLLOWS,
        FOLLOWS.replace("print(", "warned = print\nwarned("),
        'def forewarn(x):\n    """Warn nobody."""\n    return x\n' + FOLLOWS,
        "import warnings\nwith warnings.catch_warnings(record=True) as seen:\n    warnings.simplefilter('always')\n    warnings.warn('x')\n"
        "assert len(seen) == 1\n" + FOLLOWS,
        "import warnings\nwarnings.simplefilter('error')\ntry:\n    warnings.warn('x')\nexcept UserWarning:\n    pass\n"
        + FOLLOWS,
        FOLLOWS.replace("import toylib", "import toylib as t").replace("toylib.average", "t.average"),
        "import collections\nP = collections.namedtuple('P', 'x')\n" + FOLLOWS,
        "import dataclasses\n@dataclasses.dataclass\nclass A:\n    x: int = 0\n" + FOLLOWS,
        "import functools\ndef d(g):\n    @functools.wraps(g)\n    def h(*a): return g(*a)\n    return h\n" + FOLLOWS,
        "import os\nclass P:\n    def __init__(self): self.path = os.path.join('a', 'b')\nassert P().path\n" + FOLLOWS,
        "__all__ = ['x']\n__version__ = '1'\nif __name__ == '__main__':\n    pass\n" + FOLLOWS,
    ],
)
def test_right_answers_may_speak_of_warnings(toy_new: Environment, code: str) -> None:
    assert score(response("t", code), FOLLOWS, WARNS, "2.0\n", toy_new, "toylib") == 1.0


def test_what_the_gold_holds_an_answer_may_hold() -> None:
    gold = "import sys\nprint(sys.modules['a'], exec('1'))"
    assert refused(gold.replace("'a'", "'b'"), (gold,)) is None
    assert refused(gold, ("print(f())",)) is not None


def test_a_late_answer_on_a_busy_machine_has_another_chance(
    toy_new: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = Execution(outcome="timeout", stdout="")
    given: list[float] = []

    def runs(environment: Environment, code: str, *, limits: Limits, **_: object) -> Execution:
        given.append(limits.seconds)
        return late if len(given) % 2 else Execution(outcome="finished", stdout=STDOUT)

    monkeypatch.setattr(execution, "run_program", runs)
    monkeypatch.setattr(execution, "overloaded", lambda: True)
    assert scored(NEW, toy_new) == 1.0
    assert given[1] > given[0]
    monkeypatch.setattr(execution, "overloaded", lambda: False)
    assert scored(NEW, toy_new) == 0.0
