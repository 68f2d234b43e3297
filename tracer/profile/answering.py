"""
Why a profile gave an answer: by a rule that somebody wrote, or because nothing was said.

A program that asks for what a profile answers with an error by a rule, as the ENOSYS groups of
engines and of ours do, meets what was meant for it; what only the default refuses was forgotten.
"""

from __future__ import annotations

from dataclasses import replace
from typing import AbstractSet, Optional, Sequence

from tracer.errors import InputError
from tracer.profile import decide, model
from tracer.profile.decide import Answer
from tracer.profile.model import Profile


def is_by_rule(
    profile: Profile,
    architecture: str,
    number: int,
    arguments: Sequence[int],
    given: Answer,
    *,
    engine: Optional[str] = None,
    capabilities: Optional[AbstractSet[str]] = None,
) -> bool:
    """
    Say whether this answer to a call was a rule's, and an error: ERRNO.

    `engine` and `capabilities` (the container's bounding set) are as in `resolve`.
    False for a profile of which that cannot be told (`decide` raises InputError).
    """
    if given.action != model.ERRNO:
        return False
    otherwise = replace(
        profile, default_action=model.KILL_PROCESS, default_errno=None, default_errno_name=""
    )
    try:
        said = decide.decide(
            otherwise,
            architecture,
            number,
            arguments,
            capabilities=capabilities,
            engine=engine,
            runtime=decide.NO_RUNTIME,
        )
    except InputError:
        return False
    return said == given
