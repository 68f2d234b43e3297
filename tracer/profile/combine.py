"""
Profiles united: what any of them lets through is let through, but for what the first one denies.

The algebra behind `merge`, `generate --baseline` and `run --baseline`. It works call by call on
the rules as written and never calculates with conditions: a rule of a later profile is taken over
whole or not at all, so that nothing is dropped from a condition and nothing widened. PRECEDENCE
says what wins where profiles disagree; each case of it is a Conflict in the result, which the
caller reports. Rules of the first profile stay as they are and where they are, new ones come after.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import AbstractSet, Dict, Iterable, List, Mapping, Sequence, Set, Tuple

from tracer.errors import InputError
from tracer.profile import calls, hosts, model, openly, probed
from tracer.profile.architectures import ARCHITECTURES
from tracer.profile.calls import by_call, effective, is_for_all, lets_through
from tracer.profile.model import Profile, Rule
from tracer.text import printable

DENIED_BY_FIRST = "denied-by-first"
MIXED = "mixed"
ENOSYS_TAKEN = "enosys-taken"
ENOSYS_LEFT = "enosys-left"
DENIAL_LEFT = "denial-left"
CROSSED = "crossed"
DEFAULT_OPENED = "default-opened"
ARCHITECTURE_ADDED = "architecture-added"

# What stands where profiles disagree; the first line that applies to a call decides.
PRECEDENCE: Mapping[str, str] = {
    DENIED_BY_FIRST: "the first profile has a rule that denies the call or some use of it (KILL_*, "
    "TRAP, ERRNO, NOTIFY, TRACE): what it says of the call stands, strictest rule and errno too",
    MIXED: "a later profile allows a use of the call that may overlap with one it denies itself: "
    "that permission is not taken over",
    ENOSYS_LEFT: "a later profile answers ENOSYS to a call that C libraries can do without; it "
    "does so for some arguments only, the first one denies the call by a rule with another answer "
    "or by a default that is no ERRNO, or it is allowed for some arguments: that stands, and "
    "ENOSYS is not taken over",
    ENOSYS_TAKEN: "a later profile answers ENOSYS to such a call, by a rule or by its default; the "
    "first one denies it by a default of ERRNO: where nothing allows the call, the result answers "
    "ENOSYS",
    DENIAL_LEFT: "a later profile denies the call by a rule: not taken over, since only the first "
    "one's denials stand; who allows it, or else the default, decides",
    CROSSED: "the default lets through and the denials of several profiles differ: all of them are "
    "taken over, so that the result is rather too strict; of two for the same uses the stricter, "
    "or else ENOSYS for a call that C libraries can do without",
    DEFAULT_OPENED: "a later profile's default lets through and the first one's does not: so does "
    "the result's",
    ARCHITECTURE_ADDED: "a later profile names an architecture that the first does not: it is "
    "added, and all that is allowed is allowed under it",
}

MERGED_COMMENT = "merged by seccomp-trace"
_COMMENT_LIMIT = 400


@dataclass(frozen=True)
class Conflict:
    """
    Where profiles disagreed: which line of PRECEDENCE decided, about which calls (or
    architectures, or actions), against the profile at `source`; `stands` is the action that does.
    """

    kind: str
    source: int
    names: Tuple[str, ...]
    stands: str = ""


@dataclass(frozen=True)
class Merged:
    """A united profile, and every disagreement on the way."""

    profile: Profile
    conflicts: Tuple[Conflict, ...] = ()


def merge(first: Profile, *others: Profile) -> Merged:
    """
    Return the profile that lets through what any of these does; the first one is the baseline.

    Idempotent; the order of the others makes no difference. Merging one after the other gives what
    merging all at once does. Raises InputError for what the first one's dialect cannot say.
    """
    for other in others:
        _refuse_unsayable(first, other)
    action = _loosest_default([first, *others])
    if action in calls.THROUGH:
        rules, conflicts = _open(first, others)
    else:
        rules, conflicts = unite(first, others)
        rules = probed.with_answers(rules, first, others)
        conflicts = _with_missing(conflicts, rules, first, others)
    united = replace(first, rules=rules)
    if action != first.default_action:
        united = replace(
            united, default_action=action, default_errno=None, default_errno_name=""
        )
    profile = hosts.with_architectures(united, others)
    outer = (*_of_defaults(first, others), *_of_architectures(first, others))
    return Merged(profile, (*outer, *conflicts))


def unite(
    first: Profile, others: Sequence[Profile]
) -> Tuple[Tuple[Rule, ...], Tuple[Conflict, ...]]:
    """
    Return the first profile's rules with what others allow beyond, under its own default.

    Our own groups of errors in the first give up what is now allowed; those of others are not taken
    over here.
    """
    had = by_call(rule for rule in first.rules if not calls.is_fallback(rule))
    denied = denied_by(first)
    wanted, conflicts = _wanted(others)
    for source, other in enumerate(others, 1):
        standing = _but_for(denied, other)
        conflicts += _denials(
            source, wanted[source - 1], standing, calls.is_permissive(other)
        )
    added: Dict[str, Tuple[Rule, ...]] = {}
    for name in sorted({name for one in wanted for name in one} - denied.keys()):
        new = _beyond(had.get(name, ()), [rule for one in wanted for rule in one.get(name, ())])
        if new:
            added[name] = new
    kept = probed.without(first.rules, added.keys())
    return (*kept, *_grouped(added)), tuple(conflicts)


def denied_by(profile: Profile) -> Dict[str, str]:
    """
    Return the calls that a profile denies by a rule, wholly or for some uses, and the strictest
    action that it has for each. One that it lets through all the same is not among them.
    """
    otherwise = calls.said_otherwise(profile)
    denied: Dict[str, str] = {}
    for name, rules in by_call(rule for rule in profile.rules if not openly.is_soft(rule)).items():
        denials = [rule.action for rule in rules if not lets_through(rule)]
        holding = effective(rules, otherwise)
        through = any(is_for_all(rule) and lets_through(rule) for rule in holding)
        if denials and not through:
            denied[name] = min(denials, key=model.ACTIONS.index)
    return {**_through_multiplexers(profile, denied), **denied}


# Whoever may call socketcall may make every call that it stands for.
def _through_multiplexers(profile: Profile, denied: Mapping[str, str]) -> Dict[str, str]:
    holding = by_call(profile.rules)
    found: Dict[str, str] = {}
    for name, members in calls.MULTIPLEXED.items():
        own = effective(holding.get(name, ()), calls.said_otherwise(profile))
        actions = [denied[member] for member in members if member in denied]
        if actions and not any(is_for_all(rule) and lets_through(rule) for rule in own):
            found[name] = min(actions, key=model.ACTIONS.index)
    return found


# --- What later profiles let through ---


# By call, the rules of each profile that let it through.
_Through = Dict[str, Tuple[Rule, ...]]


def _wanted(others: Sequence[Profile]) -> Tuple[List[_Through], List[Conflict]]:
    wanted: List[_Through] = []
    conflicts: List[Conflict] = []
    for source, other in enumerate(others, 1):
        through, mixed, denials = _permissions(other)
        wanted.append(through)
        if mixed:
            conflicts.append(Conflict(MIXED, source, tuple(sorted(mixed))))
        if denials - mixed:
            conflicts.append(Conflict(DENIAL_LEFT, source, tuple(sorted(denials - mixed))))
    return wanted, conflicts


def _permissions(other: Profile) -> Tuple[_Through, Set[str], Set[str]]:
    """What a profile lets through, the calls of which some was left out, and those it denies."""
    through: _Through = {}
    mixed: Set[str] = set()
    denials: Set[str] = set()
    for name, rules in by_call(one for one in other.rules if not openly.is_soft(one)).items():
        holding = effective(rules, calls.said_otherwise(other))
        against = [rule for rule in holding if not lets_through(rule)]
        permitting = [rule for rule in holding if lets_through(rule)]
        taken = tuple(
            rule for rule in permitting if all(calls.are_apart(rule, one) for one in against)
        )
        if taken:
            through[name] = taken
        if against:
            denials.add(name)
        if len(taken) < len(permitting):
            mixed.add(name)
    return through, mixed, denials


def _denials(
    source: int, wanted: Mapping[str, object], denied: Mapping[str, str], permissive: bool
) -> List[Conflict]:
    by_action: Dict[str, List[str]] = {}
    for name in sorted(denied):
        if permissive or name in wanted:
            by_action.setdefault(denied[name], []).append(name)
    return [
        Conflict(DENIED_BY_FIRST, source, tuple(names), action)
        for action, names in sorted(by_action.items())
    ]


def _beyond(had: Sequence[Rule], wanted: Sequence[Rule]) -> Tuple[Rule, ...]:
    """What of the wanted permissions for one call the first profile does not have yet."""
    if any(is_for_all(rule) for rule in had) or not wanted:
        return ()
    whole = [rule for rule in wanted if is_for_all(rule)]
    if whole:
        return (_one_of(whole),)
    # libseccomp refuses two actions for one chain of conditions, so that they share the action.
    action = next((rule.action for rule in had), _one_of(wanted).action)
    known = {calls.where(rule) for rule in had}
    new: Dict[Tuple[object, ...], List[Rule]] = {}
    for rule in wanted:
        if calls.where(rule) not in known:
            new.setdefault(calls.where(rule), []).append(rule)
    return tuple(
        replace(same[0], action=action, errno=None, errno_name="", comment=_origins(same))
        for _, same in sorted(new.items(), key=lambda item: repr(item[0]))
    )


# ALLOW goes before LOG where several later profiles let a call through.
def _one_of(rules: Sequence[Rule]) -> Rule:
    chosen = max(rules, key=lambda rule: model.ACTIONS.index(rule.action))
    return replace(chosen, errno=None, errno_name="", comment=_origins(rules))


def _grouped(added: Mapping[str, Tuple[Rule, ...]]) -> List[Rule]:
    """
    Rules of one effect as one group, its names sorted; those that hold for all come first. What the
    kernel alone asks for stays apart, with the comment that says so.
    """
    groups: Dict[Tuple[object, ...], List[Rule]] = {}
    for name in sorted(added):
        for rule in added[name]:
            key = (rule.action, calls.is_kernels(rule), *calls.where(rule))
            groups.setdefault(key, []).append(rule)
    ordered = sorted(
        groups.values(),
        key=lambda same: (not is_for_all(same[0]), calls.is_kernels(same[0]), repr(same[0])),
    )
    return [
        replace(
            same[0],
            names=tuple(rule.names[0] for rule in same),
            comment=printable(_origins(same) or MERGED_COMMENT, _COMMENT_LIMIT),
            kept={},
        )
        for same in ordered
    ]


def _origins(rules: Iterable[Rule]) -> str:
    parts = {part for rule in rules for part in rule.comment.split("; ") if part}
    return "; ".join(sorted(parts))


# --- ENOSYS ---


def _with_missing(
    conflicts: Sequence[Conflict],
    rules: Tuple[Rule, ...],
    first: Profile,
    others: Sequence[Profile],
) -> Tuple[Conflict, ...]:
    """
    Add the conflicts about ENOSYS, given the rules of the result. A denial whose ENOSYS the result
    has, or that is reported here, is not reported as one that was left.
    """
    had, has = probed.answered_missing(first), probed.answered_missing(replace(first, rules=rules))
    open_to_all = {
        name for name, same in by_call(rules).items() if any(map(_is_permission_for_all, same))
    }
    result = list(conflicts)
    for source, other in enumerate(others, 1):
        theirs = probed.answered_missing(other, of_ours=False) - open_to_all
        result = [_but(conflict, source, theirs) for conflict in result]
        taken = theirs & has & probed.answered_missing_for_all_arguments(other) - had
        for kind, names in ((ENOSYS_TAKEN, taken), (ENOSYS_LEFT, theirs - has)):
            result.append(Conflict(kind, source, tuple(sorted(names))))
    return tuple(conflict for conflict in result if conflict.names)


def _is_permission_for_all(rule: Rule) -> bool:
    return is_for_all(rule) and lets_through(rule)


def _but(conflict: Conflict, source: int, names: AbstractSet[str]) -> Conflict:
    if (conflict.kind, conflict.source) != (DENIAL_LEFT, source):
        return conflict
    return replace(conflict, names=tuple(name for name in conflict.names if name not in names))


# --- A default that lets through ---


def _loosest_default(profiles: Sequence[Profile]) -> str:
    """The first one's default, unless another's lets through and more."""
    permissive = [one.default_action for one in profiles if calls.is_permissive(one)]
    return max(permissive, key=model.ACTIONS.index, default=profiles[0].default_action)


def _open(
    first: Profile, others: Sequence[Profile]
) -> Tuple[Tuple[Rule, ...], Tuple[Conflict, ...]]:
    """The rules of a result whose default lets through."""
    denied = denied_by(first)
    wanted, mixed = _wanted(others)
    conflicts = [one for one in mixed if one.kind == MIXED]
    for source, other in enumerate(others, 1):
        standing, permissive = _but_for(denied, other), calls.is_permissive(other)
        conflicts += _denials(source, wanted[source - 1], standing, permissive)
    rest, crossed = openly.rest_of(first, others, denied)
    conflicts += [Conflict(CROSSED, source, (name,)) for name, source in crossed.items()]
    return (*openly.kept_of(first, others, denied), *_grouped(rest)), tuple(conflicts)


def _but_for(denied: Mapping[str, str], other: Profile) -> Dict[str, str]:
    """Without the calls that another profile denies too, whoever makes them and however."""
    rules, otherwise = by_call(other.rules), calls.said_otherwise(other)
    return {
        name: action
        for name, action in denied.items()
        if not any(
            is_for_all(rule) and not lets_through(rule)
            for rule in effective(rules.get(name, ()), otherwise)
        )
    }


# --- Defaults and architectures ---


# Where a profile names no architecture, the host's own is filtered, whichever that is.
_HOSTS = frozenset(architecture.host for architecture in ARCHITECTURES.values())


def _of_architectures(first: Profile, others: Sequence[Profile]) -> List[Conflict]:
    had = hosts.named_by(first) or _HOSTS
    new = [(source, sorted(hosts.named_by(other) - had)) for source, other in enumerate(others, 1)]
    return [Conflict(ARCHITECTURE_ADDED, source, tuple(names)) for source, names in new if names]


def _of_defaults(first: Profile, others: Sequence[Profile]) -> List[Conflict]:
    return [
        Conflict(DEFAULT_OPENED, source, (other.default_action,))
        for source, other in enumerate(others, 1)
        if calls.is_permissive(other) and not calls.is_permissive(first)
    ]


# --- What the first one's dialect cannot say ---


def _refuse_unsayable(first: Profile, other: Profile) -> None:
    if other.base and other.base != first.base:
        raise InputError(
            other.says(f"a profile that adds to {other.base!r} cannot be merged without it"),
            "--base FILE names a file that holds it",
        )
    if first.dialect not in (model.OCI, model.SPO):
        return
    limited = [rule for rule in other.rules if rule.includes or rule.excludes]
    if limited or other.families:
        raise InputError(
            other.says(
                "a profile with rules for some containers only (includes, excludes, archMap) "
                f"cannot be merged into one of dialect {first.dialect}"
            ),
            "seccomp-trace convert --to oci resolves it first",
        )
