"""HTML pages from Jinja templates, which are next to the code that fills them."""

from __future__ import annotations

import functools
from pathlib import Path

import jinja2

_SHARED = Path(__file__).with_name("html.css")


def template(folder: Path, name: str) -> jinja2.Template:
    """Return a template of a folder, such as `template(Path(__file__).parent, "page.html.jinja")`.

    Values are escaped unless they are marked as safe. A name that is not given a value is an error when the page is made.
    Lines that hold only a tag of the template leave nothing in the page. `{{ value | tojson }}` is JSON that cannot end a script
    element: `<`, `>`, `&` and `'` are escaped in it. `{% include "html.css" %}` in a style element gives the look that all pages share.
    """
    return _environment(folder).get_template(name)


@functools.cache
def _environment(folder: Path) -> jinja2.Environment:
    shared = jinja2.DictLoader({_SHARED.name: _SHARED.read_text(encoding="utf-8")})
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.FileSystemLoader(folder), shared]), autoescape=True,
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    # Objects keep their order: pages show arms in the order in which they were named.
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "sort_keys": False}
    return environment
