"""The study's tables: those that ship are valid down to every recipe, and a mistake is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from recode.errors import RecipeError
from recode.study import arms
from recode.study.arms import StudyFolders, evaluation_folder, prepare, seeds_of, wanted
from recode.study.tables import read_tables

ROOT = Path(__file__).parents[2]
SHIPPED = read_tables(ROOT / "recipes" / "study", [])
TABLE = """
title = "A title"
asks = "A question?"
against = "base"
seeds = [1, 2]
columns = ["test_generated exact"]

[arms]
base = { model = "recode-tiny" }
grpo = { recipe = "recipes/quickstart/grpo.toml" }
"""


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_table_is_ready_to_run(name: str, tmp_path: Path) -> None:
    table, place = SHIPPED[name], StudyFolders(tmp_path, ROOT / "data")
    models = {}
    for arm in table.arms:
        for seed in seeds_of(table, arm, place):
            prepared = prepare(table, arm, seed, place)
            models[prepared.folder] = (arm, seed)
            fixed = "seed" in table.arms[arm].change or (prepared.recipe and prepared.recipe.method == "pretrain")
            assert fixed or getattr(prepared.recipe, "seed", seed) == seed
    # No arm appears under two names.
    assert len(models) == sum(len(seeds_of(table, arm, place)) for arm in table.arms)
    assert not list(tmp_path.iterdir())


def test_an_arm_is_named_after_all_that_it_depends_on(tmp_path: Path) -> None:
    text = TABLE + 'more = { recipe = "recipes/quickstart/grpo.toml", change = { "loss.clip_high" = 0.28 } }\n'
    text += 'fewer = { recipe = "recipes/quickstart/grpo.toml", pool = { entries = 30 } }\n'
    text += 'later = { recipe = "recipes/quickstart/grpo.toml", after = "grpo" }\n'
    text += 'after_more = { recipe = "recipes/quickstart/grpo.toml", after = "more" }\n'
    (tmp_path / "one.toml").write_text(text)
    (tmp_path / "two.toml").write_text(TABLE.replace("grpo =", "other_name ="))
    tables, place = read_tables(tmp_path, []), StudyFolders(tmp_path / "out", ROOT / "data")
    arms = [(arm, seed) for arm in ("grpo", "more", "fewer", "later", "after_more") for seed in (1, 2)]
    folders = [prepare(tables["one"], arm, seed, place).folder for arm, seed in arms]
    assert len(set(folders)) == len(folders)
    assert prepare(tables["two"], "other_name", 1, place).folder == folders[0]
    later = prepare(tables["one"], "later", 2, place)
    assert getattr(later.recipe, "model", "") == str(folders[1] / "model")
    assert seeds_of(tables["one"], "base", place) == (1,)
    assert seeds_of(tables["one"], "grpo", place) == (1, 2)


def test_by_seed_each_seed_of_what_is_trained_has_a_row(tmp_path: Path) -> None:
    (tmp_path / "together.toml").write_text(TABLE)
    (tmp_path / "apart.toml").write_text("by_seed = true\n" + TABLE)
    tables, place = read_tables(tmp_path, []), StudyFolders(tmp_path / "out", ROOT / "data")
    assert list(tables["apart"].arms) == ["base", "grpo, seed 1", "grpo, seed 2"]
    for seed in (1, 2):
        arm = f"grpo, seed {seed}"
        assert seeds_of(tables["apart"], arm, place) == (1,)
        # The same model, trained once for both tables.
        assert prepare(tables["apart"], arm, 1, place) == prepare(tables["together"], "grpo", seed, place)


@pytest.mark.parametrize(
    "more",
    [
        'more = { recipe = "recipes/quickstart/grpo.toml", change = { seed = 3 } }\n',
        'more = { recipe = "recipes/quickstart/grpo.toml", after = "grpo" }\n',
    ],
)
def test_by_seed_takes_no_arm_whose_seed_it_cannot_set(more: str, tmp_path: Path) -> None:
    (tmp_path / "apart.toml").write_text("by_seed = true\n" + TABLE + more)
    with pytest.raises(RecipeError, match=r"apart\.toml.*arm `more`: `by_seed` takes no `after`"):
        read_tables(tmp_path, [])


def test_an_arm_whose_files_or_model_changed_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = (
        (ROOT / "recipes" / "quickstart" / "grpo.toml")
        .read_text()
        .replace("data/train.jsonl", f"{tmp_path}/train.jsonl")
    )
    (tmp_path / "grpo.toml").write_text(recipe)
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "one.toml").write_text(
        TABLE.replace("recipes/quickstart/grpo.toml", f"{tmp_path}/grpo.toml")
    )
    table, place, found = read_tables(tmp_path / "tables", [])["one"], StudyFolders(tmp_path / "out", tmp_path), []
    for text in ("1\n", "22\n"):
        for name in ("train", "test_generated"):
            (tmp_path / f"{name}.jsonl").write_text(text)
        prepared = prepare(table, "grpo", 1, place)
        found += [prepared.folder, evaluation_folder(table, prepared, "test_generated", 1, place).name]
    monkeypatch.setattr(arms, "model_fingerprint", lambda name: "other weights")
    arms._fingerprint.cache_clear()
    found += [prepare(table, name, 1, place).folder for name in ("grpo", "base")]
    arms._fingerprint.cache_clear()
    assert len(set(found)) == len(found)


def test_a_seed_of_its_own_is_no_several_seeds(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text(TABLE.replace('grpo.toml"', 'grpo.toml", change = { seed = 7 }'))
    with pytest.raises(RecipeError, match="`change` sets `seed`, so the table's 2 seeds would be one"):
        prepare(read_tables(tmp_path, [])["one"], "grpo", 1, StudyFolders(tmp_path, ROOT / "data"))


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('against = "base"', 'against = "bsae"', "one.toml: `against` names no arm: `bsae`; arms: base, grpo"),
        ("seeds =", "sedes =", "one.toml: unknown key `sedes`; did you mean `seeds`"),
        ("{ model =", "{ modle =", "did you mean `model`"),
        ('"test_generated exact"', '"test_generated"', "column `test_generated`: write `BENCHMARK SCORE`"),
        ('model = "recode-tiny"', 'model = "recode-tiny", recipe = "x.toml"', "either `model` or `recipe`"),
        ('model = "recode-tiny"', 'model = "recode-tiny", change = { seed = 1 }', "belong to an arm with a `recipe`"),
        ("seeds = [1, 2]", "limit = { no_op = 3 }", "`limit` names a benchmark that no column has: `no_op`"),
        ("grpo.toml", 'grpo.toml", after = "nobody', "arm `grpo`: `after` names no other arm: `nobody`"),
        ("[arms]", "[arms", "one.toml: not valid TOML"),
        (
            "test_generated exact",
            "test_generatd exact",
            "no benchmark is called `test_generatd`; choose from migrations",
        ),
        ("test_generated exact", "test_generated exct", "test_generated has no score `exct`; choose from exact"),
        ("test_generated exact", "test_generated exact@16", "`@16` of 8 samples"),
        ("seeds = [1, 2]", "seeds = [1, 1]", "a seed is listed twice"),
        ('against = "base"', 'by_seed = true\nagainst = "grpo"', "`against` must be an arm that is not trained"),
        ("seeds = [1, 2]", 'plot = "scatter"', "`plot`: a scatter plot takes two columns"),
        ("seeds = [1, 2]", "seeds = []", "`seeds`: "),
        ("seeds = [1, 2]", "limit = { test_generated = 0 }", "`limit.test_generated`: "),
        ('grpo.toml"', 'grpo.toml", after = "two" }\ntwo = { recipe = "x.toml", after = "grpo"', "leads in a circle"),
    ],
)
def test_a_mistake_is_one_clear_error(before: str, after: str, message: str, tmp_path: Path) -> None:
    assert before in TABLE
    (tmp_path / "one.toml").write_text(TABLE.replace(before, after))
    with pytest.raises(RecipeError) as error:
        read_tables(tmp_path, [])
    assert message in str(error.value)


def test_an_evaluation_is_named_after_every_file_that_it_reads(tmp_path: Path) -> None:
    text = TABLE.replace('columns = ["', 'columns = ["migrations exact", "codeupdatearena_without_note pass", "')
    (tmp_path / "one.toml").write_text(text)
    (tmp_path / "data").mkdir()
    table, place = read_tables(tmp_path, [])["one"], StudyFolders(tmp_path / "out", tmp_path / "data")
    for benchmark, file in (
        ("migrations", "no_op_generated.jsonl"), ("codeupdatearena_without_note", "codeupdatearena.jsonl")
    ):  # fmt: skip
        prepared = prepare(table, "base", 1, place)
        before = evaluation_folder(table, prepared, benchmark, 1, place)
        (place.data / file).write_text("{}\n")
        assert evaluation_folder(table, prepared, benchmark, 1, place) != before


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="holds no table"):
        read_tables(tmp_path, [])
    with pytest.raises(RecipeError, match="did you mean `dapo-parts`"):
        read_tables(ROOT / "recipes" / "study", ["dapo-prats"])


@pytest.mark.parametrize(
    ("more", "drawn"), [("", [("no_op", 1), ("no_op", 8)]), ("own_decoding = true\n", [("no_op", None)])]
)
def test_a_column_says_how_its_benchmark_is_sampled(
    more: str, drawn: list[tuple[str, int | None]], tmp_path: Path
) -> None:
    columns = '"no_op exact", "python_loss", "no_op exact@1", "no_op edit"'
    (tmp_path / "one.toml").write_text(more + TABLE.replace('"test_generated exact"', columns))
    assert wanted(read_tables(tmp_path, [])["one"]) == drawn
