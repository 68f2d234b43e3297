"""
What a profile says of each single call: its rules taken apart by name, and which of them count.

How libseccomp treats several rules for one call is known here and was measured with `decide`: the
first rule without conditions holds, whatever others say; a rule that answers what the default
answers is never loaded. What becomes of two profiles is `combine`'s, exact answers are `decide`'s.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

from tracer.errors import InputError
from tracer.profile import model
from tracer.profile.fallbacks import ENOSYS
from tracer.profile.generate import FALLBACK_MARK, KERNEL_MARK
from tracer.profile.model import Circumstances, Condition, Profile, Rule
from tracer.profile.resolve import alternatives, errno_number

# Actions after which the kernel makes the call; with TRACE and NOTIFY somebody else decides.
THROUGH = (model.ALLOW, model.LOG)

# Calls by which 32-bit x86, s390 and others make those that they have no number for: man 2
# socketcall, man 2 ipc. A rule for a member is applied to both (libseccomp src/syscalls.c).
MULTIPLEXED: Mapping[str, Tuple[str, ...]] = {
    "socketcall": tuple(
        "socket bind connect listen accept getsockname getpeername socketpair send recv sendto "
        "recvfrom shutdown setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg".split()
    ),
    "ipc": tuple(
        "semop semget semctl semtimedop msgsnd msgrcv msgget msgctl shmat shmdt shmget "
        "shmctl".split()
    ),
}

# The number by which a call is asked for: linux/net.h, linux/ipc.h.
MULTIPLEXED_NUMBERS: Mapping[str, Mapping[str, int]] = {
    "socketcall": {name: 1 + place for place, name in enumerate(MULTIPLEXED["socketcall"])},
    "ipc": {
        name: 1 + place % 4 + 10 * (place // 4) for place, name in enumerate(MULTIPLEXED["ipc"])
    },
}

# An action and its errno; a name that is no errno stays a name.
Said = Tuple[str, Union[int, str, None]]

# What `is_fallback` is about; the call is missing, or forbidden.
FALLBACKS: Tuple[Said, ...] = ((model.ERRNO, ENOSYS), (model.ERRNO, model.EPERM))


def said(action: str, errno: Optional[int] = None, errno_name: str = "") -> Said:
    """Return what the kernel would answer, so that two spellings of one answer are equal."""
    if action not in model.WITH_ERRNO:
        return (model.KILL_THREAD if action == model.KILL else action, None)
    if errno_name:
        try:
            return (action, errno_number(errno_name))
        except InputError:
            return (action, errno_name)
    return (action, model.EPERM if errno is None else errno)


def said_by(rule: Rule) -> Said:
    """Return what a rule answers."""
    return said(rule.action, rule.errno, rule.errno_name)


def said_otherwise(profile: Profile) -> Said:
    """Return what a profile answers to a call of which no rule speaks."""
    return said(profile.default_action, profile.default_errno, profile.default_errno_name)


def lets_through(rule: Rule) -> bool:
    """Say whether the kernel makes the call where this rule holds."""
    return rule.action in THROUGH


def is_permissive(profile: Profile) -> bool:
    """Say whether a call of which no rule speaks is made."""
    return profile.default_action in THROUGH


def is_for_all(rule: Rule) -> bool:
    """Say whether a rule holds for every container, kernel and argument."""
    return not (rule.conditions or rule.includes or rule.excludes)


def where(rule: Rule) -> Tuple[object, ...]:
    """Return what a rule depends on beside the call; equal for rules that hold together."""
    return (rule.conditions, rule.includes, rule.excludes)


def is_fallback(rule: Rule) -> bool:
    """
    Say whether this is an answer that we generate, which gives way to any permission: ENOSYS, or
    what the kernel itself was seen to answer.
    """
    return rule.comment.startswith(FALLBACK_MARK) and said_by(rule) in FALLBACKS


def is_kernels(rule: Rule) -> bool:
    """Say whether this is the group that we generate of calls that the kernel makes."""
    return rule.comment.startswith(KERNEL_MARK)


def says_missing(rule: Rule) -> bool:
    """Say whether this is such an answer, and that the call is missing: ENOSYS."""
    return is_fallback(rule) and said_by(rule) == (model.ERRNO, ENOSYS)


def by_call(rules: Iterable[Rule]) -> Dict[str, Tuple[Rule, ...]]:
    """Return, for each name, the rules that name it, in their order and about it alone."""
    found: Dict[str, List[Rule]] = {}
    for rule in rules:
        for name in dict.fromkeys(rule.names):
            found.setdefault(name, []).append(replace(rule, names=(name,), kept={}))
    return {name: tuple(same) for name, same in found.items()}


def effective(rules: Sequence[Rule], otherwise: Said) -> Tuple[Rule, ...]:
    """Return those of one call's rules that have a say, beside what is answered otherwise."""
    loaded = [rule for rule in rules if said_by(rule) != otherwise]
    for position, rule in enumerate(loaded):
        if is_for_all(rule):
            before = [one for one in loaded[:position] if not one.conditions]
            return (*before, rule)
    return tuple(loaded)


def are_apart(a: Rule, b: Rule) -> bool:
    """Say whether no call can meet both rules; False if it is not plain to see."""
    return (
        _exclude_each_other(a.includes, b.excludes)
        or _exclude_each_other(b.includes, a.excludes)
        or _need_other_hosts(a.includes, b.includes)
        or all(
            _contradict(some, others) for some in alternatives(a) for others in alternatives(b)
        )
    )


def _exclude_each_other(needed: Circumstances, refused: Circumstances) -> bool:
    arches = needed.architectures
    return (
        not set(needed.capabilities).isdisjoint(refused.capabilities)
        or (bool(arches) and set(arches) <= set(refused.architectures))
        or (
            needed.minimal_kernel is not None
            and refused.minimal_kernel is not None
            and needed.minimal_kernel >= refused.minimal_kernel
        )
    )


def _need_other_hosts(a: Circumstances, b: Circumstances) -> bool:
    some, others = set(a.architectures), set(b.architectures)
    return bool(some and others) and some.isdisjoint(others)


def _contradict(some: Sequence[Condition], others: Sequence[Condition]) -> bool:
    return any(
        one.operator == other.operator == model.EQUAL
        and one.index == other.index
        and one.value & 0xFFFFFFFF != other.value & 0xFFFFFFFF
        for one in some
        for other in others
    )
