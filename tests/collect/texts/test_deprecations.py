from __future__ import annotations

import textwrap

import pytest

from recode.collect.texts.deprecations import Notice, notices


def read(source: str) -> list[Notice]:
    return notices([("lib/module.py", textwrap.dedent(source))])


WARNS = 'warnings.warn("`f` is deprecated, use `g`.", {})'


@pytest.mark.parametrize(
    ("category", "found"),
    [
        ("DeprecationWarning", 1),
        ("FutureWarning, stacklevel=2", 1),
        ("category=PendingDeprecationWarning", 1),
        ("UserWarning", 0),
        ("OwnWarning", 1),
        ("Other", 0),
    ],
)
def test_a_warning_counts_by_its_category(category: str, found: int) -> None:
    source = (
        f"class OwnWarning(Base): pass\nclass Base(DeprecationWarning): pass\ndef f():\n    {WARNS.format(category)}\n"
    )
    assert len(read(source)) == found


def test_where_and_about_what_a_warning_speaks() -> None:
    [one] = read(
        """
        class Table:
            def sort(self, key, copy=None):
                if copy is not None:
                    message = "The copy argument"
                    warnings.warn(f"{message} is " "deprecated since " + version, DeprecationWarning)
        """
    )
    assert (one.how, one.owner, one.line, one.tested) == ("warning", "Table.sort", 6, ("copy",))
    assert one.text == "{message} is deprecated since {}"
    assert one.parameters == ("key", "copy")


def test_a_message_may_be_in_a_variable() -> None:
    [one] = read('def f():\n    text = "f is deprecated"\n    warnings.warn(text, DeprecationWarning)\n')
    assert one.text == "f is deprecated"


@pytest.mark.parametrize(
    ("decorator", "names", "replacements", "effect"),
    [
        ('@rename_parameter("3.5", "s", "fmt")', ("s",), ("fmt",), "renamed"),
        ('@deprecate_kwarg(old_arg_name="a", new_arg_name="b")', ("a",), ("b",), "renamed"),
        ('@deprecate_kwarg({"a": "b"}, deprecated_version="0.19")', ("a",), ("b",), "renamed"),
        ('@deprecate_renamed_parameter("a", "b", version="0.20.4")', ("a",), ("b",), "renamed"),
        ('@_api.delete_parameter("3.5", "dryrun")', ("dryrun",), (), "removed"),
        ('@make_keyword_only("3.6", "b")', ("b",), (), "keyword_only"),
        ('@deprecate_nonkeyword_arguments(version="3.0", allowed_args=["self", "by"])', (), (), "keyword_only"),
        ("@deprecate_positional_args", (), (), "keyword_only"),
        ('@deprecated("Use `g` instead.")', (), (), ""),
        ('@deprecated("1.2", alternative="g")', (), ("g",), ""),
    ],
)
def test_decorators(decorator: str, names: tuple[str, ...], replacements: tuple[str, ...], effect: str) -> None:
    [one] = read(f"{decorator}\ndef f(self, a, b): pass\n")
    assert (one.owner, one.names, one.replacements, one.effect) == ("f", names, replacements, effect)


def test_other_decorators_say_nothing() -> None:
    assert read("# deprecated\n@cache\ndef f(): pass\n") == []


def test_maps_of_expired_names() -> None:
    found = read(
        """
        __expired_attributes__ = {"cast": "Use `np.asarray` instead.", "lookfor": ("1.9", "Search the documentation.")}
        _renamed = {"old_name": "new_name"}
        _other = {"a": "b"}
        """
    )
    assert [(one.names[0], one.text, one.replacements) for one in found] == [
        ("cast", "Use `np.asarray` instead.", ()),
        ("lookfor", "Search the documentation.", ()),
        ("old_name", "old_name: new_name", ("new_name",)),
    ]


def test_directives_in_docstrings_and_the_parameter_they_are_about() -> None:
    source = '''
    def f(x, style=None):
        """Do it.

        .. deprecated:: 1.5
            Use :func:`g` instead.

        Parameters
        ----------
        style : str
            Has no effect.

            .. deprecated:: 1.14.0
        """
    '''
    whole, parameter = read(source)
    assert (whole.text, whole.tested) == ("Deprecated since version 1.5: Use :func:`g` instead.", ())
    assert (parameter.text, parameter.tested) == ("Deprecated since version 1.14.0:", ("style",))
    assert (whole.line, parameter.line) == (5, 13)


def test_errors_that_tell_what_to_use() -> None:
    [one] = read('def load():\n    raise ImportError("`load` has been removed; use `fetch`.")\n')
    assert (one.how, one.category) == ("error", "ImportError")
    assert read('def load():\n    # deprecated\n    raise ValueError("wrong value")\n') == []


def test_files_that_do_not_parse_are_passed_over() -> None:
    assert read("deprecated (((") == []
