"""The level `api`: signature and docstring of the old name in the old release, and of the new one in the new release."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recode.collect.walk.public_api import cached_answer
from recode.dataset.note_levels import Excerpt
from recode.records import ApiUpdate
from recode.sandbox.environments import Environment

DOC_CHARACTERS = 1600
"""Of a docstring, cut at the end of a line: its summary and, as a rule, its parameters."""

_SCRIPT = Path(__file__).with_name("_signatures.py")


def api_notes(updates: Sequence[ApiUpdate], old: Environment, new: Environment) -> dict[str, tuple[Excerpt, ...]]:
    """Return the excerpts of the updates of one library by family: of the old release, then of the new one.

    In the new release it is the new name if there is one, else the old one if it is still there. A family is left out where nothing is
    known of the old name, or where it has a new name and nothing is known of that.

    Raises:
        WalkError: the library's environment cannot be asked.
    """
    paths = sorted({path for update in updates for path in (update.old_symbol.path, update.new_symbol.path) if path})
    before, after = (
        cached_answer(environment, f"print_signatures({paths!r}, ", updates[0].library, _SCRIPT)
        for environment in (old, new)
    )
    found = {}
    for update in updates:
        target = update.new_symbol.path or update.old_symbol.path
        first, last = before.get(update.old_symbol.path), after.get(target)
        if first is None or (last is None and update.new_symbol.path):
            continue
        excerpts = [_excerpt(update.old_symbol.path, first, update.old_version)]
        if last is not None:
            excerpts.append(_excerpt(target, last, update.new_version))
        # Signatures and docstrings that say the same in both releases tell a reader nothing of the change.
        if len({one.text for one in excerpts}) == len(excerpts):
            found[update.family_id] = tuple(excerpts)
    return found


def _excerpt(path: str, described: dict[str, Any], version: str) -> Excerpt:
    head = {"module": f"module {path}", "class": f"class {path}", "property": f"property {path}"}.get(
        described["kind"], path
    )
    doc = _cut(described["doc"].strip())
    text = f"{head}{of_no_machine(described['signature'])}" + (
        "\n" + "\n".join(f"    {line}".rstrip() for line in doc.splitlines()) if doc else ""
    )
    return Excerpt(text=text, package_version=version, file=described["file"] or path, line=described["line"])


def of_no_machine(text: str) -> str:
    """Return a signature without what differs between two runs of one release: addresses, and where a module's file lies."""
    return _PLACE.sub("", text)


_PLACE = re.compile(r" at 0x[0-9a-fA-F]+| from '[^']*'(?=>)")


def _cut(doc: str) -> str:
    if len(doc) <= DOC_CHARACTERS:
        return doc
    return doc[:DOC_CHARACTERS].rpartition("\n")[0].rstrip()
