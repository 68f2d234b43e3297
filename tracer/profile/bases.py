"""
A profile together with the base that it adds to, as the security-profiles-operator installs it.

The operator takes the rules of the base, and of the base's base, and nothing else of them: default,
architectures and flags are the profile's own. Version 1.0 puts all rules into one list, sorted by
action (internal/pkg/util/union_syscalls.go), and the first rule for all arguments counts. Later
versions keep one rule for each call, that of the least restrictive action; which of two
rules with conditions they keep is not modelled here.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import List, Sequence, Tuple

from tracer.errors import InputError
from tracer.profile.formats import Named
from tracer.profile.model import Profile, Rule

# resolveSyscallsForProfile of internal/pkg/daemon/seccompprofile.
_MOST_BASES = 15
_REMOTE = "oci://"


def with_base(named: Named, bases: Sequence[Named]) -> Profile:
    """
    Return the profile with the rules of its base, of that one's base and so on, from `bases`.

    Without a base, or without any `bases`, the profile is returned as it is. Raises InputError for
    a base that is not among them, and for a chain that the operator refuses.
    """
    if not named.profile.base or not bases:
        return named.profile
    rules: List[Rule] = list(named.profile.rules)
    current = named
    for _ in range(_MOST_BASES):
        if not current.profile.base:
            return replace(named.profile, base="", rules=_sorted(rules))
        current = _base_of(current, bases)
        rules = [*current.profile.rules, *rules]
    raise InputError(f"{named.source}: more than {_MOST_BASES} base profiles, or a circle of them")


def _base_of(named: Named, bases: Sequence[Named]) -> Named:
    wanted = named.profile.base
    found = [base for base in bases if wanted == _name_of(base)]
    if not found and wanted.startswith(_REMOTE) and len(bases) == 1:
        found = list(bases)
    if len(found) == 1:
        return found[0]
    if found:
        sources = ", ".join(base.source for base in found)
        raise InputError(
            f"{named.source}: --base gives several profiles {wanted!r} to add to: {sources}",
            "--base FILE#NUMBER chooses one of a file",
        )
    names = ", ".join(_name_of(base) for base in bases)
    raise InputError(
        f"{named.source}: it adds to {wanted!r}, but --base gives only: {names}",
        "name a file that holds this profile",
    )


# The operator installs a profile as NAME.json.
def _name_of(base: Named) -> str:
    return base.name or os.path.basename(base.source).split(".json")[0]


def _sorted(rules: Sequence[Rule]) -> Tuple[Rule, ...]:
    return tuple(sorted(rules, key=lambda rule: rule.action))
