from __future__ import annotations

import ast

from recode.dataset.verify.changed_inputs import MAX_VARIANTS, variants


def changed(old: str, new: str) -> str:
    """All variants as one text, without the lines of the program itself."""
    own = set(ast.unparse(ast.parse(new)).splitlines())
    return "\n".join(line for variant in variants(old, new) for line in variant.splitlines() if line not in own)


def test_the_inputs_of_the_edited_call_are_changed() -> None:
    text = changed("y = [1, 2]\nprint(f(y))\n", "y = [1, 2]\nprint(g(y))\n")
    assert "y = [2, 2]" in text
    assert "y = [2, 1]" in text


def test_text_that_is_only_printed_is_not() -> None:
    code = "y = [1, 2]\n{}(y)\nprint('two', 3, f'{{4}} five', sep='-')\nprint('six', round(7.5, 1))\n"
    text = changed(code.format("f"), code.format("g"))
    assert "print" not in text
    assert "y = " in text


def test_rounding_and_formats_are_no_inputs() -> None:
    text = changed("print(f'{f(5):.3f} m', round(f(6), 2))\n", "print(f'{g(5):.3f} m', round(g(6), 2))\n")
    assert ":.3f} m" in text
    assert ", 2)" in text
    assert ":.4f" not in text
    assert "g(6)" in text


def test_a_function_takes_its_inputs_from_its_callers() -> None:
    code = "def h(y):\n    return {}(y)\n\nprint(h([1, 2]))\n"
    assert "print(h([2, 2]))" in changed(code.format("f"), code.format("g"))


def test_an_edited_import_leads_to_its_uses() -> None:
    text = changed("from a import f\nprint(f(1))\n", "from b import f\nprint(f(1))\n")
    assert "print(f(2))" in text


def test_beside_a_deletion_the_neighbours_count() -> None:
    assert "y = 2" in changed("y = 1\nf()\nprint(h(y))\n", "y = 1\nprint(h(y))\n")


def test_what_is_put_into_an_edited_object_is_its_input() -> None:
    code = "x = [5]\ng = {}()\ng.add(1, 2)\nprint(g.fit(x).size(3), h(4), k(g, 6))\n"
    text = changed(code.format("F"), code.format("G"))
    assert "g.add(2, 2)" in text
    assert "x = [6]" in text
    assert "size(4)" in text
    assert "k(g, 7)" in text
    assert "h(5)" not in text


def test_an_edited_handler_depends_on_what_is_tried() -> None:
    code = "try:\n    print(h(5))\nexcept {}:\n    print('none')\n"
    assert "h(6)" in changed(code.format("F"), code.format("G"))


def test_what_is_set_for_a_block_depends_on_the_block() -> None:
    code = "with w():\n    {}('x')\n    y = h(5)\nprint(y)\n"
    assert "y = h(6)" in changed(code.format("f"), code.format("g"))


def test_data_may_change_places() -> None:
    text = changed("y = [{1, 2}, {3, 4}]\nprint(f(y))\n", "y = [{1, 2}, {3, 4}]\nprint(g(y))\n")
    assert "y = [{1, 3}, {2, 4}]" in text


def test_text_keeps_its_form_where_it_can() -> None:
    text = changed("print(f('07/04/2023', '#..'))\n", "print(g('07/04/2023', '#..'))\n")
    assert "07/04/2024" in text
    assert "..#" in text


def test_an_edited_class_takes_its_inputs_from_where_it_is_made() -> None:
    code = "class A({}):\n    pass\n\nprint(A([1, 2]).x)\n"
    assert "A([2, 1])" in changed(code.format("F"), code.format("G"))


def test_comprehensions_in_a_print_are_inputs() -> None:
    code = "def h(y):\n    return {}(y)\n\nprint([h(y) for y in (1, 4)])\n"
    assert "in (2, 4)" in changed(code.format("f"), code.format("g"))


def test_bytes_and_displays_of_names_are_inputs() -> None:
    text = changed("y = [a, b]\nprint(f(y, b'c1'))\n", "y = [a, b]\nprint(g(y, b'c1'))\n")
    assert "y = [b, a]" in text
    assert "b'c2'" in text


def test_names_of_columns_are_changed_along() -> None:
    text = changed("d = h()\nprint(f(d['a']), k['a'], 'a')", "d = h()\nprint(g(d['a']), k['a'], 'a')")
    assert "print(g(d['aq']), k['aq'], 'a')" in text


def test_equal_text_and_numbers_that_are_only_shown_are_not_changed_along() -> None:
    code = "d = {'a': 2}\n{}(d)\nlabel = 'a'\nprint(label, 'a', round(0.123, 2))\n"
    text = changed(code.replace("{}", "f"), code.replace("{}", "g"))
    assert "d = {'aq': 2}" in text
    assert "label = 'aq'" not in text
    assert "print" not in text


def test_variants_are_few_and_differ() -> None:
    new = f"y = {list(range(100))}\nprint(g(y))\n"
    found = list(variants(new.replace("g(", "f("), new))
    assert 0 < len(found) == len(set(found)) <= MAX_VARIANTS
    assert all(ast.parse(variant) for variant in found)


def test_a_program_without_inputs_has_no_variants() -> None:
    assert list(variants("f()\nprint('x')\n", "g()\nprint('x')\n")) == []
