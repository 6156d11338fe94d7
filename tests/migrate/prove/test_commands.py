"""What of a project is run without being asked."""

from __future__ import annotations

from pathlib import Path

from recode.migrate.prove.commands import found_commands
from recode.migrate.prove.module_imports import modules_to_import


def test_scripts_and_tests_are_found_and_modules_are_not(tmp_path: Path) -> None:
    files = {
        "tool.py": "def f(): pass\n\nif __name__ == '__main__':\n    f()\n",
        "plot.py": "import lib\nlib.draw()\n",
        "lib.py": "import logging\nprint('imported by plot')\n\ndef draw(): pass\n",
        "settings.py": "import logging\nlogging.basicConfig()\nlogging.getLogger().setLevel(10)\n",
        "setup.py": "from setuptools import setup\nsetup()\n",
        "main.py": "print(1)\n",
        "tests/test_lib.py": "def test(): pass\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = found_commands(tmp_path)
    assert found.commands == ("python main.py", "python plot.py", "python tool.py", "python -m pytest -q")
    assert found.scripts == {Path("main.py"), Path("plot.py"), Path("tool.py")}
    modules = modules_to_import([Path(name) for name in files], found.scripts)
    assert sorted(modules) == ["lib", "settings"]


def test_modules_are_named_as_they_are_imported() -> None:
    files = [
        Path("src/pkg/__init__.py"),
        Path("src/pkg/part.py"),
        Path("other-name.py"),
        Path("docs/conf.py"),
        Path("flat.py"),
    ]
    assert sorted(modules_to_import(files)) == ["flat", "pkg", "pkg.part"]
