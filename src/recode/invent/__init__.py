"""Made-up migrations: libraries that do not exist, updates that never happened, programs that no person wrote.

They are used where names must be unseen: to pretrain the embedded model, and to test a policy on names that no model can know. Nothing here
is executed; real, executed migrations come from `recode.dataset`.
"""

from recode.invent.generator import (
    Pool,
    already_migrated,
    generate,
    generate_hard_no_ops,
    generate_no_ops,
    reserved_names,
)
from recode.invent.grounded import GroundedKind, grounded_completion
from recode.invent.thoughts import gold_completion, habit_completion

__all__ = [
    "GroundedKind", "Pool", "already_migrated", "generate", "generate_hard_no_ops", "generate_no_ops", "gold_completion",
    "grounded_completion", "habit_completion", "reserved_names",
]  # fmt: skip
