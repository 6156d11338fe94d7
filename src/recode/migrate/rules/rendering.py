"""A match of a rule → edits of the program's own text.

What the rule keeps stays as it is written, with its comments and line breaks; only the text in between is replaced.
"""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from recode.migrate.rewrite.names_in_code import NameReference, refer, refer_by_module
from recode.migrate.rewrite.program import CannotRename
from recode.migrate.rules.matching import Bound, name_in_text
from recode.migrate.rules.program_terms import ProgramTerms
from recode.migrate.rules.rule import RewriteRule
from recode.migrate.rules.terms import (
    ASSIGNMENTS,
    DECORATORS,
    KEYWORDS,
    MANY,
    NAME,
    ONE,
    REST,
    SYMBOL,
    Term,
    marked_text,
)
from recode.migrate.source.edits import Edit
from recode.source import parse_quietly
from recode.symbol import Symbol

_SLOT = re.compile(r"__(slot|symbol)_(\d+)__")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_ATOMS = (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp,
          ast.JoinedStr, ast.GeneratorExp)  # fmt: skip
_LOOSE = (
    ast.Call,
    ast.keyword,
    ast.List,
    ast.Tuple,
    ast.Set,
    ast.Dict,
    ast.Return,
    ast.Assign,
    ast.AnnAssign,
    ast.Expr,
)
"""What an expression of any kind may stand in without brackets."""


@dataclass(frozen=True)
class RuleMatch:
    """A place that a rule matches, and what its metavariables stand for; `expanded` is a dictionary that keywords come from."""

    rule: RewriteRule
    node: ast.AST
    term: Term
    bound: Bound
    expanded: ast.Dict | None = None

    def own_terms(self) -> Iterator[Term]:
        """Yield the terms of the program that the pattern itself names, not those that a metavariable stands for."""
        kept = [term for terms in self.bound.values() for term in terms]
        waiting = [self.term]
        while waiting:
            term = waiting.pop()
            # Terms that mean the same are equal, so a name that the pattern has, too, would be taken for a metavariable's.
            if any(term is one for one in kept):
                continue
            yield term
            waiting += reversed(term.parts)


@dataclass(frozen=True, eq=False)
class RenderedMatch:
    """The edits of a match, the names that they refer to, and the names of the program that they take away.

    Attributes:
        own: the spans of the text that the rule is about: all of it but what the metavariables stand for.
        gone: bare names that are no longer used at this place.
    """

    match: RuleMatch
    edits: tuple[Edit, ...]
    references: tuple[NameReference, ...]
    own: tuple[tuple[int, int], ...]
    gone: tuple[ast.Name, ...]


def render(view: ProgramTerms, match: RuleMatch) -> RenderedMatch:
    """Return the edits of a match.

    Raises:
        CannotRename: the place is written in a way that leaves no safe edit.
    """
    return _Rendering(view, match).rendered()


def _in_double_quotes(text: str) -> str:
    """Return code with its plain strings in double quotes, as far as they need no escapes."""
    lines = text.splitlines(keepends=True)
    for token in reversed(list(tokenize.generate_tokens(iter(lines).__next__))):
        inner = token.string[1:-1]
        if token.type == tokenize.STRING and token.string[0] == "'" and not set(inner) & set("'\"\\\n"):
            (row, first), (_, last) = token.start, token.end
            lines[row - 1] = f'{lines[row - 1][:first]}"{inner}"{lines[row - 1][last:]}'
    return "".join(lines)


