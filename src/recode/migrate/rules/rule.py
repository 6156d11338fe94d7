"""The record of a rewriting rule, with its proof."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

from pydantic import Field

from recode.migrate.rules.matching import match
from recode.migrate.rules.terms import DECORATORS, LIST, SYMBOL, Term, is_statement, read_pattern
from recode.records import ApiUpdate, Record
from recode.symbol import Symbol

ValueForm = Literal["text", "dictionary", "no display", "name", "identifier", "number"]
"""How a value has to be written: as a literal text, as `{...}`, not as a list, tuple, set or dictionary, as a constant, a
name or names with dots between (what is written twice must not run twice), as a literal text that is a name, or as a literal number."""
RuleOrigin = Literal["data set", "rule pairs", "project"]
"""Where the pairs of a rule are from: training families of the data set, pairs written for rules, or a user's own."""


class RuleProof(Record):
    """What was run for a rule.

    Attributes:
        programs: ids of the pairs that the rule was learned from.
        held_out: ids of those that the rule, learned from the others alone, turned into programs that verify; for a rule of a
            single pair, empty.
        family: how many pairs the family has.
        locks: digests of the environments in which they ran (old, new); empty where nothing was run.
    """

    programs: tuple[str, ...]
    held_out: tuple[str, ...] = ()
    family: int = Field(ge=1)
    locks: tuple[str, ...] = ()


class RewriteRule(Record):
    """A pattern and what is written in its place; `terms` explains the notation.

    Attributes:
        id: the family's id and a number.
        update: what changed in the library.
        pattern: what it applies to.
        template: what takes its place.
        modules: the modules that names of the template are imported from, where the path alone does not show them.
        receivers: metavariables that a method is called on → the classes that they had in the programs, where known.
        values: metavariables whose values have to be written in a certain way.
        within: for statements in the body of a class: the classes of which such a class derives from one; empty: any place.
        origin: where its pairs are from.
        proof: what was run.
        judged_by: the test splits that hold an update of the same API; figures on those splits leave the rule out.
    """

    id: str
    update: ApiUpdate
    pattern: str
    template: str
    modules: tuple[str, ...] = ()
    receivers: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    values: dict[str, ValueForm] = Field(default_factory=dict)
    within: tuple[str, ...] = ()
    origin: RuleOrigin
    proof: RuleProof
    judged_by: tuple[str, ...] = ()

    def __hash__(self) -> int:
        """Hash by what identifies a rule."""
        return hash((self.id, self.pattern, self.template))

    @cached_property
    def pattern_term(self) -> Term:
        """The pattern as a term."""
        return read_pattern(self.pattern, statement=is_statement(read_pattern(self.template)))

    @cached_property
    def template_term(self) -> Term:
        """The template as a term."""
        return read_pattern(self.template, statement=is_statement(read_pattern(self.pattern)))

    @cached_property
    def matches_itself(self) -> bool:
        """Whether the pattern matches what the template makes, so that only a look at the template shows what is done already."""
        return match(self.pattern_term, self.template_term) is not None

    @property
    def renames(self) -> tuple[str, str] | None:
        """The old and new path where the rule only exchanges one symbol for another, no function for a method; None otherwise."""
        old, new = self.pattern_term, self.template_term
        if old.kind != SYMBOL or new.kind != SYMBOL or Symbol(new.value).of_class > Symbol(old.value).of_class:
            return None
        return old.value, new.value

    @property
    def needs_receiver(self) -> bool:
        """Whether only the class of an object says that the pattern is about the library: `$x["name"]`."""
        old = self.pattern_term
        return old.kind == "Subscript" and old.parts[0].is_variable

    @property
    def root(self) -> Term:
        """The first term that has to be there: of decorators or statements, the first one."""
        term = self.pattern_term
        return term.parts[0] if term.kind in (DECORATORS, LIST) else term

    @cached_property
    def symbols(self) -> frozenset[str]:
        """The symbols that the pattern names."""
        return frozenset(self.pattern_term.symbols())

    @cached_property
    def words(self) -> frozenset[str]:
        """Words without which a file cannot hold the pattern."""
        found = set()
        for term in self.pattern_term.walk():
            if term.kind == SYMBOL:
                # The last part may have another name, by which the library gives the same thing.
                found.add(term.value.partition(".")[0])
            elif term.kind in ("Attribute", "ClassDef", "keyword") and term.value != "**":
                found.add(term.value.split(" ")[0])
        return frozenset(found)
