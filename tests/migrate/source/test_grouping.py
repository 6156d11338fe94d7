from recode.migrate.source.grouping import grouped


def test_items_that_are_linked_step_by_step_are_one_group() -> None:
    assert grouped("abcde", [("a", "c"), ("d",), ("c", "e")]) == [["a", "c", "e"], ["b"], ["d"]]


def test_an_item_linked_with_itself_is_in_its_group_once() -> None:
    assert grouped("ab", [("a", "a"), ("a", "b"), ("b", "a")]) == [["a", "b"]]


def test_without_links_each_item_is_alone() -> None:
    assert grouped([2, 1], []) == [[2], [1]]
