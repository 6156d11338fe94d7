"""The sentences for every reason and every outcome; no code decides by them."""

from __future__ import annotations

from enum import StrEnum

from recode.migrate.result import MigrateOptions
from recode.migrate.rewrite.changes import Change, LeftAlone, Reason


class PlaceOutcome(StrEnum):
    """What became of a place, in the order of reports: the best first."""

    PROVEN = "proven"
    SAME_OBJECT = "same object"
    FORWARDS = "forwards to it"
    BY_RULE = "by a proven rule"
    CHECKED_BY_NAME = "checked by name"
    BY_NOTE_ALONE = "by the note alone"
    UNPROVEN = "unproven"
    REFUTED = "refuted"
    GUARDED = "guarded"
    LEFT_ALONE = "left alone"


NEEDS_ATTENTION = frozenset({PlaceOutcome.LEFT_ALONE, PlaceOutcome.UNPROVEN, PlaceOutcome.REFUTED})
"""The outcomes with which a person has to look at the place."""

_SENTENCES = {
    Reason.GUARDED: "guarded: the code around it distinguishes the releases",
    Reason.UNREADABLE: "",
    Reason.UNPARSABLE: "the file does not parse with this Python",
    Reason.TOO_DEEP: "nested too deeply",
    Reason.NO_NAME: "there is no name of the program at this place (it is within a string, or split over lines)",
    Reason.NO_RULE: "",
    Reason.RENAME_REFUSED: "",
    Reason.DOES_NOT_BIND: "",
    Reason.TYPES: "the type checker objects to the rewriting",
    Reason.CONFLICT: "another change touches the same place; run again after it",
    Reason.BREAKS_THE_FILE: "the file would not parse with the change",
    Reason.NAME_MISSING: "",
    Reason.FAILING_TEST: "a test that reaches the rewriting ends differently than before",
    Reason.REFUTED: "refuted by a test",
    Reason.UNPROVEN: "nothing proves the rewriting",
    Reason.NOT_TAKEN: "not taken",
}
"""What each reason says; empty where its detail says it all."""
_A_MODEL_MAY_HELP = frozenset({Reason.NO_RULE, Reason.RENAME_REFUSED, Reason.DOES_NOT_BIND})


def outcome_of_change(change: Change) -> PlaceOutcome:
    """Return the outcome of the places of a change that is made."""
    return PlaceOutcome(change.evidence.value)


def outcome_of_left(place: LeftAlone) -> PlaceOutcome:
    """Return the outcome of a place that stays as it is; a rewriting with too little evidence gives its own."""
    if place.reason is Reason.GUARDED:
        return PlaceOutcome.GUARDED
    if place.tried is None or place.tried.offered:
        return PlaceOutcome.LEFT_ALONE
    return PlaceOutcome(place.tried.evidence.value)


def reason_text(place: LeftAlone, options: MigrateOptions) -> str:
    """Return why a place stays as it is, as one line."""
    text = ": ".join(part for part in (_SENTENCES[place.reason], place.detail) if part)
    if place.model_detail:
        text += f"; the model's rewritings were not taken: {place.model_detail}"
    elif place.reason in _A_MODEL_MAY_HELP and not options.uses_model:
        text += "; name a model (--model or --endpoint) to have it rewritten"
    return text
