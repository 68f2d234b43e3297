"""
What changed between two profiles, as a container would notice it.

Exact, call by call: the rules that either profile has for a call go through libseccomp for every
kind of container that they tell apart (capabilities, kernel) and every kind of arguments
(`points`), and only a different answer is a change. Rules that read alike are not looked at twice,
so that comparing a profile with itself costs next to nothing. How a runtime's own prologue changes
(runc's ENOSYS for newer numbers) is not compared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import Dict, FrozenSet, Iterable, Iterator, List, Optional, Sequence, Set, Tuple

from tracer import syscalls
from tracer.errors import InputError
from tracer.profile import calls, hosts, libseccomp, model
from tracer.profile.architectures import ARCHITECTURES
from tracer.profile.calls import Said
from tracer.profile.decide import NO_RUNTIME, Answer, Filter, answer, load, number_of
from tracer.profile.model import Condition, Profile, Rule
from tracer.profile.points import holds, points_for
from tracer.profile.resolve import alternatives, resolve
from tracer.profile.risks import Risk, risk_of

LOOSER, CHANGED, STRICTER = "looser", "changed", "stricter"
DIRECTIONS = (LOOSER, CHANGED, STRICTER)

CALL, DEFAULT = "call", "default"
ADDED, REMOVED = "architecture-added", "architecture-removed"

OTHERWISE = "any other arguments"
# What libseccomp does with a program of an architecture that the profile does not name.
_UNNAMED = Answer(model.KILL_THREAD)
_UNLOADABLE = Answer("refused by libseccomp")
# Conditions mean the same for every call: this one stands for all, on an architecture of each
# width.
_STAND_IN = "personality"
_OF_WIDTH = {64: syscalls.X86_64, 32: syscalls.X86}


@dataclass(frozen=True)
class Change:
    """
    One difference: to which call (empty for a `kind` other than CALL), on which architectures,
    under which condition of arguments and of the container ("" for all), what was answered and
    what is answered now.
    """

    kind: str
    syscall: str
    architectures: Tuple[str, ...]
    condition: str
    container: str
    before: Answer
    after: Answer

    @property
    def direction(self) -> str:
        """Whether the new answer is looser, stricter, or only another one."""
        before, after = _looseness(self.before), _looseness(self.after)
        if self.kind in (ADDED, REMOVED):
            return LOOSER if self.kind == ADDED else STRICTER
        return LOOSER if after > before else STRICTER if after < before else CHANGED

    @property
    def risk(self) -> Optional[Risk]:
        """The call's class of risk, if it has one."""
        return risk_of(self.syscall)


@dataclass(frozen=True)
class _Container:
    label: str
    capabilities: FrozenSet[str]
    kernel: Optional[Tuple[int, int]]


def compare(old: Profile, new: Profile) -> Tuple[Change, ...]:
    """Return every difference in what two profiles decide; looser and risky ones come first."""
    if old == new:
        return ()
    changes = [*_of_default(old, new), *_of_architectures(old, new)]
    before, after = calls.by_call(old.rules), calls.by_call(new.rules)
    same_default = calls.said_otherwise(old) == calls.said_otherwise(new)
    for name in sorted(before.keys() | after.keys()):
        pair = (before.get(name, ()), after.get(name, ()))
        if same_default and _reads_alike(*pair):
            continue
        if libseccomp.knows(name):
            changes += _of_call(name, replace(old, rules=pair[0]), replace(new, rules=pair[1]))
    return tuple(sorted(changes, key=_order))


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


def _looseness(one: Answer) -> int:
    return model.ACTIONS.index(one.action) if one.action in model.ACTIONS else -1


def _reads_alike(old: Sequence[Rule], new: Sequence[Rule]) -> bool:
    return [_plain(rule) for rule in old] == [_plain(rule) for rule in new]


def _plain(rule: Rule) -> Tuple[object, ...]:
    return (calls.said_by(rule), *calls.where(rule))


def _answer(one: Said) -> Answer:
    action, errno = one
    return Answer(action, errno if isinstance(errno, int) else None)


