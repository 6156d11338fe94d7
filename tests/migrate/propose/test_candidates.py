"""A model's answers: which are accepted, which are rejected and why, and that comments and layout stay."""

from __future__ import annotations

import pytest

from recode.migrate.propose.candidates import JudgedAnswers, judge
from recode.migrate.propose.windows import Window, windows
from recode.migrate.rewrite.program import EditableProgram
from recode.migrate.source.edits import apply
from recode.migrate.source.tree import Tree
from recode.prompts import response
from tests.migrate.migration_corpus import update

SOLVE = update(
    "parameter_removed", "scipy.linalg.solve(sym_pos)", "scipy.linalg.solve(assume_a)",
    '`scipy.linalg.solve` lost its `sym_pos` flag. Replace `sym_pos=True` by `assume_a="pos"`.',
)  # fmt: skip
FILE = """\
import numpy as np
from scipy import linalg

def f(a, b):
    # the system
    x = linalg.solve(a,   # first
        b, sym_pos = True)  # last
    return np.abs(x)
"""
OLD = "from scipy import linalg\n\nx = linalg.solve(a, b, sym_pos=True)\n"
GOOD = OLD.replace("sym_pos=True", 'assume_a="pos"')


def looked(text: str, at: str) -> tuple[EditableProgram, list[Window], tuple[int, int]]:
    tree = Tree(text)
    program = EditableProgram(tree)
    end = text.index(at) + len(at)
    place = tree.place(end - len(at.rpartition(".")[2]), end)
    assert place is not None
    return program, windows(tree, program.scopes, place.node), tree.span(tree.statement(place.node))


def judged(answer: str, text: str = FILE, at: str = "sym_pos", size: int = 0) -> JudgedAnswers:
    program, found, limit = looked(text, at)
    return judge(program, found[size], limit, SOLVE, [response("So it is.", answer)])


def reason(answer: str, **more: object) -> str:
    result = judged(answer, **more)  # type: ignore[arg-type]
    assert not result.candidates
    return result.rejected[0][0]


def test_the_window_is_the_statement_with_its_imports_then_the_function() -> None:
    _, found, _ = looked(FILE, "sym_pos")
    assert found[0].program == ("from scipy import linalg\n\nx = linalg.solve(a,   # first\n    b, sym_pos = True)")
    assert found[1].program.startswith("import numpy as np\nfrom scipy import linalg\n\ndef f(a, b):\n")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_only_tokens_that_differ_change(end: str) -> None:
    text = FILE.replace("\n", end)
    (candidate,) = judged(GOOD, text).candidates
    assert apply(text, candidate.edits) == text.replace("sym_pos = True", 'assume_a = "pos"')


def test_an_answer_for_the_whole_function_changes_the_statement_alone() -> None:
    program, found, limit = looked(FILE, "sym_pos")
    answer = found[1].program.replace("sym_pos = True", 'assume_a="pos"').replace("    # the system\n", "")
    (candidate,) = judge(program, found[1], limit, SOLVE, [response("", answer)]).candidates
    assert apply(FILE, candidate.edits) == FILE.replace("sym_pos = True", 'assume_a = "pos"')
    elsewhere = answer.replace("return np.abs(x)", "return np.abs(a)")
    assert judge(program, found[1], limit, SOLVE, [response("", elsewhere)]).rejected[0][0] == (
        "changes more than the statement"
    )


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (OLD, "changes nothing"),
        (GOOD.replace("a, b", "a, c"), "adds c, which the note does not mention"),
        (GOOD.replace(")", ", check_finite=False)"), "adds check_finite, which the note does not mention"),
        (GOOD.replace("a, b, ", "a, "), "removes b, which the note does not mention"),
        (GOOD.replace('"pos"', "7"), "adds 7, which the note does not mention"),
        (GOOD.replace("x = ", "x = ("), "does not parse"),
        ("import os\n" + GOOD, "imports os, which the note does not mention"),
        ("from scipy import linalg\n", "leaves nothing of the code"),
    ],
)
def test_what_the_note_does_not_concern_is_rejected(answer: str, why: str) -> None:
    assert reason(answer) == why


def test_text_without_an_answer_is_rejected() -> None:
    program, found, limit = looked(FILE, "sym_pos")
    result = judge(program, found[0], limit, SOLVE, ["I think it is fine.", "</think><answer>no code</answer>"])
    assert result.rejected == (("no answer in the required form", 2),)


def test_equal_answers_are_counted_together() -> None:
    program, found, limit = looked(FILE, "sym_pos")
    wide = GOOD.replace("a, b, ", "a,\n    b,\n    ")
    result = judge(program, found[0], limit, SOLVE, [response("", GOOD), response("", wide), response("", OLD)])
    assert [one.votes for one in result.candidates] == [2]


def test_a_statement_that_becomes_two_keeps_its_place_and_its_comments() -> None:
    text = "import numpy as np\nif 1:\n    x = np.cast[int](y)  # to int\n    print(x)\n"
    note = update("replaced", "numpy.cast", "numpy.asarray", "Write `np.asarray(y, dtype=int)`, then use it.")
    program, found, limit = looked(text, "np.cast")
    answer = "import numpy as np\n\ny = np.asarray(y, dtype=int)\nx = y\n"
    (candidate,) = judge(program, found[0], limit, note, [response("", answer)]).candidates
    assert apply(text, candidate.edits) == (
        "import numpy as np\nif 1:\n    y = np.asarray(y, dtype=int)\n    x = y  # to int\n    print(x)\n"
    )


def test_a_comment_within_what_goes_is_not_lost_silently() -> None:
    text = "import numpy as np\nx = np.cast[int](  # why\n    y)\n"
    note = update("replaced", "numpy.cast", "numpy.asarray", "Write `np.asarray(y, dtype=int)`.")
    program, found, limit = looked(text, "np.cast")
    result = judge(
        program, found[0], limit, note, [response("", "import numpy as np\n\nx = np.asarray(y, dtype=int)\nx\n")]
    )
    assert [reason for reason, _ in result.rejected] == ["loses a comment"]


def test_hostile_answers_are_only_read() -> None:
    for answer in ("__import__('os').system('touch /tmp/owned')\n", "x = linalg.solve(a, b, open('/etc/passwd'))\n"):
        assert "which the note does not mention" in reason("from scipy import linalg\n\n" + answer)
