"""
Extending somebody's profile by what was recorded, without changing what it says.

The algebra is `combine`'s; here is what a baseline has beyond it (the design's section 6): its own
architectures and default, the latter turned where it would let everything through, and the calls
that it already covers, logged ones too. What it allows to containers with certain capabilities only
is covered for those that have them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import AbstractSet, Dict, FrozenSet, List, Mapping, Tuple

from tracer.profile import calls, combine, hosts, model
from tracer.profile.architectures import NATIVE
from tracer.profile.model import Profile
from tracer.profile.reduce import allowed_names
from tracer.profile.resolve import for_capabilities


@dataclass(frozen=True)
class Extended:
    """
    A baseline with what was recorded, what a person should know about it, and the calls that were
    recorded but stay denied, sorted.
    """

    profile: Profile
    messages: Tuple[str, ...]
    denied: Tuple[str, ...]


def extend(
    baseline: Profile, addition: Profile, circumstances: AbstractSet[FrozenSet[str]] = frozenset()
) -> Extended:
    """
    Return the baseline and what the addition (`generate`) allows beyond, in one group at the end.

    The addition's ENOSYS group is not taken over: what an unnamed call gets is the baseline's to
    say. Extending twice by the same recording changes nothing more. `circumstances`: the bounding
    sets with each of which the result has to do, none if nothing is known of them.
    """
    turned = _forbidding(baseline)
    named = hosts.named_by(turned)
    covered = _covered_for(turned, addition, circumstances)
    wanted = _without(replace(addition, default_action=model.ERRNO), covered)
    rules, conflicts = combine.unite(turned, [wanted])
    denied = {name: one.stands for one in conflicts for name in one.names if one.stands}
    profile = replace(turned, rules=rules)
    if not named:
        profile = replace(profile, architectures=addition.architectures)
    elif NATIVE in profile.architectures:
        profile = replace(profile, architectures=hosts.named_in_list(profile))
    messages = [
        *_turned(baseline),
        *_native(baseline),
        *_left_out(sorted(set(addition.architectures) - named) if named else []),
        *_still_denied(denied, _kernels(addition)),
        *_left_to_it(sorted(covered)),
    ]
    return Extended(profile, tuple(messages), tuple(sorted(denied)))


def _covered_for(
    baseline: Profile, addition: Profile, circumstances: AbstractSet[FrozenSet[str]]
) -> FrozenSet[str]:
    """What the baseline lets through under all circumstances, but not in any container."""
    if not circumstances:
        return frozenset()
    wanted = allowed_names(addition) - _covered(baseline)
    return wanted.intersection(
        *(_covered(for_capabilities(baseline, held)) for held in circumstances)
    )


def _covered(baseline: Profile) -> FrozenSet[str]:
    otherwise = calls.said_otherwise(baseline)
    holding = {
        name: calls.effective(rules, otherwise)
        for name, rules in calls.by_call(baseline.rules).items()
    }
    return frozenset(
        name
        for name, rules in holding.items()
        if rules and calls.is_for_all(rules[-1]) and all(map(calls.lets_through, rules))
    )


def _without(addition: Profile, names: FrozenSet[str]) -> Profile:
    rules = (
        replace(rule, names=tuple(name for name in rule.names if name not in names))
        for rule in addition.rules
    )
    return replace(addition, rules=tuple(rule for rule in rules if rule.names))


def _forbidding(baseline: Profile) -> Profile:
    if not _is_open(baseline):
        return baseline
    return replace(baseline, default_action=model.ERRNO)


# With TRACE the call is made, too, unless somebody traces.
def _is_open(baseline: Profile) -> bool:
    return calls.is_permissive(baseline) or baseline.default_action == model.TRACE


def _turned(baseline: Profile) -> List[str]:
    if not _is_open(baseline):
        return []
    return [
        f"the baseline's default {baseline.default_action} lets every call through, so that its "
        f"list forbids nothing; it is now {model.ERRNO}"
    ]


def _native(baseline: Profile) -> List[str]:
    if NATIVE not in baseline.architectures:
        return []
    return [f"the baseline's {NATIVE} is left out: runc and crun refuse it"]


def _left_out(missing: List[str]) -> List[str]:
    if not missing:
        return []
    return [f"calls were recorded under {', '.join(missing)}, which the baseline does not name"]


def _kernels(addition: Profile) -> FrozenSet[str]:
    """The calls that the addition has for the kernel alone, which nobody recorded."""
    return frozenset(
        name for rule in addition.rules if calls.is_kernels(rule) for name in rule.names
    )


def _still_denied(denied: Mapping[str, str], kernels: AbstractSet[str]) -> List[str]:
    by_action: Dict[Tuple[bool, str], List[str]] = {}
    for name, action in sorted(denied.items()):
        by_action.setdefault((name in kernels, action), []).append(name)
    return [
        f"{'made by the kernel at times' if for_kernel else 'recorded'}, but denied by the "
        f"baseline ({action}), and so left: {', '.join(names)}"
        for (for_kernel, action), names in sorted(by_action.items())
    ]


def _left_to_it(names: List[str]) -> List[str]:
    if not names:
        return []
    return [
        "allowed by the baseline to containers with capabilities that this one had and needs, and "
        f"left to it: {', '.join(names)}"
    ]
