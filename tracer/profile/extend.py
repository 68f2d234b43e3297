"""
Extending somebody's profile by what was recorded, without changing what it says.

The algebra is `combine`'s; here is what a baseline has beyond it (the design's section 6): its own
architectures and default, the latter turned where it would let everything through, and the calls
that it already covers, logged ones too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Dict, List, Mapping, Tuple

from tracer.profile import calls, combine, hosts, model
from tracer.profile.model import Profile


@dataclass(frozen=True)
class Extended:
    """
    A baseline with what was recorded, what a person should know about it, and the calls that were
    recorded but stay denied, sorted.
    """

    profile: Profile
    messages: Tuple[str, ...]
    denied: Tuple[str, ...]


def extend(baseline: Profile, addition: Profile) -> Extended:
    """
    Return the baseline and what the addition (`generate`) allows beyond, in one group at the end.

    The addition's ENOSYS group is not taken over: what an unnamed call gets is the baseline's to
    say. Extending twice by the same recording changes nothing more.
    """
    turned = _forbidding(baseline)
    named = hosts.named_by(turned)
    wanted = replace(addition, default_action=model.ERRNO)
    rules, conflicts = combine.unite(turned, [wanted])
    denied = {name: one.stands for one in conflicts for name in one.names if one.stands}
    profile = replace(turned, rules=rules)
    if not named:
        profile = replace(profile, architectures=addition.architectures)
    messages = [
        *_turned(baseline),
        *_left_out(sorted(set(addition.architectures) - named) if named else []),
        *_still_denied(denied),
    ]
    return Extended(profile, tuple(messages), tuple(sorted(denied)))


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


def _left_out(missing: List[str]) -> List[str]:
    if not missing:
        return []
    return [f"calls were recorded under {', '.join(missing)}, which the baseline does not name"]


def _still_denied(denied: Mapping[str, str]) -> List[str]:
    by_action: Dict[str, List[str]] = {}
    for name, action in sorted(denied.items()):
        by_action.setdefault(action, []).append(name)
    return [
        f"recorded, but denied by the baseline ({action}), and so left: {', '.join(names)}"
        for action, names in sorted(by_action.items())
    ]
