"""The names of a file that other files of the project may import, judged by the words those files contain."""

from __future__ import annotations

import re
from pathlib import Path

from recode.migrate.project.files import files_around, project_files
from recode.migrate.source.text import LARGEST

_WORD = re.compile(r"[^\W\d]\w*")


class ProjectWords:
    """The words of every file of a project. The whole project counts, even where one file or folder is migrated."""

    def __init__(self, root: Path) -> None:
        """Take the file or folder that is migrated; nothing is read yet."""
        self._root = root
        self._folder = root if root.is_dir() else root.parent
        self._words: dict[Path, frozenset[str]] | None = None

    def used_elsewhere(self, path: Path, name: str) -> bool:
        """Return whether another file contains both the module's name and this name.

        Args:
            path: the module, relative to the folder that is migrated.
            name: a name that the module defines or imports.
        """
        own = (self._folder / path).resolve()
        return any(name in words and path.stem in words for other, words in self._read().items() if other != own)

    def has(self, word: str) -> bool:
        """Return whether any file contains a word."""
        return any(word in words for words in self._read().values())

    def _read(self) -> dict[Path, frozenset[str]]:
        if self._words is None:
            given = [self._folder / file for file in project_files(self._root)]
            files = {file.resolve() for file in [*given, *files_around(self._folder)]}
            self._words = {file: _words_of(file) for file in files}
        return self._words


def _words_of(path: Path) -> frozenset[str]:
    try:
        # A larger file was not written by hand and is not migrated either.
        if path.stat().st_size > LARGEST:
            return frozenset()
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    # A notebook's JSON writes the end of a line as the two characters `\n`.
    return frozenset(_WORD.findall(text.replace("\\n", " ") if path.suffix == ".ipynb" else text))
