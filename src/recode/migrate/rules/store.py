"""The rules that are there: shipped with ReCode, and a project's own in `.recode/rules.jsonl`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import Version

from recode.errors import RecordError
from recode.knowledge.versions import status_at
from recode.migrate.rules.rule import RewriteRule
from recode.migrate.rules.terms import read_pattern
from recode.records import Status, read_records, write_records
from recode.shipped import shipped

PROJECT_FILE = Path(".recode") / "rules.jsonl"


def shipped_rules(library: str) -> list[RewriteRule]:
    """Return the rules of a library that come with ReCode; none where there are none."""
    file = shipped(Path("data") / "rules" / f"{canonicalize_name(library)}.jsonl")
    return read_records(file, RewriteRule) if file.is_file() else []


def libraries_with_rules() -> list[str]:
    """Return the libraries that rules come with ReCode for."""
    return sorted(file.stem for file in shipped(Path("data") / "rules").glob("*.jsonl"))


def project_rules(root: Path, library: str = "") -> list[RewriteRule]:
    """Return a project's own rules, of one library or all.

    Raises:
        RecordError: the file has wrong content; names file, line and field.
    """
    file = (root if root.is_dir() else root.parent) / PROJECT_FILE
    if not file.is_file():
        return []
    rules = read_records(file, RewriteRule)
    for rule in rules:
        try:
            read_pattern(rule.pattern), read_pattern(rule.template)
        except SyntaxError as error:
            raise RecordError(
                f"{file}: rule `{rule.id}`: its pattern or template is no Python ({error.msg}); correct it"
            ) from None
    name = canonicalize_name(library)
    return [rule for rule in rules if not library or rule.update.library == name]


def add_project_rules(root: Path, rules: Sequence[RewriteRule]) -> Path:
    """Add rules to a project's own; those of the same id are replaced. Return the file.

    Raises:
        RecordError: the file has wrong content, or cannot be written.
    """
    ids = {rule.id for rule in rules}
    kept = [rule for rule in project_rules(root) if rule.id not in ids]
    file = (root if root.is_dir() else root.parent) / PROJECT_FILE
    write_records(file, [*kept, *rules])
    return file


def rules_for(library: str, root: Path, old: Version | None, new: Version) -> list[RewriteRule]:
    """Return the rules for a project's move between two releases, its own first.

    Raises:
        RecordError: the project's file has wrong content.
    """
    known = [*project_rules(root, library), *shipped_rules(library)]
    return [rule for rule in known if rule_status(rule, new, old) is not None]


def rule_status(rule: RewriteRule, new: Version, old: Version | None) -> tuple[Status, str] | None:
    """Return what the update of a rule does at a release, and since when; None where it does nothing.

    A rule of the project without releases holds for any.
    """
    if rule.origin == "project" and not rule.update.new_version:
        return "breaks", str(new)
    return status_at(rule.update, new, old)
