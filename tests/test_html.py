"""Templates: values are escaped, JSON stays inside its script element, a forgotten value is an error."""

from __future__ import annotations

import json
from pathlib import Path

import jinja2
import pytest

from recode.html import template


def test_values_are_escaped_and_json_cannot_end_a_script(tmp_path: Path) -> None:
    (tmp_path / "page.html.jinja").write_text("<p>{{ text }}</p><script>{{ data | tojson }}</script>", encoding="utf-8")
    hostile = {"b": "</script><!-- <script>", "a": "é\u2028'&"}
    page = template(tmp_path, "page.html.jinja").render(text="<b>&", data=hostile)
    assert page.startswith("<p>&lt;b&gt;&amp;</p>")
    assert page.count("</script>") == 1
    data = json.loads(page.partition("<script>")[2].removesuffix("</script>"))
    assert data == hostile
    assert list(data) == ["b", "a"]


def test_a_value_that_is_not_given_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "page.html.jinja").write_text("{{ titel }}", encoding="utf-8")
    with pytest.raises(jinja2.UndefinedError, match="titel"):
        template(tmp_path, "page.html.jinja").render(title="x")
