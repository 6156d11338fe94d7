"""Which modules of a project can be imported in a release's environment. They run isolated, or not at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recode.migrate.prove.commands import is_test
from recode.migrate.prove.test_runs import copy_project
from recode.sandbox.environments import Environment
from recode.sandbox.trees import PROJECT, TreeLimits, run_in_tree

MOST_MODULES = 300
_NEVER = frozenset({"setup.py", "conftest.py", "noxfile.py", "conf.py", "__main__.py", "manage.py"})
_NOT_HERE = frozenset({"docs", "doc", "build", "dist", "examples"})
_PROGRAM = Path(__file__).with_name("_import_modules.py")
_SECONDS = 120.0


@dataclass(frozen=True)
class ImportFailure:
    """A module that cannot be imported: the project's line that raised, if there is one, and the error."""

    module: str
    file: Path | None
    line: int
    error: str


def modules_to_import(files: Sequence[Path], but: Collection[Path] = ()) -> dict[str, Path]:
    """Return the modules among a project's files, by dotted name; no tests, no scripts, nothing that installs."""
    found = {}
    for path in files:
        if (
            path.suffix != ".py"
            or path.name in _NEVER
            or path in but
            or is_test(path)
            or not _NOT_HERE.isdisjoint(path.parts[:-1])
        ):
            continue
        parts = list(path.with_suffix("").parts)
        if parts[0] == "src" and len(parts) > 1:
            parts = parts[1:]
        if parts[-1] == "__init__":
            parts = parts[:-1]
        if parts and all(part.isidentifier() for part in parts):
            found[".".join(parts)] = path
    return dict(list(found.items())[:MOST_MODULES])


def import_failures(
    root: Path, changed: Mapping[Path, bytes], modules: Sequence[str], environment: Environment
) -> dict[str, ImportFailure | None]:
    """Import modules of a copy of a project, isolated; return how each failed, and None for those that did not.

    Modules after one that ends the process are missing.

    Args:
        root: the project's folder.
        changed: new contents of some files, by path relative to the root.
        modules: dotted names.
        environment: whose Python imports them.

    Raises:
        SandboxError: this machine offers no isolation.
        RecodeError: the project cannot be copied.
    """
    if not modules:
        return {}
    with tempfile.TemporaryDirectory(prefix="recode-imports-") as scratch:
        folder = Path(scratch)
        tree, beside, result = folder / "project", folder / "beside", folder / "result"
        copy_project(root, tree)
        for path, content in changed.items():
            (tree / path).write_bytes(content)
        beside.mkdir()
        result.mkdir()
        shutil.copy(_PROGRAM, beside / "recode_import_modules.py")
        question = [list(modules), PROJECT, "/result/imports"]
        (beside / "question.json").write_text(json.dumps(question), encoding="utf-8")
        search = f"{PROJECT}/src:{PROJECT}" if (tree / "src").is_dir() else PROJECT
        run_in_tree(
            tree, "python /beside/recode_import_modules.py /beside/question.json", environment, reviewed=False, beside=beside,
            result=result, variables={"PYTHONPATH": search}, limits=TreeLimits(seconds=_SECONDS),
        )  # fmt: skip
        return _read(result / "imports")


def _read(file: Path) -> dict[str, ImportFailure | None]:
    found: dict[str, ImportFailure | None] = {}
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return found
    for text in lines:
        try:
            name, failure = json.loads(text)
            if failure is not None:
                path, line, error = failure
                failure = ImportFailure(str(name), Path(path) if path else None, int(line), str(error))
            found[str(name)] = failure
        except (ValueError, TypeError):
            continue
    return found
