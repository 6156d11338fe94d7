"""Who may depend on whom (AGENTS.md): by imports, by names of modules in strings, and by paths into other packages.

Also: who may print, and that the command line starts without heavy libraries.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import recode

SOURCE = Path(recode.__file__).parent
LAYERS = [
    {"cli"},
    {"quickstart", "study", "api"},
    {"train", "evaluate", "migrate"},
    {"knowledge", "environments"},
    {"dataset"},
    {"collect"},
    {"rewards", "sandbox", "models", "invent"},
    {
        "display",
        "errors",
        "html",
        "machine",
        "packages",
        "prompts",
        "records",
        "run_folder",
        "shipped",
        "source",
        "symbol",
    },
]
HEAVY = {"torch", "transformers", "trl", "vllm"}
HEAVY_PARTS = {"train", "evaluate", "models"}
MODULES = sorted(SOURCE.rglob("*.py"))


def part_of(path: Path) -> str:
    """The part of the house that a file belongs to: the package or module directly under recode."""
    return path.relative_to(SOURCE).parts[0].partition(".")[0]


def layer_of(part: str) -> int | None:
    return next((level for level, parts in enumerate(LAYERS) if part in parts), None)


def imported(tree: ast.AST) -> set[str]:
    """Dotted names of everything that a file imports, at any depth."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def named_in_strings(tree: ast.AST) -> set[str]:
    """Dotted names of our modules in strings that hold nothing else: for `import_module`, `python -m` and the like."""
    strings = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return {text for text in strings if re.fullmatch(r"recode(\.\w+)+", text)}


class Paths:
    """The paths that a file builds from `__file__`, its own or that of a module it imports."""

    def __init__(self, file: Path, tree: ast.Module) -> None:
        self.names = {"__file__": file}
        self.modules: dict[str, Path] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                self.modules |= {a.asname or a.name: module_file(f"{node.module}.{a.name}") for a in node.names}
            elif isinstance(node, ast.Import):
                self.modules |= {a.asname or a.name: module_file(a.name) for a in node.names}
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and (path := self.of(node.value)):
                self.names[node.targets[0].id] = path
        inner = {child for node in ast.walk(tree) if self.of(node) for child in ast.walk(node) if child is not node}
        self.built = {path for node in ast.walk(tree) if node not in inner and (path := self.of(node))} - {file}

    def of(self, node: ast.AST) -> Path | None:
        """Return the path that an expression stands for, if it begins at a `__file__`."""
        match node:
            case ast.Name(id=name):
                return self.names.get(name)
            case ast.Attribute(value=ast.Name(id=module), attr="__file__"):
                return self.modules.get(module)
            case ast.Attribute(value=inner, attr="parent"):
                return (path := self.of(inner)) and path.parent
            case ast.Subscript(value=ast.Attribute(value=inner, attr="parents"), slice=ast.Constant(value=int(number))):
                return (path := self.of(inner)) and path.parents[number]
            case ast.Call(func=ast.Name(id="Path" | "str"), args=[inner]):
                return self.of(inner)
            case ast.Call(func=ast.Attribute(value=inner, attr="resolve" | "absolute")):
                return self.of(inner)
            case ast.Call(func=ast.Attribute(value=inner, attr="with_name"), args=[ast.Constant(value=str(name))]):
                return (path := self.of(inner)) and path.with_name(name)
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                below = right.value if isinstance(right, ast.Constant) and isinstance(right.value, str) else "_"
                return (path := self.of(left)) and path / below
        return None


def module_file(name: str) -> Path:
    """The file of one of our modules; of a package, its `__init__.py`."""
    path = SOURCE.parent.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def reached(path: Path) -> str:
    """A path as the dotted name of the part that it is in; `recode` itself for a path in no part."""
    inside = path.is_relative_to(SOURCE) and path != SOURCE and layer_of(part_of(path)) is not None
    return f"recode.{part_of(path)}" if inside else "recode"


def paths_into(file: Path, tree: ast.Module) -> set[str]:
    """The parts of the house that a file reaches by paths."""
    return {reached(path) for path in Paths(file, tree).built}


