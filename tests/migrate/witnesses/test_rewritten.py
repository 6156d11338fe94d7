"""What the type checker says of rewritten code, and what it said before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from recode.migrate.find.findings import Finding
from recode.migrate.pipeline import rewrite_project
from recode.migrate.report.wording import reason_text
from recode.migrate.result import MigrateOptions, Upgrade
from recode.migrate.rewrite.changes import Change, EvidenceLevel, Method, Reason
from recode.migrate.source.edits import Edit
from recode.migrate.source.source_file import read_source
from recode.migrate.witnesses import rewritten
from recode.migrate.witnesses.rewritten import type_objections
from recode.migrate.witnesses.type_checker import TypeCheckError
from recode.records import ApiUpdate
from recode.sandbox.environments import Environment, ensure_environment, ensure_lock

OLD = """
class Reply:
    text: str = ""
    code: int = 1
def ask(place: str) -> Reply: return Reply()
def strict(place: int) -> int: return place
"""
NEW = """
class Answer:
    text: str = ""
def request(place: str) -> Answer: return Answer()
def narrow(place: int) -> int: return place
"""
MAIN = "from helper import place\nimport toytyped\n\nprint(toytyped.ask(place).text)\nprint(toytyped.ask(place).code)\n"


def update(old: str, new: str) -> ApiUpdate:
    return ApiUpdate(
        family_id=f"toytyped-{old}", library="toytyped", old_version="1.0", new_version="2.0", removed_in="2.0", kind="renamed",
        old_symbol=f"toytyped.{old}", new_symbol=f"toytyped.{new}", description="A change.", update_info=f"Use `toytyped.{new}`.",
    )  # fmt: skip


UPDATES = [update("ask", "request"), update("strict", "narrow")]


@pytest.fixture(scope="module")
def library(toy_index: Path, make_wheel: Callable[..., Path]) -> None:
    make_wheel(toy_index, "toytyped", "1.0", OLD, modules={"py.typed": ""})
    make_wheel(toy_index, "toytyped", "2.0", NEW, modules={"py.typed": ""})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "helper.py").write_text("place = 'here'\n")
    (tmp_path / "main.py").write_text(MAIN)
    return tmp_path


@pytest.mark.usefixtures("library")
def test_a_change_that_the_checker_objects_to_is_taken_back(project: Path) -> None:
    result = rewrite_project(project, Upgrade("toytyped", "1.0", "2.0"), MigrateOptions(run_found=False), UPDATES)
    assert [file.new.decode() for file in result.files()] == [MAIN.replace("ask(place).text", "request(place).text")]
    (left,) = [place for place in result.left if place.tried is not None]
    assert left.reason is Reason.TYPES
    assert left.finding.line == 5
    assert left.tried is not None
    assert left.tried.evidence is EvidenceLevel.REFUTED
    assert "has no attribute `code`" in reason_text(left)


@pytest.mark.usefixtures("library")
def test_what_the_checker_said_of_the_old_code_is_no_objection(project: Path) -> None:
    program = "import toytyped\n\nprint(toytyped.strict('1'))\n"
    (project / "main.py").write_text(program)
    result = rewrite_project(project, Upgrade("toytyped", "1.0", "2.0"), MigrateOptions(run_found=False), UPDATES)
    assert [file.new.decode() for file in result.files()] == [program.replace("strict", "narrow")]


@pytest.mark.usefixtures("library")
def test_without_the_checker_a_remark_says_so_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise TypeCheckError("no checker here")

    monkeypatch.setattr(rewritten, "check", fail)
    result = rewrite_project(project, Upgrade("toytyped", "1.0", "2.0"), MigrateOptions(run_found=False), UPDATES)
    assert len(result.offered) == 2
    assert result.remarks == ["the types of the rewritten code were not checked: no checker here"]


@pytest.mark.usefixtures("library")
def test_a_type_alone_is_less_sure_than_a_missing_name(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    program = "import toytyped\n\ncount = toytyped.strict(1)\n"
    (project / "main.py").write_text(program)
    new: Environment = ensure_environment(ensure_lock(tmp_path_factory.mktemp("locks"), "toytyped", "2.0"))
    source, finding = read_source(project, Path("main.py")), Finding.__new__(Finding)
    start = program.index("strict")
    edits = Edit(start, start + len("strict"), "narrow"), Edit(start + len("strict("), start + len("strict(1"), "'1'")
    change = Change(source.path, (finding,), edits, Method.SYNTAX_TREE, EvidenceLevel.CHECKED_BY_NAME)
    objections = type_objections(project, {source.path: source}, [change], None, new)
    assert not objections[change].certain
