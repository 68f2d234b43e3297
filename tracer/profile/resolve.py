"""
From a profile to the flat one that an engine hands to the runtime.

What `includes`, `excludes`, `archMap` and podman's errno names come to for one container. Read from
Moby's profiles/seccomp/seccomp_linux.go (20.10.24 to 2026) and containers-common's
pkg/seccomp/seccomp_linux.go (0.50.1 to 2025). They differ: Docker ignores errno names, podman
ignores `minKernel`. Docker before 23 passes on neither `defaultErrnoRet` nor flags, which is not
modelled here. containerd (contrib/seccomp/seccomp.go, WithProfile) unmarshals a profile into the
OCI's type, which has no field for any of this, so that conditional rules hold for every container.
What the flat rules then do is `decide`'s.
"""

from __future__ import annotations

import errno
from collections import Counter
from dataclasses import replace
from typing import AbstractSet, Optional, Tuple

from tracer import syscalls
from tracer.capabilities.defaults import DEFAULT_CAPABILITIES
from tracer.errors import InputError
from tracer.profile import model, values
from tracer.profile.architectures import ARCHITECTURES
from tracer.profile.model import Circumstances, Condition, Profile, Rule

# Hosts whose `archMap` podman looks up (nativeToSeccomp in seccomp_linux.go).
_PODMAN_FAMILIES = frozenset(
    f"SCMP_ARCH_{name}"
    for name in "X86_64 AARCH64 MIPS64 MIPS64N32 MIPSEL64 MIPSEL64N32 S390X".split()
)
# Moby spells one word in a way of its own (nativeToSeccomp, goToNative).
_DOCKER_WORDS = {"SCMP_ARCH_MIPSEL64N32": "mips3l64n32"}


def resolve(
    profile: Profile,
    architecture: str = syscalls.X86_64,
    capabilities: Optional[AbstractSet[str]] = None,
    kernel: Optional[Tuple[int, int]] = None,
    *,
    engine: Optional[str] = None,
) -> Profile:
    """
    Return the flat profile, in OCI's dialect, for a container on a host of this architecture.

    `capabilities` is the bounding set, by default that of a container without options; `kernel`
    is the host's (major, minor), None for one that is new enough for everything. `engine` is
    DOCKER, PODMAN, CONTAINERD or None, which takes everything that the document says at its word:
    minimal kernels and errno names. Raises InputError for what the engine would refuse, and for a
    profile whose base is elsewhere.
    """
    if profile.base:
        raise InputError(
            profile.says(f"the profile adds to {profile.base!r}, which is not at hand"),
            "--base FILE names a file that holds it",
        )
    if engine == model.CONTAINERD:
        profile = as_containerd_reads(profile)
    if capabilities is None:
        capabilities = _usual_capabilities(engine)
    applied = (
        rule for rule in profile.rules if applies(rule, architecture, capabilities, kernel, engine)
    )
    return replace(
        profile,
        dialect=model.OCI,
        around={},
        default_errno=_errno(profile, profile.default_errno_name, profile.default_errno, engine),
        default_errno_name="",
        architectures=profile.architectures or _family(profile, architecture, engine),
        families=(),
        rules=tuple(_flat(profile, rule, engine) for rule in applied),
    )


def as_read_by(profile: Profile, engine: Optional[str]) -> Profile:
    """Return the profile without what an engine ignores; the whole of it for None."""
    if engine == model.CONTAINERD:
        return as_containerd_reads(profile)
    if engine == model.DOCKER:
        rules = tuple(replace(rule, errno_name="") for rule in profile.rules)
        return replace(profile, rules=rules, default_errno_name="")
    if engine == model.PODMAN:
        return replace(profile, rules=tuple(map(without_kernel, profile.rules)))
    return profile


def without_kernel(rule: Rule) -> Rule:
    """Return the rule without the minimal kernels that it asks for."""
    return replace(
        rule,
        includes=replace(rule.includes, minimal_kernel=None),
        excludes=replace(rule.excludes, minimal_kernel=None),
    )


def as_containerd_reads(profile: Profile) -> Profile:
    """Return the profile without what the OCI's type has no field for."""
    return replace(
        profile,
        default_errno_name="",
        families=(),
        rules=tuple(
            replace(
                rule,
                names=() if values.has_old_name(rule) else rule.names,
                errno_name="",
                includes=Circumstances(),
                excludes=Circumstances(),
            )
            for rule in profile.rules
        ),
    )


