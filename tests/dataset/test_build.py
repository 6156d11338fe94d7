"""The commands `recode verify` and `recode data build` on the toy library, end to end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from recode.cli.app import app
from recode.dataset.verify import execution_cache as cache
from recode.errors import SandboxError
from recode.records import Migration, read_records, write_records
from recode.sandbox import execution

NAMES = ("train", "validation", "test_updates", "test_libraries", "no_op", "no_op_train")
UPDATES = {
    "area": ("renamed", "toylib.area", "toylib.surface", "{i}.0, 2.0", "toylib.area(x)", "toylib.surface(x)"),
    "scale": (
        "parameter_renamed",
        "toylib.total(scale)",
        "toylib.total(factor)",
        "{i}, 5",
        "sorted(x), toylib.total(x, scale=2)",
        "sorted(x), toylib.total(x, factor=2)",
    ),
    "mean": ("deprecated", "toylib.mean", "toylib.average", "8.0, {i}.5", "-toylib.mean(x)", "-toylib.average(x)"),
    "slow": ("removed", "toylib.slow", "", "{i}, 2, 9", "toylib.slow(x) / 2", "sum(x) / 2"),
}


def toml(bad: bool) -> str:
    text = 'library = "toylib"\nimport_name = "toylib"\nold_version = "1.0"\nnew_version = "2.0"\n'
    for name, (kind, old, new, data, before, after) in UPDATES.items():
        text += f'[[update]]\nid = "toylib-{name}"\nkind = "{kind}"\nold_symbol = "{old}"\nnew_symbol = "{new}"\n'
        text += f'description = "d"\nupdate_info = "Write `{after}`."\n'
        text += '[[update.evidence]]\nsource = "docstring"\npackage_version = "1"\nfile = "f"\nline = 1\nquote = "q"\n'
        for number in (1, 2):
            extra = "x = x + [1]\\n" if number == 2 else ""
            line = f"import toylib\\nx = [{data.format(i=number)}]\\n{extra}print"
            text += f'[[update.program]]\nold = "{line}({before})"\nnew = "{line}({after})"\n'
    if bad:
        text += '[[update.program]]\nold = "import toylib\\nprint(1)"\nnew = "import toylib\\nprint(2)"\n'
    return text


@pytest.fixture
def source(toy_index: Path, tmp_path: Path) -> Path:
    path = tmp_path / "sources" / "toylib.toml"
    path.parent.mkdir()
    path.write_text(toml(bad=False))
    return path


def test_verify_says_yes(source: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["verify", str(source), "--locks", str(tmp_path / "locks")])
    assert done.exit_code == 0, done.output
    assert "8 of 8 entries hold" in done.output


def test_verify_says_no_and_why(source: Path, tmp_path: Path) -> None:
    source.write_text(toml(bad=True))
    done = CliRunner().invoke(app, ["verify", str(source), "--json", "--locks", str(tmp_path / "locks")])
    assert done.exit_code == 1
    said = json.loads(done.stdout)
    assert (said["entries"], said["hold"]) == (9, 8)
    assert said["failed"][0]["id"] == "toylib-slow-3"
    assert said["failed"][0]["failures"][0]["clause"] == "old_uses_old_symbol"
    table = CliRunner().invoke(app, ["verify", str(source), "--locks", str(tmp_path / "locks")])
    assert "toylib-slow-3" in table.output
    assert "8 of 9 entries hold" in table.output


@pytest.mark.parametrize("turn", [1, -1])
def test_entries_of_a_library_run_in_their_own_releases(
    toy_index: Path, tmp_path: Path, make_wheel: Callable[..., Path], make_entry: Callable[..., Migration], turn: int
) -> None:
    make_wheel(toy_index, "toylib", "3.0", "def extent(values): return sum(values) * 2.0\n")
    code = make_entry().new_code
    later = {"old_version": "2.0", "new_version": "3.0", "old_symbol": "toylib.surface", "new_symbol": "toylib.extent"}
    programs = {"old_code": code, "new_code": code.replace("surface", "extent")}
    entries = [make_entry(), make_entry(id="toylib-surface-1", family_id="toylib-surface", **later, **programs)]
    # Right in the releases of the others, wrong in its own.
    entries.insert(1, make_entry(id="toylib-false-1", old_version="2.0", new_version="3.0"))
    write_records(tmp_path / "set.jsonl", entries[::turn])
    arguments = ["verify", str(tmp_path / "set.jsonl"), "--json", "--locks", str(tmp_path / "locks")]
    said = json.loads(CliRunner().invoke(app, arguments).stdout)
    assert [one["id"] for one in said["failed"]] == ["toylib-false-1"]


@pytest.fixture
def no_isolation(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_here() -> None:
        raise SandboxError("no sandbox")

    monkeypatch.setattr(execution, "best_level", none_here)
    monkeypatch.setattr(cache, "best_level", none_here)


@pytest.mark.parametrize("author", ["model", "person", "unknown"])
@pytest.mark.parametrize("command", ["verify", "build"])
def test_only_trust_runs_programs_without_isolation(
    source: Path, tmp_path: Path, make_entry: Callable[..., Migration], author: str, command: str, no_isolation: None
) -> None:
    write_records(tmp_path / "set.jsonl", [make_entry(author=author)])
    source.write_text(f'author = "{author}"\n{toml(bad=False)}')
    arguments = {
        "verify": ["verify", str(tmp_path / "set.jsonl"), "--fresh", "--locks", str(tmp_path / "locks")],
        "build": ["data", "build", "--sources", str(source), "--out", str(tmp_path / "out"), "--fresh"],
    }[command]
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, SandboxError)
    assert "\n" not in str(done.exception)
    assert "install bubblewrap" in str(done.exception)
    assert "--trust" in str(done.exception)
    trusted = CliRunner().invoke(app, [*arguments, "--trust"])
    assert trusted.exit_code == 0, trusted.output


def test_build_writes_every_file_and_leaks_nothing(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["data", "build", "--sources", str(source.parent), "--out", str(out)])
    assert done.exit_code == 0, done.output
    files = {name: read_records(out / f"{name}.jsonl", Migration) for name in NAMES}
    migrations = [entry for name in NAMES[:4] for entry in files[name]]
    assert len(migrations) == 8
    for entry in migrations:
        assert entry.stdout
        assert entry.old_on_new is not None
        assert entry.locks is not None
        assert len(entry.locks[0]) == 64
    families = [{entry.family_id for entry in files[name]} for name in NAMES[:4]]
    assert sum(map(len, families)) == len(set().union(*families)) == len(UPDATES)
    train = {entry.new_code for entry in files["train"]}
    for entry in files["no_op_train"]:
        assert entry.family_id in families[0]
        assert entry.new_code in train
    assert 0 < len(files["no_op_train"]) <= len(files["train"]) / 3
    assert all(entry.family_id in families[2] | families[3] for entry in files["no_op"])
    assert sorted(path.name for path in (out / "locks").iterdir()) == ["toylib-1.0.txt", "toylib-2.0.txt"]


def test_build_again_runs_nothing_and_writes_the_same(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["data", "build", "--sources", str(source), "--out", str(tmp_path / "out")]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.jsonl")}
    monkeypatch.setattr(cache, "run_program", None)
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.jsonl")} == before


def test_build_names_near_duplicates(source: Path, tmp_path: Path) -> None:
    twice = toml(bad=False) + (
        '[[update.program]]\nold = "import toylib\\ny = [7, 6, 5]\\nprint(toylib.slow(y) / 3)"\n'
        'new = "import toylib\\ny = [7, 6, 5]\\nprint(sum(y) / 3)"\n'
    )
    source.write_text(twice)
    done = CliRunner().invoke(app, ["data", "build", "--sources", str(source), "--out", str(tmp_path / "out")])
    assert "dropped toylib-slow-3: near-duplicate of toylib-slow-1" in done.output


def test_a_folder_of_records_stands_for_those_of_real_libraries(
    toy_index: Path, tmp_path: Path, make_entry: Callable[..., Migration]
) -> None:
    write_records(tmp_path / "data" / "train.jsonl", [make_entry()])
    (tmp_path / "data" / "test_generated.jsonl").write_text("made up\n")
    (tmp_path / "data" / "codeupdatearena.jsonl").write_text("another form\n")
    done = CliRunner().invoke(app, ["verify", str(tmp_path / "data"), "--locks", str(tmp_path / "locks")])
    assert done.exit_code == 0, done.output
    assert "1 of 1 entries hold" in done.output
