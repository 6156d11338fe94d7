"""What the generator of made-up migrations promises."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from recode.dataset.generated import SEED
from recode.invent import Pool, changes, generate, generate_no_ops
from recode.invent.changes import ApiChange
from recode.invent.generator import LONGEST_PROGRAM, reserved_names
from recode.invent.names import pool_of, words
from recode.invent.python_text import functions
from recode.invent.world import World
from recode.records import Migration, read_records
from recode.source import parses

DATA = Path(__file__).parents[2] / "data"
LONGEST_ABBREVIATION = 6
"""Words are at times cut to five letters, with an s at the end; the result may occur in both pools."""


def entries(seed: int, count: int, pool: Pool = "train", no_ops: float = 0.0, python: float = 0.0) -> list[Migration]:
    return list(itertools.islice(generate(seed, pool, no_op_share=no_ops, python_share=python), count))


def api_names(made: list[Migration]) -> set[str]:
    text = " ".join(f"{entry.library} {entry.old_symbol} {entry.new_symbol}" for entry in made)
    return set(re.findall(r"\w+", text))


@pytest.fixture(scope="module")
def train_entries() -> list[Migration]:
    return entries(5, 400)


@pytest.fixture(scope="module")
def test_entries() -> list[Migration]:
    return entries(5, 400, "test")


def test_the_same_seed_gives_the_same_entries() -> None:
    assert entries(3, 20, no_ops=0.3) == entries(3, 20, no_ops=0.3)
    assert entries(3, 20) != entries(4, 20)


def test_both_programs_parse_differ_and_are_short(train_entries: list[Migration]) -> None:
    for entry in train_entries:
        assert parses(entry.old_code), entry.old_code
        assert parses(entry.new_code), entry.new_code
        assert entry.old_code != entry.new_code
        assert len(entry.old_code) <= LONGEST_PROGRAM


def test_ids_are_unique(train_entries: list[Migration]) -> None:
    assert max(Counter(entry.id for entry in train_entries).values()) == 1


def test_a_no_op_keeps_its_code_which_does_not_hold_the_noted_name() -> None:
    for entry in itertools.islice(generate_no_ops(2), 60):
        leaf = re.findall(r"\w+", entry.old_symbol)[-1]
        assert entry.kind == "no_op"
        assert entry.old_code == entry.new_code
        assert parses(entry.old_code)
        assert leaf not in entry.old_code


def test_the_share_of_no_ops_is_as_asked() -> None:
    kinds = Counter(entry.kind == "no_op" for entry in entries(1, 200, no_ops=0.4))
    assert 60 <= kinds[True] <= 100


def test_renamings_in_real_functions_parse_and_differ() -> None:
    made = [entry for entry in entries(7, 40, python=1.0) if "-python-" in entry.id]
    assert len(made) == 40
    for entry in made:
        assert parses(entry.old_code), entry.old_code
        assert parses(entry.new_code), entry.new_code
        assert entry.old_code != entry.new_code


def test_the_pools_share_no_word() -> None:
    assert set(words("train")) & set(words("test")) == set()
    assert all(pool_of(word) == "test" for word in words("test"))


def test_the_pools_share_no_api_name_beyond_abbreviations(
    train_entries: list[Migration], test_entries: list[Migration]
) -> None:
    shared = api_names(train_entries) & api_names(test_entries)
    assert {name for name in shared if len(name) > LONGEST_ABBREVIATION} == set()


@pytest.mark.parametrize("made", ["train_entries", "test_entries"])
def test_reserved_names_are_never_made_up(made: str, request: pytest.FixtureRequest) -> None:
    assert api_names(request.getfixturevalue(made)) & reserved_names() == set()


def test_every_pattern_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: Counter[str] = Counter()

    def counted(pattern: Callable[[World], ApiChange]) -> Callable[[World], ApiChange]:
        def draw(world: World) -> ApiChange:
            drawn[pattern.__name__] += 1
            return pattern(world)

        return draw

    patterns = changes.PATTERNS
    monkeypatch.setattr(changes, "PATTERNS", tuple((counted(pattern), weight) for pattern, weight in patterns))
    entries(9, 600)
    assert drawn.keys() == {pattern.__name__ for pattern, _ in patterns}


@pytest.mark.parametrize(
    ("file", "made"), [("test_generated.jsonl", generate), ("no_op_generated.jsonl", generate_no_ops)]
)
def test_the_shipped_file_is_what_would_be_written_now(file: str, made: Callable[..., itertools.islice]) -> None:
    shipped = read_records(DATA / file, Migration)
    assert shipped[:20] == list(itertools.islice(made(SEED, "test"), 20))


def test_no_held_out_python_is_trained_on() -> None:
    assert not set(functions("test")) & set(functions("train"))
