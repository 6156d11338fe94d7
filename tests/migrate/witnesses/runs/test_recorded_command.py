"""A command in two releases of a made-up library: what differs, where, and how the run is continued."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recode.migrate.witnesses.runs.recorded_command import (
    ComparedReleases,
    Comparison,
    Continued,
    DifferenceKind,
    RecordedCommand,
    RunDifference,
)
from recode.sandbox.environments import Environment, ensure_environment, ensure_lock

COMMON = """
import random
__version__ = "{version}"
class Thing:
    "An object that no copy can be made of."
    def __init__(self): self.lock = open("/dev/null")
    def __reduce__(self): raise TypeError("no copies")
class Meta(type):
    def __new__(kind, name, bases, names, **options):
        for name_, value in names.items():
            if value == "{forbidden}":
                raise TypeError("a field called '%s' is not allowed" % name_)
        return super().__new__(kind, name, bases, names)
class Model(metaclass=Meta): pass
def run(obj):
    return [getattr(obj, name)() for name in {hooks} if hasattr(obj, name)]
def number(): return random.SystemRandom().random()
"""
OLD = (
    COMMON.format(version="1.0", forbidden="-", hooks=["prepare", "work"])
    + """
def area(x): return x * 2
def pair(x): return (x, x + 1)
def gone(x): return x + 100
def opaque(): return Thing()
Thing.size = lambda self: 7
Thing.grow = lambda self: self
def fill(rows): rows.append(0)
def warn(x): return x
def shift(values): values[0] = 9
def legacy(x): return x
def strict(x): return x
"""
)
NEW = (
    COMMON.format(version="2.0", forbidden="bad", hooks=["work"])
    + """
import warnings
def area(x): return x * 3
def pair(x): return [x, x + 1]
def opaque(): raise RuntimeError("opaque is not supported")
def fill(rows): pass
def warn(x):
    warnings.warn("warn is deprecated", DeprecationWarning, stacklevel=2)
    return x
def shift(values): values[0] = 9
def modern(x): return x
def strict(x):
    if x > 2: raise ValueError("too large")
    return x
"""
)
PROGRAM = """\
import warnings
warnings.simplefilter("ignore")
import toyruns
from toyruns import legacy

def doubled(x):
    return toyruns.area(x)

class Job:
    def prepare(self):
        return "prepared"
    def work(self):
        return "worked"

class Record(toyruns.Model):
    good = "fine"
    wrong = "bad"

def main():
    total = doubled(4) + 1
    print(total, toyruns.pair(1))
    value = toyruns.gone(1)
    thing = toyruns.opaque()
    print(value, thing.size() + 1, thing.grow().size())
    rows = [1]
    toyruns.fill(rows)
    rows.append(2)
    print(rows, toyruns.warn(3))
    noise = toyruns.number()
    print(noise > 2, noise * 2 > 5)
    print([toyruns.strict(n) for n in range(4)])
    print(legacy(5), Record.good)
    try:
        other = toyruns.surface(2)
    except AttributeError:
        other = toyruns.area(2)
    if toyruns.__version__ >= "2":
        print("new")

