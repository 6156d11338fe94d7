from __future__ import annotations

from pathlib import Path

import pytest

from recode.dataset.sources import read_sources
from recode.errors import RecordError

GOOD = """
library = "toylib"
import_name = "toylib"
old_version = "1.0"
new_version = "2.0"
old_requires = ["other==1"]

[[update]]
id = "toylib-area"
kind = "renamed"
old_symbol = "toylib.area"
new_symbol = "toylib.surface"
description = "The area has a new name."
update_info = "`toylib.area` is now `toylib.surface`."

[[update.evidence]]
source = "docstring"
package_version = "1.5"
file = "toylib/__init__.py"
line = 3
quote = "use surface"

[[update.program]]
context = "a plot"
old = '''
import toylib
print(toylib.area([1]))
'''
new = '''
import toylib
print(toylib.surface([1]))
'''
[[update.program]]
old = "import toylib\\nprint(toylib.area([2]))"
new = "import toylib\\nprint(toylib.surface([2]))"
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "toylib.toml"
    path.write_text(GOOD)
    return path


def test_entries_are_numbered_and_complete(source: Path) -> None:
    first, second = read_sources([source])
    assert [first.entry.id, second.entry.id] == ["toylib-area-1", "toylib-area-2"]
    assert first.entry.family_id == second.entry.family_id == "toylib-area"
    assert first.entry.old_code == "import toylib\nprint(toylib.area([1]))\n"
    assert second.entry.new_code == "import toylib\nprint(toylib.surface([2]))\n"
    assert first.entry.evidence[0].quote == "use surface"
    assert (first.entry.context, first.entry.stdout, first.entry.locks) == ("a plot", None, None)
    assert (first.releases.import_name, first.releases.old_requires) == ("toylib", ("other==1",))
    assert read_sources([source.parent]) == [first, second]


@pytest.mark.parametrize(
    ("replace", "by", "parts"),
    [
        ('kind = "renamed"', 'kind = "redone"', ["`toylib-area`", "`kind`"]),
        ('kind = "renamed"', 'kind = "no_op"', ["`toylib-area`", "`kind`", "not written"]),
        ('"toylib.area"', '"toylib area"', ["`toylib-area`", "`old_symbol`", "dotted path"]),
        ('"toylib.area"', '""', ["`toylib-area`", "`old_symbol`"]),
        ("line = 3", "line = 0", ["`toylib-area`", "`evidence.1.line`"]),
        ('new = "import', 'news = "import', ["`toylib-area`", "`program.2.new`"]),
        ('id = "toylib-area"\n', "", ["number 1", "`id`"]),
        ('import_name = "toylib"\n', "", ["field `import_name`"]),
        ("line = 3", "line = ", ["not valid TOML", "line 20"]),
        (GOOD[:1], 'colour = "red"\n', ["field `colour`"]),
    ],
)
def test_an_error_names_file_update_and_field(source: Path, replace: str, by: str, parts: list[str]) -> None:
    source.write_text(GOOD.replace(replace, by, 1))
    with pytest.raises(RecordError) as caught:
        read_sources([source])
    assert all(part in str(caught.value) for part in [str(source), *parts]), caught.value
    assert "\n" not in str(caught.value)


def test_an_id_is_used_once(source: Path) -> None:
    other = source.with_name("other.toml")
    other.write_text(GOOD.replace('library = "toylib"', 'library = "other"'))
    with pytest.raises(RecordError, match=r"toylib\.toml: update `toylib-area`.*other\.toml"):
        read_sources([source.parent])


def test_a_library_has_one_file(source: Path) -> None:
    source.with_name("other.toml").write_text(GOOD.replace("toylib-area", "toylib-other"))
    with pytest.raises(RecordError, match="join them"):
        read_sources([source.parent])


def test_no_sources_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no update sources"):
        read_sources([tmp_path])
    with pytest.raises(RecordError, match=r"missing\.toml: cannot be read"):
        read_sources([tmp_path / "missing.toml"])


def test_the_shipped_sources_are_well_formed() -> None:
    folder = Path(__file__).parents[2] / "data" / "sources"
    if not list(folder.glob("*.toml")):
        pytest.skip("no sources here")
    assert all(one.entry.id.startswith(one.entry.family_id) for one in read_sources([folder]))
