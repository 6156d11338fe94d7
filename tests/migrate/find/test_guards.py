"""Guards: a branch counts as one for a release only where its condition says so, and finding and rewriting agree on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from recode.migrate.find.scan import scan
from recode.migrate.pipeline import rewrite_project
from recode.migrate.report.summary import counts
from recode.migrate.result import MigrateOptions, MigrationResult, Upgrade
from tests.migrate.migration_corpus import UPDATES

HEAD = "import numpy as np\nfrom elsewhere import conversion, has_header, is_float32, is_md5, n_gt_0, args, version, HAS_NUMPY\n"


def reported(folder: Path, text: str) -> list[int]:
    (folder / "a.py").write_text(text)
    return [one.line for one in scan(folder, UPDATES, workers=1).findings]


def migrated(folder: Path, text: str, confidence: float = 0.5) -> MigrationResult:
    (folder / "a.py").write_text(text)
    options = MigrateOptions(environments=False, confidence=confidence)
    return rewrite_project(folder, Upgrade("numpy", "1.26.4", "2.4.6"), options, UPDATES)


@pytest.mark.parametrize(
    "condition",
    ["conversion", "has_header", "is_float32", "is_md5", "n_gt_0", "args.version", "args.version_info > 2", "version", "HAS_NUMPY",
     "unknown.__version__ > '2'"],
)  # fmt: skip
def test_common_names_in_conditions_guard_nothing(tmp_path: Path, condition: str) -> None:
    assert reported(tmp_path, f"{HEAD}if {condition}:\n    np.trapz(1)\n") == [4]
    assert reported(tmp_path, f"{HEAD}def f(x):\n    if {condition}:\n        return x\n    return np.trapz(x)\n") == [
        6
    ]


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
    assert reported(tmp_path, text) == []


def test_that_a_library_is_installed_is_no_release(tmp_path: Path) -> None:
    head = "try:\n    import numpy as np\n    HAVE = True\nexcept ImportError:\n    HAVE = False\n"
    assert reported(tmp_path, f"{head}if HAVE:\n    np.trapz(1)\n") == [7]


def test_a_try_about_another_module_guards_nothing_when_rewriting(tmp_path: Path) -> None:
    text = "import numpy as np\ntry:\n    import matplotlib\n    y = np.trapz([1, 2])\nexcept ImportError:\n    print('none')\n"
    result = migrated(tmp_path, text)
    assert counts(result) == {"by a proven rule": 1}
    assert result.files()[0].new == text.replace("trapz", "trapezoid").encode()


def test_what_finding_calls_guarded_is_guarded_when_rewriting(tmp_path: Path) -> None:
    text = "try:\n    from numpy import isin\nexcept ImportError:\n    from numpy import in1d as isin\nisin(1, 2)\n"
    result = migrated(tmp_path, text, confidence=0.1)
    assert counts(result) == {"guarded": 2}
    assert not any(place.is_open for place in result.left)
    assert result.files() == []


@pytest.mark.parametrize(
    "before",
    [
        "def dtype_of(name):\n    result = getattr(np, name, None)\n    return result\n",
        "class A:\n    result = np.__version__\n",
        'def told():\n    result = "numpy {}".format(np.__version__)\n    return result\n',
    ],
)
def test_a_flag_is_one_where_its_name_is_seen(tmp_path: Path, before: str) -> None:
    text = f"import numpy as np\n{before}def f(data):\n    result = sorted(data)\n    if result:\n        return np.in1d(result, data)\n"
    assert len(reported(tmp_path, text)) == 1


@pytest.mark.parametrize(
    "value",
    [
        '"numpy {}".format(np.__version__)',
        "load(np.__version__)",
        "getattr(np, 'trapezoid', np.trapezoid)(data)",
        "TABLE[np.__version__]",
    ],
)
def test_what_is_made_of_a_release_in_any_way_is_no_flag(tmp_path: Path, value: str) -> None:
    text = f"import numpy as np\ntext = {value}\nif text:\n    np.in1d(1, 2)\ndef load(text):\n    if text:\n        return np.in1d(1, 2)\n"
    assert reported(tmp_path, text) == [4, 7]


@pytest.mark.parametrize(
    "value",
    [
        "tuple(map(int, np.__version__.split('.')[:2]))", "[int(x) for x in np.__version__.split('.')]", "Version(np.__version__).major",
        "int(re.match('[0-9]+', np.__version__).group())", "packaging.version.parse(np.__version__) >= two", "not hasattr(np, 'isin')",
        "to_tuple(np.__version__) < (2, 0)", "is_at_least(np.__version__, '2')", "np.__version__.startswith('2.')", "np_at_least_2",
        "all(hasattr(np, name) for name in NAMES)", "any([hasattr(np, 'isin'), hasattr(np, 'a')])", "'.'.join(np.__version__.split('.'))",
    ],
)  # fmt: skip
def test_what_is_read_off_a_release_is_a_flag_also_in_functions(tmp_path: Path, value: str) -> None:
    functions = "def f(x):\n    if NEW:\n        return np.trapz(x)\ndef g(NEW):\n    if NEW:\n        np.trapz(1)\n"
    assert reported(tmp_path, f"import numpy as np\nNEW = {value}\n{functions}") == [8]


def test_a_flag_that_a_function_sets_by_global_guards_other_functions(tmp_path: Path) -> None:
    head = "import numpy as np\nNEW = None\ndef f(x):\n    if NEW:\n        return np.trapz(x)\n"
    assert reported(tmp_path, f"{head}def look():\n    global NEW\n    NEW = hasattr(np, 'isin')\n") == []
    assert reported(tmp_path, f"{head}def look():\n    NEW = hasattr(np, 'isin')\n") == [5]


EARLY = {
    "try": "try:\n    return np.trapezoid(y)\nexcept AttributeError:\n    pass\n",
    "else": 'if not hasattr(np, "trapezoid"):\n    pass\nelse:\n    return np.trapezoid(y)\n',
    "suppress": "with contextlib.suppress(AttributeError):\n    return np.trapezoid(y)\n",
    "import": "try:\n    from numpy import trapezoid\n    return trapezoid(y)\nexcept ImportError:\n    pass\n",
    "suppressed import": "with suppress(ImportError):\n    from numpy import trapezoid\n    return trapezoid(y)\n",
}


def in_function(body: str) -> str:
    return "import contextlib, numpy as np\ndef f(self, y):\n" + "".join(f"    {line}\n" for line in body.splitlines())


@pytest.mark.parametrize("early", EARLY.values(), ids=EARLY)
def test_what_follows_an_early_return_is_for_the_other_releases(tmp_path: Path, early: str) -> None:
    assert reported(tmp_path, in_function(early + "return np.trapz(y)")) == []


@pytest.mark.parametrize(
    "early",
    [
        "try:\n    return self._area\nexcept AttributeError:\n    pass\n",
        "try:\n    return np.asarray(self.area)\nexcept AttributeError:\n    pass\n",
        "with contextlib.suppress(AttributeError):\n    return self._area\n",
        "with contextlib.suppress(KeyError):\n    return np.trapezoid(y)\n",
        "try:\n    import pandas\n    return pandas.isna(y)\nexcept ImportError:\n    pass\n",
        'if not hasattr(np, "trapezoid"):\n    pass\nelse:\n    raise ValueError\n',
        "with contextlib.suppress(AttributeError):\n    np.trapezoid(y)\n",
    ],
)
def test_an_early_return_for_other_reasons_guards_nothing(tmp_path: Path, early: str) -> None:
    assert len(reported(tmp_path, in_function(early + "return np.trapz(y)"))) == 1


def test_what_an_instance_has_tells_releases_apart_where_updates_are_about_it(tmp_path: Path) -> None:
    body = "a = np.zeros(3)\nif hasattr(a, {!r}):\n    return a.tobytes()\nreturn a.tostring()"
    assert reported(tmp_path, in_function(body.format("tobytes"))) == []
    assert reported(tmp_path, in_function(body.format("name"))) == [6]
