"""
What changed between two profiles, as a container would notice it, on whichever host.

Exact, call by call (`call_differences`): for every architecture that either profile filters, every
kind of container that its rules tell apart (capabilities, kernel) and all arguments. Calls are all
that either profile names, known or not: a newer libseccomp may know what this one does not. Rules
that read alike are not looked at twice. What is too large to be computed is a change without
answers, never "alike". How a runtime's own prologue changes (runc's ENOSYS for newer numbers) is
not compared, nor whether a filter can be loaded (`lint`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import (
    AbstractSet,
    Dict,
    FrozenSet,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from tracer import syscalls
from tracer.profile import calls, hosts, model
from tracer.profile.architectures import ARCHITECTURES
from tracer.profile.call_differences import (
    MULTIPLEXING,
    Difference,
    Sides,
    answer_of,
    differences,
    is_multiplexed,
    multiplexed,
)
from tracer.profile.decide import Answer
from tracer.profile.decision import Budget
from tracer.profile.model import Profile, Rule
from tracer.profile.region_text import region_text
from tracer.profile.regions import Region, Term
from tracer.profile.resolve import errno_number_in, resolve
from tracer.profile.risks import Risk, risk_of
from tracer.profile.settings import FLAGS, Words, settings, without_mitigation

LOOSER, CHANGED, STRICTER = "looser", "changed", "stricter"
DIRECTIONS = (LOOSER, CHANGED, STRICTER)

CALL, DEFAULT = "call", "default"
ADDED, REMOVED = "architecture-added", "architecture-removed"
# A call whose rules are too many, or too entangled, for an exact comparison: no answers.
NOT_BROKEN_DOWN = "call-not-broken-down"

# Steps of a comparison, about a microsecond each. Docker's default profile beside podman's takes
# 32,000; a call with 700 rules of one argument that answer differently takes 1,100,000.
MOST_STEPS = 2_000_000

# What libseccomp does with a program of an architecture that the profile does not name.
_UNNAMED = Answer(model.KILL_THREAD)
_HOSTS = frozenset(known.host for known in ARCHITECTURES.values())

# Architectures by the host that runs their programs.
Filtered = Mapping[str, FrozenSet[str]]


@dataclass(frozen=True)
class Change:
    """
    One difference: to which call (empty for a `kind` other than CALL), on which architectures,
    for which arguments (no term: any) and containers (in words, "" for all), what was answered and
    what is answered now; no answers where the kind is NOT_BROKEN_DOWN. A setting of the whole
    profile (LISTENER, METADATA, FLAGS) has no answers but `words`, before and after.

    `everywhere`: on all compared architectures that have the call.
    """

    kind: str
    syscall: str
    architectures: Tuple[str, ...]
    region: Region
    container: str
    before: Optional[Answer]
    after: Optional[Answer]
    everywhere: bool = True
    words: Optional[Tuple[Words, Words]] = None

    @cached_property
    def condition(self) -> str:
        """The arguments in words, "" for any."""
        return region_text(self.region)

    @property
    def is_known(self) -> bool:
        """Whether any kernel is known to have the call."""
        return not self.syscall or syscalls.is_known(self.syscall)

    @cached_property
    def direction(self) -> str:
        """Whether the new answer is looser, stricter, or only another one."""
        if self.kind in (ADDED, REMOVED):
            return LOOSER if self.kind == ADDED else STRICTER
        before, after = _looseness(self.before), _looseness(self.after)
        if self.words and self.kind == FLAGS:
            before, after = map(without_mitigation, self.words)
        return LOOSER if after > before else STRICTER if after < before else CHANGED

    @property
    def risk(self) -> Optional[Risk]:
        """The call's class of risk, if it has one."""
        return risk_of(self.syscall)


