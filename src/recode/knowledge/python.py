"""Building the knowledge about Python itself: its standard library, release by release.

Nothing is downloaded but interpreters. The names come from the interpreters, the reasons from the messages in the modules' own sources.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace

from recode.collect.collector import families_of
from recode.collect.join.families import UpdateFamily
from recode.collect.texts.deprecations import notices
from recode.collect.walk.public_api import Api, without_refusals
from recode.collect.walk.standard_library import standard_library
from recode.knowledge.build import PYTHON, CollectedReleases, KnowledgeSource, assembled
from recode.knowledge.model import Knowledge
from recode.knowledge.shape import SHAPE_PROGRAM
from recode.symbol import Symbol

_GUARDS = ("sys", "platform", "six")
"""Packages by which programs find out which release they run on."""


def build_python(source: KnowledgeSource, on_progress: Callable[[str], None] = lambda _: None) -> Knowledge:
    """Compare releases of Python and return what scanning needs to know about them.

    Args:
        source: the oldest and the newest release, those in between, and what to leave out and to add.
        on_progress: called with a description of the current step.

    Raises:
        EnvironmentBuildError: an interpreter is missing, or cannot list its modules.
    """
    apis, by_release = [], []
    for release in (source.old_version, *source.milestones, source.new_version):
        on_progress(f"listing the names of Python {release}")
        library = standard_library(release)
        apis.append(library.api())
        by_release.append((library.release, notices(list(library.sources()))))
    old, newest = standard_library(source.old_version), standard_library(source.new_version)
    on_progress("joining")
    families = families_of(PYTHON, (apis[0], apis[-1]), by_release, [], newest.probe)
    later = [without_refusals(api, apis[0]) for api in apis[1:]]
    describe = functools.partial(old.describe, script=SHAPE_PROGRAM)
    likely = [one for family in families if (one := _plausible(family, apis[0])) is not None]
    knowledge = assembled(source, None, CollectedReleases(likely, apis[0], later), describe)
    if knowledge.shape is None:
        return knowledge
    # Only a file that imports something changed is read.
    concerned = {update.old_symbol.package for update in knowledge.updates}
    packages = tuple(sorted(concerned | set(_GUARDS)))
    return replace(knowledge, shape=knowledge.shape.model_copy(update={"packages": packages}))


def _plausible(family: UpdateFamily, old: Api) -> UpdateFamily | None:
    """Return a family without what only a library's releases would show; None where nothing is left of it."""
    update = family.update
    path, new = update.old_symbol.path, update.new_symbol
    definition = getattr(old.find(path), "definition", None)
    if update.kind == "parameter_renamed" and not (definition and definition.file):
        # Functions written in C: the names of parameters in their docstrings were never keywords.
        return None
    is_said = any(one.source != "signature" for one in update.evidence)
    if update.kind == "moved" and not is_said and new.package != update.old_symbol.package:
        # Modules of one library move; that an unrelated module of Python has the same name is a coincidence.
        removed = update.model_copy(
            update={
                "kind": "removed", "new_symbol": Symbol(), "description": f"`{path}` is gone.", "update_info": f"`{path}` is gone.",
            }
        )  # fmt: skip
        return family.model_copy(update={"update": removed})
    return family
