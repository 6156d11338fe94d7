"""What names and attributes stand for."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Container

from recode.migrate.find.abstract_values import UNKNOWN, AbstractKind, ClassInfo, FunctionInfo, Value, Values, union
from recode.migrate.find.expressions import BY_NAME, ExpressionReader
from recode.migrate.find.index import Index
from recode.migrate.source.scopes import Scopes

_BY_COLUMN = 0.85
"""Factor for an attribute that is taken for a column of its object."""
_BY_STAR = 0.9
"""Confidence of a name from a star import."""
_BY_MODULE = 0.9
"""Confidence of a name that a module of the project re-exports."""
BY_MEMBER = 0.55
"""Confidence of a member of something unknown, where only one class has a member of that name."""
_BUILTINS = frozenset(dir(builtins))
_BY_MEMBER_ELSEWHERE = 0.5
"""The confidence of such a member in a file that does not import the library."""


class AttributeReader(ExpressionReader):
    """Reads names and attributes."""

    def __init__(self, index: Index, scopes: Scopes) -> None:
        super().__init__(index, scopes)
        self._scopes = scopes
        self.readers |= {ast.Name: self.name, ast.Attribute: self.attribute}

    def name(self, node: ast.Name) -> Values:
        """A bare name: what its scope has bound it to, or a name from a star import."""
        values = self.flow.lookup(node.id)
        if values is None:
            values = self._from_stars(node.id)
            if values is None:
                return UNKNOWN
        for value in values:
            if value.kind is AbstractKind.NAME and value.path in self.index.names:
                self.uses.name(value.path, node, node.id, value.confidence, alone=len(values) == 1)
        return values

    def _from_stars(self, name: str) -> Values | None:
        index = self.index
        for module in self.flow.stars:
            path = f"{module}.{name}"
            is_known = path in index.names or path in index.calls or path in index.returns
            if is_known or path in index.aliases or path in index.classes:
                return (Value(AbstractKind.NAME, path, _BY_STAR),)
        return None

    def attribute(self, node: ast.Attribute) -> Values:
        """An attribute of whatever its owner may be."""
        mark = self.uses.mark()
        if self.narrowed and (checked := self.narrowed.get(ast.unparse(node))) is not None:
            self.read(node.value)
            return checked
        owners = self.read(node.value)
        if not owners and node.attr in self.index.members:
            return UNKNOWN
        if len(owners) == 1:
            owner = owners[0]
            return self._guessed(node) if owner.kind is AbstractKind.UNKNOWN else self._attribute_of(owner, node, mark)
        return union(*[self._attribute_of(owner, node, mark) for owner in owners])

    def _attribute_of(self, owner: Value, node: ast.Attribute, mark: int) -> Values:
        """Return an attribute of one possibility; `mark` precedes the owner's uses."""
        kind = owner.kind
        # Guards, the most frequent kinds first: this runs for every attribute, and `match` takes twice as long.
        if kind is AbstractKind.NAME:
            return self._below(owner, node, mark)
        if kind is AbstractKind.INSTANCE:
            return self._member(owner.path, owner.confidence, node)
        if kind is AbstractKind.OBJECT or kind is AbstractKind.CLASS:
            return self._own(owner, node)
        if kind is AbstractKind.MODULE:
            return self._exported(owner, node)
        return UNKNOWN

    def _below(self, owner: Value, node: ast.Attribute, mark: int) -> Values:
        """Return an attribute of a library's module or class."""
        path = f"{owner.path}.{node.attr}"
        index = self.index
        if path not in index.names and path not in index.calls:
            better = index.aliases.get(path)
            if better is not None:
                path = better
            elif node.attr in index.members and index.is_class(owner.path):
                path = index.lost(owner.path, node.attr, index.names) or path
        if path in index.names:
            self.uses.forget_modules(mark)
            self.uses.name(path, node, node.attr, owner.confidence)
        return (Value(AbstractKind.NAME, path, owner.confidence),)

    def _exported(self, owner: Value, node: ast.Attribute) -> Values:
        """Return what a module of the project re-exports."""
        path = self.index.exports.get(owner.path, {}).get(node.attr)
        if not path:
            return UNKNOWN
        if path in self.index.names:
            self.uses.name(path, node, node.attr, _BY_MODULE)
        return (Value(AbstractKind.NAME, path, _BY_MODULE),)

    def _member(self, cls: str, confidence: float, node: ast.Attribute) -> Values:
        """Return an attribute of an instance of a library's class."""
        index, attr = self.index, node.attr
        if attr in index.members:
            lost = index.lost(cls, attr, index.names)
            if lost is not None:
                self.uses.name(lost, node, attr, confidence)
        for base in index.bases(cls):
            path = f"{base}.{attr}"
            if index.returns.get(path) is not None or path in index.calls or path in index.hints.loop:
                return (Value(AbstractKind.METHOD, path, confidence, ClassInfo(cls)),)
        column = index.hints.attribute.get(cls)
        if column and not attr.startswith("_") and f"{cls}.{attr}" not in index.aliases:
            return (Value(AbstractKind.INSTANCE, column, confidence * _BY_COLUMN),)
        return UNKNOWN

    def _own(self, owner: Value, node: ast.Attribute) -> Values:
        """Return an attribute of one of the program's own classes, or of an instance of one."""
        info = owner.info
        if not isinstance(info, ClassInfo):
            return UNKNOWN
        if node.attr in info.members:
            return self._read_property(info.members[node.attr])
        for base in info.bases:
            if isinstance(base.info, ClassInfo) and node.attr in base.info.members:
                return self._read_property(base.info.members[node.attr])
        found = [self._member(path, confidence * owner.confidence, node) for path, confidence in info.paths()]
        return union(*found) if found else UNKNOWN

    def _read_property(self, values: Values) -> Values:
        return union(
            *(
                value.info.returns if isinstance(value.info, FunctionInfo) and value.info.is_property else (value,)
                for value in values
            )
        )

    def _guessed(self, node: ast.Attribute) -> Values:
        """Return an attribute of something unknown, guessed from its owner's name or from a telling name of its own."""
        index, attr = self.index, node.attr
        cls = self.class_by_name(node.value)
        if cls is not None:
            return self._member(cls, BY_NAME, node)
        evident = index.evident.get(attr)
        if evident is not None and self.is_imported(evident):
            return (Value(AbstractKind.METHOD, evident, BY_NAME, ClassInfo(evident.rpartition(".")[0])),)
        path = self.telling_path(attr, index.names)
        if path is not None and not self._is_module(node.value):
            self.uses.name(path, node, attr, BY_MEMBER if self.is_imported(path) else _BY_MEMBER_ELSEWHERE)
        return UNKNOWN

    def _is_module(self, node: ast.expr) -> bool:
        """Say whether a name is imported: what another package offers is not a member of this library's classes."""
        if not isinstance(node, ast.Name):
            return False
        bindings = self._scopes.of[node].resolve(node.id)
        return bool(bindings) and all(binding.alias is not None for binding in bindings)

    def telling_path(self, leaf: str, table: Container[str]) -> str | None:
        """Return the member in a table that its name alone identifies.

        That needs that nothing else has a member of that name, and that variables often hold instances of its class.
        """
        index = self.index
        if leaf not in index.members or leaf in index.common or leaf.startswith("_") or leaf in _BUILTINS:
            return None
        for path in index.members[leaf]:
            likely = leaf in index.hints.guess or path.rpartition(".")[0] in index.likely
            if likely and path in table and (self.is_imported(path) or leaf in index.telling):
                return path
        return None
