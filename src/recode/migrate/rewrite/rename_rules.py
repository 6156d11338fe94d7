"""Whether an update is a plain rename: the same thing under another name, path or keyword, which needs no model."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from recode.records import ApiUpdate
from recode.symbol import Symbol

_SPAN = re.compile(r"`+([^`]+)`+")
_NO_RENAME = "no plain rename ({}): only the note says what to write instead"


@dataclass(frozen=True)
class RenameRule:
    """What an update renames."""

    old: Symbol
    new: Symbol


class NotARename(Exception):
    """Why an update is more than a rename; never reaches a user as an error."""


def rename_rule(update: ApiUpdate, same_objects: frozenset[str] = frozenset()) -> RenameRule:
    """Return the old and the new name of a plain rename.

    Args:
        update: what changed.
        same_objects: old symbols that are the same object as their new name where a release has both, or only call it.
            Those are renames whatever kind the update has and whatever its note shows.

    Raises:
        NotARename: the update is more than a rename.
    """
    old, new = update.old_symbol, update.new_symbol
    if not old.is_simple or not new.is_simple or old == new:
        raise NotARename(_NO_RENAME.format(update.kind))
    names_only = not old.parameter and not new.parameter
    keyword = bool(old.parameter and new.parameter and old.path == new.path)
    if update.old_symbol in same_objects and names_only:
        obstacle = ""
    elif update.kind in ("renamed", "moved") and names_only:
        obstacle = _more_than_a_name(update, old, new)
    elif update.kind == "parameter_renamed" and keyword:
        obstacle = _more_than_a_keyword(update, old, new)
    elif update.kind == "replaced" and names_only and _same_arguments_shown(update, old, new):
        obstacle = _more_than_a_name(update, old, new)
    else:
        obstacle = _NO_RENAME.format(update.kind)
    if obstacle:
        raise NotARename(obstacle)
    return RenameRule(old, new)


def tentative_rule(update: ApiUpdate) -> RenameRule | None:
    """Return the names of an update that may be no more than a rename, which only a test run can confirm.

    None if it cannot be a rename.
    """
    old, new = update.old_symbol, update.new_symbol
    if not old.is_simple or not new.is_simple or old.path == new.path or old.parameter or new.parameter:
        return None
    if update.kind not in ("replaced", "deprecated", "removed") or _more_than_a_name(update, old, new):
        return None
    return RenameRule(old, new)


def _spans(text: str) -> list[ast.expr]:
    """Return the quoted code in a note that is an expression, or the arguments of a call."""
    expressions: list[ast.expr] = []
    for code in _SPAN.findall(text):
        for form in (code, f"_({code})"):
            try:
                expressions.append(ast.parse(form.strip(), mode="eval").body)
            except (SyntaxError, ValueError):
                continue
            break
    return expressions


def _more_than_a_name(update: ApiUpdate, old: Symbol, new: Symbol) -> str:
    """Return why a note asks for more than another name; empty if it does not.

    It may show other arguments, or an expression around the new name.
    """
    calls: dict[str, list[str]] = {}
    for shown in _spans(update.update_info):
        for node in ast.walk(shown):
            if isinstance(node, ast.Call) and (name := _last(node.func)) in (old.name, new.name):
                arguments = [ast.dump(argument) for argument in (*node.args, *node.keywords)]
                calls.setdefault(name, []).append(" ".join(arguments))
            elif isinstance(node, ast.UnaryOp | ast.BinOp) and any(
                _last(operand) == new.name for operand in ast.iter_child_nodes(node)
            ):
                return "the note shows an expression in its place, not only another name"
    before, after = calls.get(old.name, []), calls.get(new.name, [])
    if old.of_class and not new.of_class:
        # A method that becomes a function takes its object as an argument, so the arguments differ anyway.
        return ""
    if before and after and old.name != new.name and not set(before) & set(after):
        return "the note shows other arguments too, not only another name"
    return ""


def _same_arguments_shown(update: ApiUpdate, old: Symbol, new: Symbol) -> bool:
    """Return whether a note shows calls of the old and the new name with the same arguments.

    A method may become a function that takes its object as the first argument.
    """
    before: set[tuple[str, ...]] = set()
    after: set[tuple[str, ...]] = set()
    for shown in _spans(update.update_info):
        for node in ast.walk(shown):
            if not isinstance(node, ast.Call) or _last(node.func) not in (old.name, new.name):
                continue
            arguments = tuple(ast.dump(argument) for argument in (*node.args, *node.keywords))
            method = old.of_class and not new.of_class and isinstance(node.func, ast.Attribute)
            whole = ast.unparse(node.func)
            if whole.endswith(new.path) or (_last(node.func) == new.name and old.name != new.name):
                after.add(arguments)
            elif method and isinstance(node.func, ast.Attribute):
                before.add((ast.dump(node.func.value), *arguments))
            else:
                before.add(arguments)
    return bool(before & after) and after <= before


def _more_than_a_keyword(update: ApiUpdate, old: Symbol, new: Symbol) -> str:
    """Return why a note asks for more than another keyword, such as another value; empty if it does not."""
    values: dict[str, set[str]] = {}
    for shown in _spans(update.update_info):
        for node in ast.walk(shown):
            if isinstance(node, ast.keyword) and node.arg in (old.parameter, new.parameter):
                if node.arg == new.parameter and isinstance(node.value, ast.BinOp | ast.UnaryOp | ast.IfExp):
                    return "the note shows another value too, not only another keyword"
                values.setdefault(node.arg, set()).add(ast.dump(node.value))
    before, after = values.get(old.parameter, set()), values.get(new.parameter, set())
    if before and after and not before & after:
        return "the note shows another value too, not only another keyword"
    return ""


def _last(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