# --- Beside the calls ---


def _of_default(old: Profile, new: Profile) -> List[Change]:
    before, after = calls.said_otherwise(old), calls.said_otherwise(new)
    if before == after:
        return []
    both = tuple(sorted(_named(old) & _named(new)))
    return [Change(DEFAULT, "", both, "", "", _answer(before), _answer(after))]


def _of_architectures(old: Profile, new: Profile) -> List[Change]:
    was, now = _named(old), _named(new)
    before, after = _answer(calls.said_otherwise(old)), _answer(calls.said_otherwise(new))
    added = [Change(ADDED, "", (one,), "", "", _UNNAMED, after) for one in sorted(now - was)]
    removed = [Change(REMOVED, "", (one,), "", "", before, _UNNAMED) for one in sorted(was - now)]
    return added + removed


# Every filter has the host's own architecture, named or not.
def _named(profile: Profile) -> Set[str]:
    return set(hosts.named_by(profile)) or {syscalls.X86_64}


# --- One call ---


def _of_call(name: str, old: Profile, new: Profile) -> Iterator[Change]:
    rules = (*old.rules, *new.rules)
    containers = list(_containers(rules))
    # Each difference: on which architectures, and in which containers.
    found: Dict[Tuple[str, Answer, Answer], Dict[str, Set[str]]] = {}
    for host in sorted(_hosts(old) | _hosts(new) | _hosts_in(rules)):
        tokens = [one for one in sorted(_on(old, host) & _on(new, host)) if _has(one, name)]
        for width in sorted({_width(token) for token in tokens}):
            here = {token for token in tokens if _width(token) == width}
            for container in containers:
                for difference in _differences(old, new, host, container, width):
                    by_label = found.setdefault(difference, {})
                    by_label.setdefault(container.label, set()).update(here)
    everywhere = {one.label for one in containers}
    for (condition, before, after), by_label in found.items():
        for on, labels in _grouped(by_label).items():
            where = "" if labels == everywhere else " or ".join(sorted(labels))
            yield Change(CALL, name, on, condition, where, before, after)


def _grouped(by_label: Dict[str, Set[str]]) -> Dict[Tuple[str, ...], Set[str]]:
    groups: Dict[Tuple[str, ...], Set[str]] = {}
    for label, tokens in by_label.items():
        groups.setdefault(tuple(sorted(tokens)), set()).add(label)
    return groups


def _hosts(profile: Profile) -> Set[str]:
    return set(hosts.by_host(profile)) or {syscalls.X86_64}


def _hosts_in(rules: Sequence[Rule]) -> Set[str]:
    words = {
        word for rule in rules for some in (rule.includes, rule.excludes)
        for word in some.architectures
    }
    return {one.host for one in ARCHITECTURES.values() if one.word in words}


def _on(profile: Profile, host: str) -> Set[str]:
    return {host, *hosts.by_host(profile).get(host, ())}


def _width(token: str) -> int:
    known = ARCHITECTURES.get(token)
    return 64 if known is None or token == known.host or token == syscalls.X32 else 32


def _has(token: str, name: str) -> bool:
    if token not in ARCHITECTURES:
        return False
    number = libseccomp.number_of(token, name)
    multiplexed = any(name in members for members in calls.MULTIPLEXED.values())
    return number is not None and (number >= 0 or multiplexed)


def _differences(
    old: Profile, new: Profile, host: str, container: _Container, width: int
) -> Set[Tuple[str, Answer, Answer]]:
    sides = [_rules_for(one, host, container) for one in (old, new)]
    conditions = [one for rules in sides for rule in rules for one in rule.conditions]
    asked = points_for(conditions)
    answers = [
        list(_answers(rules, calls.said_otherwise(profile), asked, width))
        for rules, profile in zip(sides, (old, new))
    ]
    known = _clauses(sides)
    return {
        (_where(point, known, width), before, after)
        for point, before, after in zip(asked, *answers)
        if before != after
    }


