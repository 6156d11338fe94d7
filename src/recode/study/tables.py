"""A table of the study: arms, seeds, columns, and what each arm is compared with. It is read from TOML and validated."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from recode.errors import RecipeError
from recode.evaluate.benchmarks import BENCHMARKS, benchmark_class, is_benchmark
from recode.rewards import DEFAULT_WEIGHTS

PYTHON_LOSS = "python_loss"
"""The column of next-token loss on held-out Python, which belongs to no benchmark."""

COMPUTED_REWARDS: dict[str, tuple[str, Mapping[str, float]]] = {
    "paper_reward": ("paper", DEFAULT_WEIGHTS),
    "progress_reward": ("strict", {"format": 1.0, "exact": 1.0, "progress": 1.0}),
}
"""Rewards computed from the samples where a column names them, with their family and weights: the published one, faults included, and
the one that the quickstart trains its policies on."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Pool(_Table):
    """A selection of a recipe's training migrations, made-up ones included, and how they are altered."""

    entries: Annotated[int, Field(ge=1)] | None = None
    """The number of entries; None for all."""
    spoiled: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of entries whose gold program is broken on purpose, as in data that was never run."""
    seeded: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share whose gold program hides wrong code from the published reward. A model fine-tuned on them has a way to fool it."""


class StudyArm(_Table):
    """An untrained model, or a model that a recipe trains, once per seed."""

    model: str = ""
    recipe: str = ""
    change: dict[str, Any] = {}
    """Changes to the recipe, by dotted key, such as `"loss.clip_high" = 0.28`."""
    after: str = ""
    """The arm of this table whose model the recipe trains further."""
    thinker: str = ""
    """A model whose greedy thought begins each completion."""
    pool: Pool | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if bool(self.model) == bool(self.recipe):
            raise ValueError("an arm has either `model` or `recipe`")
        if self.model and (self.change or self.after or self.pool):
            raise ValueError("`change`, `after` and `pool` belong to an arm with a `recipe`")
        return self


