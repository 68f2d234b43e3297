"""
What of a profile and what of its container's capabilities do not go together.

Two of `lint`'s checks, which say nothing unless these capabilities are known. The tables of what
takes what are `privileges`'.
"""

from __future__ import annotations

from typing import FrozenSet, Iterator, Mapping, Sequence, Tuple

from tracer import syscalls
from tracer.capabilities.names import number_of
from tracer.errors import InputError
from tracer.profile import calls, decide
from tracer.profile.floors import permitted
from tracer.profile.model import Profile, Rule
from tracer.profile.privileges import NEVER_WITHOUT, SERVING, Privileged
from tracer.profile.remarks import NOTE, Needs, Place, Remark, Subject, some_of
from tracer.profile.resolve import for_capabilities, is_for_capabilities

CLONE_NEWUSER = 0x10000000  # include/uapi/linux/sched.h
_MAKING_NAMESPACES = ("unshare", "clone", "clone3")


def never_succeeds(subject: Subject) -> Iterator[Remark]:
    """Calls that are allowed and that the kernel refuses for want of a capability."""
    if subject.needs is None:
        return
    profile = for_capabilities(subject.profile, subject.needs.capabilities)
    allowed = _let_through(profile)
    runtimes = permitted(subject.floors)
    for one in NEVER_WITHOUT:
        if one.capability in subject.needs.capabilities:
            continue
        for name in one.calls:
            if name in allowed and name in subject.by_call and name not in runtimes:
                exception = _exception(one, profile)
                yield Remark(
                    "never-succeeds",
                    NOTE,
                    _place(subject.by_call[name], subject.needs.capabilities),
                    f"{name} is allowed, and never succeeds without {one.capability}, which is "
                    f"not among the capabilities{exception}",
                    "remove it" + (", unless it is for that" if exception else ""),
                )


def _place(places: Sequence[Place], capabilities: FrozenSet[str]) -> str:
    """Where a call is allowed; where it is denied in part, if the default allows it."""
    through = (one for one in places if calls.lets_through(one.rule))
    holding = (one.path for one in through if is_for_capabilities(one.rule, capabilities))
    return next(holding, places[0].path)


def _exception(one: Privileged, profile: Profile) -> str:
    exceptions = [one.but] if one.but else []
    if one.inner and _can_make_user_namespaces(profile):
        exceptions.append("what a program does in a user namespace that it makes itself")
    return f" (but for {' and '.join(exceptions)})" if exceptions else ""


def _can_make_user_namespaces(profile: Profile) -> bool:
    """Whether some such call is let through; if in doubt, it is."""
    try:
        answers = [
            decide.decide(
                profile, syscalls.X86_64, name, (CLONE_NEWUSER,), runtime=decide.NO_RUNTIME
            )
            for name in _MAKING_NAMESPACES
        ]
    except InputError:
        return True
    return any(one.lets_through for one in answers)


def serves_nothing(subject: Subject) -> Iterator[Remark]:
    """Capabilities that are there for calls of which the profile denies every one."""
    if subject.needs is None:
        return
    allowed = _let_through(for_capabilities(subject.profile, subject.needs.capabilities))
    for capability in sorted(subject.needs.capabilities, key=number_of):
        served = _served_by(capability, subject.needs)
        if served and not allowed.intersection(served):
            yield Remark(
                "serves-nothing",
                NOTE,
                f"{subject.root}.syscalls",
                f"{capability} is among the capabilities, but the profile denies every call that "
                f"is known to take it: {some_of(served)}",
                "allow what it is needed for, or drop it",
            )


def _served_by(capability: str, needs: Needs) -> Sequence[str]:
    """Every call known to take a capability; none if that is no use to know."""
    seen = needs.calls.get(capability, frozenset())
    return () if "" in seen else sorted({*SERVING.get(capability, ()), *seen})


def _let_through(profile: Profile) -> FrozenSet[str]:
    """The calls that are let through for some arguments at least, on some host."""
    otherwise = calls.said_otherwise(profile)
    rules: Mapping[str, Tuple[Rule, ...]] = calls.by_call(profile.rules)
    every = frozenset().union(*map(syscalls.names, syscalls.architectures()))
    return frozenset(
        name
        for name in (every if calls.is_permissive(profile) else rules)
        if _is_let_through(calls.effective(rules.get(name, ()), otherwise), profile)
    )


def _is_let_through(rules: Sequence[Rule], profile: Profile) -> bool:
    if any(map(calls.lets_through, rules)):
        return True
    return calls.is_permissive(profile) and not any(map(calls.is_for_all, rules))