def compare(old: Profile, new: Profile) -> Tuple[Change, ...]:
    """
    Return every difference in what two profiles decide; looser and risky ones come first.

    Raises InputError for what an engine would refuse, and for a profile whose base is elsewhere.
    """
    if old == new:
        return ()
    old, new = _handed_over(old), _handed_over(new)
    filtered = [_filtered(profile, _hosts(old, new)) for profile in (old, new)]
    both = {host: some & filtered[1][host] for host, some in filtered[0].items()}
    changes = [*_of_default(old, new, both), *_of_architectures(old, new, filtered)]
    changes += _of_settings(old, new)
    changes += _of_calls(old, new, both)
    return tuple(sorted(changes, key=_order))


def _handed_over(profile: Profile) -> Profile:
    resolve(replace(profile, rules=()))
    for rule in profile.rules:
        if rule.errno_name:
            errno_number_in(profile, rule.errno_name)
    if profile.dialect != model.SPO:
        return profile
    # omitempty in the operator's types: zero never reaches the runtime
    rules = tuple(replace(rule, errno=rule.errno or None) for rule in profile.rules)
    return replace(profile, rules=rules, default_errno=profile.default_errno or None)


def _order(change: Change) -> Tuple[object, ...]:
    return (
        DIRECTIONS.index(change.direction),
        change.kind == CALL,
        change.risk is None,
        change.syscall,
        change.architectures,
        change.condition,
        change.container,
    )


_RANKS = {action: rank for rank, action in enumerate(model.ACTIONS)}


def _looseness(answer: Optional[Answer]) -> int:
    return _RANKS.get(answer.action, -1) if answer else -1


# --- Beside the calls ---


def _of_default(old: Profile, new: Profile, tokens: Filtered) -> Iterator[Change]:
    before = answer_of(calls.said_otherwise(old))
    after = answer_of(calls.said_otherwise(new))
    if before != after:
        everywhere = tuple(sorted(frozenset[str]().union(*tokens.values())))
        yield Change(DEFAULT, "", everywhere, (), "", before, after)


def _of_architectures(
    old: Profile, new: Profile, filtered: Sequence[Filtered]
) -> Iterator[Change]:
    was, now = (
        {token for some in theirs.values() for token in some} | _unknown(profile)
        for profile, theirs in zip((old, new), filtered)
    )
    before = answer_of(calls.said_otherwise(old))
    after = answer_of(calls.said_otherwise(new))
    for token in sorted(now - was):
        yield Change(ADDED, "", (token,), (), "", _UNNAMED, after)
    for token in sorted(was - now):
        yield Change(REMOVED, "", (token,), (), "", before, _UNNAMED)


def _of_settings(old: Profile, new: Profile) -> Iterator[Change]:
    after = settings(new)
    for kind, words in settings(old).items():
        if words != after[kind]:
            yield Change(kind, "", (), (), "", None, None, words=(words, after[kind]))


def _unknown(profile: Profile) -> AbstractSet[str]:
    return hosts.named_by(profile) - set(ARCHITECTURES)


def _hosts(old: Profile, new: Profile) -> FrozenSet[str]:
    """
    Return the hosts to compare on: those that either profile or a rule names.

    All that are known, if a profile names none, or an architecture that is not known here.
    """
    named = [hosts.named_by(profile) for profile in (old, new)]
    if not all(named) or any(map(_unknown, (old, new))):
        return _HOSTS
    words = {
        word
        for rule in (*old.rules, *new.rules)
        for some in (rule.includes, rule.excludes)
        for word in some.architectures
    }
    return frozenset(
        known.host
        for token, known in ARCHITECTURES.items()
        if known.word in words or any(token in some for some in named)
    )


def _filtered(profile: Profile, on: AbstractSet[str]) -> Filtered:
    """
    Return what a profile filters of the architectures that a host runs, for each of these hosts.

    The host's own always is, named or not.
    """
    named = hosts.by_host(profile)
    return {
        host: frozenset(
            {host, *(token for token in named.get(host, ()) if _runs(host, token))}
        )
        for host in sorted(on)
    }


def _runs(host: str, token: str) -> bool:
    return token in ARCHITECTURES and ARCHITECTURES[token].host == host