class _Rendering:
    """The rendering of one match."""

    def __init__(self, view: ProgramTerms, match: RuleMatch) -> None:
        self.view, self.match, self.tree = view, match, view.program.tree
        self.slots: list[Term] = []
        self.symbols: list[str] = []
        self.references: list[NameReference] = []

    def rendered(self) -> RenderedMatch:
        start, end = self._span()
        if _is_in_string(self.tree.above(self.match.node)) and not self._is_placed_right():
            raise CannotRename("the place is within a formatted string")
        chunks, slots = self._pieces()
        spans = [self.tree.span(_node(slot)) for slot in slots]
        bounds = [start, *[place for span in spans for place in span], end]
        gaps = [(bounds[2 * n], bounds[2 * n + 1]) for n in range(len(spans) + 1)]
        if all(first <= last for first, last in gaps):
            edits = [edit for gap, chunk in zip(gaps, chunks, strict=True) if (edit := self._edit(gap, chunk))]
        else:
            texts = [self.tree.text[first:last] for first, last in spans]
            if "#" in self._without(spans, start, end):
                raise CannotRename("a comment stands in the code that would be replaced")
            edits = [Edit(start, end, "".join(a + b for a, b in zip(chunks, [*texts, ""], strict=True)))]
        return RenderedMatch(
            self.match, tuple(edits), tuple(self.references), tuple(self._own(start, end)), self._gone()
        )

    def _span(self) -> tuple[int, int]:
        if self.match.rule.pattern_term.kind == DECORATORS:
            return self.tree.span(_node(self.match.term.parts[0]))[0], self.tree.span(_node(self.match.term.parts[-1]))[
                1
            ]
        return self.tree.span(self.match.node)

    def _is_placed_right(self) -> bool:
        """Say whether the tree's positions are right here: those in formatted strings are not in every Python."""
        try:
            again = parse_quietly(f"({self.tree.segment(self.match.node)})", "eval").body
        except (SyntaxError, ValueError):
            return False
        return ast.dump(again) == ast.dump(self.match.node)

    # --- the template with its holes ---

    def _pieces(self) -> tuple[list[str], list[Term]]:
        """Return the text between the kept pieces, and these."""
        template = self._filled(self.match.rule.template_term)
        text = marked_text(template)
        if self.view.quote == '"' and not _is_in_string(self.tree.above(self.match.node)):
            text = _in_double_quotes(text)
        if template.kind == DECORATORS:
            indent = self._indent()
            text = text.removeprefix("@").replace("\n@", f"\n{indent}@")
        elif isinstance(self.match.node, ast.stmt):
            text = text.replace("\n", f"{self.view.program.newline}{self._indent()}")
        tight = self._tight(template)
        chunks, slots, last = [""], [], 0
        for found in _SLOT.finditer(text):
            chunks[-1] += text[last : found.start()]
            last = found.end()
            number = int(found[2])
            if found[1] == "symbol":
                chunks[-1] += self._reference(self.symbols[number])
                continue
            slot = self.slots[number]
            brackets = self._needs_brackets(_node(slot), number in tight)
            chunks[-1] += "(" if brackets else ""
            slots.append(slot)
            chunks.append(")" if brackets else "")
        chunks[-1] += text[last:]
        if self._root_is_tight(template):
            chunks[0], chunks[-1] = "(" + chunks[0], chunks[-1] + ")"
        return chunks, slots

    def _filled(self, term: Term) -> Term:
        """Return the template in which kept pieces and symbols are numbered names."""
        if term.kind == ONE:
            return self._slot(self.match.bound[ONE + term.value][0])
        if term.kind == SYMBOL:
            self.symbols.append(term.value)
            return Term(NAME, f"__symbol_{len(self.symbols) - 1}__")
        if name := term.name_variable:
            term = replace(term, value=name_in_text(self.match.bound[ONE + name][0]))
        if term.kind == NAME and term.value in self.match.rule.template_term.fresh_names():
            return replace(term, value=self._unused(term.value))
        parts: list[Term] = []
        for part in term.parts:
            if part.kind == MANY:
                parts += [self._slot(one) for one in self.match.bound[MANY + part.value]]
            elif part.kind == ONE and term.kind != "Attribute" and self._is_super(part):
                parts.append(Term(NAME, self._first_parameter()))
            elif part.kind == REST:
                parts += [replace(one, parts=(self._slot(one.parts[0]),)) for one in self._in_order(part)]
            else:
                parts.append(self._filled(part))
        if term.kind in (KEYWORDS, ASSIGNMENTS):
            if len({part.value for part in parts}) < len(parts):
                raise CannotRename("the call would give one keyword twice")
            parts.sort(key=self._written_place)
        return replace(term, parts=tuple(parts))

    def _in_order(self, rest: Term) -> list[Term]:
        return sorted(self.match.bound[REST + rest.value], key=lambda one: self.tree.span(_node(one)))

    def _written_place(self, keyword: Term) -> tuple[int, int]:
        """Return where a keyword stands in the program, by its value or its name; new ones come last."""
        value = keyword.parts[0]
        number = re.fullmatch(r"__slot_(\d+)__", value.value) if value.kind == NAME else None
        if number:
            return (0, self.tree.span(_node(self.slots[int(number[1])]))[0])
        given = [one for part in self.match.term.parts if part.kind == KEYWORDS for one in part.parts]
        place = next((self.tree.span(_node(one))[0] for one in given if one.value == keyword.value), None)
        return (1, 0) if place is None else (0, place)

    def _is_super(self, variable: Term) -> bool:
        """Say whether a metavariable stands for `super()`, which is no object that can be handed on."""
        node = self.match.bound[ONE + variable.value][0].node
        return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"

    def _first_parameter(self) -> str:
        for node in self.tree.above(self.match.node):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                parameters = [*node.args.posonlyargs, *node.args.args]
                if parameters and isinstance(self.tree.parents.get(node), ast.ClassDef):
                    return parameters[0].arg
                break
        raise CannotRename("`super()` stands outside a method")

    def _unused(self, name: str) -> str:
        """Return a name that the template binds, or another where the place's scope knows one of that name."""
        scope = self.view.program.scopes.of[self._expression()]
        while scope.resolve(name):
            name += "_"
        return name

    def _slot(self, term: Term) -> Term:
        self.slots.append(term)
        return Term(NAME, f"__slot_{len(self.slots) - 1}__")

    def _reference(self, path: str) -> str:
        """Return how the program refers to a symbol: as before where the pattern holds it too."""
        mine = [term for term in self.match.own_terms() if term.kind == SYMBOL]
        same = next((term for term in mine if term.value == path and term.node is not None), None)
        if same is not None:
            return self.tree.segment(_node(same))
        at = next((term.node for term in mine if term.value.split(".")[0] == path.split(".")[0]), None)
        place = at if isinstance(at, ast.expr) else self._expression()
        found = self._refer(path, place)
        if found not in self.references:
            self.references.append(found)
        return found.text

    def _refer(self, path: str, place: ast.expr) -> NameReference:
        """Return how the program refers to a new name; by the whole module where the name itself is taken."""
        program = self.view.program
        module = max((one for one in self.match.rule.modules if path.startswith(one + ".")), key=len, default="")
        try:
            return refer(program, Symbol(path), place, module)
        except CannotRename:
            module = module or Symbol(path).parent
            if Symbol(path).of_class and module not in self.match.rule.modules:
                raise
            return refer_by_module(program, path, module, place)

    def _expression(self) -> ast.expr:
        """Return some expression of the place, for its scope."""
        found = next((node for node in ast.walk(self.match.node) if isinstance(node, ast.expr)), None)
        if found is None:
            raise CannotRename("the place holds no expression")
        return found

    # --- brackets and layout ---

    def _tight(self, template: Term) -> frozenset[int]:
        """Return the numbers of the kept pieces that stand beside an operator, a dot or a bracket."""
        tree = parse_quietly(marked_text(template) + ("\ndef f(): pass" if template.kind == DECORATORS else ""))
        tight = set()
        for node in ast.walk(tree):
            for name, value in ast.iter_fields(node):
                for child in value if isinstance(value, list) else [value]:
                    found = re.fullmatch(r"__slot_(\d+)__", child.id) if isinstance(child, ast.Name) else None
                    loose = isinstance(node, _LOOSE) and not (isinstance(node, ast.Call) and name == "func")
                    if found and not (loose or (isinstance(node, ast.Subscript) and name == "slice")):
                        tight.add(int(found[1]))
        return frozenset(tight)

    def _needs_brackets(self, node: ast.AST, tight: bool) -> bool:
        if isinstance(node, ast.Starred):
            return False
        if isinstance(node, ast.NamedExpr | ast.Yield | ast.YieldFrom):
            return True
        if isinstance(node, ast.Tuple):
            return not _is_enclosed(self.tree.segment(node))
        plain = isinstance(node, _ATOMS) or (
            isinstance(node, ast.Constant) and isinstance(node.value, str | bytes | bool | None)
        )
        return tight and not plain

    def _root_is_tight(self, template: Term) -> bool:
        """Say whether the new expression as a whole needs brackets where it stands."""
        if not isinstance(self.match.node, ast.expr) or self.match.rule.pattern_term.kind == DECORATORS:
            return False
        root: ast.AST = parse_quietly(marked_text(template), "eval").body
        if isinstance(root, _ATOMS) or (isinstance(root, ast.Constant) and not isinstance(root.value, int | float)):
            return False
        parent = self.tree.parents[self.match.node]
        return not (
            isinstance(parent, _LOOSE) and not (isinstance(parent, ast.Call) and parent.func is self.match.node)
        )

    def _edit(self, gap: tuple[int, int], chunk: str) -> Edit | None:
        """Return the edit of the text between two kept pieces: of the tokens that differ, so that the layout of the others stays."""
        before = self.tree.text[gap[0] : gap[1]]
        if isinstance(self.match.node, ast.stmt):
            # Another kind of statement has another layout.
            if "#" in before:
                raise CannotRename("a comment stands in the code that would be replaced")
            return Edit(*gap, chunk)
        if _plain(re.sub(r"#[^\r\n]*", "", before)) == _plain(chunk):
            return None
        old, new = list(_TOKEN.finditer(before)), list(_TOKEN.finditer(chunk))
        most = min(len(old), len(new))
        first = next((n for n in range(most) if old[n].group() != new[n].group()), most)
        last = next((n for n in range(most - first) if old[-1 - n].group() != new[-1 - n].group()), most - first)
        if first == len(old) - last or first == len(new) - last:
            # Something only comes or goes, and white space with it.
            start = old[first - 1].end() if first else 0
            end = old[len(old) - last].start() if last else len(before)
            text = chunk[new[first - 1].end() if first else 0 : new[len(new) - last].start() if last else len(chunk)]
            if first == len(new) - last and "\n" in before[start:end] and not text.strip():
                start, end, text = old[first].start(), old[len(old) - last - 1].end(), ""
        else:
            # Where nothing before or after stays, neither does its white space.
            start, end = old[first].start() if first else 0, old[len(old) - last - 1].end() if last else len(before)
            text = chunk[new[first].start() if first else 0 : new[len(new) - last - 1].end() if last else len(chunk)]
        if "#" in before[start:end]:
            raise CannotRename("a comment stands in the code that would be replaced")
        return Edit(gap[0] + start, gap[0] + end, text)

    def _indent(self) -> str:
        start = self.tree.span(self.match.node)[0]
        line = self.tree.text[self.tree.starts[self.tree.line_of(start) - 1] : start]
        if self.match.rule.pattern_term.kind == DECORATORS:
            line = line.removesuffix("@")
        if line.strip():
            raise CannotRename("the statement shares its line with other code")
        return line

    def _without(self, spans: Sequence[tuple[int, int]], start: int, end: int) -> str:
        """Return the text of the place without its kept pieces."""
        text = list(self.tree.text[start:end])
        for first, last in spans:
            text[first - start : last - start] = " " * (last - first)
        return "".join(text)

    # --- what the rule is about ---

    def _own(self, start: int, end: int) -> list[tuple[int, int]]:
        kept = [
            self.tree.span(term.node)
            for terms in self.match.bound.values()
            for term in terms
            if term.node is not None and hasattr(term.node, "lineno") and not _is_target(term.node)
        ]
        own, at = [], start
        for first, last in sorted(kept):
            if first > at:
                own.append((at, first))
            at = max(at, last)
        return [*own, (at, end)] if at < end else own

    def _gone(self) -> tuple[ast.Name, ...]:
        stays = set(self.symbols)
        names = []
        for term in self.match.own_terms():
            if term.kind == SYMBOL and term.value not in stays and isinstance(term.node, ast.Name):
                names.append(term.node)
        return tuple(names)


def _is_target(node: ast.AST) -> bool:
    """Say whether a node is a name that a statement binds: such a statement is about it."""
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def _node(term: Term) -> ast.AST:
    node = term.node.value if isinstance(term.node, ast.keyword) else term.node
    if node is None:
        raise CannotRename("the place is written in an odd way")
    return node


def _is_enclosed(text: str) -> bool:
    """Say whether the first bracket of a text closes at its end."""
    depth = 0
    for number, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if depth == 0:
            return number == len(text) - 1 and number > 0
    return False


def _plain(text: str) -> str:
    return re.sub(r",(?=[)\]])", "", re.sub(r"\s|\\\n", "", text))


def _is_in_string(above: object) -> bool:
    return any(isinstance(node, ast.JoinedStr) for node in above)  # type: ignore[attr-defined]


def bound_nodes(bound: Mapping[str, tuple[Term, ...]]) -> list[tuple[str, ast.AST]]:
    """Return what each `$x` stands for, as a node of the program."""
    return [
        (name.removeprefix(ONE), terms[0].node)
        for name, terms in bound.items()
        if not name.startswith((MANY, REST)) and terms[0].node is not None
    ]
