"""An edit counts as reached if the changed expression itself was evaluated, not if its line was executed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import recode.migrate.prove.test_runs
from recode.migrate.find.findings import Finding
from recode.migrate.prove.proof import prove
from recode.migrate.prove.rewrite_options import RewriteOption
from recode.migrate.prove.spans import Spot, evaluated_spans
from recode.migrate.prove.test_runs import TestRun
from recode.migrate.rewrite.changes import Change, EvidenceLevel, Method
from recode.migrate.source.edits import Edit
from recode.migrate.source.source_file import SourceFile
from recode.migrate.source.tree import Tree
from tests.migrate.migration_corpus import update

HEAD = "import lib\n\n"
REACHED = {
    "statement": "def f(y):\n    return lib.new(y)\n",
    "one line": "def f(y): return lib.new(y)\n",
    "lambda": "f = lambda y: lib.new(y)\n",
    "branch": "def f(y):\n    return len(y) if len(y) < 1 else lib.new(y)\n",
    "and": "def f(y):\n    return y and lib.new(y)\n",
    "if": "def f(y):\n    if y: return lib.new(y)\n",
    "comprehension": "def f(y):\n    return [lib.new(one) for one in y if one]\n",
    "generator": "def f(y):\n    return list(lib.new(one) for one in y)\n",
    "over lines": "def f(y):\n    return (lib\n            .new(\n                y,\n            ))\n",
    "keyword": "def f(y):\n    return lib.total(y,\n        new=2)\n",
    "default": "def f(y, g=lib.new):\n    return g(y)\n",
    "decorator": "@lib.new\ndef f(y): pass\n",
    "import inside": "def f(y):\n    from lib import new\n    return new(y)\n",
    "import as": "def f(y):\n    from lib import (total,\n        new as old)\n    return old(y)\n",
    "except": "def f(y):\n    try:\n        y.nosuch\n    except lib.new:\n        pass\n",
    "assert": "def f(y):\n    assert lib.new(y) == [1, 2], y\n",
    "accents": "def f(y):\n    return 'éü', lib.new(y)\n",
    "subscript": "def f(y):\n    y[lib.new(y)[0] - 1] = 3\n",
    "with": "def f(y):\n    with lib.new: return 1\n",
    "async": "async def g(y): return lib.new(y)\ndef f(y):\n    try: g(y).send(None)\n    except StopIteration: pass\n",
}
NOT_REACHED = {
    "one line": "def g(y): return lib.new(y)\ndef f(y): pass\n",
    "lambda": "g = lambda y: lib.new(y)\ndef f(y): pass\n",
    "lambda in a tuple": "def f(y):\n    return y, lambda: lib.new(y)\n",
    "branch": "def f(y):\n    return len(y) if len(y) < 5 else lib.new(y)\n",
    "and": "def f(y):\n    return not y and lib.new(y)\n",
    "chain": "def f(y):\n    return 3 < 2 < lib.new(y)\n",
    "if": "def f(y):\n    if not y: print(lib.new(y))\n",
    "while": "def f(y):\n    while not y: lib.new(y)\n",
    "comprehension": "def f(y):\n    return [lib.new(one) for one in y if one > 5]\n",
    "generator": "def f(y):\n    return (lib.new(one) for one in y)\n",
    "message": "def f(y):\n    assert y, lib.new(y)\n",
    "annotation": "from __future__ import annotations\ndef f(y: lib.new): pass\n",
    "except": "def f(y):\n    try: pass\n    except lib.new: pass\n",
    "async": "async def g(y): return lib.new(y)\ndef f(y): g(y).close()\n",
}
CASES = [
    *((name, text, True) for name, text in REACHED.items()),
    *((f"no {name}", text, False) for name, text in NOT_REACHED.items()),
]


def groups_of(text: str) -> list[frozenset[Spot]]:
    start = text.index("new")
    return evaluated_spans(Tree(text), start, start + 3)


@pytest.fixture(scope="module")
def reached(tmp_path_factory: pytest.TempPathFactory) -> dict[int, set[str]]:
    """Which group of which case was reached by which tests, in one real run of pytest."""
    folder, beside, out = (tmp_path_factory.mktemp(name) for name in ("project", "beside", "out"))
    (folder / "lib.py").write_text(
        "class New(Exception):\n    def __call__(self, y): return y\n    def __enter__(self): pass\n    def __exit__(self, *_): pass\n"
        "class Meta(type):\n    def __call__(cls, *a): return a[0] if a else cls\n"
        "class new(Exception): \n    def __new__(cls, y): return y\n"
        "    __class_getitem__ = None\n"
        "def total(y, new): return y\n"
    )
    watch = {}
    for number, (_, text, _) in enumerate(CASES):
        (folder / f"case{number}.py").write_text(head(text))
        spots = sorted(spot for group in groups_of(head(text)) for spot in group)
        watch[str(folder / f"case{number}.py")] = spots
        call = "case.f([1, 2])"
        (folder / f"test_case{number}.py").write_text(
            f"import case{number} as case\ndef test_it():\n    try: {call}\n    except (TypeError, AttributeError): pass\n"
        )
    (out / "watch").write_text(json.dumps(watch))
    shutil.copy(
        Path(recode.migrate.prove.test_runs.__file__).with_name("_test_plugin.py"), beside / "recode_test_plugin.py"
    )
    (beside / "sitecustomize.py").write_text("import recode_test_plugin\n")
    # A project may turn warnings into errors; the plugin gives none.
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    variables = {
        "PYTHONPATH": f"{beside}:{folder}", "RECODE_TRACE_OUT": str(out), "RECODE_TRACE_WATCH": str(out / "watch"),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "recode_test_plugin", "-p", "no:cacheprovider", str(folder)],
        cwd=folder, env=os.environ | variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    found: dict[int, set[str]] = {}
    for file in out.glob("*.json"):
        for path, spot, tests in json.loads(file.read_text())["reached"]:
            number = int(Path(path).stem.removeprefix("case"))
            assert list(spot) in [list(one) for one in watch[path]]
            found.setdefault(number, set()).update(tests)
    return found


def head(text: str) -> str:
    return text.replace("annotations\n", f"annotations\n{HEAD}") if text.startswith("from __future__") else HEAD + text


@pytest.mark.parametrize(("number", "case"), list(enumerate(CASES)), ids=[name for name, *_ in CASES])
def test_what_is_evaluated_is_reached_and_nothing_else(
    reached: dict[int, set[str]], number: int, case: tuple[str, str, bool]
) -> None:
    assert (number in reached) is case[2]


def test_a_rewriting_with_branches_has_a_region_for_each() -> None:
    text = "x = a(1) if b else c(2)\ny = d\n"
    assert len(evaluated_spans(Tree(text), 0, len(text))) == 4
    assert len(evaluated_spans(Tree(text), 0, 1)) == 1
    assert evaluated_spans(Tree("# only\nx = 1\n"), 0, 3) == []


def test_a_place_whose_line_alone_is_come_by_is_not_proven() -> None:
    file, text = Path("a.py"), "import lib\ndef one(y): return lib.one(y)\n"
    note = update("renamed", "lib.one", "lib.uno")
    finding = Finding(file, 1, 1, 1, 1, note.old_symbol, "renamed", "breaks", "2.0", "", 1.0, "", note)
    at = text.index("lib.one") + 4
    change = Change(file, (finding,), (Edit(at, at + 3, "uno"),), Method.SYNTAX_TREE, EvidenceLevel.CHECKED_BY_NAME)
    sources = {file: SourceFile.from_bytes(file, text.encode())}
    line = {(file, (2, 0, 2, 31)): frozenset({"", "t1"})}
    ran = TestRun(0, {"t1": "passed"}, line)
    _, (judged,) = prove(sources, [RewriteOption((change,))], ran, lambda files, watched, reviewed: ran)
    assert judged.evidence == "checked by name"
    assert "no test reaches it" in judged.remark
