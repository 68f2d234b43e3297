"""
The security-profiles-operator's resource, SeccompProfile: what Kubernetes takes, and what not.

From the definition of version 1.0 (deploy/base-crds/crds/seccompprofile.yaml), in which v1 is the
stored version and v1beta1 is served, too; resources belong to no namespace since 0.9. Kubernetes
refuses a value outside of these limits, and a field that the definition lacks is dropped.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Dict, Iterable, Iterator, Mapping, NamedTuple, Tuple

from tracer.profile import model
from tracer.profile.model import Profile, Rule

API_VERSION = "security-profiles-operator.x-k8s.io/v1"
# Fields of `spec` beside those of `model.Profile`; operators before 1.0 have `disabled: true`.
STATE, DISABLED = "state", "disabled"

_MOST_SIGNED = (1 << 63) - 1
_ARCHITECTURES = frozenset(
    f"SCMP_ARCH_{word}"
    for word in "NATIVE X86 X86_64 X32 ARM AARCH64 MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 "
    "MIPSEL64N32 PPC PPC64 PPC64LE S390 S390X PARISC PARISC64 RISCV64".split()
)
_FLAGS = frozenset(
    f"SECCOMP_FILTER_FLAG_{word}" for word in "TSYNC LOG SPEC_ALLOW WAIT_KILLABLE_RECV".split()
)
_LISTENERS = "/var/run/security-profiles-operator/"
_LISTENER = re.compile(re.escape(_LISTENERS) + r"[a-zA-Z0-9_\-.]+")
_NAMED_AT_MOST = 3


class Refused(NamedTuple):
    """What the definition refuses of a profile: the JSON path from it, and what is wrong."""

    path: str
    what: str


def refused(profile: Profile) -> Iterator[Refused]:
    """Give everything about a profile that the resource has no place for, but unknown fields."""
    if profile.default_action in model.WITH_ERRNO and profile.default_errno not in _NO_ERRNO:
        errno = profile.default_errno
        yield Refused("$.defaultErrnoRet", f"the default errno {errno}: it becomes EPERM")
    for number, token in enumerate(profile.architectures):
        if token not in _ARCHITECTURES:
            yield Refused(f"$.architectures[{number}]", f"the architecture {token}")
    for number, flag in enumerate(profile.flags):
        if flag not in _FLAGS:
            yield Refused(f"$.flags[{number}]", f"the flag {flag}")
    if profile.listener_path and not _LISTENER.fullmatch(profile.listener_path):
        yield Refused(
            "$.listenerPath",
            f"the listenerPath {profile.listener_path}: the operator takes a socket in "
            f"{_LISTENERS} only",
        )
    for number, rule in enumerate(profile.rules):
        for what in _refused_of(rule):
            yield Refused(f"$.syscalls[{number}]", what)


_NO_ERRNO = (None, model.EPERM)


def _refused_of(rule: Rule) -> Iterator[str]:
    if rule.errno == 0 and rule.action in model.WITH_ERRNO:
        yield f"the errno 0 of {about(rule)}: it becomes EPERM"
    if not _has_sayable_conditions(rule):
        yield f"a condition of {about(rule)}: more than 63 bits, or than six of them"


def corrected(profile: Profile) -> Iterator[Refused]:
    """Give what is refused and no loss: lists that name something twice, and comments."""
    named = (
        (f"$.syscalls[{number}].names", rule.names) for number, rule in enumerate(profile.rules)
    )
    outer = (("$.architectures", profile.architectures), ("$.flags", profile.flags))
    for path, values in (*outer, *named):
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            yield Refused(path, f"{', '.join(twice)} twice in a list")
    for number, rule in enumerate(profile.rules):
        if rule.comment:
            yield Refused(f"$.syscalls[{number}].comment", "a comment")


def within_limits(profile: Profile) -> Profile:
    """
    Return the profile without what the definition refuses, on the strict side.

    Comments, which are no policy and have no place, are gone, too.
    """
    listens = not profile.listener_path or bool(_LISTENER.fullmatch(profile.listener_path))
    return replace(
        profile,
        default_action=_answered(profile.default_action, listens),
        default_errno=None,
        architectures=_once(token for token in profile.architectures if token in _ARCHITECTURES),
        flags=_once(flag for flag in profile.flags if flag in _FLAGS),
        listener_path=profile.listener_path if listens else "",
        listener_metadata=profile.listener_metadata if listens else "",
        rules=tuple(_taken(rule, listens) for rule in profile.rules if _takes(rule)),
    )


def _taken(rule: Rule, listens: bool) -> Rule:
    conditions = rule.conditions if _has_sayable_conditions(rule) else ()
    return Rule(
        names=_once(rule.names),
        action=_answered(rule.action, listens),
        conditions=tuple(replace(condition, kept={}) for condition in conditions),
        errno=rule.errno or None,
    )


def _answered(action: str, listens: bool) -> str:
    return model.ERRNO if action == model.NOTIFY and not listens else action


# Without its conditions, what allows would allow more and has to go; what denies may deny more.
def _takes(rule: Rule) -> bool:
    lets_through = rule.action in (model.ALLOW, model.LOG, model.TRACE, model.NOTIFY)
    return bool(rule.names) and (_has_sayable_conditions(rule) or not lets_through)


def _has_sayable_conditions(rule: Rule) -> bool:
    return len(rule.conditions) <= model.MOST_ARGUMENTS and all(
        max(condition.value, condition.value_two) <= _MOST_SIGNED for condition in rule.conditions
    )


def state_of(spec: Mapping[str, object]) -> Dict[str, object]:
    """Return the field by which v1 says that a profile is disabled, none if it is not said."""
    if spec.get(DISABLED) is True:
        return {STATE: "Disabled"}
    return {STATE: spec[STATE]} if STATE in spec else {}


def about(rule: Rule) -> str:
    """Return what to call a rule in a message."""
    names = " ".join(rule.names[:_NAMED_AT_MOST])
    return f"the rule for {names}{' ...' if len(rule.names) > _NAMED_AT_MOST else ''}"


def _once(values: Iterable[str]) -> Tuple[str, ...]:
    return tuple(dict.fromkeys(values))