def broken_rules(part: str, names: set[str]) -> list[str]:
    """What a file of this part must not import."""
    found = []
    for name in sorted(names):
        top, _, rest = name.partition(".")
        if top in HEAVY and part not in HEAVY_PARTS:
            found.append(f"{name}: only {sorted(HEAVY_PARTS)} may import it")
        other = rest.partition(".")[0]
        if top != "recode" or other in ("", part) or layer_of(other) is None:
            continue
        mine, its = layer_of(part), layer_of(other)
        assert its is not None
        siblings = mine == its and (part == "rewards" or mine == len(LAYERS) - 1)
        if mine is not None and its <= mine and not siblings:
            found.append(f"{name}: `{part}` must not import `{other}`")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_dependencies_go_down_only(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    part, paths = part_of(path), paths_into(path, tree)
    assert broken_rules(part, imported(tree) | named_in_strings(tree) | paths) == []
    # `shipped` looks for the checkout, for everybody else.
    assert "recode" not in paths or part == "shipped"


@pytest.mark.parametrize(
    ("file", "code", "found"),
    [
        ("records.py", "import importlib\nimportlib.import_module('recode.cli.app')", {"recode.cli.app"}),
        ("train/a.py", "command = ['-m', 'recode.cli.app', 'train']", {"recode.cli.app"}),
        ("train/a.py", "'see recode.cli.app for it'", set()),
        ("models/a.py", "from pathlib import Path\nPath(__file__).parent / 'tiny' / name", {"recode.models"}),
        ("models/a.py", "Path(__file__).parents[1] / 'cli' / 'app.py'", {"recode.cli"}),
        ("models/a.py", "Path(__file__).parent.parent / name", {"recode"}),
        ("models/a.py", "HERE = Path(__file__).resolve().parent\nHERE.parent.parent", {"recode", "recode.models"}),
        ("records.py", "Path(__file__).parents[2] / 'data'", {"recode"}),
        ("migrate/find/a.py", "from recode import knowledge\nPath(knowledge.__file__).parent", {"recode.knowledge"}),
        ("models/a.py", "import recode\nstr(Path(recode.__file__).with_name('cli'))", {"recode.cli"}),
        ("collect/walk/a.py", "Path(__file__).with_name('_walker.py')", {"recode.collect"}),
    ],
)
def test_strings_and_paths_are_seen(file: str, code: str, found: set[str]) -> None:
    tree = ast.parse(code)
    assert named_in_strings(tree) | paths_into(SOURCE / file, tree) == found


PRINTERS = {"rich", "typer"}
PRINTING = {"cli", "report", "reports"}
"""Folders whose modules print; all others return values and report progress through a callback."""
PROGRAMS = {
    "collect/walk/_standard_walker.py": "runs under another release of Python and reports on standard output",
    "collect/walk/_walker.py": "runs in a library's environment and reports on standard output",
    "dataset/levels/_signatures.py": "runs in a library's environment and reports on standard output",
    "knowledge/_shape.py": "runs in a library's environment and reports on standard output",
    "migrate/prove/equality/_generated_calls.py": "runs in a library's environment and reports on standard output",
    "migrate/rewrite/_name_questions.py": "runs in a library's environment and reports on standard output",
    "train/scaling.py": "`python -m recode.train.scaling` prints the table of docs/scaling.md",
}
"""Modules that are also programs of their own, and so may call `print`."""


def printing(tree: ast.AST) -> set[str]:
    """Return how a module reaches a terminal: the libraries for it that it imports, and `print` if it calls it."""
    calls = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    return PRINTERS & {name.partition(".")[0] for name in imported(tree)} | calls & {"print"}


def test_only_the_command_line_and_reports_print() -> None:
    found = {}
    for path in MODULES:
        own = path.relative_to(SOURCE)
        if not PRINTING & set(own.parts) and (ways := printing(ast.parse(path.read_text(encoding="utf-8")))):
            found[own.as_posix()] = ways
    assert found == {path: {"print"} for path in PROGRAMS}


def test_every_module_has_a_layer() -> None:
    # `import recode` itself and `python -m recode` belong to none.
    parts = {part_of(path) for path in MODULES} - {"__init__", "__main__"}
    assert {part for part in parts if layer_of(part) is None} == set()


@pytest.mark.parametrize(
    ("part", "name", "allowed"),
    [
        ("cli", "recode.dataset.build", True),
        ("collect", "recode.train.sft", False),
        ("collect", "recode.sandbox.execution", True),
        ("sandbox", "recode.dataset.build", False),
        ("rewards", "recode.sandbox.execution", True),
        ("prompts", "recode.models.complete", False),
        ("sandbox", "recode.cli.app.main", False),
        ("records", "recode.errors.RecodeError", True),
        ("invent", "recode.prompts.response", True),
        ("invent", "recode.models.complete", False),
        ("train", "torch", True),
        ("rewards", "torch.nn", False),
        ("cli", "transformers", False),
    ],
)
def test_the_rules_themselves(part: str, name: str, allowed: bool) -> None:
    assert (broken_rules(part, {name}) == []) is allowed


@pytest.mark.parametrize("arguments", [["--help"], ["verify", "--help"], ["data", "build", "--help"]])
def test_the_command_line_starts_without_heavy_libraries(arguments: list[str]) -> None:
    code = (
        "import sys; sys.argv = ['recode', *sys.argv[1:]]\n"
        "from recode.cli.app import main\n"
        "try: main()\n"
        "except SystemExit as error: assert not error.code, error.code\n"
        f"loaded = set({sorted(HEAVY)!r}) & sys.modules.keys()\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Example" in done.stdout or arguments == ["--help"]
