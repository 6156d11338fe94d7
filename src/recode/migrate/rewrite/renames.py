"""The path without a model: renames, moves and renamed keywords as exact edits by the place of each name.

Imports follow: an imported name is renamed with all its uses, or keeps its local name by `as` where something else may rely on
it. What cannot be done for certain is refused, with the reason.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from recode.migrate.rewrite.rejected import Rejected
from recode.migrate.source.edits import Edit
from recode.migrate.source.scopes import Binding, ScopeKind, Scopes
from recode.migrate.source.tree import Place, Tree, chain
from recode.symbol import Symbol

Reaches = Callable[[str, str], bool | None]
"""`(module, dotted rest)`: whether the new release has the rest after `import module`; None where nobody knows."""
UsedElsewhere = Callable[[str], bool]
"""Whether another file of the project may take this name from the file at hand."""


@dataclass(frozen=True)
class Wanted:
    """One place to be renamed: `key` is whatever the caller knows it by."""

    key: int
    place: Place
    old: Symbol
    new: Symbol


@dataclass(frozen=True)
class Renamed:
    """Edits that belong together, and the places they settle."""

    keys: tuple[int, ...]
    edits: tuple[Edit, ...]


@dataclass(frozen=True)
class Refused:
    """A place that is left alone, and why."""

    key: int
    reason: str


class _No(Exception):
    """Why a place cannot be renamed for certain."""


@dataclass
class Renamer:
    """Plans the renames of one program.

    `reaches` asks the new release about names; `used_elsewhere` asks the project; `package` says whether the file is an
    `__init__.py`, whose names are its interface.
    """

    tree: Tree
    newline: str = "\n"
    reaches: Reaches = lambda module, rest: None
    used_elsewhere: UsedElsewhere = lambda name: False
    package: bool = False
    scopes: Scopes = field(init=False)

    def __post_init__(self) -> None:  # noqa: D105
        self.scopes = self.tree.scopes
        self._stay: set[ast.AST] = set()
        self._public = _exported(self.tree.module)
        self._bound = {name for scope in self.scopes.all_scopes() for name in scope.bindings}
        self._bound |= set(dir(builtins)) | {name.id for name in self.scopes.names}
        self._quoted = _words_in_strings(self.tree)

    def plan(self, wanted: Sequence[Wanted], stay: Iterable[ast.AST] = ()) -> list[Renamed | Refused]:
        """Return what is done about each place; `stay` are places of the same updates that are left as they are."""
        self._stay = set(stay)
        done: list[Renamed | Refused] = []
        imported: dict[ast.ImportFrom, list[tuple[Wanted, Binding]]] = {}
        for one in wanted:
            try:
                binding = self._from_import(one)
                if binding is not None and isinstance(binding.node, ast.ImportFrom):
                    imported.setdefault(binding.node, []).append((one, binding))
                else:
                    done.append(Renamed((one.key,), tuple(self._at(one))))
            except _No as no:
                self._stay.add(one.place.node)
                done.append(Refused(one.key, str(no)))
        for statement, items in imported.items():
            try:
                edits = self._import_statement(statement, items)
                done.append(Renamed(tuple(one.key for one, _ in items), tuple(edits)))
            except _No as no:
                done += [Refused(one.key, str(no)) for one, _ in items]
        return done

    def _from_import(self, one: Wanted) -> Binding | None:
        """Return the binding by `from … import old` that a place belongs to; None where there is none."""
        node = one.place.node
        if isinstance(node, ast.alias) and isinstance(statement := self.tree.parents[node], ast.ImportFrom):
            found = [b for b in self.scopes.of[statement].resolve(node.asname or node.name) if b.alias is node]
        elif isinstance(node, ast.Name):
            found = [b for b in self.scopes.of[node].resolve(node.id) if b.alias is not None]
            if any(b.target == one.old.path and isinstance(b.node, ast.Import) for b in found):
                raise _No("the module's own import is what has to change")
        else:
            return None
        found = [b for b in found if isinstance(b.node, ast.ImportFrom)]
        if not found:
            return None
        if len(found) > 1 or found[0].target != one.old.path:
            raise _No(f"`{found[0].name}` is not imported as {one.old.path} and nothing else")
        return found[0]

    # --- single places ---

    def _at(self, one: Wanted) -> list[Edit]:
        node, old, new = one.place.node, one.old, one.new
        if isinstance(node, ast.keyword):
            return self._keyword(node, one)
        if old.parameter:
            raise _No("the argument is not given by keyword here")
        if isinstance(node, ast.ImportFrom):
            return [self._module_path(node.module or "", one)]
        if isinstance(node, ast.alias):
            return self._plain_import(node, one)
        if isinstance(node, ast.Name):
            starred = old.parent in self.scopes.stars and not self.scopes.of[node].resolve(node.id)
            if starred and old.parent == new.parent and new.name not in self._bound:
                return [Edit(one.place.start, one.place.end, new.name)]
            raise _No(f"`{node.id}` is a local name whose import is not seen here")
        return self._attribute(node, one)

    def _keyword(self, node: ast.keyword, one: Wanted) -> list[Edit]:
        call = self.tree.parents[node]
        if not one.old.parameter or node.arg != one.old.parameter or not isinstance(call, ast.Call | ast.ClassDef):
            raise _No("this keyword is not the parameter of the update")
        if any(other.arg == one.new.parameter for other in call.keywords):
            raise _No(f"`{one.new.parameter}` is given already")
        if any(other.arg is None for other in call.keywords):
            raise _No("a `**` in the same call may give the new keyword already")
        return [Edit(one.place.start, one.place.end, one.new.parameter)]

    def _module_path(self, path: str, one: Wanted) -> Edit:
        """Rewrite the path of a moved module, in `from old.path.more import x` up to where the old one ends."""
        old = one.old.path
        start = one.place.end - len(old)
        if (path != old and not path.startswith(old + ".")) or self.tree.text[start : one.place.end] != old:
            raise _No(f"the import does not spell out {old}")
        return Edit(start, one.place.end, one.new.path)

    def _plain_import(self, alias: ast.alias, one: Wanted) -> list[Edit]:
        edit = self._module_path(alias.name, one)
        if alias.asname:
            return [edit]
        # Without `as`, every use spells the path out.
        root = one.old.path.partition(".")[0]
        bound = [b for b in self.scopes.of[alias].resolve(root) if b.alias is alias]
        if one.new.path.partition(".")[0] != root or not bound:
            raise _No("the uses of this import would have to change with it")
        edits = [edit]
        for node in self.tree.nodes:
            if isinstance(node, ast.Attribute) and self._full(node) == one.old.path:
                edits.append(Edit(*self.tree.span(node), one.new.path))
        return edits

    def _attribute(self, node: ast.Attribute, one: Wanted) -> list[Edit]:
        old, new = one.old, one.new
        last = Edit(one.place.start, one.place.end, new.name)
        if node.attr != old.name:
            raise _No(f"`{node.attr}` is another name than {old.path}'s")
        if old.parent == new.parent:
            return [last]
        if self._full(node) == old.path:
            text, more = self._reference(new, node)
            return [Edit(*self.tree.span(node), text), *more]
        if new.path.startswith(old.parent + "."):
            # A method that moved below a namespace of the same object.
            return [Edit(one.place.start, one.place.end, new.path.removeprefix(old.parent + "."))]
        if old.of_class and not new.of_class:
            return self._function(node, new)
        raise _No(f"{new.path} is not reached through the same object")

    def _function(self, node: ast.Attribute, new: Symbol) -> list[Edit]:
        """Return the edits that turn a call of a method into one of a function: `x.ptp(0)` is `np.ptp(x, 0)`."""
        call = self.tree.parents[node]
        if not isinstance(call, ast.Call) or call.func is not node:
            raise _No("the method is not called here")
        if any(isinstance(one, ast.Attribute) and one.attr == node.attr for one in ast.walk(node.value)):
            raise _No("the same method stands in what it is called of")
        start, end = self._with_brackets(node.value, self.tree.span(node)[1] - len(node.attr))
        opened = re.compile(r"[ \t]*\(").match(self.tree.text, self.tree.span(node)[1])
        if opened is None or re.sub(r"\s|\\", "", self.tree.text[end : self.tree.span(node)[1]]) != f".{node.attr}":
            raise _No("the call is written in an odd way")
        text, more = self._reference(new, node)
        rest = ", " if call.args or call.keywords else ""
        return [Edit(start, start, f"{text}("), Edit(end, opened.end(), rest), *more]

    def _with_brackets(self, node: ast.expr, before: int) -> tuple[int, int]:
        """Return the span of an expression with the brackets around it that close before an offset."""
        start, end = self.tree.span(node)
        while (after := re.compile(r"\s*\)").match(self.tree.text, end, before)) is not None:
            opening = len(self.tree.text[:start].rstrip()) - 1
            if self.tree.text[opening : opening + 1] != "(":
                raise _No("the call is written in an odd way")
            start, end = opening, after.end()
        return start, end

    def _full(self, node: ast.Attribute) -> str:
        """Return the full name of a chain that begins with an imported name; empty for any other."""
        root, names = chain(node)
        if not isinstance(root, ast.Name):
            return ""
        targets = {binding.target for binding in self.scopes.of[root].resolve(root.id)}
        target = targets.pop() if len(targets) == 1 else ""
        return ".".join([target, *names]) if target else ""

    # --- how to say a new name ---

    def _reference(self, new: Symbol, at: ast.Attribute) -> tuple[str, list[Edit]]:
        """Return an expression for a full name, and the import that it needs."""
        scope = self.scopes.of[at]
        root = chain(at)[0]
        known: list[tuple[int, str]] = []
        while scope is not None:
            for name in scope.bindings:
                bound = self.scopes.of[at].resolve(name)
                targets = {binding.target for binding in bound}
                target = targets.pop() if len(targets) == 1 else ""
                # What the old code goes by itself is there; any other import has to be one that has run.
                is_root = isinstance(root, ast.Name) and root.id == name
                if not is_root and not any(self._has_run(one, at) for one in bound):
                    continue
                if target and not target.startswith(".") and new.path.startswith(target + "."):
                    rest = new.path.removeprefix(target + ".")
                    if "." not in rest or self.reaches(target, rest):
                        known.append((rest.count("."), f"{name}.{rest}"))
                elif target == new.path:
                    known.append((-1, name))
            scope = scope.parent  # type: ignore[assignment]
        if known:
            return min(known)[1], []
        return self._added(new, self._beside(root, at, new))

    def _beside(self, root: ast.expr, at: ast.Attribute, new: Symbol) -> ast.AST | None:
        """Return the import to add another after: the one that brought the old name, or the file's last before the place.

        One within a `try` or a condition will not do: it may not be what is run, and the program may do without the library.
        """
        bound = self.scopes.of[root].resolve(root.id) if isinstance(root, ast.Name) else []
        imports = [one for one in bound if one.target]
        found = next((one.node for one in imports if self._has_run(one, at)), None)
        if found is not None:
            return found
        library = new.path.partition(".")[0]
        known = [
            one for some in self.scopes.module.bindings.values() for one in some if one.target.split(".")[0] == library
        ]
        if (imports and self._full(at)) or (known and not any(map(self._runs, known))):
            raise _No("the library is imported within a `try` or a condition alone, so a further import may fail")
        start = self.tree.span(at)[0]
        above = [
            one
            for one in self.tree.module.body
            if isinstance(one, ast.Import | ast.ImportFrom) and self.tree.span(one)[1] < start
        ]
        return above[-1] if above else None

    def _runs(self, binding: Binding) -> bool:
        """Say whether a binding's statement is run for certain, and not below `if TYPE_CHECKING` or in a `try`."""
        whole = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef
        return isinstance(self.tree.parents.get(binding.node), whole)

    def _has_run(self, binding: Binding, at: ast.AST) -> bool:
        """Say whether an import was run for certain when a place is: without a function in between, it has to stand above."""
        if not self._runs(binding):
            return False
        own, scope = self.scopes.of[binding.node], self.scopes.of[at]
        while scope is not own and scope.parent is not None:
            if scope.kind is ScopeKind.FUNCTION:
                return True
            scope = scope.parent
        return self.tree.span(binding.node)[1] <= self.tree.span(at)[0]

    def _added(self, new: Symbol, beside: ast.AST | None) -> tuple[str, list[Edit]]:
        """Return an expression for a name whose import is added after the import that brought the old one."""
        if new.of_class:
            raise _No(f"{new.path} belongs to a class that is not imported here")
        if new.name in self._bound:
            raise _No(f"`{new.name}` means something else in this file already")
        line = f"from {new.parent} import {new.name}"
        return new.name, [self._after(beside, line) if beside is not None else self._first(line)]

    def _first(self, line: str) -> Edit:
        """Return the edit that adds a line above the first statement that is no docstring; for files without plain imports."""
        body = self.tree.module.body
        docstring = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
        rest = body[1:] if docstring and isinstance(body[0].value.value, str) else body  # type: ignore[attr-defined]
        start = self.tree.span(rest[0])[0]
        if start != self.tree.starts[self.tree.line_of(start) - 1]:
            raise _No("the first statement shares its line with other code")
        return Edit(start, start, f"{line}{self.newline}")

    def _after(self, statement: ast.AST, line: str) -> Edit:
        """Return the edit that adds a line after a statement, in its block."""
        start, end = self.tree.span(statement)
        begin = self.tree.starts[self.tree.line_of(start) - 1]
        indent = self.tree.text[begin:start]
        if indent.strip():
            raise _No("the import shares its line with other code")
        after = re.compile(r"[^\r\n]*").match(self.tree.text, end)
        assert after is not None
        rest = after.group().strip()
        if rest and not rest.startswith("#"):
            raise _No("the import shares its line with other code")
        return Edit(after.end(), after.end(), f"{self.newline}{indent}{line}")

    def is_bound(self, name: str) -> bool:
        """Say whether a name means anything in this file already."""
        return name in self._bound

    def imports_changed(
        self, lines: Sequence[str], beside: ast.AST | None, without: ast.alias | None = None
    ) -> list[Edit]:
        """Return the edits that add import lines, and take one imported name out.

        Args:
            lines: without line ends; those that stand in the file already are to be left out.
            beside: an import statement to stand after; None: the file's first ones.
            without: a name of a `from` import that nothing uses any more.

        Raises:
            Rejected: there is no place for them.
        """
        try:
            if without is not None:
                statement = self.tree.parents[without]
                assert isinstance(statement, ast.ImportFrom)
                return self._exchanged(statement, without, lines)
            if not lines:
                return []
            if beside is None:
                body = self.tree.module.body
                beside = next((one for one in reversed(body) if isinstance(one, ast.Import | ast.ImportFrom)), None)
            if beside is None:
                raise _No("the file has no imports to stand beside")
            edits = [self._after(beside, line) for line in lines]
        except _No as no:
            raise Rejected(str(no)) from None
        return [Edit(edits[0].start, edits[0].end, "".join(edit.text for edit in edits))]

    def _exchanged(self, statement: ast.ImportFrom, without: ast.alias, lines: Sequence[str]) -> list[Edit]:
        """Return the edits that take a name out of an import and add other imports after it, or in its place."""
        start, end = self.tree.span(statement)
        after = self._after(statement, "")
        indent = after.text.removeprefix(self.newline)
        if len(statement.names) > 1:
            added = [Edit(after.start, after.end, "".join(f"{after.text}{line}" for line in lines))] if lines else []
            return [*self._taken_out(statement.names, {without}), *added]
        if lines:
            return [Edit(start, end, f"{self.newline}{indent}".join(lines))]
        block = self.tree.parents[statement]
        if any(len(body) == 1 and body[0] is statement for body in _blocks(block)) and block is not self.tree.module:
            return [Edit(start, end, "pass")]
        number = self.tree.line_of(start)
        last = self.tree.line_of(end)
        following = self.tree.starts[last] if last < len(self.tree.starts) else len(self.tree.text)
        if after.start != end:
            raise _No("a comment stands beside the import")
        return [Edit(self.tree.starts[number - 1], following, "")]

    # --- imported names ---

    def _import_statement(self, statement: ast.ImportFrom, items: list[tuple[Wanted, Binding]]) -> list[Edit]:
        """Return the edits of one `from … import …` and of all uses of the names that it renames."""
        targets: dict[ast.alias, tuple[Binding, Symbol]] = {}
        for one, binding in items:
            assert binding.alias is not None
            before = targets.setdefault(binding.alias, (binding, one.new))
            if before[1] != one.new:
                raise _No(f"two updates name different successors of {one.old.path}")
        edits: list[Edit] = []
        moved: list[tuple[ast.alias, str, str]] = []
        for alias, (binding, new) in targets.items():
            local, uses = self._local(alias, binding, new)
            edits += uses
            named = new.name if local == new.name else f"{new.name} as {local}"
            if new.parent == statement.module:
                edits.append(Edit(*self.tree.span(alias), named))
            elif new.of_class:
                raise _No(f"{new.path} belongs to a class and cannot be imported")
            else:
                moved.append((alias, new.parent, named))
        return edits + self._moved(statement, moved)

    def _local(self, alias: ast.alias, binding: Binding, new: Symbol) -> tuple[str, list[Edit]]:
        """Return the name that an import gets in this file, and the edits of its uses."""
        if alias.asname:
            return alias.asname, []
        others = self.scopes.of[binding.node].resolve(binding.name)
        uses = self.scopes.uses(binding)
        kept = (
            self.package
            or len(others) != 1
            or binding.name in self._public
            # A quoted annotation, say, which whoever reads it evaluates.
            or binding.name in self._quoted
            or (new.name in self._bound and new.name != binding.name)
            or any(not isinstance(use.ctx, ast.Load) or use in self._stay for use in uses)
            or (self.scopes.of[binding.node] is self.scopes.module and self.used_elsewhere(binding.name))
        )
        if kept or new.name == binding.name:
            return binding.name, []
        edits = []
        for use in uses:
            start, end = self.tree.span(use)
            if self.tree.text[start:end] != binding.name:
                return binding.name, []
            edits.append(Edit(start, end, new.name))
        return new.name, edits

    def _moved(self, statement: ast.ImportFrom, moved: list[tuple[ast.alias, str, str]]) -> list[Edit]:
        """Return the edits that take names out of an import and import them from where they are now."""
        if not moved:
            return []
        parents = dict.fromkeys(parent for _, parent, _ in moved)
        gone = {alias for alias, _, _ in moved}
        if gone == set(statement.names) and len(parents) == 1:
            match = re.compile(r"from[ \t]+([\w.]+)").match(self.tree.text, self.tree.span(statement)[0])
            if match is None or match.group(1) != statement.module:
                raise _No("the import is written over several lines before its names")
            path = Edit(match.start(1), match.end(1), next(iter(parents)))
            return [path, *(Edit(*self.tree.span(alias), named) for alias, _, named in moved)]
        lines = [
            f"from {parent} import " + ", ".join(named for _, where, named in moved if where == parent)
            for parent in parents
        ]
        start, end = self.tree.span(statement)
        if gone == set(statement.names):
            self._after(statement, "")  # Refuses where the line holds other code.
            if "#" in self.tree.text[start:end]:
                raise _No("a comment stands between the imported names")
            indent = self.tree.text[self.tree.starts[self.tree.line_of(start) - 1] : start]
            return [Edit(start, end, f"{self.newline}{indent}".join(lines))]
        added = [self._after(statement, line) for line in lines]
        together = Edit(added[0].start, added[0].end, "".join(edit.text for edit in added))
        return [*self._taken_out(statement.names, gone), together]

    def _taken_out(self, names: list[ast.alias], gone: set[ast.alias]) -> list[Edit]:
        """Return the edits that delete some of the imported names, each with one comma."""
        spans = [self.tree.span(alias) for alias in names]
        edits = []
        last_kept = max(at for at, alias in enumerate(names) if alias not in gone)
        for at, alias in enumerate(names):
            if alias not in gone:
                continue
            cut = (spans[at][0], spans[at + 1][0]) if at < last_kept else (spans[at - 1][1], spans[at][1])
            if "#" in self.tree.text[cut[0] : cut[1]]:
                raise _No("a comment stands between the imported names")
            edits.append(Edit(*cut, ""))
        return edits


