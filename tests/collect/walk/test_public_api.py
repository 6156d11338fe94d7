from __future__ import annotations

from pathlib import Path

import pytest

from recode.collect.walk.public_api import Api, Parameter, ParameterKind, WalkError, import_names, probe, walk
from recode.sandbox.environments import Environment, ensure_environment, ensure_lock
from tests.toy_releases import Index

EITHER = ParameterKind.POSITIONAL_OR_KEYWORD


@pytest.fixture(scope="module")
def environment(toy_releases: Index, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return ensure_environment(ensure_lock(tmp_path_factory.mktemp("locks"), "toymath", "1.0"))


@pytest.fixture(scope="module")
def api(environment: Environment) -> Api:
    return walk(environment, import_names(environment, "toymath"), "1.0")


def test_a_name_goes_by_its_shortest_path(api: Api) -> None:
    assert api.by_path["toymath.shapes.area"].path == "toymath.area"
    assert api.by_path["toymath.ALIAS"].paths[0] == "toymath.area"
    assert api.by_path["toymath.old.legacy_sum"] is api.by_path["toymath.legacy_sum"]


def test_signatures_and_members(api: Api) -> None:
    assert api.by_path["toymath.total"].parameters == (
        Parameter("values", EITHER, None),
        Parameter("scale", EITHER, "1"),
    )
    square = api.by_path["toymath.Square"]
    assert {name: member.kind for name, member in square.members.items()} == {
        "surface": "method",
        "scale": "method",
        "edge": "property",
    }
    assert square.members["scale"].parameters == (Parameter("by", EITHER, None),)
    assert square.members["scale"].definition.file == "toymath/shapes.py"
    assert api.by_definition["toymath/shapes.py", "Square.scale"] == "toymath.Square.scale"


def test_constants_are_names_and_imported_modules_are_not(api: Api) -> None:
    assert api.by_path["toymath.LIMIT"].kind == "constant"
    assert not any("warnings" in path for path in api.by_path)


def test_a_module_that_cannot_be_imported_is_listed_and_the_rest_is_there(api: Api) -> None:
    assert "a_module_that_is_not_there" in api.failures["toymath.extra"]
    assert "toymath.shapes" in api.modules


def test_odd_modules_and_objects_do_not_end_the_walk(toy_releases: Index, tmp_path: Path) -> None:
    api = walk(ensure_environment(ensure_lock(tmp_path, "toyodd", "1.0")), ["toyodd"], "1.0")
    assert api.failures == {"toyodd.needs_key": "RuntimeError: set an API key first", "toyodd.leaves": "SystemExit: "}
    assert api.unreadable == {"toyodd.lazy": "RuntimeError: set an API key first"}
    assert {"toyodd.sound", "toyodd.column", "toyodd.sound_too.further"} <= set(api.by_path)


def test_a_library_that_cannot_be_imported_is_one_line(toy_releases: Index, tmp_path: Path) -> None:
    environment = ensure_environment(ensure_lock(tmp_path, "toybroken", "1.0"))
    with pytest.raises(WalkError, match=r"^toybroken 1\.0: cannot be imported .*a_module_that_is_not_there") as error:
        walk(environment, ["toybroken"], "1.0")
    assert "\n" not in str(error.value)


def test_a_walk_is_cached(environment: Environment, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recode.collect.walk.public_api.run_program", None)
    assert walk(environment, ["toymath"], "1.0") == api


def test_probing_shows_what_a_program_would_get(toy_releases: Index, tmp_path: Path) -> None:
    environment = ensure_environment(ensure_lock(tmp_path, "toymath", "2.0"))
    found = probe(environment, "toymath", ["toymath.gone", "toymath.average", "toymath.legacy_sum"])
    assert found["toymath.gone"] == ("raises", "`toymath.gone` was removed in 2.0. Use `sorted` instead.")
    assert found["toymath.average"] == ("works", "")
    assert found["toymath.legacy_sum"] == ("raises", "module 'toymath' has no attribute 'legacy_sum'")
