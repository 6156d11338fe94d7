"""Several rules for one place that differ in keywords alone → one rule that makes all their changes.

`Field(min_items=1, regex="a")` is matched by a rule for each keyword; each lets the other keywords pass. Applied one after the
other they may not match any more, as the first one turns `class Config` into `ConfigDict(…)`. Where several give one keyword a list
(`callbacks=[lgb.early_stopping(5)]`, `callbacks=[lgb.log_evaluation(0)]`), the joined rule gives it all their items.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from recode.migrate.rules.rule import RewriteRule, RuleProof
from recode.migrate.rules.terms import ASSIGNMENTS, KEYWORDS, REST, Term, pattern_text

_CONTAINERS = (KEYWORDS, ASSIGNMENTS)


@dataclass(frozen=True)
class KeyedParts:
    """A rule as what all rules of its kind share, and its own keywords.

    Attributes:
        pattern: the pattern with no keywords but the further ones.
        template: the template with no keywords but the further ones, where these pass to.
        old: the keywords of the pattern.
        new: the keywords of the template.
    """

    pattern: Term
    template: Term
    old: tuple[Term, ...]
    new: tuple[Term, ...]


def composed(rules: Sequence[RewriteRule]) -> RewriteRule:
    """Return the first of some rules, which match one place, together with those others that can be joined with it.

    Args:
        rules: the rules, the one that is to be applied first.
    """
    first, *others = rules
    return _composed(first, tuple(others)) if others else first


@functools.lru_cache(maxsize=512)
def _composed(first: RewriteRule, others: tuple[RewriteRule, ...]) -> RewriteRule:
    mine = keyed_parts(first)
    if mine is None:
        return first
    joined, old, new = [first], list(mine.old), list(mine.new)
    for number, rule in enumerate(others, start=1):
        keyed = keyed_parts(rule, number)
        if (
            keyed is not None
            and (keyed.pattern, keyed.template) == (mine.pattern, mine.template)
            and _are_apart(old, keyed.old)
            and (both := _united(new, keyed.new)) is not None
            and rule.receivers.keys() == first.receivers.keys()
        ):
            joined.append(rule)
            old += keyed.old
            new = both
    if len(joined) == 1:
        return first
    pattern, template = _with_keywords(mine.pattern, old), _with_keywords(mine.template, new)
    programs = min((rule.proof for rule in joined), key=lambda proof: len(proof.held_out))
    return RewriteRule(
        id="+".join(rule.id for rule in joined), update=first.update, pattern=pattern_text(pattern), template=pattern_text(template),
        modules=tuple(dict.fromkeys(module for rule in joined for module in rule.modules)), receivers=_receivers(first), within=first.within,
        values={f"{name}{n}": form for n, rule in enumerate(joined) for name, form in rule.values.items()}, origin=first.origin,
        proof=RuleProof(**dict(programs)), judged_by=tuple(dict.fromkeys(split for rule in joined for split in rule.judged_by)),
    )  # fmt: skip


def _are_apart(first: Sequence[Term], second: Sequence[Term]) -> bool:
    return {part.value for part in first}.isdisjoint(part.value for part in second)


def _united(first: Sequence[Term], second: Sequence[Term]) -> list[Term] | None:
    """Return the keywords of two templates, those that both give as lists with the items of both; None if they give one otherwise."""
    united = {part.value: part for part in first}
    for part in second:
        known = united.get(part.value)
        if known is None:
            united[part.value] = part
        elif (mine := _items(known)) is None or (theirs := _items(part)) is None:
            return None
        else:
            [value] = known.parts
            [items] = value.parts
            united[part.value] = replace(
                known, parts=(replace(value, parts=(replace(items, parts=(*mine, *theirs)),)),)
            )
    return list(united.values())


def _items(keyword: Term) -> tuple[Term, ...] | None:
    """Return the items of a keyword whose value is a list display; None for any other value."""
    match keyword.parts:
        case (Term(kind="List", parts=(Term(kind="list", parts=items),)),):
            return items
    return None


def keyed_parts(rule: RewriteRule, number: int = 0) -> KeyedParts | None:
    """Return a rule's parts; None where it has no keywords of its own.

    The metavariables of the frame are named in the order of their appearance, its own with `number`.
    """
    pattern, template = rule.pattern_term, rule.template_term
    rests = [term for term in pattern.walk() if term.kind == REST]
    if len(rests) != 1 or rule.values:
        return None
    mine, theirs = (_container(term, rests[0]) for term in (pattern, template))
    if mine is None or theirs is None:
        return None
    old, new = (tuple(part for part in one.parts if part.kind != REST) for one in (mine, theirs))
    bare = (_exchanged(pattern, mine, ()), _exchanged(template, theirs, ()))
    frame = [name for term in bare for part in term.walk() if part.is_variable for name in [part.kind + part.value]]
    own = {part.kind + part.value for one in (*old, *new) for part in one.walk() if part.is_variable}
    if own & set(frame) or not old:
        return None
    names = {name: f"f{count}" for count, name in enumerate(dict.fromkeys(frame))}
    names |= {name: f"{name.lstrip('$*')}k{number}" for name in own}
    return KeyedParts(
        _renamed(bare[0], names),
        _renamed(bare[1], names),
        tuple(_renamed(part, names) for part in old),
        tuple(_renamed(part, names) for part in new),
    )


def _receivers(rule: RewriteRule) -> dict[str, tuple[str, ...]]:
    """Return the classes of a rule's receivers under the names that composing gives them."""
    frame = [part.kind + part.value for part in _bare_walk(rule)]
    names = {name: f"f{count}" for count, name in enumerate(dict.fromkeys(frame))}
    return {names.get(f"${name}", name): classes for name, classes in rule.receivers.items()}


def _bare_walk(rule: RewriteRule) -> list[Term]:
    rest = next(term for term in rule.pattern_term.walk() if term.kind == REST)
    found = []
    for term in (rule.pattern_term, rule.template_term):
        container = _container(term, rest)
        assert container is not None
        found += [part for part in _exchanged(term, container, ()).walk() if part.is_variable]
    return found


def _container(term: Term, rest: Term) -> Term | None:
    return next((one for one in term.walk() if one.kind in _CONTAINERS and rest in one.parts), None)


def _exchanged(term: Term, container: Term, keywords: Sequence[Term]) -> Term:
    """Return a term with other keywords in one of its sets, beside the further ones."""
    if term is container:
        rest = [part for part in container.parts if part.kind == REST]
        return replace(container, parts=(*sorted(keywords, key=lambda part: part.value), *rest))
    parts = tuple(_exchanged(part, container, keywords) for part in term.parts)
    return (
        replace(term, parts=parts)
        if parts != term.parts or any(a is not b for a, b in zip(parts, term.parts, strict=True))
        else term
    )


def _with_keywords(term: Term, keywords: Sequence[Term]) -> Term:
    rest = next(part for part in term.walk() if part.kind == REST)
    container = _container(term, rest)
    assert container is not None
    return _exchanged(term, container, keywords)


def _renamed(term: Term, names: Mapping[str, str]) -> Term:
    if term.is_variable:
        return replace(term, value=names.get(term.kind + term.value, term.value))
    return replace(term, parts=tuple(_renamed(part, names) for part in term.parts))