toyruns.run(Job())
main()
"""


@pytest.fixture(scope="module")
def releases(
    toy_index: Path, make_wheel: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Environment, Environment]:
    make_wheel(toy_index, "toyruns", "1.0", OLD)
    make_wheel(toy_index, "toyruns", "2.0", NEW)
    old, new = (
        ensure_environment(ensure_lock(tmp_path_factory.mktemp("locks"), "toyruns", version))
        for version in ("1.0", "2.0")
    )
    return old, new


@pytest.fixture(scope="module")
def compared(releases: tuple[Environment, Environment], tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    root, logs = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("logs")
    (root / "main.py").write_text(PROGRAM, encoding="utf-8")
    command = RecordedCommand(root, "python main.py", 60.0)
    recording = command.record(releases[0], logs)
    known = ComparedReleases(("1.0", "2.0"), {Path("main.py"): {34, 35, 36, 37}}, {"toyruns.legacy": "toyruns.modern"})
    return command.compare(recording, releases[1], releases=known)


def line_of(text: str) -> int:
    (found,) = [number for number, line in enumerate(PROGRAM.splitlines(), 1) if text in line]
    return found


def at(compared: Comparison, text: str) -> list[RunDifference]:
    return [one for one in compared.differences if one.spot[0] == line_of(text)]


def test_only_the_innermost_expression_is_to_blame(compared: Comparison) -> None:
    (found,) = at(compared, "return toyruns.area(x)")
    assert (found.kind, found.old, found.new, found.continued) == (DifferenceKind.VALUE, "8", "12", Continued.VALUE)
    assert at(compared, "total = doubled(4) + 1") == []
    (pair,) = at(compared, "toyruns.pair(1)")
    assert (pair.old, pair.new) == ("(1, 2)", "[1, 2]")


def test_a_run_goes_past_its_errors(compared: Comparison) -> None:
    (gone,) = at(compared, "toyruns.gone(1)")
    assert gone.kind is DifferenceKind.RAISES
    assert gone.new.startswith("AttributeError: module 'toyruns' has no attribute 'gone'")
    (opaque,) = at(compared, "toyruns.opaque()")
    assert (opaque.new, opaque.continued) == ("RuntimeError: opaque is not supported", Continued.ABSENT)
    # What stands for the object gives what the object gave.
    assert at(compared, "thing.size()") == []
    assert compared.new.status == 0
    assert compared.new.stdout.splitlines()[1] == "101 8 7"


def test_the_state_after_a_statement_counts(compared: Comparison) -> None:
    (found,) = at(compared, "toyruns.fill(rows)")
    assert (found.kind, found.old, found.new) == (DifferenceKind.STATE, "[1, 0]", "[1]")
    # The list was given its old content.
    assert at(compared, "rows.append(2)") == []


def test_warnings_errors_on_some_inputs_and_imports(compared: Comparison) -> None:
    (warns,) = at(compared, "toyruns.warn(3)")
    assert (warns.kind, warns.new) == (DifferenceKind.WARNS, "DeprecationWarning: warn is deprecated")
    (strict,) = at(compared, "toyruns.strict(n)")
    assert (strict.kind, strict.old, strict.new) == (DifferenceKind.RAISES, "no error", "ValueError: too large")
    (imported,) = at(compared, "from toyruns import legacy")
    assert (imported.name, imported.continued) == ("toyruns:legacy", Continued.SUCCESSOR)


def test_a_class_is_made_without_what_breaks_it(compared: Comparison) -> None:
    (found,) = at(compared, 'wrong = "bad"')
    assert (found.kind, found.continued) == (DifferenceKind.RAISES, Continued.SKIPPED)
    assert "a field called 'wrong'" in found.new
    assert at(compared, "class Record") == []


def test_a_method_that_the_library_no_longer_calls(compared: Comparison) -> None:
    assert [one.kind for one in at(compared, "def prepare")] == [DifferenceKind.UNCALLED]
    assert at(compared, "def work") == []


def test_noise_guards_and_the_release_itself_are_no_differences(compared: Comparison) -> None:
    assert at(compared, "noise > 2") == []
    assert at(compared, "toyruns.number()") == []
    assert [one for one in compared.differences if one.spot[0] in range(34, 40)] == []
    assert len(compared.differences) == 11


PLAIN = (
    "import toyruns\n\nvalues = [1, 2]\ntoyruns.shift(values)\nprint(sum(values), {'b': 1, 'a': {2, 1}}, object())\n"
)


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[RecordedCommand]:
    root = tmp_path / "project"
    root.mkdir()
    (root / "main.py").write_text(PLAIN, encoding="utf-8")
    return RecordedCommand(root, "python main.py", 60.0)


def test_nothing_differs(plain: RecordedCommand, releases: tuple[Environment, Environment], tmp_path: Path) -> None:
    recording = plain.record(releases[0], tmp_path)
    assert recording.is_repeatable
    comparison = plain.compare(recording, releases[1])
    assert comparison.differences == ()
    assert comparison.ends_alike
    assert comparison.compared == recording.evaluations > 5


def test_a_rewritten_file_is_compared_with_the_old_text(
    plain: RecordedCommand, releases: tuple[Environment, Environment], tmp_path: Path
) -> None:
    (plain.root / "main.py").write_text("from toyruns import legacy\nprint(legacy(2) + 1)\n", encoding="utf-8")
    recording = plain.record(releases[0], tmp_path)
    right = b"# A comment.\nfrom toyruns import modern\nprint(modern(2) + 1)\n"
    comparison = plain.compare(recording, releases[1], {Path("main.py"): right})
    assert comparison.differences == ()
    assert comparison.ends_alike
    wrong = b"# A comment.\nfrom toyruns import area\nprint(area(2) + 1)\n"
    (found,) = plain.compare(recording, releases[1], {Path("main.py"): wrong}).differences
    assert (found.kind, found.spot, found.old, found.new) == (DifferenceKind.VALUE, (2, 6, 2, 15), "2", "6")


def test_time_is_limited(plain: RecordedCommand, releases: tuple[Environment, Environment], tmp_path: Path) -> None:
    (plain.root / "main.py").write_text("import time\nprint(1 + 1)\ntime.sleep(60)\n", encoding="utf-8")
    recording = RecordedCommand(plain.root, "python main.py", 2.0).record(releases[0], tmp_path)
    assert recording.runs[0].status is None
    assert not recording.is_repeatable


def test_links_among_the_logs_are_not_followed(
    plain: RecordedCommand, releases: tuple[Environment, Environment], tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret\n", encoding="utf-8")
    find = "import json, os\nout = json.load(open(os.environ['RECODE_RUNS_SETTINGS']))['out']\n"
    program = f"{find}os.symlink({str(secret)!r}, out + '/log-0.jsonl')\n"
    (plain.root / "main.py").write_text(program, encoding="utf-8")
    recording = plain.record(releases[0], tmp_path)
    assert recording.evaluations > 0
    assert "log-0.jsonl" not in {file.name for file in recording.folders[0].iterdir()}
