"""
Calls that another host's libseccomp knows and this host's does not.

Only the libseccomp here makes filters for us, and it ignores such a call. What it makes of the
rules for one call does not depend on the rules for others. So the rules for a call that it does
not know are judged as rules for a call that it knows: the stand-in.
"""

from __future__ import annotations

from dataclasses import replace
from typing import AbstractSet, FrozenSet, Optional, Tuple

from tracer import syscalls
from tracer.profile.decide import Filter
from tracer.profile.known_calls import knows
from tracer.profile.model import Profile
from tracer.profile.releases import RELEASE_OF, Release

# Every architecture has it, with any arguments, and no call that multiplexes others makes it.
STAND_IN = "getpid"


def newer_calls(profile: Profile, release: Optional[Release]) -> FrozenSet[str]:
    """Return the calls of a profile that only the other libseccomp, of this release, knows."""
    if release is None:
        return frozenset()
    names = {name for rule in profile.rules for name in rule.names}
    return frozenset(
        name for name in names & RELEASE_OF.keys() if knows(name, release) and not knows(name)
    )


def with_stand_in(profile: Profile, name: str) -> Profile:
    """Return the rules for one call as rules for the stand-in, and no others."""
    rules = (replace(rule, names=(STAND_IN,)) for rule in profile.rules if name in rule.names)
    return replace(profile, rules=tuple(rules))


def with_newest(loaded: Filter, names: AbstractSet[str]) -> Filter:
    """Return a filter whose prologue, if it has one, lets these calls pass, too."""
    return replace(loaded, newest=tuple(_raised(newest, names) for newest in loaded.newest))


def _raised(newest: Tuple[str, int], names: AbstractSet[str]) -> Tuple[str, int]:
    token, number = newest
    numbers = (syscalls.number_of(token, name) for name in names)
    return token, max([number, *(found for found in numbers if found is not None)])
