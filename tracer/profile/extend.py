"""
Extending somebody's profile by what was recorded, without changing what it says.

A simple union over the ALLOW groups: the baseline stays rule for rule, what it denies stays
denied, what is new comes in one group at the end. The rules are those of the design's section 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, FrozenSet, List, Mapping, Set, Tuple

from tracer.document import Node
from tracer.profile.fallbacks import ENOSYS
from tracer.profile.generate import ALLOW, ERRNO, FALLBACK_MARK, group
from tracer.profile.reading import (
    Rule,
    architectures_of,
    check,
    is_conditional,
    names_of,
    rules_of,
)

_LOG = "SCMP_ACT_LOG"
# Defaults under which a list of allowed calls forbids nothing.
_PERMISSIVE = (ALLOW, _LOG, "SCMP_ACT_TRACE")


@dataclass(frozen=True)
class Extended:
    """
    A baseline with what was recorded, what a person should know about it, and the calls that were
    recorded but stay denied, sorted.
    """

    profile: Dict[str, object]
    messages: Tuple[str, ...]
    denied: Tuple[str, ...]


def extend(baseline: Mapping[str, object], addition: Mapping[str, object]) -> Extended:
    """
    Return the baseline (`reading.read_profile`) and what the addition (`generate`) allows beyond.

    Covered is a call that the baseline lets through unconditionally; denied one that any other
    rule of it names, unless the rule only allows it under a condition, which is neither. Our own
    ENOSYS group is no denial: it gives up the calls that are now allowed. The addition's own is
    not taken over: what an unnamed call gets is the baseline's to say. Extending twice by the same
    recording changes nothing more.
    """
    check(Node(dict(baseline), "baseline"))
    wanted = _allowed(addition)
    rules = [_without(rule, wanted) for rule in rules_of(baseline) if not _emptied(rule, wanted)]
    denied = _denied(rules)
    new = sorted(wanted - _covered(rules) - denied.keys())
    profile = {**baseline, "syscalls": [*rules, *_new_group(new, addition)]}
    messages = [
        *_forbid_by_default(profile),
        *_name_architectures(profile, architectures_of(addition)),
        *_still_denied({name: denied[name] for name in sorted(wanted & denied.keys())}),
    ]
    return Extended(profile, tuple(messages), tuple(sorted(wanted & denied.keys())))


def _allowed(profile: Mapping[str, object]) -> Set[str]:
    return {
        name for rule in rules_of(profile) if rule["action"] == ALLOW for name in names_of(rule)
    }


def _is_our_fallback(rule: Rule) -> bool:
    ours = str(rule.get("comment", "")).startswith(FALLBACK_MARK)
    return ours and rule["action"] == ERRNO and rule.get("errnoRet") == ENOSYS


def _emptied(rule: Rule, wanted: Set[str]) -> bool:
    return _is_our_fallback(rule) and wanted.issuperset(names_of(rule))


def _without(rule: Rule, wanted: Set[str]) -> Rule:
    if not _is_our_fallback(rule) or wanted.isdisjoint(names_of(rule)):
        return rule
    return {**rule, "names": [name for name in names_of(rule) if name not in wanted]}


def _covered(rules: List[Rule]) -> Set[str]:
    through = [one for one in rules if one["action"] in (ALLOW, _LOG) and not is_conditional(one)]
    return {name for rule in through for name in names_of(rule)}


# A denial under a condition counts too, since libseccomp drops it when an unconditional ALLOW joins
# it; and where the baseline itself has both, it is none.
def _denied(rules: List[Rule]) -> Dict[str, str]:
    covered = _covered(rules)
    denied: Dict[str, str] = {}
    for rule in rules:
        if rule["action"] in (ALLOW, _LOG) or _is_our_fallback(rule):
            continue
        for name in names_of(rule):
            if name not in covered or not is_conditional(rule):
                denied[name] = str(rule["action"])
    return denied


def _new_group(names: List[str], addition: Mapping[str, object]) -> List[Rule]:
    origins = [str(one.get("comment", "")) for one in rules_of(addition) if one["action"] == ALLOW]
    return [group(names, ALLOW, comment="; ".join(origins))] if names else []


def _forbid_by_default(profile: Dict[str, object]) -> List[str]:
    action = profile["defaultAction"]
    if action not in _PERMISSIVE:
        return []
    profile["defaultAction"] = ERRNO
    return [
        f"the baseline's default {action} lets every call through, so that its list forbids "
        f"nothing; it is now {ERRNO}"
    ]


def _name_architectures(profile: Dict[str, object], observed: FrozenSet[str]) -> List[str]:
    named = architectures_of(profile)
    if not named:
        profile["architectures"] = sorted(observed)
        return []
    missing = sorted(observed - named)
    if not missing:
        return []
    return [f"calls were recorded under {', '.join(missing)}, which the baseline does not name"]


def _still_denied(denied: Mapping[str, str]) -> List[str]:
    by_action: Dict[str, List[str]] = {}
    for name, action in denied.items():
        by_action.setdefault(action, []).append(name)
    return [
        f"recorded, but denied by the baseline ({action}), and so left: {', '.join(names)}"
        for action, names in sorted(by_action.items())
    ]
