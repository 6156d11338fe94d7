"""A finished table as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from recode.study.rows import PLAIN_SCORES, TableCell, TableRow
from recode.study.tables import PYTHON_LOSS, StudyTable


def markdown(name: str, table: StudyTable, rows: Sequence[TableRow], plot: str) -> str:
    """Return the table with its question, command, seeds and n.

    Args:
        name: the table's name.
        table: the table.
        rows: its rows, see `rows_of`.
        plot: the plot's file name.
    """
    counts = {column: max(row.cells[column].n for row in rows) for column in table.columns}
    timed = any(row.minutes is not None for row in rows)
    heads = [
        "arm",
        *(f"{column} (n = {counts[column]})" for column in table.columns),
        *(["minutes of training"] if timed else []),
    ]
    lines = [f"## {table.title}", "", table.asks, "", "```", f"recode study {name}", "```", ""]
    lines += [f"| {' | '.join(heads)} |", "|" + " --- |" * len(heads)]
    for row in rows:
        seeds = f" ({row.seeds} seeds)" if row.seeds > 1 else ""
        cells = [f"{row.name}{seeds}", *(_text(column, row.cells[column]) for column in table.columns)]
        if timed:
            cells.append("" if row.minutes is None else f"{row.minutes:.1f}")
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", f"{_seeds(table)}. {_legend(table, rows)}", ""]
    lines += _not_counted(table, rows)
    lines += [f"![{table.title}]({plot})", ""]
    return "\n".join(lines)


def _not_counted(table: StudyTable, rows: Sequence[TableRow]) -> list[str]:
    """Return a paragraph on what is excluded from all rates; nothing if everything is counted."""
    parts = [
        f"{row.name}, {column}: " + ", ".join(f"{n} {reason.replace('_', ' ')}" for reason, n in counts.items())
        for row in rows
        for column in table.columns
        if (counts := row.cells[column].not_counted)
    ]
    return [f"Not counted: {'; '.join(parts)}.", ""] if parts else []


def _seeds(table: StudyTable) -> str:
    if table.by_seed:
        return "A row is one seed"
    return f"Seed {table.seeds[0]}" if len(table.seeds) == 1 else f"Seeds {', '.join(map(str, table.seeds))}"


def _legend(table: StudyTable, rows: Sequence[TableRow]) -> str:
    seeds = "" if table.by_seed or len(table.seeds) == 1 else "seeds and "
    text = (
        f"In brackets the change against `{table.against}` with its 95% interval ({seeds}whole update families resampled; "
        "bold where it excludes zero)."
    )
    if table.by_seed:
        text += " It covers items alone, not what another seed would give."
    elif len(table.seeds) == 1:
        text += _of_one_seed(table, [row for row in rows if row.fine_tuned])
    if table.own_decoding:
        text += " Samples are drawn as the benchmark's authors do; `@k`: unbiased estimates."
    elif any("@" in column for column in table.columns):
        text += f" `@k`: unbiased estimates from {table.samples} samples at temperature {table.temperature:g}; everything else is greedy."
    if PYTHON_LOSS in table.columns:
        text += " Python loss: nats a token on held-out functions, mean and standard deviation over seeds."
    return text


def _of_one_seed(table: StudyTable, fine_tuned: Sequence[TableRow]) -> str:
    """Return a sentence on what the intervals of arms with one seed cover."""
    columns = [column for column in table.columns if column != PYTHON_LOSS]
    alone = [column for column in columns if not all(row.cells[column].widened for row in fine_tuned)]
    if len(alone) == len(columns) or not fine_tuned:
        return " With one seed the interval covers items alone, not what another seed would give."
    text = f" With one seed, the interval is widened by how much runs of a method differ in `{table.spread}`"
    return text + (f"; in {', '.join(alone)} it covers items alone." if alone else ".")


def _text(column: str, cell: TableCell) -> str:
    if cell.mean is None:
        return "–"
    if column == PYTHON_LOSS:
        low, high = cell.interval or (cell.mean, cell.mean)
        return f"{cell.mean:.3f}" + (f" ± {(high - low) / 2:.3f}" if high > low else "")
    plain = column.split()[1] in PLAIN_SCORES
    scale, places, unit = (1, 2, "") if plain else (100, 1, "%")
    text = f"{scale * cell.mean:.{places}f}{unit}"
    if cell.change is None:
        return text
    low, mean, high = (scale * value for value in cell.change)
    mark = "**" if low > 0 or high < 0 else ""
    return f"{text} ({mark}{mean:+.{places}f} [{low:+.{places}f}, {high:+.{places}f}]{mark})"
