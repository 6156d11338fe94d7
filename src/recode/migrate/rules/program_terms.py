"""The terms of one program: symbols by its imports, and the classes of its expressions as far as reading it shows."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cached_property

from recode.migrate.find.abstract_values import AbstractKind, ClassInfo, Values
from recode.migrate.find.index import Index
from recode.migrate.find.statements import values_in
from recode.migrate.rewrite.program import EditableProgram
from recode.migrate.rules.terms import Term, term_of
from recode.migrate.source.source_file import SourceFile
from recode.migrate.source.tree import chain


class ProgramTerms:
    """A program with its terms."""

    def __init__(self, source: SourceFile, program: EditableProgram, index: Index) -> None:
        """Take a program.

        Args:
            source: its file.
            program: the same, to be edited.
            index: what is known of the library: other paths of its names, and what its functions return.
        """
        self.source, self.program, self.index = source, program, index
        self._terms: dict[ast.AST, Term] = {}

    @property
    def module(self) -> Term:
        """The whole program."""
        return self.term(self.program.tree.module)

    def term(self, node: ast.AST) -> Term:
        """Return the term of a node."""
        found = self._terms.get(node)
        if found is None:
            found = self._terms[node] = term_of(node, self.symbol)
        return found

    def symbol(self, node: ast.expr) -> str:
        """Return the full path of a name or a chain that begins with an import; empty for everything else."""
        if isinstance(node, ast.Name):
            # The names of a tree that was built, such as a template's, are in no scope.
            scope = self.program.scopes.of.get(node)
            targets = {binding.target for binding in scope.resolve(node.id)} if scope is not None else set()
            path = targets.pop() if len(targets) == 1 else ""
        elif isinstance(node, ast.Attribute) and isinstance(chain(node)[0], ast.Name):
            path = self.program.full_name(node)
        else:
            return ""
        if not path or path.startswith(".") or "." not in path:
            return ""
        return self.index.canonical(path)

    def classes(self, node: ast.AST | None) -> tuple[str, ...]:
        """Return the library classes that an expression may be an instance of; empty where nothing shows that."""
        values = self._values.get(node, ()) if isinstance(node, ast.expr) else ()
        found: set[str] = set()
        for value in values:
            if value.kind is AbstractKind.INSTANCE:
                found.add(self.index.canonical(value.path))
            elif value.kind in (AbstractKind.OBJECT, AbstractKind.CLASS) and isinstance(value.info, ClassInfo):
                paths = [self.index.canonical(path) for path, _ in value.info.paths()]
                if not paths:
                    return ()
                found.update(paths)
            else:
                return ()
        return tuple(sorted(found))

    def confidence(self, node: ast.AST | None) -> float:
        """Return how sure those classes are, from 0 to 1."""
        values = self._values.get(node, ()) if isinstance(node, ast.expr) else ()
        return min((value.confidence for value in values), default=0.0)

    @cached_property
    def _values(self) -> Mapping[ast.expr, Values]:
        try:
            return values_in(self.source, self.index)
        except RecursionError:
            return {}
