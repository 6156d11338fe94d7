"""Who may import whom (docs: the architecture), and that the command line starts without heavy libraries."""

from __future__ import annotations

import ast
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
    {"knowledge"},
    {"dataset"},
    {"collect"},
    {"rewards", "sandbox", "models", "invent"},
    {"display", "errors", "html", "machine", "packages", "prompts", "records", "shipped", "source", "symbol"},
]
HEAVY = {"torch", "transformers", "trl", "vllm"}
HEAVY_PARTS = {"train", "evaluate", "models"}
MODULES = sorted(SOURCE.rglob("*.py"))


def part_of(path: Path) -> str:
    """The part of the house that a file belongs to: the package or module directly under recode."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def layer_of(part: str) -> int | None:
    return next((level for level, parts in enumerate(LAYERS) if part in parts), None)


def imported(tree: ast.AST) -> set[str]:
    """Dotted names of what is imported, wherever it stands."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


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
def test_imports_go_down_only(path: Path) -> None:
    assert broken_rules(part_of(path), imported(ast.parse(path.read_text(encoding="utf-8")))) == []


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
