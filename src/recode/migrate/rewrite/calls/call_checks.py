"""Whether the calls at renamed places are accepted by the new release: each is bound to the successor's signature.

Arguments by position become keywords where order or kind changed. An imported name is renamed at all of its uses or none, so
all of its calls have to fit.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from recode.migrate.rewrite.calls.binding import CallArguments, DoesNotBind, bind, shown
from recode.migrate.rewrite.calls.signatures import CallSignature, values_differ
from recode.migrate.rewrite.imported_names import import_of
from recode.migrate.rewrite.name_checks import UpgradeNames
from recode.migrate.rewrite.names_in_code import with_brackets
from recode.migrate.rewrite.program import CannotRename, EditableProgram
from recode.migrate.rewrite.requests import RenameRefused, RenameRequest
from recode.migrate.source.edits import Edit
from recode.symbol import Symbol


@dataclass(eq=False)
class _CalledRename:
    """A call, and what is renamed in it: what is called, or keywords."""

    call: ast.Call
    function: RenameRequest | None = None
    keywords: list[RenameRequest] = field(default_factory=list)

    @property
    def old(self) -> Symbol:
        return (self.function or self.keywords[0]).old

    @property
    def new(self) -> Symbol:
        return (self.function or self.keywords[0]).new

    @property
    def requests(self) -> list[RenameRequest]:
        return [*([self.function] if self.function else []), *self.keywords]


@dataclass(frozen=True)
class _Checked:
    """How one call fits: the edits of its arguments, and what remains doubtful."""

    edits: tuple[Edit, ...] = ()
    doubt: str = ""


def check_calls(
    program: EditableProgram, requests: Sequence[RenameRequest], names: UpgradeNames
) -> tuple[list[RenameRequest], list[RenameRefused]]:
    """Return the requests whose calls fit, with the edits of their arguments, and the others with the reason.

    Nothing is refused where a signature is unknown, as for many builtins.
    """
    groups = _groups(program, requests)
    checked: dict[_CalledRename, _Checked] = {}
    refused: dict[RenameRequest, str] = {}
    for called in _called(program, requests, groups):
        try:
            checked[called] = _check(program, called, names)
        except DoesNotBind as obstacle:
            reason = f"`{called.new.name}()` does not accept these arguments: {obstacle}"
            refused.update(dict.fromkeys(called.requests, reason))
            for request in called.requests:
                line = program.tree.line_of(program.tree.span(called.call)[0])
                elsewhere = f"its call in line {line} cannot be changed with it: {reason}"
                for other in groups.get(request, []):
                    refused.setdefault(other, elsewhere)
    kept = [_with_checks(request, checked) for request in requests if request not in refused]
    return kept, [RenameRefused(request, reason) for request, reason in refused.items()]


def _with_checks(request: RenameRequest, checked: dict[_CalledRename, _Checked]) -> RenameRequest:
    own = [check for called, check in checked.items() if request in called.requests]
    edits = tuple(edit for check in own for edit in check.edits)
    doubt = next((check.doubt for check in own if check.doubt), "")
    return replace(request, argument_edits=edits, doubt=doubt)


def _groups(program: EditableProgram, requests: Sequence[RenameRequest]) -> dict[RenameRequest, list[RenameRequest]]:
    """Return the requests of each imported name, which are renamed together."""
    by_alias: dict[ast.alias, list[RenameRequest]] = {}
    for request in requests:
        try:
            binding = import_of(program, request)
        except CannotRename:
            continue
        if binding is not None and binding.alias is not None:
            by_alias.setdefault(binding.alias, []).append(request)
    return {request: group for group in by_alias.values() for request in group}


def _called(
    program: EditableProgram, requests: Sequence[RenameRequest], groups: dict[RenameRequest, list[RenameRequest]]
) -> list[_CalledRename]:
    """Return the calls that requests are about."""
    calls: dict[ast.Call, _CalledRename] = {}
    for request in requests:
        parent = program.tree.parents.get(request.place.node)
        if isinstance(request.place.node, ast.keyword):
            if isinstance(parent, ast.Call):
                calls.setdefault(parent, _CalledRename(parent)).keywords.append(request)
        elif isinstance(parent, ast.Call) and parent.func is request.place.node:
            calls.setdefault(parent, _CalledRename(parent)).function = request
    for request in requests:
        if isinstance(request.place.node, ast.alias) and request in groups:
            binding = import_of(program, request)
            for use in program.scopes.uses(binding) if binding is not None else []:
                parent = program.tree.parents.get(use)
                if isinstance(parent, ast.Call) and parent.func is use:
                    called = calls.setdefault(parent, _CalledRename(parent))
                    called.function = called.function or request
    return list(calls.values())


def _check(program: EditableProgram, called: _CalledRename, names: UpgradeNames) -> _Checked:
    """Bind one call.

    Raises:
        DoesNotBind: the successor does not accept its arguments.
    """
    new = names.new.signature(called.new.path)
    if new is None:
        return _Checked()
    old = names.old.signature(called.old.path)
    doubts = _values(called, old, new)
    through_class = _full_name(program, called.call.func) == called.old.path
    to_function = (
        called.function is not None
        and called.old.of_class
        and not called.new.of_class
        and not through_class
        and not called.new.path.startswith(called.old.parent + ".")
    )
    skipped = 1 if through_class and new.takes_self and _first_is_plain(called.call) else 0
    old = old.without_first() if old is not None and old.takes_self else old
    full, new = new, new.without_first() if new.takes_self or to_function else new
    try:
        bound = bind(_arguments(called, skipped), old, new)
    except DoesNotBind as obstacle:
        raise DoesNotBind(f"{obstacle} (`{shown(called.new.name, full)}`)") from None
    edits = tuple(
        argument_as_keyword(program, called.call, number + skipped, word) for number, word in bound.as_keywords
    )
    doubts += [bound.doubt] if bound.doubt else []
    return _Checked(edits, "; ".join(doubts))


def _full_name(program: EditableProgram, function: ast.expr) -> str:
    return program.full_name(function) if isinstance(function, ast.Attribute) else ""


def _first_is_plain(call: ast.Call) -> bool:
    return bool(call.args) and not isinstance(call.args[0], ast.Starred)


def _values(called: _CalledRename, old: CallSignature | None, new: CallSignature) -> list[str]:
    """Return the renamed keywords whose values may have to change too."""
    doubts = []
    for request in called.keywords:
        before = old.parameter(request.old.parameter) if old is not None else None
        after = new.parameter(request.new.parameter)
        if before is not None and after is not None and (why := values_differ(before, after)):
            doubts.append(f"`{before.name}` became `{after.name}`, and {why}: the value may have to change too")
    return doubts


def _arguments(called: _CalledRename, skipped: int) -> CallArguments:
    """Return what a call gives after its keywords are renamed; the first `skipped` arguments are left out."""
    call = called.call
    renamed = {request.place.node: request.new.parameter for request in called.keywords}
    starred = [number for number, argument in enumerate(call.args) if isinstance(argument, ast.Starred)]
    return CallArguments(
        positionals=(starred[0] if starred else len(call.args)) - skipped,
        keywords=tuple((word.arg, renamed.get(word, word.arg)) for word in call.keywords if word.arg is not None),
        starred=bool(starred),
        double_starred=any(word.arg is None for word in call.keywords),
    )


def argument_as_keyword(program: EditableProgram, call: ast.Call, number: int, word: str) -> Edit:
    """Return the edit that gives an argument by its name.

    Raises:
        DoesNotBind: the argument is written in an odd way.
    """
    argument = call.args[number]
    if isinstance(argument, ast.GeneratorExp | ast.NamedExpr):
        raise DoesNotBind(f"`{word}` has to be given by name, and is written without brackets of its own")
    try:
        start, _ = with_brackets(program, argument, program.tree.span(call)[1] - 1)
    except CannotRename as obstacle:
        raise DoesNotBind(f"`{word}` has to be given by name, and {obstacle}") from None
    text = program.tree.text
    # A trailing `(` of the call itself never belongs to the argument.
    if not re.match(r"\s*\(", text[program.tree.span(call.func)[1] :]):
        raise DoesNotBind(f"`{word}` has to be given by name, and the call is written in an odd way")
    return Edit(start, start, f"{word}=")
