"""Who owns a folder of results: one piece of work, and one process at a time.

Every long command (training, pretraining, evaluation, the study, the quickstart) writes into a folder and resumes from it. Two mistakes
would mix results: starting other work in a folder that already holds some, and running the same work twice at a time.

A `Claim` prevents the first: a small file in the folder, such as `recipe.json`, records whose work it is. `exclusive` and `in_turn` prevent
the second with locks, which the kernel releases however a process dies.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from recode.errors import RecipeError, RecodeError
from recode.machine import only_one
from recode.records import write_text


@dataclass(frozen=True)
class Claim:
    """A folder's claim: the file in it that says whose work it holds."""

    folder: Path
    file: str
    """The name of the file, such as `settings.json`."""
    other_work: str
    """What the folder holds if the claim is not ours, for the error message: `an evaluation with other settings`."""
    results: tuple[str, ...] = ("*",)
    """Glob patterns of what the work produces. A folder with the claim alone has not begun, and other work may take it over."""

    @property
    def path(self) -> Path:
        """Return the path of the claim's file."""
        return self.folder / self.file

    def is_begun(self) -> bool:
        """Say whether the folder holds a claim and results of that work."""
        return self.path.exists() and any(
            path.name != self.file for pattern in self.results for path in self.folder.glob(pattern)
        )

    def check(self, is_same: Callable[[bytes], bool]) -> bool:
        """Return whether work has begun in the folder.

        Args:
            is_same: takes the content of the claim's file and says whether it describes the same work.

        Raises:
            RecipeError: the folder holds other work.
        """
        if not self.is_begun():
            return False
        if not is_same(self.path.read_bytes()):
            raise RecipeError(f"{self.folder}: holds {self.other_work}; choose another folder with --out, or delete it")
        return True

    def take(self, content: str, is_same: Callable[[bytes], bool]) -> None:
        """Write the claim, unless the folder holds other work.

        Args:
            content: what the claim's file will hold.
            is_same: as for `check`.

        Raises:
            RecipeError: the folder holds other work.
        """
        self.check(is_same)
        write_text(self.path, content)


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold a folder, which is made if need be; refuse to wait for another process that holds it.

    Raises:
        RecodeError: another process holds the folder, or the folder cannot be written.
    """
    # Not on Windows, where projects can be scanned.
    import fcntl

    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".running").open("w")
    except OSError as error:
        raise RecodeError(f"{folder}: cannot be written ({error.strerror}); choose another folder with --out") from None
    with file:
        try:
            # A lock of the process: a worker that outlives a killed run for a moment does not hold it.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise RecodeError(
                    f"{folder}: another run is at work in this folder; wait for it, or choose another folder with --out"
                ) from None
            # The file system has no locks: run without one.
        yield


@contextmanager
def in_turn(folder: Path) -> Iterator[None]:
    """Hold a folder, which is made if need be; wait while another process holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    with only_one(folder / ".lock"):
        yield


def write_folder(folder: Path, write: Callable[[Path], object]) -> None:
    """Make a folder in one step, so that the next run never mistakes half of one for the whole.

    Args:
        folder: the folder to make.
        write: fills the temporary folder that it is given.
    """
    temporary = folder.with_name(f"{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    write(temporary)
    temporary.replace(folder)