# --- Calls ---


def _of_calls(old: Profile, new: Profile, tokens: Filtered) -> Iterator[Change]:
    before, after = calls.by_call(old.rules), calls.by_call(new.rules)
    defaults = calls.said_otherwise(old), calls.said_otherwise(new)
    budget = Budget(MOST_STEPS)
    direct: Dict[str, List[Difference]] = {}
    for name in sorted({*before, *after} - set(calls.MULTIPLEXED)):
        rules = before.get(name, ()), after.get(name, ())
        if defaults[0] == defaults[1] and _reads_alike(*rules):
            continue
        having = _having(tokens, name)
        found = differences(Sides(*rules, *defaults, having), budget)
        direct[name] = found
        yield from (_change(name, difference, having) for difference in found)
    for name in calls.MULTIPLEXED:
        if {name, *calls.MULTIPLEXED[name]}.isdisjoint({*before, *after}):
            continue
        rules = multiplexed(old.rules, name), multiplexed(new.rules, name)
        having = {host: some & MULTIPLEXING for host, some in tokens.items()}
        if defaults[0] == defaults[1] and _reads_alike(*rules):
            continue
        for difference in differences(Sides(*rules, *defaults, having), budget):
            if (difference.before, difference.after) != (
                answer_of(defaults[0]),
                answer_of(defaults[1]),
            ):
                yield from _through(name, difference, direct, having)


def _reads_alike(old: Sequence[Rule], new: Sequence[Rule]) -> bool:
    return [_plain(rule) for rule in old] == [_plain(rule) for rule in new]


def _plain(rule: Rule) -> Tuple[object, ...]:
    return (calls.said_by(rule), *calls.where(rule))


def _having(tokens: Filtered, name: str) -> Filtered:
    if not syscalls.is_known(name):
        return tokens
    return {
        host: frozenset(token for token in some if syscalls.may_have(token, name))
        for host, some in tokens.items()
    }


def _change(name: str, found: Difference, having: Filtered) -> Change:
    everywhere = frozenset[str]().union(*having.values()) == frozenset(found.architectures)
    kind = NOT_BROKEN_DOWN if found.before is None else CALL
    return Change(
        kind,
        name,
        found.architectures,
        found.region,
        found.container,
        found.before,
        found.after,
        everywhere,
    )


# --- What changes for 32-bit programs through socketcall and ipc ---


def _through(
    name: str,
    found: Difference,
    direct: Mapping[str, Sequence[Difference]],
    having: Filtered,
) -> Iterator[Change]:
    """
    Yield a change of socketcall or ipc: as one of the call that is made by it, where there is no
    other way to make that; not at all, where the call itself has changed likewise.
    """
    members = {number: member for member, number in calls.MULTIPLEXED_NUMBERS[name].items()}
    numbers = _numbers(found.region)
    if not numbers or not numbers <= set(members):
        yield _change(name, found, having)
        return
    left = []
    for number in sorted(numbers):
        member = members[number]
        if all(is_multiplexed(token, member) for token in found.architectures):
            yield replace(_change(member, found, having), region=(), everywhere=False)
        elif not any(_explains(own, found) for own in direct.get(member, ())):
            left.append(number)
    if left:
        spans = tuple((number, number) for number in left)
        yield replace(_change(name, found, having), region=(Term(0, spans),))


def _numbers(region: Region) -> Set[int]:
    """Return the values of a region that is a few values of the first argument and no more."""
    if len(region) != 1 or region[0].index or region[0].masks:
        return set()
    found: Set[int] = set()
    for first, last in region[0].spans:
        if last is None or last - first > 32:
            return set()
        found |= set(range(first, last + 1))
    return found


def _explains(own: Difference, found: Difference) -> bool:
    return (
        not own.region
        and (own.before, own.after, own.container) == (found.before, found.after, found.container)
        and set(own.architectures) >= set(found.architectures)
    )
