"""One module out of several programs: merged imports, their definitions, a function for each body, and a main part."""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from recode.dataset.compose.pieces import Import, NotComposable, Pieces

_WIDTH = 88
_SMALL = frozenset(
    "a an the of for to in on at by with and or as is are be its it from into that which over per than each all one two"
    " after before under between without within through while when whose any no not only then".split()
)


@dataclass(frozen=True)
class Step:
    """A program that becomes a function: its name, the sentence that says what it does, and its pieces."""

    name: str
    purpose: str
    pieces: Pieces


def step_name(context: str, taken: set[str]) -> str:
    """Return a function's name for what a program is about, not among those taken.

    Raises:
        NotComposable: the context has no words.
    """
    words = [word for word in re.findall(r"[a-z][a-z0-9]*", context.lower()) if word not in _SMALL and len(word) > 1]
    for size in (3, 4, 5, 2):
        name = f"report_{'_'.join(words[:size])}"
        if words and name not in taken:
            return name
    raise NotComposable("its context gives no name")


def module(steps: Sequence[Step], style: int) -> str:
    """Return the module. `style` selects one of three main parts.

    Raises:
        NotComposable: two programs give one name two meanings.
    """
    imports = _merged([one for step in steps for one in step.pieces.imports])
    bound = {one.bound for one in imports}
    names = [name for step in steps for name in step.pieces.names] + [step.name for step in steps]
    if len(set(names)) != len(names) or bound & set(names):
        raise NotComposable("two of its programs define the same name")
    blocks = [_import_lines(imports)]
    for step in steps:
        blocks += step.pieces.definitions
        blocks.append(_function(step))
    blocks.append(_main(steps, style))
    return "\n\n\n".join(block for block in blocks if block) + "\n"


def _merged(imports: Sequence[Import]) -> list[Import]:
    found: dict[str, Import] = {}
    for one in dict.fromkeys(imports):
        # `import a.b` and `import a.c` both bind `a`.
        key = one.bound if one.module or one.alias else one.path
        other = found.setdefault(key, one)
        if other != one:
            raise NotComposable(f"`{one.bound}` is imported from two places")
    tops = {one.bound for one in found.values() if not one.module and not one.alias}
    if any(one.bound in tops and (one.module or one.alias) for one in found.values()):
        raise NotComposable("a name is imported from two places")
    return list(found.values())


def _import_lines(imports: Sequence[Import]) -> str:
    groups: list[list[str]] = [[], [], []]
    names: dict[str, list[str]] = defaultdict(list)
    for one in imports:
        spelled = one.path + (f" as {one.alias}" if one.alias else "")
        if one.module:
            names[one.module].append(spelled)
        else:
            groups[_group(one.path)].append(f"import {spelled}")
    for place in range(3):
        groups[place].sort()
        for module_name in sorted(name for name in names if _group(name) == place):
            groups[place].append(_from(module_name, sorted(names[module_name])))
    return "\n\n".join("\n".join(group) for group in groups if group)


def _group(name: str) -> int:
    top = name.partition(".")[0]
    return 0 if top == "__future__" else 1 if top in sys.stdlib_module_names else 2


def _from(name: str, imported: Sequence[str]) -> str:
    line = f"from {name} import {', '.join(imported)}"
    if len(line) <= _WIDTH:
        return line
    return f"from {name} import (\n" + "".join(f"    {one},\n" for one in imported) + ")"


def _function(step: Step) -> str:
    body = list(step.pieces.body)
    while body and not body[0].strip():
        body.pop(0)
    purpose = step.purpose[:1].upper() + step.purpose[1:].rstrip(".")
    lines = [f"def {step.name}():", f'    """{purpose}."""']
    return "\n".join([*lines, *(f"    {line}" if line.strip() else "" for line in body)])


def _main(steps: Sequence[Step], style: int) -> str:
    if style == 0:
        calls = "".join(f"    {step.name}()\n" for step in steps)
        return f'def main():\n{calls}\n\nif __name__ == "__main__":\n    main()'
    if style == 1:
        return "\n".join(f"{step.name}()" for step in steps)
    titles = "".join(f"    {json.dumps(step.purpose, ensure_ascii=False)}: {step.name},\n" for step in steps)
    return f'REPORTS = {{\n{titles}}}\n\nfor title, report in REPORTS.items():\n    print(f"# {{title}}")\n    report()'
