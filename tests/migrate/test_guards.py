"""Guards: a branch counts as one for a release only where its condition says so, and finding and rewriting agree on it."""

from __future__ import annotations

from pathlib import Path

import pytest
from migration_corpus import UPDATES

from recode.migrate.guards import release_names
from recode.migrate.rewriting import Asked, Migrated, migrate_project
from recode.migrate.scan import scan
from recode.migrate.summary import counts

HEAD = "import numpy as np\nfrom elsewhere import conversion, has_header, is_float32, is_md5, n_gt_0, args, version, HAS_NUMPY\n"


def told(folder: Path, text: str) -> list[int]:
    (folder / "a.py").write_text(text)
    return [one.line for one in scan(folder, UPDATES, workers=1).findings]


def migrated(folder: Path, text: str, confidence: float = 0.5) -> Migrated:
    (folder / "a.py").write_text(text)
    asked = Asked(library="numpy", old="1.26.4", new="2.4.6", environments=False, confidence=confidence)
    return migrate_project(folder, asked, UPDATES)


@pytest.mark.parametrize(
    "condition",
    ["conversion", "has_header", "is_float32", "is_md5", "n_gt_0", "args.version", "args.version_info > 2", "version", "HAS_NUMPY",
     "unknown.__version__ > '2'"],
)  # fmt: skip
def test_common_names_in_conditions_guard_nothing(tmp_path: Path, condition: str) -> None:
    assert told(tmp_path, f"{HEAD}if {condition}:\n    np.trapz(1)\n") == [4]
    assert told(tmp_path, f"{HEAD}def f(x):\n    if {condition}:\n        return x\n    return np.trapz(x)\n") == [6]


@pytest.mark.parametrize(
    ("flag", "condition"),
    [
        ("", "np.__version__ >= '2'"),
        ("", "parse(np.version.version) >= two"),
        ("", "np_version >= two"),
        ("", "compat.NUMPY_GE_2"),
        ("", "version('numpy') >= two"),
        ("NEW = Version(np.__version__) >= two\n", "NEW"),
        ("major, minor = np.__version__.split('.')[:2]\n", "int(major) > 1"),
        ("from numpy import __version__ as v\nnew: bool = v.startswith('2')\n", "not new"),
        ("HAS_ISIN = hasattr(np, 'isin')\n", "HAS_ISIN"),
        (
            "try:\n    from numpy import trapezoid\n    HAVE = True\nexcept ImportError:\n    HAVE = False\n",
            "HAVE",
        ),
    ],
)
def test_releases_and_flags_made_of_them_guard(tmp_path: Path, flag: str, condition: str) -> None:
    text = f"import numpy as np\n{flag}def f(x):\n    if {condition}:\n        return np.trapezoid(x)\n    return np.trapz(x)\n"
    assert told(tmp_path, text) == []


def test_that_a_library_is_installed_is_no_release(tmp_path: Path) -> None:
    head = "try:\n    import numpy as np\n    HAVE = True\nexcept ImportError:\n    HAVE = False\n"
    assert told(tmp_path, f"{head}if HAVE:\n    np.trapz(1)\n") == [7]


@pytest.mark.parametrize(
    ("name", "is_release"),
    [
        ("NUMPY_2", True), ("np_version_under1p17", True), ("is_numpy_gt_1_2", True), ("has_numpy2", True), ("IS_PANDAS_2", True),
        ("np_gte_2_0", True), ("NUMPY_1_24_PLUS", True), ("pd_lt_1_3", True), ("nx2", False), ("nx_gt_0", False),
        ("np_float32", False), ("numpy_available", False), ("numpy_conversion", False), ("SCIPY_2", False),
    ],
)  # fmt: skip
def test_names_that_say_whose_release_they_mean(name: str, is_release: bool) -> None:
    assert bool(release_names({"numpy", "pandas", "networkx"}).search(name)) is is_release


def test_a_try_about_another_module_guards_nothing_when_rewriting(tmp_path: Path) -> None:
    text = "import numpy as np\ntry:\n    import matplotlib\n    y = np.trapz([1, 2])\nexcept ImportError:\n    print('none')\n"
    result = migrated(tmp_path, text)
    assert counts(result) == {"by the note alone": 1}
    assert result.files()[0].new == text.replace("trapz", "trapezoid").encode()


def test_what_finding_calls_guarded_is_guarded_when_rewriting(tmp_path: Path) -> None:
    text = "try:\n    from numpy import isin\nexcept ImportError:\n    from numpy import in1d as isin\nisin(1, 2)\n"
    result = migrated(tmp_path, text, confidence=0.1)
    assert counts(result) == {"guarded": 2}
    assert result.done
    assert result.files() == []
