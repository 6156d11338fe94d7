"""Deprecation messages in the sources of a release, read from the syntax tree.

Libraries announce changes in many ways: `warnings.warn` with their own category, decorators and helpers of any name, maps of
expired attributes that a module's `__getattr__` reads, `.. deprecated::` directives in docstrings, and errors that name a
replacement. Each becomes a `Notice`: the text, its position, and the names that the code around it gives. Nothing is run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from typing import Literal

from recode.records import Record
from recode.source import parse_quietly, parses

How = Literal["warning", "decorator", "map", "docstring", "error"]
Effect = Literal["", "removed", "renamed", "keyword_only"]
"""What happens to parameters, where the code around a message shows it."""

BUILT_IN_CATEGORIES = frozenset({"DeprecationWarning", "FutureWarning", "PendingDeprecationWarning"})
_HINT = re.compile(
    r"eprecat|FutureWarning|expired|renam|no longer|been removed|was removed|positional_|make_keyword|delete_param|remove_param"
)
"""Files without a match announce nothing, and are not parsed."""
_HELPER = re.compile(
    r"deprecat|rename_?(?:parameter|param|arg|kw)|(?:delete|remove)_?(?:parameter|param|arg|kw)|make_keyword_only",
    re.I,
)
_MAP = re.compile(r"deprecat|expired|renamed|removed|moved|former", re.I)
_ERROR = re.compile(
    r"(?:been|was|were|is|are) (?:now )?(?:removed|renamed|deprecated|moved|discontinued)|no longer|deprecated", re.I
)
_SAID = re.compile(
    r"deprecat|remov|renam|no longer|will (?:be|change|raise|default)|instead|in favou?r of|replaced", re.I
)
_DIRECTIVE = re.compile(r"^([ \t]*)\.\.\s+deprecated::[ \t]*([^\n]*)\n?", re.M)
_DOC_PARAMETER = re.compile(r"^(\w+(?:\s*,\s*\w+)*)\s*(?::|$)")
_VERSION = re.compile(r"v?\d+(?:\.\d+)*(?:\.?(?:dev|rc|a|b)\d*)?")
_MESSAGE_LENGTH = 1200
_NOT_NAMES = frozenset({"version", "since", "message", "category", "obj_type", "reason", "action", "removal"})
"""Keywords of helpers whose values are not names."""
_NEW_KEYWORD = re.compile(r"^new|_new|alternative|replacement")
_OLD_KEYWORD = re.compile(r"^old|_old|^name")


class Notice(Record):
    """One announcement in the sources.

    `text` is the message, with placeholders as `{expression}`. `owner` is the qualified name of the function or class around
    it, empty at the top of a module; `parameters` are the owner's parameters, and `tested` those that the `if` statements
    around the message test. `names` are old names and `replacements` their new ones, where the code gives them (a decorator, a
    map). `is_conditional` says whether the message is inside an `if` statement.
    """

    how: How
    file: str
    line: int
    text: str
    owner: str = ""
    category: str = ""
    helper: str = ""
    parameters: tuple[str, ...] = ()
    tested: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    replacements: tuple[str, ...] = ()
    effect: Effect = ""
    is_conditional: bool = False


def may_announce(text: str) -> bool:
    """Say whether a file may contain an announcement, and so is worth parsing."""
    return _HINT.search(text) is not None


def notices(files: Sequence[tuple[str, str]]) -> list[Notice]:
    """Return the announcements in the files of one release, given as (path, text)."""
    parsed = [(path, parse_quietly(text)) for path, text in files if may_announce(text) and parses(text)]
    categories = _categories(tree for _, tree in parsed)
    found: list[Notice] = []
    for path, tree in parsed:
        reader = _Reader(path, categories)
        reader.visit(tree)
        found += reader.found
    return found


def _categories(trees: Iterator[ast.Module]) -> frozenset[str]:
    """Return the names of the built-in deprecation categories and of all classes derived from them."""
    bases: dict[str, set[str]] = {}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                bases.setdefault(node.name, set()).update(leaf_of(base) for base in node.bases)
            elif isinstance(node, ast.Assign) and leaf_of(node.value):
                # An alias of a category.
                for target in node.targets:
                    bases.setdefault(leaf_of(target), set()).add(leaf_of(node.value))
    known = set(BUILT_IN_CATEGORIES) | {name for name in bases if "DeprecationWarning" in name}
    while derived := {name for name, parents in bases.items() if parents & known} - known:
        known |= derived
    return frozenset(known)


def leaf_of(node: ast.expr) -> str:
    """Return the last part of a dotted name, or of the function of a call; empty for anything else."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=function):
            return leaf_of(function)
    return ""


