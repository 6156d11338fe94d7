"""The format term: is the completion one think block, then one answer block, and nothing else?"""

from __future__ import annotations

from recode.prompts import parse_response


def score(completion: str, target: str = "", old_code: str | None = None) -> float:
    """Return +1 for a well-formed completion, else -1 (arXiv 2506.20495, format reward). The programs are not read."""
    return 1.0 if parse_response(completion).well_formed else -1.0
