"""
How two profiles answer one call: on which architectures, to which arguments, in which containers.

Decided by `decision` alone, without a libseccomp: what the host's version knows does not matter. A
host's own architecture is always in the filter, named or not, as libseccomp adds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, FrozenSet, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from tracer import syscalls
from tracer.profile import calls, model
from tracer.profile.architectures import ARCHITECTURES
from tracer.profile.calls import Said
from tracer.profile.containers import Kind, Kinds
from tracer.profile.decide import Answer
from tracer.profile.decision import Budget, Refused, TooLarge, entries_of
from tracer.profile.model import Condition, Rule
from tracer.profile.regions import Region, differing
from tracer.profile.resolve import alternatives, applies

# 32-bit ABIs of 64-bit hosts; libseccomp compares 32 bits of an argument on these too.
_NARROW_ON_HOST = ("SCMP_ARCH_X32", "SCMP_ARCH_MIPS64N32", "SCMP_ARCH_MIPSEL64N32")
# Where a rule for socket and the like is put into socketcall as well (rule_add in src/arch-*.c).
MULTIPLEXING = frozenset(
    f"SCMP_ARCH_{name}" for name in "X86 S390 S390X PPC PPC64 PPC64LE MIPS MIPSEL".split()
)

# What libseccomp refuses, or makes it loop for ever.
REFUSED = Answer("refused by libseccomp")


@dataclass(frozen=True)
class Difference:
    """
    One difference in the answers to a call; without answers, where it was not broken down.

    `architectures` are sorted tokens; `container` says in words for which containers, "" for all.
    """

    architectures: Tuple[str, ...]
    region: Region
    container: str
    before: Optional[Answer]
    after: Optional[Answer]


@dataclass(frozen=True)
class Sides:
    """
    The two profiles as far as one call is concerned: its rules, and the answer otherwise.

    `tokens` are the architectures to look at, by host.
    """

    old: Tuple[Rule, ...]
    new: Tuple[Rule, ...]
    old_default: Said
    new_default: Said
    tokens: Mapping[str, FrozenSet[str]]


_Found = Tuple[Region, Answer, Answer]
# (index of each rule that applies, of either side)
_Applying = Tuple[Tuple[int, ...], Tuple[int, ...]]


def answer_of(said: Said) -> Answer:
    """Return an answer as the kernel gives it."""
    action, errno = said
    return Answer(action, min(errno, 4095) if isinstance(errno, int) else None)


def width_of(token: str) -> int:
    """Return how many bits of an argument a filter compares on an architecture."""
    return 64 if token == ARCHITECTURES[token].host and token not in _NARROW_ON_HOST else 32


def differences(sides: Sides, budget: Budget) -> List[Difference]:
    """Return all differences; the budget is shared with other calls."""
    tokens = _sorted(frozenset[str]().union(*sides.tokens.values()))
    if not tokens:
        return []
    if all(map(_is_plain, (*sides.old, *sides.new))):
        before, after = _said(sides.old, sides.old_default), _said(sides.new, sides.new_default)
        pair = answer_of(before), answer_of(after)
        return [Difference(tokens, (), "", *pair)] if pair[0] != pair[1] else []
    kinds = Kinds((*sides.old, *sides.new))
    try:
        if not kinds.are_too_many:
            return list(_by_kind(_Call(sides, budget), kinds))
    except TooLarge:
        pass
    return [Difference(tokens, (), "", None, None)]


def _is_plain(rule: Rule) -> bool:
    return not (rule.conditions or rule.includes or rule.excludes)


def _said(rules: Sequence[Rule], otherwise: Said) -> Said:
    return next((said for said in map(calls.said_by, rules) if said != otherwise), otherwise)


def _sorted(tokens: FrozenSet[str]) -> Tuple[str, ...]:
    return tuple(sorted(tokens))


def _by_kind(call: _Call, kinds: Kinds) -> Iterator[Difference]:
    where: Dict[_Found, Dict[Kind, Set[str]]] = {}
    for kind in kinds:
        for host, tokens in call.sides.tokens.items():
            for token in sorted(tokens):
                for found in call.found(host, kind, width_of(token)):
                    where.setdefault(found, {}).setdefault(kind, set()).add(token)
    for (region, before, after), by_kind in where.items():
        same: Dict[FrozenSet[str], Set[Kind]] = {}
        for kind, some in by_kind.items():
            same.setdefault(frozenset(some), set()).add(kind)
        for group, those in same.items():
            yield Difference(_sorted(group), region, kinds.text(those), before, after)


class _Call:
    """One call; what was computed for the same rules is computed once."""

    def __init__(self, sides: Sides, budget: Budget) -> None:
        self.sides = sides
        self._budget = budget
        self._known: Dict[Tuple[_Applying, int], Tuple[_Found, ...]] = {}
        self._applying: Dict[Tuple[str, Kind], _Applying] = {}

    def found(self, host: str, kind: Kind, bits: int) -> Tuple[_Found, ...]:
        """Return what differs in containers of a kind, on a host, for programs of this width."""
        self._budget.take(6)
        applying = self._applying_to(host, kind)
        key = (applying, bits)
        if key not in self._known:
            self._known[key] = self._computed(applying, bits)
        return self._known[key]

    def _applying_to(self, host: str, kind: Kind) -> _Applying:
        key = (host, kind)
        if key not in self._applying:
            self._budget.take(10 + 4 * (len(self.sides.old) + len(self.sides.new)))
            old, new = (
                tuple(
                    number
                    for number, rule in enumerate(rules)
                    if applies(rule, host, kind.capabilities, kind.kernel)
                )
                for rules in (self.sides.old, self.sides.new)
            )
            self._applying[key] = (old, new)
        return self._applying[key]

    def _computed(self, applying: _Applying, bits: int) -> Tuple[_Found, ...]:
        sides = self.sides
        self._budget.take(4 * (len(applying[0]) + len(applying[1])))
        old = _loaded([sides.old[number] for number in applying[0]], sides.old_default)
        new = _loaded([sides.new[number] for number in applying[1]], sides.new_default)
        if old == new and sides.old_default == sides.new_default:
            return ()
        return _compared(old, new, (sides.old_default, sides.new_default), bits, self._budget)


_Loaded = List[Tuple[Tuple[Condition, ...], Said]]


def _loaded(rules: Sequence[Rule], otherwise: Said) -> _Loaded:
    """Return the rules as a runtime hands them to libseccomp."""
    return [
        (conditions, calls.said_by(rule))
        for rule in rules
        if calls.said_by(rule) != otherwise
        for conditions in alternatives(rule)
    ]


def _compared(
    old: _Loaded, new: _Loaded, default: Tuple[Said, Said], bits: int, budget: Budget
) -> Tuple[_Found, ...]:
    lists = []
    for rules in (old, new):
        try:
            lists.append(entries_of(rules, bits, budget))
        except Refused:
            lists.append(())
            default = (_REFUSED, default[1]) if rules is old else (default[0], _REFUSED)
    pairs = differing(lists[0], lists[1], default, bits, budget)
    found = []
    for region, (before, after) in pairs:
        answers = answer_of(before), answer_of(after)
        if answers[0] != answers[1]:
            found.append((region, *answers))
    return tuple(found)


_REFUSED: Said = (REFUSED.action, None)


# --- Multiplexed calls ---


def multiplexed(rules: Sequence[Rule], multiplexer: str) -> Tuple[Rule, ...]:
    """
    Return the rules that libseccomp puts into socketcall or ipc, in their order: its own, and of
    its members' the number of the call in place of any other condition of the first argument.
    """
    numbers = calls.MULTIPLEXED_NUMBERS[multiplexer]
    found: List[Rule] = []
    for rule in rules:
        for name in dict.fromkeys(rule.names):
            if name == multiplexer:
                found.append(_about(rule, name, rule.conditions))
            elif name in numbers:
                asked = Condition(0, model.EQUAL, numbers[name])
                found += (
                    _about(
                        rule,
                        name,
                        (asked, *(condition for condition in some if condition.index != 0)),
                    )
                    for some in alternatives(rule)
                )
    return tuple(found)


def _about(rule: Rule, name: str, conditions: Tuple[Condition, ...]) -> Rule:
    return Rule(
        (name,),
        rule.action,
        conditions,
        rule.errno,
        rule.errno_name,
        rule.includes,
        rule.excludes,
    )


def is_multiplexed(token: str, name: str) -> bool:
    """Say whether programs of an architecture make a call by socketcall or ipc alone."""
    return token in MULTIPLEXING and not syscalls.may_have(token, name)