class _Reader(ast.NodeVisitor):
    """Collects the notices of one file, with the functions, conditions and constants around each."""

    def __init__(self, path: str, categories: frozenset[str]) -> None:
        self.found: list[Notice] = []
        self._path, self._categories = path, categories
        self._owners: list[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef] = []
        self._tests: list[ast.expr] = []
        self._constants: dict[str, str] = {}

    # --- context ---

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._enter(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._enter(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._enter(node)

    def _enter(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self._owners.append(node)
        tests, self._tests = self._tests, []
        constants, self._constants = self._constants, dict(self._constants)
        for decorator in node.decorator_list:
            self._decorator(decorator)
        self._docstring(node)
        for child in node.body:
            self.visit(child)
        self._owners.pop()
        self._tests, self._constants = tests, constants

    def visit_If(self, node: ast.If) -> None:
        self._tests.append(node.test)
        for child in [*node.body, *node.orelse]:
            self.visit(child)
        self._tests.pop()

    def visit_Assign(self, node: ast.Assign) -> None:
        names = [leaf_of(target) for target in node.targets]
        if text := self._text(node.value):
            self._constants.update((name, text) for name in names if name)
        if any(name and _MAP.search(name) for name in names):
            self._map(node.value, names[0])
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        name = leaf_of(node.target)
        if node.value is not None and name and _MAP.search(name):
            self._map(node.value, name)
        self.generic_visit(node)

    # --- announcements ---

    def visit_Call(self, node: ast.Call) -> None:
        name = leaf_of(node.func)
        category = self._category(node)
        texts = self._texts(node)
        if name in ("warn", "warn_explicit", "_warn") or (category and "warn" in name.lower()):
            if category and texts:
                self._add("warning", node.lineno, texts[0], category=category, helper=name)
        elif _HELPER.search(name) and texts:
            self._helper("warning", node, name, texts)
        self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        if isinstance(node.exc, ast.Call):
            texts = self._texts(node.exc)
            if texts and _ERROR.search(texts[0]):
                self._add("error", node.lineno, texts[0], category=leaf_of(node.exc.func))
        self.generic_visit(node)

    def _decorator(self, node: ast.expr) -> None:
        name = leaf_of(node)
        if not _HELPER.search(name):
            return
        if isinstance(node, ast.Call):
            self._helper("decorator", node, name, self._texts(node))
        else:
            self._add("decorator", node.lineno, f"@{ast.unparse(node)}", helper=name, effect=_effect(name, (), ()))

    def _helper(self, how: How, node: ast.Call, name: str, texts: list[str]) -> None:
        """Read a call of a library's own helper: the names in its arguments, and its message."""
        names, replacements = _named_arguments(node)
        effect = _effect(name, names, replacements)
        if effect == "keyword_only" and "make" not in name.lower():
            # Such helpers list what may still be given by position.
            names, replacements = (), ()
        sentences = [text for text in texts if " " in text]
        text = max(sentences, key=len) if sentences else ast.unparse(node)
        replacements = replacements if effect != "removed" else ()
        self._add(how, node.lineno, text, helper=name, names=names, replacements=replacements, effect=effect)

    def _map(self, value: ast.expr, helper: str) -> None:
        if not isinstance(value, ast.Dict):
            return
        for key, item in zip(value.keys, value.values, strict=True):
            if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
                continue
            texts = [self._text(one) for one in (item.elts if isinstance(item, ast.Tuple | ast.List) else [item])]
            text = max(texts, key=len)
            if text and re.fullmatch(r"[\w.]+", text) and not _VERSION.fullmatch(text):
                self._add(
                    "map", key.lineno, f"{key.value}: {text}", helper=helper, names=(key.value,), replacements=(text,)
                )
            else:
                self._add("map", key.lineno, text or f"{helper}: {key.value}", helper=helper, names=(key.value,))

    def _docstring(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        doc = ast.get_docstring(node, clean=True)
        if not doc or "deprecated::" not in doc:
            return
        first = node.body[0].lineno
        for match in _DIRECTIVE.finditer(doc):
            indent, head = len(match.group(1)), match.group(2).strip()
            version, _, rest = head.partition(" ")
            if not _VERSION.fullmatch(version.rstrip(",:.")):
                version, rest = "", head
            text = " ".join([rest, *_indented(doc[match.end() :], indent)]).strip()
            tested = _parameter_above(doc[: match.start()], indent)
            line = first + doc[: match.start()].count("\n")
            message = f"Deprecated since version {version.rstrip(',:.')}: {text}" if version else f"Deprecated: {text}"
            self._add("docstring", line, message, tested=tested)

    # --- texts ---

    def _category(self, node: ast.Call) -> str:
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        for one in given:
            inner = one.func if isinstance(one, ast.Call) else one
            if (name := leaf_of(inner)) in self._categories:
                return name
        return ""

    def _texts(self, node: ast.Call) -> list[str]:
        """Return the texts among a call's arguments, including those inside nested calls (a warning object, a `dedent`)."""
        found = []
        for one in [*node.args, *(keyword.value for keyword in node.keywords)]:
            text = self._text(one)
            if not text and isinstance(one, ast.Call):
                text = next((inner for inner in self._texts(one) if inner), "")
            if text:
                found.append(text)
        return found

    def _text(self, node: ast.expr) -> str:
        """Return the text of an expression, with `{…}` for parts computed at run time; empty if it is no text."""
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.JoinedStr(values=values):
                return "".join(
                    "{" + ast.unparse(part.value) + "}" if isinstance(part, ast.FormattedValue) else self._text(part)
                    for part in values
                )
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                parts = [self._text(left), self._text(right)]
                return "".join(part or "{}" for part in parts) if any(parts) else ""
            case ast.BinOp(left=left, op=ast.Mod()):
                return self._text(left)
            case ast.Call(func=ast.Attribute(value=value, attr="format" | "strip" | "replace")):
                return self._text(value)
            case ast.Name(id=name):
                return self._constants.get(name, "")
        return ""

    def _add(
        self, how: How, line: int, text: str, *, category: str = "", helper: str = "", tested: tuple[str, ...] = (),
        names: tuple[str, ...] = (), replacements: tuple[str, ...] = (),
        effect: Effect = "",
    ) -> None:  # fmt: skip
        text = " ".join(text.split())[:_MESSAGE_LENGTH]
        if how in ("warning", "error") and not (_SAID.search(text) or names):
            return
        own = _parameters(self._owners[-1]) if self._owners else ()
        mentioned = self._mentioned_in_tests()
        self.found.append(
            Notice(
                how=how, file=self._path, line=line, text=text, owner=".".join(one.name for one in self._owners),
                category=category, helper=helper, parameters=own,
                tested=tested or tuple(one for one in own if one in mentioned), names=names, replacements=replacements,
                effect=effect, is_conditional=bool(self._tests),
            )
        )  # fmt: skip

    def _mentioned_in_tests(self) -> set[str]:
        """Return the names and strings in the conditions around the current position."""
        mentioned: set[str] = set()
        for test in self._tests:
            for node in ast.walk(test):
                if isinstance(node, ast.Name):
                    mentioned.add(node.id)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    mentioned.add(node.value)
        return mentioned


def _effect(helper: str, names: tuple[str, ...], replacements: tuple[str, ...]) -> Effect:
    """Return what a helper does to parameters, by its name; empty where it is about the whole function."""
    lowered = helper.lower()
    if "keyword_only" in lowered or "positional" in lowered or "nonkeyword" in lowered:
        return "keyword_only"
    if names and re.search(r"delete|remove", lowered):
        return "removed"
    if names and replacements and re.search(r"rename|arg|param|keyword", lowered):
        return "renamed"
    return "removed" if names and re.search(r"arg|param", lowered) else ""


def _parameters(node: ast.AST) -> tuple[str, ...]:
    """Return the parameters of a function, or of a class's constructor, without `self` and `cls`."""
    if isinstance(node, ast.ClassDef):
        inits = [one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"]
        return _parameters(inits[0]) if inits else ()
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return ()
    given = node.args
    found = [*given.posonlyargs, *given.args, *([given.vararg] if given.vararg else []), *given.kwonlyargs]
    return tuple(one.arg for one in [*found, *([given.kwarg] if given.kwarg else [])] if one.arg not in ("self", "cls"))


def _named_arguments(node: ast.Call) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the old names and their replacements, from the arguments of a helper: identifiers, or a map from old to new.

    An argument's keyword may say which of the two it is. Otherwise the first identifier is the old name, and the second, where
    there is only one old name, its replacement.
    """
    old: list[str] = []
    new: list[str] = []
    unmarked: list[str] = []
    arguments = [("", value) for value in node.args] + [(one.arg or "", one.value) for one in node.keywords]
    for keyword, value in arguments:
        match value:
            case ast.Dict():
                pairs = _constant_pairs(value)
                old += [key for key, _ in pairs]
                new += [item for _, item in pairs]
            case ast.Constant(value=str(text)) if text.isidentifier() and keyword not in _NOT_NAMES:
                role = new if _NEW_KEYWORD.search(keyword) else old if _OLD_KEYWORD.search(keyword) else unmarked
                role.append(text)
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                unmarked += _identifiers(elements)
    if not old and unmarked:
        old, unmarked = unmarked[:1], unmarked[1:]
    if not new and unmarked and len(old) == 1:
        new = unmarked[:1]
    return tuple(old), tuple(new) if any(new) else ()


def _constant_pairs(node: ast.Dict) -> list[tuple[str, str]]:
    """Return the entries of a dictionary that are constants; a value that is None is an empty text."""
    return [
        (key.value, str(item.value or ""))
        for key, item in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(item, ast.Constant) and isinstance(key.value, str)
    ]


def _identifiers(elements: Sequence[ast.expr]) -> list[str]:
    return [
        one.value
        for one in elements
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and one.value.isidentifier()
    ]


def _indented(text: str, indent: int) -> Iterator[str]:
    """Yield the lines of a directive: those that follow with deeper indentation, up to the next directive or example."""
    blank = False
    for line in text.splitlines():
        if not line.strip():
            blank = True
            continue
        if len(line) - len(line.lstrip()) <= indent:
            return
        if blank and line.strip().startswith(("..", ">>>")):
            return
        yield line.strip()


def _parameter_above(text: str, indent: int) -> tuple[str, ...]:
    """Return the parameters whose description contains a directive: those of the nearest line above with less indentation."""
    for line in reversed(text.splitlines()):
        depth = len(line) - len(line.lstrip())
        if line.strip() and depth < indent:
            match = _DOC_PARAMETER.match(line.strip())
            return tuple(name.strip() for name in match.group(1).split(",")) if match else ()
    return ()
