"""The prompt that has a model write two programs about an update, and the reading of its reply.

It is not the request to migrate code, which is in `recode.prompts`. Here the model writes both programs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from recode.models import Prompt
from recode.records import ApiUpdate

SETTINGS = (
    "weather measurements", "orders of a small shop", "results of a sports league", "loans of a library", "readings of a sensor",
    "marks of a school class", "levels of a river", "a recipe's quantities", "departures of buses", "a household's bills",
    "plants in a garden", "votes in a poll", "a laboratory's samples", "rooms of a hotel", "steps of a runner", "parcels in a depot",
)  # fmt: skip
"""Settings that make programs about one update differ; the first context takes the first, and so on."""


def setting_of(number: int) -> str:
    """Return the setting of a context, counted from 0. A repeated setting gets a number, because equal prompts get one reply."""
    turn, place = divmod(number, len(SETTINGS))
    return SETTINGS[place] + (
        f" (example {turn + 1} of this setting: choose other data and another structure)" if turn else ""
    )


SYSTEM = (
    "You write short, natural Python programs that show how a library's update changes code. "
    "Your programs are run in both releases and compared; only those that hold are kept."
)
_RULES = """\
Write two programs of 4 to 25 lines, set among {setting}, as a practitioner would write them.
- The first uses `{old}` and runs on {library} {old_version} without an error.
- The second is the first migrated to {library} {new_version}: only the lines that the update concerns differ. {aim}
- On {new_version} the first program must fail, or warn of the deprecation, at the line that uses the old API.
- Both print exactly the same: use `.tolist()`, `float()`, `round()` so that nothing but the values is printed.
- What they print depends on the call.
- No files, network, randomness without a seed, or clock; no packages besides {library} and what it needs.

Answer with one line `Context: ...` (what the programs are about, in a few words), then the first program and then the second,
each as a Python code block, and nothing else."""
_FENCE = re.compile(r"^ {0,3}(`{3,})[ \t]*(\w*)[^\n`]*\n(.*?)^ {0,3}\1`*[ \t]*$", re.M | re.S)
_CONTEXT = re.compile(r"^\W*Context\W*:\W*(.+?)\W*$", re.M | re.I)


@dataclass(frozen=True)
class WrittenPrograms:
    """A pair of programs that a model wrote, and its own words for what they are about."""

    old: str
    new: str
    context: str


@dataclass(frozen=True)
class Rejection:
    """A reply that was not admitted, and why."""

    reply: str
    reason: str


def synthesis_prompt(update: ApiUpdate, setting: str, rejections: tuple[Rejection, ...] = ()) -> Prompt:
    """Return the prompt for a pair of programs, followed by the last rejected reply and its reason, if there is one."""
    evidence = "\n".join(f"- {quoted.source} of {quoted.package_version}: {quoted.quote}" for quoted in update.evidence)
    aim = f"It uses `{update.new_symbol}`." if update.new_symbol else "It does without the old API."
    rules = _RULES.format(
        setting=setting, old=update.old_symbol, library=update.library, old_version=update.old_version,
        new_version=update.new_version, aim=aim,
    )  # fmt: skip
    turn = (
        f"The library `{update.library}` changed between {update.old_version} and {update.new_version} ({update.kind}):\n"
        f"{update.update_info.strip()}\n" + (f"Evidence:\n{evidence}\n" if evidence else "") + f"\n{rules}"
    )
    messages = [("system", SYSTEM), ("user", turn)]
    for rejection in rejections[-1:]:
        messages += [
            ("assistant", rejection.reply),
            ("user", f"{rejection.reason}\nWrite both programs again, corrected."),
        ]
    return Prompt(tuple(messages))


def read_reply(reply: str) -> WrittenPrograms | None:
    """Return the two programs of a reply; None if it does not hold exactly two blocks of Python. Never raises."""
    answer = reply.rpartition("</think>")[2]
    blocks = [
        match.group(3) for match in _FENCE.finditer(answer) if match.group(2).lower() in ("", "python", "py", "python3")
    ]
    if len(blocks) != 2:
        return None
    context = _CONTEXT.search(_FENCE.sub("", answer))
    old, new = (block.strip("\n") + "\n" for block in blocks)
    return WrittenPrograms(old, new, context.group(1)[:200] if context else "")