def alternatives(rule: Rule) -> Tuple[Tuple[Condition, ...], ...]:
    """
    Return the sets of conditions of which one must hold, as runc and crun pass them on.

    Usually one set. Where two conditions are on the same argument each is a set of its own (runc
    matchCall, crun libcrun_generate_seccomp: libseccomp could not chain them once).
    """
    counts = Counter(one.index for one in rule.conditions)
    if any(count > 1 for count in counts.values()):
        return tuple((one,) for one in rule.conditions)
    return (rule.conditions,)


def depends_on_capabilities(profile: Profile) -> bool:
    """Say whether a profile means something else for containers with other capabilities."""
    return any(one.includes.capabilities or one.excludes.capabilities for one in profile.rules)


def is_for_capabilities(rule: Rule, capabilities: AbstractSet[str]) -> bool:
    """Say whether containers with this bounding set meet a rule, as far as it asks for that."""
    includes, excludes = rule.includes, rule.excludes
    return capabilities.isdisjoint(excludes.capabilities) and capabilities >= frozenset(
        includes.capabilities
    )


def for_capabilities(profile: Profile, capabilities: AbstractSet[str]) -> Profile:
    """
    Return the profile as containers with this bounding set meet it: rules for others are left out,
    and those that are left depend on capabilities no more. All else is as it was.
    """
    rules = tuple(
        replace(
            rule,
            includes=replace(rule.includes, capabilities=()),
            excludes=replace(rule.excludes, capabilities=()),
        )
        for rule in profile.rules
        if is_for_capabilities(rule, capabilities)
    )
    return replace(profile, rules=rules)


def is_flat(profile: Profile) -> bool:
    """Say whether a profile means the same for every container, engine and kernel."""
    named = profile.default_errno_name or any(rule.errno_name for rule in profile.rules)
    return not (
        named
        or profile.families
        or profile.base
        or any(rule.includes or rule.excludes for rule in profile.rules)
    )


# containerd's are docker's (oci/spec.go, defaultUnixCaps).
def _usual_capabilities(engine: Optional[str]) -> AbstractSet[str]:
    return DEFAULT_CAPABILITIES[model.PODMAN if engine == model.PODMAN else model.DOCKER]


def applies(
    rule: Rule,
    architecture: str,
    capabilities: AbstractSet[str],
    kernel: Optional[Tuple[int, int]],
    engine: Optional[str] = None,
) -> bool:
    """Say whether a container of this kind gets a rule; the arguments are those of `resolve`."""
    word = _word(architecture, engine)
    includes, excludes = rule.includes, rule.excludes
    return (
        word not in excludes.architectures
        and is_for_capabilities(rule, capabilities)
        and _is_new_enough(excludes, kernel, engine) is not True
        and (not includes.architectures or word in includes.architectures)
        and _is_new_enough(includes, kernel, engine) is not False
    )


def _word(architecture: str, engine: Optional[str]) -> str:
    if engine == model.DOCKER and architecture in _DOCKER_WORDS:
        return _DOCKER_WORDS[architecture]
    known = ARCHITECTURES.get(architecture)
    return known.word if known else architecture


def _is_new_enough(
    needed: Circumstances, kernel: Optional[Tuple[int, int]], engine: Optional[str]
) -> Optional[bool]:
    if needed.minimal_kernel is None or engine == model.PODMAN:
        return None
    return kernel is None or kernel >= needed.minimal_kernel


def _family(profile: Profile, architecture: str, engine: Optional[str]) -> Tuple[str, ...]:
    if engine == model.PODMAN and architecture not in _PODMAN_FAMILIES:
        return ()
    for family in profile.families:
        if family.architecture == architecture:
            return (architecture, *family.members)
    return ()


def _flat(profile: Profile, rule: Rule, engine: Optional[str]) -> Rule:
    return replace(
        rule,
        errno=_errno(profile, rule.errno_name, rule.errno, engine),
        errno_name="",
        includes=Circumstances(),
        excludes=Circumstances(),
    )


def _errno(
    profile: Profile, name: str, number: Optional[int], engine: Optional[str]
) -> Optional[int]:
    if profile.dialect == model.SPO and number == 0:
        return None  # omitempty in the operator's types: zero never reaches the runtime
    return number if not name or engine == model.DOCKER else errno_number_in(profile, name)


def errno_number_in(profile: Profile, name: str) -> int:
    """Return the number of an `errno` of this profile. Raises InputError that names the profile."""
    try:
        return errno_number(name)
    except InputError as error:
        raise InputError(profile.says(error.message), error.hint) from None


def errno_number(name: str) -> int:
    """Return the number of podman's `errno`: digits or a name. Raises InputError."""
    if name.isascii() and name.isdigit():
        return int(name[:9])
    number = getattr(errno, name, None) if name.startswith("E") else None
    if not isinstance(number, int):
        raise InputError(f"there is no errno {name!r}", "podman refuses such a profile")
    return number
