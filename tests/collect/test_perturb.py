from __future__ import annotations

import ast

from recode.collect.perturb import MAX_VARIANTS, variants


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
    code = "g = {}()\ng.add(1, 2)\nprint(g.size(3))\n"
    text = changed(code.format("F"), code.format("G"))
    assert "g.add(2, 2)" in text
    assert "size(4)" not in text


def test_an_edited_handler_depends_on_what_is_tried() -> None:
    code = "try:\n    print(h(5))\nexcept {}:\n    print('none')\n"
    assert "h(6)" in changed(code.format("F"), code.format("G"))


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


def test_names_of_columns_are_changed_everywhere() -> None:
    text = changed("d = h()\nprint(f(d['a']), 'a')", "d = h()\nprint(g(d['a']), 'a')")
    assert "print(g(d['aq']), 'aq')" in text


def test_variants_are_few_and_differ() -> None:
    new = f"y = {list(range(100))}\nprint(g(y))\n"
    found = list(variants(new.replace("g(", "f("), new))
    assert 0 < len(found) == len(set(found)) <= MAX_VARIANTS
    assert all(ast.parse(variant) for variant in found)


def test_a_program_without_inputs_has_no_variants() -> None:
    assert list(variants("f()\nprint('x')\n", "g()\nprint('x')\n")) == []