class StudyTable(_Table):
    """One table of the study."""

    title: str
    asks: str
    """The question, in a sentence or two."""
    against: str
    """The arm that the others are compared with."""
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (1,)
    by_seed: bool = False
    """Give each seed of a trained arm its own row; otherwise one row covers all seeds."""
    spread: str = ""
    """A table that shows how much runs of a method differ; the intervals of arms with a single seed are widened by it."""
    columns: Annotated[tuple[str, ...], Field(min_length=1)]
    """`BENCHMARK SCORE`, greedy; `BENCHMARK SCORE@K` from `samples` samples; or `python_loss`."""
    samples: Annotated[int, Field(ge=2)] = 8
    temperature: Annotated[float, Field(gt=0)] = 1.0
    own_decoding: bool = False
    """Use each benchmark's own samples, temperature and top-p instead."""
    limit: dict[str, Annotated[int, Field(ge=1)]] = {}
    """The largest number of items, by benchmark."""
    plot: Literal["intervals", "scatter", "curves"] = "intervals"
    """`intervals`: the first columns of every arm; `scatter`: the first column against the second; `curves`: exact match during training."""
    arms: dict[str, StudyArm]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.against not in self.arms:
            raise ValueError(f"`against` names no arm: `{self.against}`; arms: {', '.join(self.arms)}")
        for name, arm in self.arms.items():
            if self.by_seed and (arm.after or "seed" in arm.change):
                raise ValueError(f"arm `{name}`: `by_seed` takes no `after` and no `seed` of its own")
            if arm.after and (arm.after not in self.arms or arm.after == name):
                raise ValueError(f"arm `{name}`: `after` names no other arm: `{arm.after}`")
            self._check_chain(name)
        if self.by_seed and self.arms[self.against].recipe:
            raise ValueError(
                f"`by_seed`: `against` must be an arm that is not trained, since `{self.against}` has a row for each seed"
            )
        if self.plot == "scatter" and len(self.columns) < 2:
            raise ValueError("`plot`: a scatter plot takes two columns")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("`seeds`: a seed is listed twice")
        for column in self.columns:
            if column != PYTHON_LOSS:
                self._check_column(column)
        unknown = set(self.limit) - {column.split()[0] for column in self.columns}
        if unknown:
            raise ValueError(f"`limit` names a benchmark that no column has: `{min(unknown)}`")
        return self

    def _check_chain(self, name: str) -> None:
        """Check that following `after` from an arm ends."""
        passed: list[str] = []
        while self.arms[name].after:
            if name in passed:
                raise ValueError(f"arm `{name}`: `after` leads in a circle")
            passed.append(name)
            name = self.arms[name].after
            if name not in self.arms:
                return

    def _check_column(self, column: str) -> None:
        """Check that a column names a benchmark and one of its scores."""
        benchmark, _, score = column.partition(" ")
        if not score or " " in score:
            raise ValueError(
                f"column `{column}`: write `BENCHMARK SCORE`, such as `test_generated exact`, or `{PYTHON_LOSS}`"
            )
        if not is_benchmark(benchmark):
            raise ValueError(
                f"column `{column}`: no benchmark is called `{benchmark}`; choose from {', '.join(BENCHMARKS)}"
            )
        kind, (score, at, k) = benchmark_class(benchmark), score.partition("@")
        scores = list(kind.counted) if at else [*dict.fromkeys((*kind.counted, *kind.averaged)), *COMPUTED_REWARDS]
        if score not in scores:
            raise ValueError(f"column `{column}`: {benchmark} has no score `{score}`; choose from {', '.join(scores)}")
        most = kind.decoding.samples if self.own_decoding else self.samples
        if at and not (k.isdecimal() and 1 <= int(k) <= most):
            raise ValueError(
                f"column `{column}`: `@{k}` of {most} samples; write `@1` to `@{most}`, or change `samples`"
            )

    def spelled_out(self) -> StudyTable:
        """Return the table with an arm for each seed if `by_seed` is set."""
        if not self.by_seed:
            return self
        arms = {
            (f"{name}, seed {seed}" if arm.recipe else name): arm.model_copy(
                update={"change": {**arm.change, "seed": seed} if arm.recipe else {}}
            )
            for name, arm in self.arms.items()
            for seed in (self.seeds if arm.recipe else self.seeds[:1])
        }
        return self.model_copy(update={"seeds": self.seeds[:1], "arms": arms})

    def ordered(self) -> dict[str, StudyArm]:
        """Return the arms by name, starting with `against`, with which the others are compared."""
        return {self.against: self.arms[self.against], **self.arms}


def read_tables(folder: Path, names: Sequence[str]) -> dict[str, StudyTable]:
    """Read the named tables, or all tables of the folder, in order of their names.

    Raises:
        RecipeError: there is no such table, or its file is wrong; names file and key.
    """
    paths = {path.stem: path for path in sorted(folder.glob("*.toml")) if not path.stem.startswith("_")}
    if not paths:
        raise RecipeError(f"{folder}: holds no table; name a folder with tables by --recipes")
    for name in names:
        if name not in paths:
            near = difflib.get_close_matches(name, paths, n=1)
            raise RecipeError(
                f"no table is called `{name}`; "
                + (f"did you mean `{near[0]}`?" if near else f"choose from {', '.join(paths)}")
            )
    tables = {name: _read(paths[name]) for name in names or paths}
    for name, table in tables.items():
        if table.spread and table.spread not in paths:
            raise RecipeError(
                f"{paths[name]}: `spread` names no table: `{table.spread}`; choose from {', '.join(paths)}"
            )
    return tables


def _read(path: Path) -> StudyTable:
    try:
        return StudyTable.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).spelled_out()
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not valid TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        if first["type"] != "extra_forbidden":
            raise RecipeError(
                f"{path}: {f'`{where}`: ' if where else ''}{first['msg'].removeprefix('Value error, ')}"
            ) from None
        near = difflib.get_close_matches(str(first["loc"][-1]), _keys(first["loc"][:-1]), n=1, cutoff=0.5)
        raise RecipeError(f"{path}: unknown key `{where}`" + (f"; did you mean `{near[0]}`?" if near else "")) from None


def _keys(where: tuple[int | str, ...]) -> list[str]:
    """Return the valid keys at a location of the file."""
    kinds: dict[int, type[BaseModel]] = {0: StudyTable, 2: StudyArm, 3: Pool}
    return list(kinds[len(where)].model_fields)
