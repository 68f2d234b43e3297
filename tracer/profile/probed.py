"""
Answers of a merged profile that give way: calls that nobody allows, and what their callers expect.

A C library tries `clone3` and goes on with `clone` after ENOSYS; EPERM makes every thread start
fail. So ENOSYS goes before the errno of the first profile's default for the calls of
`fallbacks.FALLBACKS`, whichever profile answers it for all arguments, by a rule or by its default.
The groups that we generate ourselves (known by their comment) are taken over for any call and
before any default; to all other answers only an errno gives way, and a default that kills, traps or
asks a tracer stands. What is added here carries that comment, too: a later merge that allows a call
takes it out of the group again.

libseccomp lets an unconditional rule override every rule with argument conditions, and takes the
first of two unconditional rules. So no group names a call that is allowed for some arguments, and
a group follows the rules that allow its calls to some containers.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from typing import AbstractSet, Dict, FrozenSet, List, Sequence, Tuple

from tracer import syscalls
from tracer.profile import calls, hosts, model
from tracer.profile.calls import by_call, is_for_all, lets_through
from tracer.profile.fallbacks import ENOSYS, FALLBACKS, fallbacks_of
from tracer.profile.generate import FALLBACK_MARK
from tracer.profile.model import Profile, Rule

MISSING: calls.Said = (model.ERRNO, ENOSYS)
MERGED_COMMENT = (
    f"{FALLBACK_MARK}: answered ENOSYS by a merged profile; C libraries and language runtimes do "
    "without where a call is missing"
)


def answered_missing(profile: Profile, *, of_ours: bool = True) -> FrozenSet[str]:
    """
    Return the calls of FALLBACKS that a profile answers with ENOSYS to some container at least,
    maybe for some arguments only.

    With `of_ours` false, the groups that we generate count only against it.
    """
    by_rule = {
        name
        for name, holding in _probed_by(profile).items()
        if any(_says_missing(rule) and (of_ours or not calls.is_fallback(rule)) for rule in holding)
    }
    by_default = {
        name for name, holding in _defaulting(profile).items() if not any(map(is_for_all, holding))
    }
    return frozenset(by_rule | by_default)


def answered_missing_for_all_arguments(profile: Profile) -> FrozenSet[str]:
    """Return the calls of `answered_missing` whose answer does not depend on arguments."""
    by_rule = {
        name
        for name, holding in _probed_by(profile).items()
        if any(_says_missing(rule) and not rule.conditions for rule in holding)
    }
    by_default = {
        name
        for name, holding in _defaulting(profile).items()
        if not any(rule.conditions or is_for_all(rule) for rule in holding)
    }
    return frozenset(by_rule | by_default)


def _says_missing(rule: Rule) -> bool:
    return calls.said_by(rule) == MISSING


def _probed_by(profile: Profile) -> Dict[str, Tuple[Rule, ...]]:
    """Return the effective rules for each call of FALLBACKS that a rule names."""
    otherwise, by_name = calls.said_otherwise(profile), by_call(profile.rules)
    return {
        name: calls.effective(by_name[name], otherwise)
        for name in FALLBACKS.keys() & by_name.keys()
    }


def _defaulting(profile: Profile) -> Dict[str, Tuple[Rule, ...]]:
    """Return the same for all calls of FALLBACKS; none if the default is not ENOSYS."""
    if calls.said_otherwise(profile) != MISSING:
        return {}
    named = _probed_by(profile)
    return {name: named.get(name, ()) for name in _probed_under(profile)}


def _probed_under(profile: Profile) -> List[str]:
    named = hosts.named_by(profile) & syscalls.architectures()
    return fallbacks_of(named or {syscalls.X86_64})


def without(rules: Sequence[Rule], allowed: AbstractSet[str]) -> List[Rule]:
    """Return the rules with groups of ours that no longer name these calls."""
    kept: List[Rule] = []
    for rule in rules:
        left = tuple(name for name in rule.names if name not in allowed)
        if not calls.is_fallback(rule) or left == rule.names:
            kept.append(rule)
        elif left:
            kept.append(replace(rule, names=left))
    return kept


def with_answers(
    rules: Tuple[Rule, ...], first: Profile, others: Sequence[Profile]
) -> Tuple[Rule, ...]:
    """
    Return the rules of a merge with the answers that give way, ENOSYS before EPERM.

    A call gets one if a profile answers so for all arguments, and no rule denies it, allows it to
    all or allows it for some arguments.
    """
    for answer in calls.FALLBACKS:
        if answer == calls.said_otherwise(first):
            continue
        groups = [
            rule
            for profile in (first, *others)
            for rule in profile.rules
            if _is_group(rule, answer)
        ]
        names = {name for rule in groups for name in rule.names}
        if answer == MISSING:
            names.update(_missing_instead_of_errno(first, others))
        rules = _with_answer(rules, answer, names, groups)
    return rules


def _missing_instead_of_errno(first: Profile, others: Sequence[Profile]) -> AbstractSet[str]:
    """Return the calls that others answer with ENOSYS and that get another errno otherwise."""
    names = frozenset[str]().union(*map(answered_missing_for_all_arguments, others))
    if first.default_action == model.ERRNO:
        return names
    rules = (rule for profile in (first, *others) for rule in profile.rules)
    groups = (rule for rule in rules if calls.is_fallback(rule) and is_for_all(rule))
    return names & {name for rule in groups for name in rule.names}


def _is_group(rule: Rule, answer: calls.Said) -> bool:
    return calls.is_fallback(rule) and calls.said_by(rule) == answer and is_for_all(rule)


def _with_answer(
    rules: Tuple[Rule, ...], answer: calls.Said, names: AbstractSet[str], groups: Sequence[Rule]
) -> Tuple[Rule, ...]:
    """Return the rules with this answer to those of the calls that have room for it."""
    behind = calls.FALLBACKS[calls.FALLBACKS.index(answer) + 1 :]
    by_name = by_call(rules)
    new = {name for name in names if _has_room(by_name.get(name, ()), behind)}
    if not new:
        return rules
    kept = _without_groups(rules, behind, new)
    wider, rest = _assigned(new, kept, answer)
    for position, added in wider.items():
        rule = kept[position]
        kept[position] = replace(rule, names=tuple(sorted({*rule.names, *added})))
    if rest:
        group = groups[0] if groups else Rule((), model.ERRNO, errno=ENOSYS, comment=MERGED_COMMENT)
        kept.append(replace(group, names=tuple(sorted(rest)), kept={}))
    return tuple(kept)


def _assigned(
    names: AbstractSet[str], rules: Sequence[Rule], answer: calls.Said
) -> Tuple[Dict[int, List[str]], List[str]]:
    """Return the calls for each group that follows all their rules, and the calls without one."""
    groups = [position for position, rule in enumerate(rules) if _is_group(rule, answer)]
    last = {name: position for position, rule in enumerate(rules) for name in rule.names}
    wider: Dict[int, List[str]] = {}
    rest: List[str] = []
    for name in names:
        after = bisect_right(groups, last.get(name, -1))
        if after < len(groups):
            wider.setdefault(groups[after], []).append(name)
        else:
            rest.append(name)
    return wider, rest


def _without_groups(
    rules: Sequence[Rule], answers: Sequence[calls.Said], names: AbstractSet[str]
) -> List[Rule]:
    kept: List[Rule] = []
    for rule in rules:
        is_behind = any(_is_group(rule, answer) for answer in answers)
        kept += without([rule], names) if is_behind else [rule]
    return kept


def _has_room(rules: Sequence[Rule], behind: Sequence[calls.Said]) -> bool:
    """Say whether the rules about one call leave it an answer that gives way."""
    return all(
        any(_is_group(rule, answer) for answer in behind)
        or (lets_through(rule) and not rule.conditions and not is_for_all(rule))
        for rule in rules
    )
