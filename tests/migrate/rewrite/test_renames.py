"""Renames that depend on more than the file's own text: other files, the new release, the note."""

from __future__ import annotations

import pytest

from recode.migrate.rewrite.program import EditableProgram
from recode.migrate.rewrite.rename_rules import NotARename, RenameRule, rename_rule, tentative_rule
from recode.migrate.rewrite.renames import plan_renames
from recode.migrate.rewrite.requests import Renamed, RenameRefused, RenameRequest
from recode.migrate.source.edits import Edit, apply
from recode.migrate.source.tree import Tree
from recode.symbol import Symbol
from tests.migrate.migration_corpus import update

IN1D, ISIN = Symbol("numpy.in1d"), Symbol("numpy.isin")


def renamed(text: str, old: Symbol, new: Symbol, at: str, **options: object) -> str:
    """Rename the first occurrence of `at`; its last letters are the name."""
    tree = Tree(text)
    end = text.index(at) + len(at)
    place = tree.place(end - len(old.parameter or old.name), end)
    assert place is not None
    done = plan_renames(EditableProgram(tree, **options), [RenameRequest(place, old, new)])  # type: ignore[arg-type]
    assert len(done) == 1
    if isinstance(done[0], RenameRefused):
        return done[0].reason
    return apply(text, done[0].edits)


def test_a_package_keeps_the_names_that_it_offers() -> None:
    text = "from numpy import in1d\n"
    assert renamed(text, IN1D, ISIN, "in1d", package=True) == "from numpy import isin as in1d\n"
    assert renamed(text, IN1D, ISIN, "in1d") == "from numpy import isin\n"


def test_a_name_that_another_file_takes_keeps_its_name_here() -> None:
    text = "from numpy import in1d\nx = in1d(1, 2)\n"
    assert renamed(text, IN1D, ISIN, "in1d", used_elsewhere=lambda name: name == "in1d") == text.replace(
        "import in1d", "import isin as in1d"
    )


@pytest.mark.parametrize(
    "rest",
    [
        "class A:\n    in1d = staticmethod(in1d)\n",
        "class A:\n    class B:\n        in1d = in1d\n",
        "class A:\n    if in1d:\n        in1d = 1\n",
        "def f():\n    class A:\n        in1d = staticmethod(in1d)\n",
    ],
)
def test_a_name_that_a_class_binds_from_itself_stays(rest: str) -> None:
    text = f"from numpy import in1d\n{rest}"
    assert renamed(text, IN1D, ISIN, "in1d") == text.replace("import in1d", "import isin as in1d")


def test_an_import_keeps_its_name_where_one_of_its_uses_is_left_alone() -> None:
    text = "from numpy import in1d\nx = in1d(1, 2)\ny = in1d(3, 4)\n"
    tree = Tree(text)
    places = [tree.place(at, at + 4) for at in (text.index("in1d"), text.index("in1d(3"))]
    assert places[0] is not None
    assert places[1] is not None
    (done,) = plan_renames(EditableProgram(tree), [RenameRequest(places[0], IN1D, ISIN)], [places[1].node])
    assert isinstance(done, Renamed)
    assert apply(text, done.edits) == text.replace("import in1d", "import isin as in1d")


@pytest.mark.parametrize(
    ("head", "after"),
    [
        ("if TYPE_CHECKING:\n    from numpy.exceptions import AxisError\n", "means something else"),
        ("try:\n    from numpy.exceptions import AxisError\nexcept ImportError:\n    pass\n", "means something else"),
        ("class A:\n    from numpy.exceptions import AxisError\n", "means something else"),
        ("from numpy.exceptions import AxisError\n", "raise AxisError"),
        ("if TYPE_CHECKING:\n    import numpy.exceptions as e\n", "raise AxisError"),
        ("import numpy.exceptions as e\n", "raise e.AxisError"),
    ],
)
def test_a_name_that_is_imported_for_type_checkers_alone_is_not_used(head: str, after: str) -> None:
    text = f"import numpy as np\n{head}def f():\n    raise np.AxisError('x')\n"
    assert after in renamed(text, Symbol("numpy.AxisError"), Symbol("numpy.exceptions.AxisError"), "np.AxisError")


@pytest.mark.parametrize(
    "listed", ["__all__.extend(['in1d'])", "__all__.append('in1d')", "__all__.extend(['x'] + ['in1d'])"]
)
def test_names_that_are_added_to_all_later_are_kept(listed: str) -> None:
    text = f"from numpy import in1d\n__all__ = []\n{listed}\n"
    assert renamed(text, IN1D, ISIN, "in1d") == text.replace("import in1d", "import isin as in1d")