def _rules_for(profile: Profile, host: str, container: _Container) -> Tuple[Rule, ...]:
    return resolve(profile, host, container.capabilities, container.kernel).rules


def _answers(
    rules: Sequence[Rule], otherwise: Said, asked: Sequence[Tuple[int, ...]], width: int
) -> Iterator[Answer]:
    default = _answer(otherwise)
    if not any(rule.conditions for rule in rules):
        holding = calls.effective(rules, otherwise)
        said = _answer(calls.said_by(holding[0])) if holding else default
        yield from (said for _ in asked)
        return
    token = _OF_WIDTH[width]
    loaded = _loaded(rules, default)
    number = number_of(token, _STAND_IN)
    for point in asked:
        yield answer(loaded, token, number, point) if loaded else _UNLOADABLE


def _loaded(rules: Sequence[Rule], default: Answer) -> Optional[Filter]:
    profile = Profile(
        default.action,
        tuple(replace(rule, names=(_STAND_IN,)) for rule in rules),
        default_errno=default.errno,
        architectures=tuple(_OF_WIDTH.values()),
    )
    try:
        return load(profile, syscalls.X86_64, NO_RUNTIME)
    except InputError:
        return None


# --- Kinds of arguments and containers ---


def _clauses(sides: Iterable[Sequence[Rule]]) -> List[Tuple[Condition, ...]]:
    found = {
        some
        for rules in sides
        for rule in rules
        if rule.conditions
        for some in alternatives(rule)
    }
    return sorted(found, key=lambda some: (-len(some), _text(some)))


def _where(
    point: Tuple[int, ...], clauses: Sequence[Tuple[Condition, ...]], width: int
) -> str:
    if not clauses:
        return ""
    for some in clauses:
        if all(holds(one, point[one.index], width) for one in some):
            return _text(some)
    return OTHERWISE


_SIGNS = {
    model.EQUAL: "==",
    model.NOT_EQUAL: "!=",
    model.LESS: "<",
    model.LESS_OR_EQUAL: "<=",
    model.GREATER: ">",
    model.GREATER_OR_EQUAL: ">=",
}


def _text(some: Sequence[Condition]) -> str:
    return " and ".join(map(condition_text, some))


def condition_text(one: Condition) -> str:
    """Return a condition as a person would write it: arg0 == 8, arg0 & 0x7e020000 == 0."""
    if one.operator == model.MASKED_EQUAL:
        return f"arg{one.index} & {one.value:#x} == {one.value_two:#x}"
    return f"arg{one.index} {_SIGNS[one.operator]} {one.value}"


def _containers(rules: Sequence[Rule]) -> Iterator[_Container]:
    all_of = [some for rule in rules for some in (rule.includes, rule.excludes)]
    names = sorted({name for some in all_of for name in some.capabilities})
    kernels = sorted({some.minimal_kernel for some in all_of if some.minimal_kernel})
    for chosen in _subsets(names):
        for kernel in _kernels(kernels):
            label = [f"with{'' if name in chosen else 'out'} {name}" for name in names]
            label += [_kernel_text(kernel, kernels)] if kernels else []
            yield _Container(", ".join(label), frozenset(chosen), kernel)


def _subsets(names: Sequence[str]) -> Iterator[Tuple[str, ...]]:
    sizes = range(len(names) + 1) if len(names) <= 3 else (0, 1, len(names))
    for size in sizes:
        yield from combinations(names, size)


def _kernels(versions: Sequence[Tuple[int, int]]) -> List[Optional[Tuple[int, int]]]:
    return [(0, 0), *versions] if versions else [None]


def _kernel_text(
    kernel: Optional[Tuple[int, int]], versions: Sequence[Tuple[int, int]]
) -> str:
    newer = [one for one in versions if kernel is not None and one > kernel]
    below = f"kernel < {newer[0][0]}.{newer[0][1]}" if newer else ""
    if kernel is None or kernel == (0, 0):
        return below
    least = f"kernel >= {kernel[0]}.{kernel[1]}"
    return f"{least}, {below}" if below else least
