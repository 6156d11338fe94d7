"""Findings for people (a table), for programs (JSON) and for code review tools (SARIF 2.1.0)."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from recode import __version__
from recode.display import printable
from recode.migrate.find.findings import Finding, ScanResult, Witness, readable

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_COLOURS = {"breaks": "red", "deprecated": "yellow"}
_LEVELS = {"breaks": "error", "deprecated": "warning"}


def as_json(result: ScanResult) -> str:
    """Return the findings as a JSON list with one object for each use."""
    return json.dumps([finding.row() for finding in result.findings], ensure_ascii=False, indent=1)


def location(finding: Finding) -> str:
    """Return file, line and column of a finding as editors accept them, safe to print."""
    cell = "" if finding.cell is None else f":cell {finding.cell}"
    return f"{printable(finding.file.as_posix())}{cell}:{finding.line}:{finding.column}"


def print_table(result: ScanResult, console: Console, title: str, silent: Sequence[str] = ()) -> None:
    """Print a row for each use, then the advice for each symbol, then the totals and what was compared.

    Args:
        result: the findings.
        console: where to print.
        title: the table's title.
        silent: what the release is known to change without a name that shows it.
    """
    if result.findings:
        table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
        table.add_column("where", overflow="fold")
        table.add_column("what", overflow="fold")
        table.add_column("status", no_wrap=True)
        table.add_column("since", no_wrap=True)
        table.add_column("sure", justify="right", no_wrap=True)
        table.add_column("seen by", no_wrap=True)
        for finding in result.findings:
            status = Text(finding.status, style=_COLOURS[finding.status])
            confidence = f"{finding.confidence:.2f}"
            table.add_row(
                Text(location(finding)),
                Text(finding.symbol),
                status,
                finding.since,
                confidence,
                ", ".join(finding.witnesses),
            )
        console.print(table)
        console.print()
        _print_advice(result, console)
    for skip in result.skipped:
        line = f"not read: {printable(skip.file.as_posix())}: {printable(skip.reason)}"
        console.print(Text(line, style="dim"))
    counts = Counter(finding.status for finding in result.findings)
    console.print(
        f"{counts['breaks']} uses break, {counts['deprecated']} are deprecated; {result.files} files, {result.lines} lines",
        highlight=False,
    )

    for line in result.unexplained:
        console.print(Text(f"breaks: {printable(line)}", style="red"), soft_wrap=True)
    _print_examined(result, console, silent)


def _print_examined(result: ScanResult, console: Console, silent: Sequence[str]) -> None:
    """Say what was compared, so that "0 uses break" cannot be taken for more than it is."""
    compared = [f"{examined.witness} ({examined.detail})" for examined in result.examined if examined.available]
    if compared:
        console.print(
            Text(printable(f"compared: {'; '.join(compared)}. {_what_ran(result)}"), style="dim"), soft_wrap=True
        )
    if silent and not _has_run(result):
        line = f'known to change without an error or a name that shows it: {"; ".join(silent)}. Add --run "python main.py", or your tests.'
        console.print(Text(printable(line), style="yellow"), soft_wrap=True)
    for examined in result.examined:
        if not examined.available:
            line = f"not compared: {examined.witness}: {printable(examined.detail)}"
            console.print(Text(line, style="yellow"), soft_wrap=True)


def _has_run(result: ScanResult) -> bool:
    return any(examined.witness is Witness.RUNS and examined.available for examined in result.examined)


def _what_ran(result: ScanResult) -> str:
    if _has_run(result):
        return "Changed behaviour is seen only where these runs came."
    return "Nothing was run: changed behaviour of unchanged names is not seen."


def _print_advice(result: ScanResult, console: Console) -> None:
    first_uses: dict[str, Finding] = {}
    for finding in result.findings:
        first_uses.setdefault(finding.symbol, finding)
    for finding in first_uses.values():
        line = Text.assemble((finding.symbol, "bold"), f"  {finding.advice}  ", (finding.evidence, "dim"))
        console.print(line, soft_wrap=True)
    console.print()


def as_sarif(result: ScanResult, root: Path) -> str:
    """Return the findings as a SARIF 2.1.0 log of one run; rules are the symbols."""
    rules: dict[str, dict[str, Any]] = {}
    for finding in result.findings:
        rules.setdefault(_rule(finding), _described(finding))
    order = {name: number for number, name in enumerate(rules)}
    log = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "recode scan", "version": __version__, "rules": list(rules.values())}},
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {"ROOT": {"uri": _folder(root)}},
                "results": [_result(finding, order) for finding in result.findings],
                "invocations": [
                    {
                        "executionSuccessful": True,
                        "toolExecutionNotifications": [
                            {"level": "note", "message": {"text": f"{readable(skip.file)}: {skip.reason}"}}
                            for skip in result.skipped
                        ],
                    }
                ],
            }
        ],
    }
    return json.dumps(log, ensure_ascii=False, indent=1)


def _folder(root: Path) -> str:
    folder = root.absolute() if root.is_dir() else root.absolute().parent
    return folder.as_uri().rstrip("/") + "/"


def _rule(finding: Finding) -> str:
    return f"{finding.update.library}/{finding.kind}/{finding.symbol}"


def _described(finding: Finding) -> dict[str, Any]:
    update = finding.update
    return {
        "id": _rule(finding),
        "shortDescription": {"text": update.description},
        "fullDescription": {"text": update.update_info},
        "help": {"text": f"{update.update_info}\n\n{finding.evidence}"},
        "defaultConfiguration": {"level": _LEVELS[finding.status]},
    }


def _result(finding: Finding, order: dict[str, int]) -> dict[str, Any]:
    where = "" if finding.cell is None else f" (cell {finding.cell}, line {finding.line})"
    region = {"startLine": 1}
    if finding.cell is None:
        region = {
            "startLine": finding.line, "startColumn": finding.column, "endLine": finding.end_line, "endColumn": finding.end_column,
        }  # fmt: skip
    identity = f"{finding.file.as_posix()}\0{finding.cell}\0{finding.symbol}\0{finding.line}\0{finding.column}"
    return {
        "ruleId": _rule(finding),
        "ruleIndex": order[_rule(finding)],
        "level": _LEVELS[finding.status],
        "message": {"text": f"{finding.symbol} {finding.status} since {finding.since}{where}: {finding.advice}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(finding.file), "uriBaseId": "ROOT"},
                    "region": region,
                }
            }
        ],
        "partialFingerprints": {"recode/v1": hashlib.sha256(identity.encode("utf-8", "replace")).hexdigest()[:32]},
        "properties": {
            "confidence": round(finding.confidence, 2),
            "evidence": finding.evidence,
            "witnesses": [str(witness) for witness in finding.witnesses],
        },
    }


def _uri(file: Path) -> str:
    import urllib.parse

    # Percent-encoded from the bytes of the name, which need not be UTF-8, as `Path.as_uri` does.
    return urllib.parse.quote(os.fsencode(file.as_posix()))
