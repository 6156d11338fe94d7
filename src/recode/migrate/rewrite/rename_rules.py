"""Whether an update is a plain rename, which needs no model: the same thing under another name, path or keyword."""

from __future__ import annotations

import ast
import re

from recode.records import ApiUpdate
from recode.symbol import Symbol

_SPAN = re.compile(r"`+([^`]+)`+")


def plain(update: ApiUpdate, same: frozenset[str] = frozenset()) -> tuple[Symbol, Symbol] | str:
    """Return the old and the new symbol of a plain rename, or why it is none.

    `same` are old symbols that were the very object of the new name already in the old release: whatever the update's kind, those
    are renames.
    """
    old, new = update.old_symbol, update.new_symbol
    if not old.is_simple or not new.is_simple or old == new:
        return f"no plain rename ({update.kind}): what to write instead is for the note to say"
    if update.kind in ("renamed", "moved") and not old.parameter and not new.parameter:
        reason = _more_than_a_name(update, old, new)
    elif update.kind == "parameter_renamed" and old.parameter and new.parameter and old.path == new.path:
        reason = _more_than_a_keyword(update, old, new)
    elif update.kind == "replaced" and not old.parameter and not new.parameter and _shown_alike(update, old, new):
        reason = _more_than_a_name(update, old, new)
    elif update.old_symbol in same and not old.parameter and not new.parameter:
        reason = ""
    else:
        return f"no plain rename ({update.kind}): what to write instead is for the note to say"
    return reason or (old, new)


def attempt(update: ApiUpdate) -> tuple[Symbol, Symbol] | None:
    """Return the symbols of an update that may be no more than a rename, which only running can tell; None where it cannot be one."""
    old, new = update.old_symbol, update.new_symbol
    if not old.is_simple or not new.is_simple or old.path == new.path or old.parameter or new.parameter:
        return None
    if update.kind not in ("replaced", "deprecated", "removed") or _more_than_a_name(update, old, new):
        return None
    return old, new


def _spans(text: str) -> list[ast.expr]:
    """Return the bits of code in a note that are expressions, or arguments as they stand in a call."""
    found: list[ast.expr] = []
    for code in _SPAN.findall(text):
        for form in (code, f"_({code})"):
            try:
                found.append(ast.parse(form.strip(), mode="eval").body)
            except (SyntaxError, ValueError):
                continue
            break
    return found


def _more_than_a_name(update: ApiUpdate, old: Symbol, new: Symbol) -> str:
    """Say why a note asks for more than another name: it shows other arguments, or an expression around the new name."""
    calls: dict[str, list[str]] = {}
    for shown in _spans(update.update_info):
        for node in ast.walk(shown):
            if isinstance(node, ast.Call) and (name := _last(node.func)) in (old.name, new.name):
                arguments = [ast.dump(one) for one in (*node.args, *node.keywords)]
                calls.setdefault(name, []).append(" ".join(arguments))
            elif isinstance(node, ast.UnaryOp | ast.BinOp) and any(
                _last(one) == new.name for one in ast.iter_child_nodes(node)
            ):
                return "the note shows an expression in its place, not only another name"
    before, after = calls.get(old.name, []), calls.get(new.name, [])
    if old.of_class and not new.of_class:
        # A method that becomes a function takes its object as an argument.
        return ""
    if before and after and old.name != new.name and not set(before) & set(after):
        return "the note shows other arguments too, not only another name"
    return ""


def _shown_alike(update: ApiUpdate, old: Symbol, new: Symbol) -> bool:
    """Say whether a note shows a call of the old name and one of the new with the same arguments.

    A method may become a function that takes its object first.
    """
    before: set[tuple[str, ...]] = set()
    after: set[tuple[str, ...]] = set()
    for shown in _spans(update.update_info):
        for node in ast.walk(shown):
            if not isinstance(node, ast.Call) or _last(node.func) not in (old.name, new.name):
                continue
            arguments = tuple(ast.dump(one) for one in (*node.args, *node.keywords))
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
    """Say why a note asks for more than another keyword: it shows another value."""
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
