"""Lock files of every tool, as their documentation writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from recode.errors import RecodeError
from recode.migrate.project.locks import LockedMove, moved, read_lock

UV = """
version = 1
revision = 3
requires-python = ">=3.11"

[[package]]
name = "my-project"
source = { virtual = "." }
dependencies = [{ name = "numpy" }]

[[package]]
name = "numpy"
version = "1.26.4"
source = { registry = "https://pypi.org/simple" }
sdist = { url = "https://example.org/numpy-1.26.4.tar.gz", hash = "sha256:65", size = 15786129 }

[[package]]
name = "Typing.Extensions"
version = "4.12.2"
source = { registry = "https://pypi.org/simple" }
"""
POETRY = """
[[package]]
name = "numpy"
version = "1.26.4"
description = "Arrays"
optional = false
python-versions = ">=3.9"
files = [{file = "numpy-1.26.4.whl", hash = "sha256:65"}]

[[package]]
name = "typing-extensions"
version = "4.12.2"

[metadata]
lock-version = "2.1"
content-hash = "0a"
"""
PDM = POETRY.replace("[metadata]\n", '[metadata]\ngroups = ["default"]\n')
PYLOCK = (
    'lock-version = "1.0"\ncreated-by = "pip"\n'
    + UV.replace("[[package]]", "[[packages]]").split("1\n", 1)[1].split('3.11"\n')[1]
)
PIPFILE = """{
  "_meta": {"hash": {"sha256": "0a"}, "pipfile-spec": 6, "sources": []},
  "default": {"numpy": {"hashes": ["sha256:65"], "index": "pypi", "version": "==1.26.4"}, "local": {"path": "."}},
  "develop": {"typing_extensions": {"version": "==4.12.2"}}
}"""
REQUIREMENTS = """
# compiled by pip-compile
--index-url https://pypi.org/simple
numpy==1.26.4 ; python_version >= "3.9" \\
    --hash=sha256:65 \\
    --hash=sha256:66
    # via my-project
typing-extensions==4.12.2  # via pydantic
requests>=2
"""


@pytest.mark.parametrize("text", [UV, POETRY, PDM, PYLOCK, PIPFILE, REQUIREMENTS])
def test_every_format_gives_the_same_pins(tmp_path: Path, text: str) -> None:
    file = tmp_path / "copied-under-another-name"
    file.write_text(text)
    assert read_lock(file) == {"numpy": "1.26.4", "typing-extensions": "4.12.2"}


@pytest.mark.parametrize("text", ["", "{", '{"default": 3}', "[[package]]\nname = 3", "requests>=2\n"])
def test_a_file_that_pins_nothing_is_one_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "x.lock"
    file.write_text(text)
    with pytest.raises(RecodeError, match=r"x\.lock"):
        read_lock(file)


def test_only_what_rises_is_a_move() -> None:
    old = {"a": "1.0", "b": "2.0", "c": "1.9", "gone": "1", "odd": "x"}
    new = {"a": "1.0", "b": "1.5", "c": "1.10", "new": "1", "odd": "y"}
    assert moved(old, new) == [LockedMove("c", "1.9", "1.10")]
