"""Constructs of a program that could hide what it does from the recorder of its warnings.

The recorder lives in the program's own process. Silencing warnings does not hide them from it. Running text as code, inspecting frames,
reaching names indirectly, replacing parts of a library, and importing modules of its own might.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from recode.source import parse_quietly


def constructs(code: str) -> set[str]:
    """Return the constructs in a program that an answer may contain only if the old code or the gold program contains them too."""
    walked = nodes(code)
    modules = {name for node in walked for name in _bound_modules(node)}
    systems = {alias.asname or alias.name for node in walked for alias in _aliases(node) if alias.name == "sys"}
    found = {what for node in walked for what in _of(node)}
    found |= {what for node in walked for what in _of_modules(node, modules, systems)}
    decorators = {
        each.func for node in walked for each in getattr(node, "decorator_list", ()) if isinstance(each, ast.Call)
    }
    for node in walked:
        name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
        if name == "wraps" and node not in decorators:
            found.add("wraps other than as a decorator")
    # What holds an attribute that is set may be another name of a module, and the change may be undone before the end.
    fresh = _attributes_of_new_objects(walked)
    found |= {
        f"the attribute {node.attr} that is set" for node in walked
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load) and node not in fresh
    }  # fmt: skip
    attribute_owners = {node.value for node in walked if isinstance(node, ast.Attribute)}
    found |= {
        f"the module {node.id} as a value" for node in walked
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in modules and node not in attribute_owners
    }  # fmt: skip
    return found


def _attributes_of_new_objects(walked: list[ast.AST]) -> set[ast.AST]:
    """Return the attributes that `__init__` sets of its first parameter; none if anything but a class's call may call it."""
    for node in walked:
        by_name = isinstance(node, ast.Name) and node.id == "__init__"
        by_text = isinstance(node, ast.Constant) and node.value == "__init__"
        if by_name or by_text or (isinstance(node, ast.Attribute) and node.attr == "__init__" and not _is_super(node)):
            return set()
    found: set[ast.AST] = set()
    for node in walked:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__" and node.args.args:
            own = node.args.args[0].arg
            body = [each for statement in node.body for each in ast.walk(statement)]
            rebound = any(
                isinstance(each, ast.Name) and each.id == own and not isinstance(each.ctx, ast.Load) for each in body
            )
            if rebound or node.decorator_list or any(isinstance(each, _BINDING) for each in body):
                continue
            attributes = [each for each in body if isinstance(each, ast.Attribute)]
            found |= {each for each in attributes if isinstance(each.value, ast.Name) and each.value.id == own}
    return found


_BINDING = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Match, ast.ExceptHandler
)  # fmt: skip
"""What may bind the name of the first parameter to something else, without a name in the tree that says so."""


def _is_super(node: ast.Attribute) -> bool:
    owner = node.value
    return isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name) and owner.func.id == "super"


def nodes(code: str) -> list[ast.AST]:
    """Return all nodes of a program's tree; none if it does not parse."""
    try:
        return list(ast.walk(parse_quietly(code)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _aliases(node: ast.AST) -> list[ast.alias]:
    return node.names if isinstance(node, ast.Import | ast.ImportFrom) else []


def _bound_modules(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.asname or alias.name.split(".")[0] for alias in node.names)


def _of_modules(node: ast.AST, modules: set[str], systems: set[str]) -> Iterator[str]:
    """Yield changes of modules: `library.warnings = …`, `sys.path.insert(…)`."""
    if not isinstance(node, ast.Attribute):
        return
    if not isinstance(node.ctx, ast.Load):
        root: ast.expr = node.value
        while isinstance(root, ast.Attribute):
            root = root.value
        if isinstance(root, ast.Name) and root.id in modules:
            yield f"a change of {ast.unparse(node)}"
    owner = node.value.id if isinstance(node.value, ast.Name) else getattr(node.value, "attr", "")
    if node.attr in _IMPORTS and owner in {"sys", *systems}:
        yield f"sys.{node.attr}"


def _of(node: ast.AST) -> Iterator[str]:
    """Yield a description of each construct in one node."""
    match node:
        case ast.Call(func=ast.Name(id="getattr" | "hasattr"), args=[_, ast.Constant(value=str(name)), *_]):
            yield from {name} & (_HIDING | _HIDING_NAMES)
        case ast.Call(func=ast.Name(id="getattr" | "setattr" | "delattr" as name)):
            yield f"{name} of a name that is put together"
        case ast.Name(id=name) if name in _HIDING_NAMES or (_is_special(name) and name not in _ORDINARY_GLOBALS):
            yield name
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) if _is_special(name):
            yield name
        case ast.Attribute(attr=name) if name in _HIDING or _is_special(name):
            yield name
        case ast.Import() | ast.ImportFrom():
            yield from _of_import(node)
        case ast.Constant(value=str(text)) if (
            text in _HIDING or text in _HIDING_NAMES or (text.startswith("__") and _is_special(text))
        ):
            yield text


def _of_import(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    yield from (alias.asname for alias in node.names if alias.asname and _is_special(alias.asname))
    if isinstance(node, ast.Import):
        yield from {alias.name.split(".")[0] for alias in node.names} & _HIDING_MODULES
        return
    yield from {(node.module or "").split(".")[0]} & _HIDING_MODULES
    names = {alias.name for alias in node.names}
    yield from names & (_HIDING | _HIDING_NAMES)
    if node.module == "sys":
        yield from names & _IMPORTS


_HIDING_NAMES = frozenset(
    "exec eval compile __import__ globals locals vars breakpoint __builtins__ __loader__ __spec__".split()
)
_HIDING = frozenset(
    "modules _getframe _current_frames f_back f_globals f_locals f_code f_builtins tb_frame tb_next gi_frame gi_code cr_frame cr_code ag_frame "
    "settrace setprofile addaudithook attrgetter methodcaller getmodule import_module reload run_module run_path _filters_mutated "
    "_showwarnmsg _showwarnmsg_impl update_wrapper kill killpg raise_signal setitimer closerange dup2 fork forkpty system popen execv execve "
    "spawnv posix_spawn".split()
)
_HIDING_MODULES = frozenset(
    (
        "_ctypes _frozen_importlib _io _posixsubprocess _thread _warnings builtins cffi code codeop concurrent ctypes dask faulthandler gc "
        "imp importlib inspect joblib loky marshal mock multiprocessing pdb pickle pkgutil pytest runpy signal site socket subprocess "
        "threading timeit trace traceback types unittest zipimport"
    ).split()
)
_ORDINARY = frozenset(
    f"__{name}__"
    for name in "init name version doc main file len iter next repr str eq hash enter exit call getitem setitem contains post_init".split()
)

_ORDINARY_GLOBALS = frozenset(f"__{name}__" for name in "all author version annotations debug class".split())
_IMPORTS = frozenset(("path", "meta_path", "path_hooks", "path_importer_cache"))
"""Attributes of `sys` that decide what an import finds."""


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__") and name not in _ORDINARY
