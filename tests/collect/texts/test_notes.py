from __future__ import annotations

import textwrap

from recode.collect.texts.notes import is_between, items, version_of_path
from recode.collect.texts.release_files import is_notes

RST = """
=======
Changes
=======

Version 2.1
-----------

Removed:

- ``a``
- ``b``, which
  nobody used

  * ``c`` too

Code::

    this = "is no item"

Version 2.0
-----------
A paragraph.
"""
MARKDOWN = """
# 3.0.0 (2024-01-01)

### Deprecated

* The `x` argument.

```python
code()
```
"""


def cut(path: str, text: str) -> list[tuple[str, tuple[str, ...], str, int]]:
    return [(one.version, one.headings, one.text, one.line) for one in items(path, textwrap.dedent(text))]


def test_entries_have_their_release_headings_and_introduction() -> None:
    above = ("Changes", "Version 2.1")
    assert cut("CHANGES.rst", RST) == [
        ("2.1", above, "Removed:", 9),
        ("2.1", (*above, "Removed:"), "``a``", 11),
        ("2.1", (*above, "Removed:"), "``b``, which nobody used", 12),
        ("2.1", (*above, "Removed:", "``b``, which nobody used"), "``c`` too", 15),
        ("2.1", above, "Code::", 17),
        ("2.0", ("Changes", "Version 2.0"), "A paragraph.", 23),
    ]


def test_markdown() -> None:
    assert cut("CHANGELOG.md", MARKDOWN) == [("3.0.0", ("3.0.0 (2024-01-01)", "Deprecated"), "The `x` argument.", 6)]


def test_a_release_may_be_in_the_file_s_name() -> None:
    assert version_of_path("doc/source/release/2.4.0-notes.rst") == "2.4.0"
    assert version_of_path("doc/api_changes/api_changes_3.6.0/removals.rst") == "3.6.0"
    assert version_of_path("doc/whats_new/v1.5.rst") == "1.5"
    assert cut("notes/1.2.0-notes.rst", "``x`` was removed.\n")[0][0] == "1.2.0"


def test_releases_in_between() -> None:
    assert is_between("2.0", "1.26.4", "2.4.6")
    assert not is_between("1.26.4", "1.26.4", "2.4.6")
    assert not is_between("3.0", "1.26.4", "2.4.6")


def test_which_files_are_notes() -> None:
    notes = [
        "CHANGES.rst",
        "Changelog",
        "HISTORY.md",
        "doc/source/release/2.0.0-notes.rst",
        "doc/whats_new/v1.5.rst",
        "NEWS.txt",
    ]
    others = ["README.rst", "setup.py", "doc/index.rst", "lib/changes.py", "LICENSE", "lib/tests/CHANGES.txt"]
    assert [is_notes(path) for path in notes] == [True] * len(notes)
    assert [is_notes(path) for path in others] == [False] * len(others)
