from __future__ import annotations

from pathlib import Path

import pytest

from recode.errors import RecodeError
from recode.migrate.rules.learn.own_pairs import learn_own


def test_a_pair_of_programs_makes_a_rule(tmp_path: Path) -> None:
    before, after = tmp_path / "before.py", tmp_path / "after.py"
    before.write_text("import mylib\nmylib.connect('db', timeout=3)\n")
    after.write_text("import mylib\nmylib.dial('db', wait=3)\n")
    learned = learn_own(before, after)
    (rule,) = learned.rules
    assert rule.pattern == "mylib.connect($*items, timeout=$x, $**rest)"
    assert rule.template == "mylib.dial($*items, wait=$x, $**rest)"
    assert (rule.update.library, rule.update.old_symbol, rule.origin) == ("mylib", "mylib.connect", "project")
    assert learned.proof.startswith("nothing was run")


def test_programs_without_a_common_edit_are_refused(tmp_path: Path) -> None:
    before, after = tmp_path / "before.py", tmp_path / "after.py"
    before.write_text("import mylib\nx = 1\n")
    after.write_text("import mylib\nfor y in range(3):\n    print(y)\n")
    with pytest.raises(RecodeError, match="no rule can be made"):
        learn_own(before, after)
    after.write_text("import (\n")
    with pytest.raises(RecodeError, match="not a Python program"):
        learn_own(before, after)
