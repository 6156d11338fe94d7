"""The terms of one program: symbols by its imports, and the classes of its expressions as far as reading it shows."""

from __future__ import annotations

import ast
from collections import Counter
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

    def __init__(
        self, source: SourceFile, program: EditableProgram, index: Index, own: frozenset[str] = frozenset()
    ) -> None:
        """Take a program.

        Args:
            source: its file.
            program: the same, to be edited.
            index: what is known of the library: other paths of its names, and what its functions return.
            own: the project's own modules, whose names are no symbols of a library.
        """
        self.source, self.program, self.index, self.own = source, program, index, own
        self._terms: dict[ast.AST, Term] = {}
        self._symbols: dict[ast.AST, str] = {}

    @cached_property
    def imported(self) -> frozenset[str]:
        """The names that an import binds anywhere in the program."""
        scopes = self.program.scopes.all_scopes()
        return frozenset(
            name for scope in scopes for name, bindings in scope.bindings.items() if any(one.target for one in bindings)
        )

    @cached_property
    def quote(self) -> str:
        """The quote that most of the program's plain strings have; a single one where there are none."""
        starts = (
            self.program.tree.span(node)[0]
            for node in self.program.tree.nodes
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        )
        text = self.program.tree.text
        quotes = Counter(text[start] for start in starts if text[start : start + 3] not in ('"""', "'''"))
        return '"' if quotes['"'] > quotes["'"] else "'"

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
        found = self._symbols.get(node)
        if found is None:
            path = self.written_path(node)
            found = self._symbols[node] = self.index.canonical(path) if path else ""
        return found

    def written_path(self, node: ast.expr) -> str:
        """Return the same path by which the program imports it, which may be another one than the library's best."""
        if isinstance(node, ast.Name):
            # The names of a tree that was built, such as a template's, are in no scope.
            scope = self.program.scopes.of.get(node)
            targets = {binding.target for binding in scope.resolve(node.id)} if scope is not None else set()
            path = targets.pop() if len(targets) == 1 else ""
        elif isinstance(node, ast.Attribute) and isinstance(chain(node)[0], ast.Name):
            path = self.program.full_name(node)
        else:
            return ""
        if not path or path.startswith(".") or "." not in path or path.partition(".")[0] in self.own:
            return ""
        return path

    def derives_from(self, node: ast.expr) -> frozenset[str]:
        """Return the library classes that a class of a program is or derives from, as far as reading it shows."""
        paths = {self.symbol(node), *self.classes(node)} - {""}
        paths |= {value.path for value in self._values.get(node, ()) if value.kind is AbstractKind.NAME}
        return frozenset(base for path in paths for base in self.index.bases(self.index.canonical(path)))

    def classes_around(self, node: ast.AST) -> frozenset[str]:
        """Return the library classes that a class derives from in whose body a statement stands.

        For one in a class without bases, such as `class Meta` in a model, the name of that class is added to the paths.
        """
        around = self.program.tree.parents.get(node)
        if not isinstance(around, ast.ClassDef):
            return frozenset()
        if not around.bases:
            return frozenset(f"{path}.{around.name}" for path in self.classes_around(around))
        return frozenset(path for base in around.bases for path in self.derives_from(base))

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
            elif (
                value.kind is AbstractKind.NAME and value.path.partition(".")[0] in self.own & self.index.exports.keys()
            ):
                found.add(value.path)
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