def _blocks(node: ast.AST) -> list[list[ast.stmt]]:
    return [block for name in ("body", "orelse", "finalbody") if isinstance(block := getattr(node, name, None), list)]


def _exported(module: ast.Module) -> set[str]:
    """Return the names that `__all__` lists, also by `+=`, `extend` and `append`."""
    found: set[str] = set()
    for statement in module.body:
        values: list[ast.expr] = []
        if isinstance(statement, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            if any(isinstance(one, ast.Name) and one.id == "__all__" for one in targets) and statement.value:
                values = [statement.value]
        elif isinstance(statement, ast.Expr) and isinstance(call := statement.value, ast.Call):
            values = call.args if _of_all(call.func) else []
        found |= {
            one.value
            for value in values
            for one in ast.walk(value)
            if isinstance(one, ast.Constant) and isinstance(one.value, str)
        }
    return found


def _words_in_strings(tree: Tree) -> set[str]:
    """Return the words of a program's strings; not of docstrings, or of any other string that is a statement."""
    found: set[str] = set()
    for node in tree.nodes:
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and not isinstance(tree.parents[node], ast.Expr)
        ):
            found.update(re.findall(r"\w+", node.value))
    return found


def _of_all(function: ast.expr) -> bool:
    """Say whether a function is a method of `__all__` that adds names to it."""
    root, names = chain(function)
    return isinstance(root, ast.Name) and root.id == "__all__" and names in (["append"], ["extend"], ["insert"])
