"""
Denials under a default that lets through: which calls a union of profiles still has to deny.

What belongs here serves `combine.merge` alone, where one of the profiles has such a default, so
that the result has it too. A call stays denied only if no profile lets it through. That cannot be
calculated where conditions meet: then it is denied more often than need be, and reported.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from tracer.profile import calls, model
from tracer.profile.calls import by_call, effective, is_for_all, lets_through
from tracer.profile.fallbacks import ENOSYS, FALLBACKS
from tracer.profile.model import Profile, Rule

# Our own group for these calls. It gives way, like our ENOSYS group, when a later merge allows one.
REST_MARK = "seccomp-trace merge"
REST_COMMENT = f"{REST_MARK}: none of the merged profiles lets these through"

_Says = Sequence[Tuple[Profile, Mapping[str, Tuple[Rule, ...]]]]


def is_soft(rule: Rule) -> bool:
    """Say whether this is a denial of our own that gives way to any permission."""
    return calls.is_fallback(rule) or rule.comment.startswith(REST_MARK)


def kept_of(
    first: Profile, others: Sequence[Profile], denied: Mapping[str, str]
) -> Tuple[Rule, ...]:
    """Return the first profile's rules, without denials that had no say or that give way."""
    says = _says(first, others)
    kept = (_left_of(rule, says, denied) for rule in first.rules)
    return tuple(rule for rule in kept if rule is not None)


def rest_of(
    first: Profile, others: Sequence[Profile], denied: Mapping[str, str]
) -> Tuple[Dict[str, Tuple[Rule, ...]], Dict[str, int]]:
    """
    Return the denials to add, by call, and the calls for which they are stricter than need be,
    each with the position of a profile that says otherwise.

    `denied` is what the first profile denies by a rule.
    """
    says = _says(first, others)
    present = {name for rule in first.rules if is_soft(rule) for name in rule.names}
    names = {name for one in others for rule in one.rules for name in rule.names}
    rest: Dict[str, Tuple[Rule, ...]] = {}
    crossed: Dict[str, int] = {}
    for name in sorted((names | denied.keys()) - present):
        if name in denied:
            rest[name], position = _closed(name, first, denied[name])
        else:
            rest[name], position = _agreed(name, says)
        if position:
            crossed[name] = position
    return {name: rules for name, rules in rest.items() if rules}, crossed


def _says(first: Profile, others: Sequence[Profile]) -> _Says:
    return [(one, by_call(one.rules)) for one in (first, *others)]


def _left_of(rule: Rule, says: _Says, denied: Mapping[str, str]) -> Optional[Rule]:
    first, by_name = says[0]
    if lets_through(rule) or calls.is_permissive(first) and not is_soft(rule):
        return rule
    left = tuple(
        name
        for name in rule.names
        if (
            name in denied or _agreed(name, says)[0]
            if is_soft(rule)
            else _has_a_say(rule, by_name[name], first)
        )
    )
    if left == rule.names:
        return rule
    return replace(rule, names=left) if left else None


def _has_a_say(rule: Rule, same: Sequence[Rule], profile: Profile) -> bool:
    otherwise = calls.said_otherwise(profile)
    own = [one for one in same if replace(one, names=rule.names) == rule]
    through = [one for one in effective(same, otherwise) if lets_through(one)]
    return any(one in effective(same, otherwise) for one in own) or not any(
        map(is_for_all, through)
    )


# A call that the first profile denies for some uses, and others by its default: wholly.
def _closed(name: str, first: Profile, action: str) -> Tuple[Tuple[Rule, ...], int]:
    rules = by_call(first.rules).get(name, ())
    denials = [rule for rule in rules if not lets_through(rule)]
    if calls.is_permissive(first) or any(map(is_for_all, denials)):
        return (), 0
    errno = next((one for one in denials if one.action == action), None)
    whole = Rule(
        (name,),
        action,
        errno=errno.errno if errno else None,
        errno_name=errno.errno_name if errno else "",
        comment=REST_COMMENT,
    )
    return (whole,), 1


def _agreed(name: str, says: _Says) -> Tuple[Tuple[Rule, ...], int]:
    """
    The denials of a call that no profile lets through, and the position of a profile whose
    denials differ from those taken over before it (0 for none).
    """
    taken: List[Rule] = []
    crossed = 0
    for position, (profile, by_name) in enumerate(says):
        holding = effective(by_name.get(name, ()), calls.said_otherwise(profile))
        against = [rule for rule in holding if not lets_through(rule)]
        through = [rule for rule in holding if lets_through(rule)]
        if any(map(is_for_all, through)) or (calls.is_permissive(profile) and not against):
            return (), 0
        if not calls.is_permissive(profile):
            crossed = position or 1 if through else crossed
            continue
        known = {calls.where(rule) for rule in taken}
        new = [rule for rule in against if calls.where(rule) not in known]
        crossed = position if taken and (new or len(known) > len(against)) else crossed
        taken += [replace(rule, comment=REST_COMMENT) for rule in against]
    standing = _standing(taken)
    whole = [rule for rule in standing if is_for_all(rule)]
    return tuple(whole[:1] or standing), crossed


def _standing(denials: Sequence[Rule]) -> List[Rule]:
    """One denial for each place: the strictest action, then ENOSYS for a call that is probed."""
    by_place: Dict[Tuple[object, ...], List[Rule]] = {}
    for rule in denials:
        by_place.setdefault(calls.where(rule), []).append(rule)
    return [min(same, key=_rank) for same in by_place.values()]


def _rank(denial: Rule) -> Tuple[int, bool, str]:
    missing = denial.names[0] in FALLBACKS and calls.said_by(denial) == (model.ERRNO, ENOSYS)
    return model.ACTIONS.index(denial.action), not missing, repr(calls.said_by(denial))