def test_the_new_release_says_whether_a_longer_path_is_reached() -> None:
    text = "import numpy as np\nnp.normalize_axis_index(1, 2)\n"
    old, new = Symbol("numpy.normalize_axis_index"), Symbol("numpy.lib.array_utils.normalize_axis_index")
    assert renamed(text, old, new, "np.normalize_axis_index", reaches=lambda module, rest: True) == (
        "import numpy as np\nnp.lib.array_utils.normalize_axis_index(1, 2)\n"
    )
    assert renamed(text, old, new, "np.normalize_axis_index", reaches=lambda module, rest: False) == (
        "import numpy as np\nfrom numpy.lib.array_utils import normalize_axis_index\nnormalize_axis_index(1, 2)\n"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("y = x.ptp()", "y = np.ptp(x)"),
        ("y = x[1:].ptp( axis=0 )", "y = np.ptp(x[1:],  axis=0 )"),
        ("y = (a + b).ptp(0, c).sum()", "y = np.ptp((a + b), 0, c).sum()"),
        ("y = ( (a\n + b)\n ).ptp()", "y = np.ptp(( (a\n + b)\n ))"),
        ("y = (a\n .ptp(0))", "y = (np.ptp(a, 0))"),
        ("y = (a  # why\n .ptp(0))", "odd way"),
        ("y = f(x).ptp(0).max()", "y = np.ptp(f(x), 0).max()"),
        ("y = x.ptp().ptp()", "the same method"),
        ("y = x.ptp", "is not called"),
    ],
)
def test_a_method_becomes_a_function(before: str, after: str) -> None:
    head = "import numpy as np\n"
    result = renamed(
        head + before + "\n", Symbol("numpy.ndarray.ptp"), Symbol("numpy.ptp"), before[: before.rindex("ptp") + 3]
    )
    if after.startswith("y"):
        assert result == head + after + "\n"
    else:
        assert after in result


@pytest.mark.parametrize(
    ("text", "at", "said"),
    [
        ("import numpy as np; x = np.away()\n", "np.away", "shares its line"),
        ("import numpy as np\nback = 1\nx = np.away()\n", "np.away", "means something else"),
        ("from numpy import (\n  away, # it\n  zeros)\n", "away", "a comment stands between"),
        ("import numpy.away\nnumpy.away.f()\n", "numpy.away", "the uses of this import"),
        ("from numpy import away\naway = 3\n", "away", ""),
    ],
)
def test_what_is_not_certain_is_refused_or_kept_small(text: str, at: str, said: str) -> None:
    result = renamed(text, Symbol("numpy.away"), Symbol("elsewhere.back"), at)
    if said:
        assert said in result
    else:
        assert result == "from elsewhere import back as away\naway = 3\n"


def test_a_file_without_plain_imports_gets_one_at_its_head() -> None:
    text = '"""Says."""\n\ntry:\n    from . import generic as g\nexcept BaseException:\n    import generic as g\n\ng.x.ptp(0)\n'
    done = renamed(text, Symbol("numpy.ndarray.ptp"), Symbol("numpy.ptp"), "g.x.ptp")
    assert done == text.replace("try:", "from numpy import ptp\ntry:").replace("g.x.ptp(0)", "ptp(g.x, 0)")


def test_two_moves_out_of_one_import() -> None:
    text = "from numpy import one, two, three\n"
    tree = Tree(text)
    wanted = []
    for name in ("one", "three"):
        start = text.index(name)
        place = tree.place(start, start + len(name))
        assert place is not None
        wanted.append(RenameRequest(place, Symbol(f"numpy.{name}"), Symbol(f"new.{name}")))
    (done,) = plan_renames(EditableProgram(tree), wanted)
    assert isinstance(done, Renamed)
    assert apply(text, done.edits) == "from numpy import two\nfrom new import one, three\n"


@pytest.mark.parametrize(
    ("kind", "old", "new", "note", "is_plain"),
    [
        ("renamed", "a.f", "a.g", "Use `a.g` with the same arguments.", True),
        ("renamed", "a.f", "a.g", "Instead of `a.f(x, y)` write `a.g(y, x)`.", False),
        ("renamed", "a.f", "a.g", "Instead of `a.f(x)` write `a.g(x)`.", True),
        ("renamed", "a.NINF", "a.inf", "Write `-a.inf`.", False),
        ("parameter_renamed", "a.f(nyq)", "a.f(fs)", "Replace `nyq=v` by `fs=2 * v`.", False),
        ("parameter_renamed", "a.f(old)", "a.f(new)", "Replace `old=v` by `new=v`.", True),
        ("parameter_renamed", "a.f(old)", "a.f(new)", "Replace `old=True` by `new=False`.", False),
        ("parameter_renamed", "a.f(old)", "a.g(new)", "", False),
        ("replaced", "a.f", "a.g", "", False),
        ("replaced", "a.f", "a.g", "Instead of `a.f(x, y=1)` write `a.g(x, y=1)`.", True),
        ("replaced", "a.f", "a.g", "Instead of `a.f(x, y=1)` write `a.g(x)`.", False),
        ("replaced", "a.A.f", "a.f", "Instead of `x.f(...)` write `a.f(x, ...)`.", True),
        ("replaced", "a.A.f", "a.f", "Instead of `x.f(...)` write `a.f(..., x)`.", False),
        ("removed", "a.f", "", "", False),
        ("parameter_removed", "a.f(x, y)", "", "", False),
    ],
)
def test_only_plain_updates_are_done_without_a_model(kind: str, old: str, new: str, note: str, is_plain: bool) -> None:
    changed = update(kind, old, new, note or "Nothing.")  # type: ignore[arg-type]
    if not is_plain:
        with pytest.raises(NotARename):
            rename_rule(changed)
        return
    rule = rename_rule(changed)
    assert (rule.old, rule.new) == (Symbol(old), Symbol(new))


