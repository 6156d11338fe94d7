"""`recode data export`: the data set in the formats that other tools read."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from recode.errors import MissingExtraError, RecordError
from recode.prompts import messages
from recode.records import Migration, read_records, write_jsonl, write_text
from recode.rewards import gradable

Format = Literal["recode", "hf", "verl"]

SPLITS = (
    "train", "validation", "test_updates", "test_libraries", "no_op", "no_op_train", "test_generated", "no_op_generated",
    "train_composed", "validation_composed", "test_updates_composed", "test_libraries_composed", "no_op_hard", "no_op_hard_train",
)  # fmt: skip


def export(data: Path, out: Path, form: Format) -> dict[str, int]:
    """Write every split of a data folder in another form; return the files written and how many rows each has.

    Args:
        data: folder of the data set's JSON Lines files.
        out: folder for the files.
        form: `recode`: JSON Lines with the six fields of the published data (arXiv 2506.20495). `hf`: Parquet files and a card, which
            `datasets.load_dataset` reads. `verl`: Parquet files of chat prompts with `reward_model.ground_truth`, for the reward
            function `recode.rewards.compute_score`; rows whose gold cannot be graded are left out, because verl accepts no None.

    Raises:
        RecordError: no split is there, a line is bad, or `out` cannot be written or is the data folder itself.
        MissingExtraError: `hf` and `verl` need the `datasets` library.
    """
    if out.resolve() == data.resolve():
        raise RecordError(
            f"{out}: is the data set's own folder, whose files would be overwritten; give another with --out"
        )
    splits = {name: read_records(path, Migration) for name in SPLITS if (path := data / f"{name}.jsonl").exists()}
    if not splits:
        raise RecordError(f"{data}: holds no split of the data set, such as train.jsonl; give its folder with --data")
    if form == "recode":
        return {
            f"{name}.jsonl": write_jsonl(out / f"{name}.jsonl", (entry.published() for entry in entries))
            for name, entries in splits.items()
        }
    rows = {
        name: _verl_rows(name, entries) if form == "verl" else _plain_rows(entries) for name, entries in splits.items()
    }
    if form == "hf":
        write_text(out / "README.md", _card(data, [name for name, split in rows.items() if split]))
    return {f"{name}.parquet": _write_parquet(out / f"{name}.parquet", split) for name, split in rows.items() if split}


def _plain_rows(entries: Sequence[Migration]) -> list[dict[str, Any]]:
    return [entry.model_dump(mode="json") for entry in entries]


def _verl_rows(split: str, entries: Sequence[Migration]) -> list[dict[str, Any]]:
    """Return rows in verl's layout: a chat prompt, the ground truth, and the reward function's further arguments."""
    return [
        {
            "data_source": "recode",
            "prompt": messages(entry, entry.old_code),
            "ability": "code",
            "reward_model": {"style": "rule", "ground_truth": entry.new_code},
            "extra_info": {"split": split, "index": index, "id": entry.id, "old_code": entry.old_code},
        }
        for index, entry in enumerate(entry for entry in entries if gradable(entry.new_code))
    ]


def _card(data: Path, splits: Sequence[str]) -> str:
    """Return the data set's own card, listing the exported files instead of its own."""
    configs = "".join(f"      - {{split: {name}, path: {name}.parquet}}\n" for name in splits)
    files = f"configs:\n  - config_name: default\n    data_files:\n{configs}"
    try:
        head, _, rest = (data / "README.md").read_text(encoding="utf-8").removeprefix("---\n").partition("---\n")
    except OSError:
        return f"---\n{files}---\n"
    return f"---\n{head.partition('configs:')[0]}{files}---\n{rest}"


def _write_parquet(path: Path, rows: list[dict[str, Any]]) -> int:
    try:
        from datasets import Dataset
    except ImportError:
        raise MissingExtraError(
            "Parquet files are written by the datasets library; run: pip install 'recode-rl[train]'"
        ) from None
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Dataset.from_list(rows).to_parquet(str(temporary))
        shutil.move(temporary, path)
    except OSError as error:
        raise RecordError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        temporary.unlink(missing_ok=True)
    return len(rows)
