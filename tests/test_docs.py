"""What the README claims is listed with the page that shows it, and the figures are those of that page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]


class Claim(NamedTuple):
    sentence: str
    page: Path
    figures: list[str]


def _plain(text: str) -> str:
    return " ".join(text.split())


def _claims() -> list[Claim]:
    rows = []
    for line in (ROOT / "docs" / "claims.md").read_text(encoding="utf-8").splitlines():
        match = re.fullmatch(r"\| (.*) \| \[[^\]]*\]\(([^)]*)\) \((.*)\) \| (`.*`) \|", line)
        if match:
            rows.append(Claim(match[1], ROOT / "docs" / match[2], match[3].split(", ")))
    return rows


def _prose() -> str:
    """The README without code, links' targets and pictures."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"```.*?```|<picture>.*?</picture>|`[^`]*`", " ", text, flags=re.DOTALL)
    return _plain(re.sub(r"\]\([^)]*\)", "]", text).replace("*", ""))


@pytest.mark.parametrize("claim", _claims(), ids=lambda claim: claim.sentence[:40])
def test_a_claim_stands_in_the_readme_and_its_figures_on_its_page(claim: Claim) -> None:
    readme = _plain(re.sub(r"\]\([^)]*\)", "]", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert claim.sentence in readme.replace("*", "").replace("[python-control]", "python-control")
    page = _plain(claim.page.read_text(encoding="utf-8"))
    assert [figure for figure in claim.figures if figure not in page] == []


def test_every_figure_of_the_readme_is_listed() -> None:
    listed = " ".join(claim.sentence for claim in _claims())
    # Versions, the paper's number and sizes of an installation are not claims.
    prose = re.sub(
        r"arXiv [\d.]+|Python [\d.]+|NumPy [\d.]+|\b0\.10\.0\b|[\d.]+ GB|Apache 2\.0|95% intervals", " ", _prose()
    )
    assert len(_claims()) >= 8
    assert [figure for figure in re.findall(r"\d[\d,.]*\d%?|\d%?", prose) if figure not in listed] == []