@pytest.mark.parametrize(
    ("kind", "old", "new", "note", "tried"),
    [
        ("replaced", "a.product", "a.prod", "Use `prod` instead.", True),
        ("replaced", "a.NINF", "a.inf", "Write `-a.inf`.", False),
        ("replaced", "a.f(x)", "a.g", "", False),
        ("removed", "a.f", "", "", False),
        ("return_changed", "a.f", "a.g", "", False),
    ],
)
def test_a_named_successor_is_tried_for_tests_to_decide(kind: str, old: str, new: str, note: str, tried: bool) -> None:
    assert (tentative_rule(update(kind, old, new, note or "Nothing.")) is not None) is tried  # type: ignore[arg-type]


def test_one_object_under_two_names_is_a_rename_whatever_the_kind() -> None:
    one = update("deprecated", "numpy.row_stack", "numpy.vstack")
    with pytest.raises(NotARename):
        rename_rule(one)
    rule = RenameRule(Symbol("numpy.row_stack"), Symbol("numpy.vstack"))
    assert rename_rule(one, frozenset({"numpy.row_stack"})) == rule


def test_edits_that_overlap_are_errors() -> None:
    with pytest.raises(ValueError, match="overlap"):
        apply("abcdef", [Edit(0, 3, "x"), Edit(2, 4, "y")])
    assert apply("abcdef", [Edit(2, 4, "y"), Edit(2, 4, "y"), Edit(6, 6, "!")]) == "abyef!"


NAN = Symbol("pandas.np.nan"), Symbol("numpy.nan")


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("import pandas as pd\nx = pd.np.nan\nimport numpy as np\n", "import pandas as pd\nfrom numpy import nan\nx = nan\n"),
        ("import pandas as pd\nclass A:\n    x = pd.np.nan\nimport numpy as np\n", "import pandas as pd\nfrom numpy import nan\n"),
        ("import pandas as pd\ndef f():\n    x = pd.np.nan\n    import numpy as np\n", "import pandas as pd\nfrom numpy import nan\n"),
        ("import pandas as pd\ndef f():\n    return pd.np.nan\nimport numpy as np\n", "import pandas as pd\ndef f():\n    return np.nan\n"),
        ("import pandas as pd\nf = lambda: pd.np.nan\nimport numpy as np\n", "import pandas as pd\nf = lambda: np.nan\n"),
        ("import numpy as np, pandas as pd\nx = pd.np.nan\n", "import numpy as np, pandas as pd\nx = np.nan\n"),
    ],
)  # fmt: skip
def test_only_an_import_that_has_run_is_used(text: str, after: str) -> None:
    assert renamed(text, *NAN, "pd.np.nan").startswith(after)


@pytest.mark.parametrize(
    "text",
    [
        "import os\ntry:\n    import jinja2\n    HAS = True\nexcept ImportError:\n    HAS = False\nx = jinja2.escape(a) if HAS else a\n",
        "import os\nif os.environ:\n    import jinja2\nx = jinja2.escape(a)\n",
    ],
)
def test_a_library_that_may_be_missing_brings_no_import_for_certain(text: str) -> None:
    old, new = Symbol("jinja2.escape"), Symbol("markupsafe.escape")
    assert "within a `try` or a condition" in renamed(text, old, new, "jinja2.escape")


def test_a_function_of_a_library_that_may_be_missing_is_not_imported_for_certain() -> None:
    text = "import os\ntry:\n    import numpy as np\nexcept ImportError:\n    np = None\ny = x.ptp()\n"
    said = renamed(text, Symbol("numpy.ndarray.ptp"), Symbol("numpy.ptp"), "x.ptp")
    assert "within a `try` or a condition" in said


@pytest.mark.parametrize(
    ("rest", "kept"),
    [
        ("def f(x: Optional['in1d']): ...\n", True),
        ("x = globals()['in1d']\n", True),
        ('def f():\n    """Uses in1d."""\n    return in1d(1, 2)\n', False),
        ("x = 'in1d_of_them'\n", False),
    ],
)
def test_an_imported_name_that_a_string_holds_stays(rest: str, kept: bool) -> None:
    done = renamed(f"from numpy import in1d\n{rest}", IN1D, ISIN, "in1d")
    assert done.splitlines()[0] == ("from numpy import isin as in1d" if kept else "from numpy import isin")
