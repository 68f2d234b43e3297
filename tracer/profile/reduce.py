"""
A profile that lets fewer calls through, and is otherwise as it was.

Which calls can go is for others to find out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import AbstractSet, FrozenSet, List, Sequence

from tracer.profile import calls
from tracer.profile.fallbacks import FALLBACKS
from tracer.profile.model import Profile, Rule


def allowed_names(profile: Profile) -> FrozenSet[str]:
    """Return the calls that a rule of the profile lets through, for some uses at least."""
    return frozenset(
        name for rule in profile.rules if calls.lets_through(rule) for name in rule.names
    )


def without(profile: Profile, names: AbstractSet[str]) -> Profile:
    """
    Return the profile whose rules let none of these through.

    Our own ENOSYS group, if it has one, gains those of them that callers can do without.
    """
    rules: List[Rule] = []
    for rule in profile.rules:
        if calls.lets_through(rule):
            rule = _with_names(rule, [name for name in rule.names if name not in names])
        elif calls.says_missing(rule) and calls.is_for_all(rule):
            new = (names & allowed_names(profile) & FALLBACKS.keys()) - set(rule.names)
            rule = _with_names(rule, sorted({*rule.names, *new}) if new else rule.names)
        if rule.names:
            rules.append(rule)
    return replace(profile, rules=tuple(rules))


def _with_names(rule: Rule, names: Sequence[str]) -> Rule:
    return rule if tuple(names) == rule.names else replace(rule, names=tuple(names))
