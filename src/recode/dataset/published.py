"""The published six-field records (arXiv 2506.20495), read as unverified entries.

A published record names the new release only and was never run. What else an entry needs, symbols and kind, is read off the
difference of its two programs; `recode.dataset.verify.inferring` looks for the old release.
"""

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError

from recode.dataset.verify.mentions import words_of
from recode.errors import RecordError
from recode.packages import exact_version, project_name
from recode.records import Kind, Migration, Record, first_fault, read_jsonl
from recode.source import parses
from recode.symbol import Symbol


def _release(text: str) -> str:
    """Return the release of a text such as `==2.0`; empty where it names none."""
    version = text.strip().lstrip("=<>~! ")
    return exact_version(version) if version else ""


class Published(Record):
    """One line of the published form."""

    dependency: Annotated[str, AfterValidator(project_name)]
    new_version: Annotated[str, AfterValidator(_release)]
    description: str = ""
    update_info: Annotated[str, Field(min_length=1)]
    old_code: Annotated[str, Field(min_length=1)]
    new_code: Annotated[str, Field(min_length=1)]


def is_published(path: Path) -> bool:
    """Say whether a JSON Lines file is of the published form, going by its first record."""
    first = next(read_jsonl(path), None)
    return first is not None and "dependency" in first[1]


def read_published(path: Path) -> list[Migration]:
    """Read published records as unverified entries: without stdout, locks and an old release.

    Entries with the same note are of one family.

    Raises:
        RecordError: the file cannot be read or a line is bad; names file, line and field.
    """
    entries: list[Migration] = []
    sizes: dict[str, int] = {}
    for number, value in read_jsonl(path):
        try:
            record = Published.model_validate(value)
        except ValidationError as error:
            raise RecordError(f"{path}:{number}: {first_fault(error)}") from None
        note = hashlib.sha256(f"{record.dependency}\n{record.update_info}".encode()).hexdigest()[:8]
        family = f"{record.dependency}-{note}"
        sizes[family] = sizes.get(family, 0) + 1
        entries.append(_entry(record, family, sizes[family]))
    return entries


def _entry(record: Published, family: str, number: int) -> Migration:
    kind, old, new = symbols_of(record.old_code, record.new_code, record.update_info, record.dependency)
    return Migration(
        id=f"{family}-{number}",
        family_id=family,
        library=record.dependency,
        old_version="",
        new_version=record.new_version,
        kind=kind,
        old_symbol=Symbol(old),
        new_symbol=Symbol(new),
        description=record.description,
        update_info=record.update_info,
        old_code=record.old_code.strip("\n") + "\n",
        new_code=record.new_code.strip("\n") + "\n",
        author="unknown",
        author_means="imported from a file that does not say",
    )


def symbols_of(old_code: str, new_code: str, note: str, library: str) -> tuple[Kind, str, str]:
    """Return kind, old and new symbol as the difference of two programs suggests them; a word that the note mentions goes first."""
    package = import_name(old_code, library)
    if not (parses(old_code) and parses(new_code)):
        return "replaced", package, ""
    old, new = ast.parse(old_code), ast.parse(new_code)
    gone, come = _ordered(words_of(old), words_of(new), note), _ordered(words_of(new), words_of(old), note)
    before, after = _keywords(old), _keywords(new)
    lost, gained = ([word for word in words if word in keywords] for words, keywords in ((gone, before), (come, after)))
    if lost:
        owner = f"{package}.{before[lost[0]]}"
        if gained:
            return "parameter_renamed", f"{owner}({lost[0]})", f"{package}.{after[gained[0]]}({gained[0]})"
        return "parameter_removed", f"{owner}({lost[0]})", ""
    if not gone and gained:
        return "parameter_added", f"{package}.{after[gained[0]]}", f"{package}.{after[gained[0]]}({gained[0]})"
    if not gone:
        return "replaced", package, ""
    if not come:
        return "removed", f"{package}.{gone[0]}", ""
    return ("renamed" if len(gone) == len(come) == 1 else "replaced"), f"{package}.{gone[0]}", f"{package}.{come[0]}"


def import_name(code: str, library: str) -> str:
    """Return the name by which a program imports a distribution: the likeliest of its imports, or the distribution's own name."""
    plain = library.lower().replace("-", "_")
    if not parses(code):
        return plain
    tops: list[str] = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            tops += [one.name.partition(".")[0] for one in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            tops.append(node.module.partition(".")[0])
    known = {
        "scikit_learn": "sklearn",
        "scikit_image": "skimage",
        "pillow": "PIL",
        "beautifulsoup4": "bs4",
        "pyyaml": "yaml",
    }
    wanted = known.get(plain, plain)
    return next((top for top in tops if top.lower() == wanted.lower()), wanted)


def _ordered(mine: Counter[str], other: Counter[str], note: str) -> list[str]:
    """Return the names that one program has more of: those that the note mentions first, then those that the other has none of."""
    names = [word for word in mine - other if word.isidentifier()]
    return sorted(names, key=lambda word: (word not in note, word in other, word))


def _keywords(tree: ast.AST) -> dict[str, str]:
    """Return the keyword arguments of a program, each with the last part of the name that is called."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            owner = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            found.update({one.arg: owner for one in node.keywords if one.arg and owner})
    return found
