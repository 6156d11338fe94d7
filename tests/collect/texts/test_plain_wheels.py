"""A wheel from a source distribution: what is in it, and what is refused. Nothing of the package runs."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from recode.collect.texts import plain_wheels
from recode.collect.texts.package_index import Release, ReleaseFile
from recode.errors import EnvironmentBuildError

SETUP = "raise SystemExit('setup.py was run')"


def made(files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> zipfile.ZipFile:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(f"toy-lib-1.0/{name}")
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    sdist = ReleaseFile("toy-lib-1.0.tar.gz", "", "", 1, "sdist")
    monkeypatch.setenv("RECODE_HOME", str(tmp_path))
    monkeypatch.setattr(plain_wheels, "release_of", lambda library, version: Release(library, version, (sdist,)))
    monkeypatch.setattr(plain_wheels, "fetch", lambda file: archive.getvalue())
    return zipfile.ZipFile(plain_wheels.make_wheel("toy-lib", "1.0"))


def test_packages_and_modules_are_copied_with_their_requirements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "setup.py": SETUP, "toy/__init__.py": "x = 1", "toy/data.txt": "d", "single.py": "", "docs/conf.py": "", "tests/a.py": "",
        "toy_lib.egg-info/requires.txt": "numpy>=1\n\n[socks]\nPySocks\n\n[:python_version<'3.8']\ntyping\n",
    }  # fmt: skip
    wheel = made(files, tmp_path, monkeypatch)
    names = {name for name in wheel.namelist() if "dist-info" not in name}
    assert names == {"toy/__init__.py", "toy/data.txt", "single.py"}
    metadata = wheel.read("toy_lib-1.0.dist-info/METADATA").decode()
    assert "Requires-Dist: numpy>=1\n" in metadata
    assert "Requires-Dist: typing; python_version<'3.8'\n" in metadata
    assert "PySocks" not in metadata
    assert "toy/__init__.py,sha256=" in wheel.read("toy_lib-1.0.dist-info/RECORD").decode()


def test_a_src_folder_holds_the_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "src/toy/__init__.py": "",
        "tools/x.py": "",
        "PKG-INFO": "Requires-Dist: a\nRequires-Dist: b; extra == 'c'\n",
    }
    wheel = made(files, tmp_path, monkeypatch)
    assert [name for name in wheel.namelist() if "dist-info" not in name] == ["toy/__init__.py"]
    metadata = wheel.read("toy_lib-1.0.dist-info/METADATA").decode()
    assert "Requires-Dist: a" in metadata
    assert "Requires-Dist: b" not in metadata


def test_what_has_to_be_compiled_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EnvironmentBuildError, match="have to be compiled"):
        made({"toy/__init__.py": "", "toy/fast.pyx": ""}, tmp_path, monkeypatch)
