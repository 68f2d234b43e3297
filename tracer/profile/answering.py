"""
Why a profile gave an answer: by a rule that somebody wrote, or because nothing was said.

A program that asks for what a profile answers with an error by a rule, as the ENOSYS groups of
engines and of ours do, meets what was meant for it; what only the default refuses was forgotten.
And what the profile lets through was refused by somebody else: a program may load a filter too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import AbstractSet, Optional, Sequence

from tracer.errors import InputError
from tracer.profile import decide, model
from tracer.profile.decide import Answer
from tracer.profile.model import Circumstances, Profile, Rule

# One call of i386 for many: rules about those become rules about its arguments (libseccomp).
MULTIPLEXERS = ("socketcall", "ipc")


def answer_to(
    profile: Profile,
    architecture: str,
    number: int,
    arguments: Sequence[int],
    *,
    engine: Optional[str] = None,
    capabilities: Optional[AbstractSet[str]] = None,
) -> Optional[Answer]:
    """
    Return what a profile answers to a call; None where that cannot be told.

    `engine` and `capabilities` (the container's bounding set) are as in `resolve`.
    """
    try:
        return decide.decide(
            profile,
            architecture,
            number,
            arguments,
            capabilities=capabilities,
            engine=engine,
            runtime=decide.NO_RUNTIME,
        )
    except InputError:
        return None


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

    `engine` and `capabilities` as in `answer_to`. False where that cannot be told.
    """
    if given.action != model.ERRNO:
        return False
    otherwise = replace(
        profile, default_action=model.KILL_PROCESS, default_errno=None, default_errno_name=""
    )
    call = (architecture, number, arguments)
    return answer_to(otherwise, *call, engine=engine, capabilities=capabilities) == given


def is_let_through(
    profile: Profile,
    architecture: str,
    number: int,
    name: str,
    *,
    engine: Optional[str] = None,
    capabilities: Optional[AbstractSet[str]] = None,
) -> bool:
    """
    Say whether a profile lets a call through for certain, whatever its arguments are.

    `engine` and `capabilities` as in `answer_to`. False where that cannot be told.
    """
    rules = [rule for rule in profile.rules if name in rule.names]
    unsure = any(rule.conditions or (capabilities is None and _depends(rule)) for rule in rules)
    if unsure or name in MULTIPLEXERS:
        return False
    said = answer_to(profile, architecture, number, (), engine=engine, capabilities=capabilities)
    return said is not None and said.lets_through


def _depends(rule: Rule) -> bool:
    return rule.includes != Circumstances() or rule.excludes != Circumstances()
