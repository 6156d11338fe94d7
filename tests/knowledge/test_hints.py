"""Facts about libraries that finding uses goes by."""

from __future__ import annotations

import pytest

from recode.knowledge.hints import common_members, merged_hints, release_names


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


def test_hints_of_several_libraries_are_merged() -> None:
    both, numpy, pandas = (merged_hints(names) for names in (["numpy", "pandas"], ["numpy"], ["pandas"]))
    assert both.closed == numpy.closed | pandas.closed
    assert both.returns == numpy.returns | pandas.returns
    assert merged_hints(["no such library"]).names == {}


def test_members_that_many_classes_have_are_known() -> None:
    assert {"append", "items", "split"} <= common_members()
    assert not {name for name in common_members() if name.startswith("_")}
