"""
From one dialect to another, saying what gets lost.

Docker's and podman's documents describe many containers at once; the other forms are for one, so
a profile is resolved first, for a container that has to be named as far as the profile depends on
it. Comments are no policy: a form without them drops them silently. Everything else that a target
cannot say is a loss, which is listed. What is left is on the strict side, and where a profile asks
for a kernel and none was named, it is one that is new enough.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Callable, FrozenSet, Iterator, List, Mapping, Optional, Sequence, Tuple

from tracer.capabilities.defaults import DEFAULT_CAPABILITIES
from tracer.profile import decide, formats, hosts, model, spo, systemd, values
from tracer.profile.architectures import NATIVE
from tracer.profile.dropped import dropped_by_containerd
from tracer.profile.model import Circumstances, Profile, Rule
from tracer.profile.resolve import errno_number_in, resolve, without_kernel

SYSTEMD = "systemd"
BPF = "bpf"


@dataclass(frozen=True)
class Container:
    """
    What a profile is resolved for; None where nothing was said, which counts if it matters.

    `host` is the architecture that is taken where none was named.
    """

    architecture: Optional[str] = None
    capabilities: Optional[FrozenSet[str]] = None
    kernel: Optional[Tuple[int, int]] = None
    host: str = "SCMP_ARCH_X86_64"


@dataclass(frozen=True)
class Converted:
    """
    A profile in the form asked for, what it said that this form cannot say, and what one engine
    does not read of the form.
    """

    content: bytes
    losses: Tuple[str, ...]
    unread: Tuple[str, ...] = ()


def convert(
    profile: Profile,
    target: str,
    container: Container = Container(),
    *,
    name: str = "profile",
    around: Optional[Mapping[str, object]] = None,
) -> Converted:
    """
    Return a profile as the target (a key of TARGETS) has it.

    `name` names a resource, `around` is the config.json to put an OCI profile into. Raises
    InputError for what cannot be resolved or loaded at all.
    """
    losses: List[str] = []
    if profile.base and target != model.SPO:
        losses.append(f"the base profile {profile.base}")
        profile = replace(profile, base="")
    if NATIVE in profile.architectures:
        losses.append(f"the architecture {NATIVE}: runtimes refuse it and need no such name")
        profile = replace(profile, architectures=hosts.named_in_list(profile))
    content = TARGETS[target](_Conversion(profile, container, losses, name, around or {}))
    return Converted(content, tuple(losses), _unread(content, target))


def _unread(content: bytes, target: str) -> Tuple[str, ...]:
    if target not in (model.DOCKER, model.PODMAN):
        return ()
    written = formats.read(content.decode(), target)
    return tuple(f"${place}: {text}" for place, text in dropped_by_containerd(written))


@dataclass(frozen=True)
class _Conversion:
    profile: Profile
    container: Container
    losses: List[str]
    name: str
    around: Mapping[str, object]


# --- Docker and podman ---


def _docker(asked: _Conversion) -> bytes:
    profile = _numbered(_for_engines(asked.profile))
    return formats.write(replace(profile, dialect=model.DOCKER)).encode()


def _podman(asked: _Conversion) -> bytes:
    profile = _for_engines(asked.profile)
    kernel = asked.container.kernel
    for rule in profile.rules:
        if kernel is None and (rule.includes.minimal_kernel or rule.excludes.minimal_kernel):
            about = spo.about(rule)
            asked.losses.append(f"the kernel that {about} depends on (--kernel names one)")
    rules = tuple(without_kernel(rule) for rule in profile.rules if _is_for(rule, kernel))
    return formats.write(replace(profile, rules=rules, dialect=model.PODMAN)).encode()


# Another dialect spells the same fields differently (errnoRet as text, name, empty includes).
def _for_engines(profile: Profile) -> Profile:
    if profile.dialect in (model.DOCKER, model.PODMAN):
        return profile
    if profile.dialect == model.SPO:
        profile = replace(profile, rules=tuple(_without_zero(rule) for rule in profile.rules))
    return values.respelt(profile)


def _without_zero(rule: Rule) -> Rule:
    return replace(rule, errno=rule.errno or None)


def _numbered(profile: Profile) -> Profile:
    def number(name: str, otherwise: Optional[int]) -> Optional[int]:
        return errno_number_in(profile, name) if name else otherwise

    rules = tuple(
        replace(rule, errno=number(rule.errno_name, rule.errno), errno_name="")
        for rule in profile.rules
    )
    default = number(profile.default_errno_name, profile.default_errno)
    return replace(profile, rules=rules, default_errno=default, default_errno_name="")


def _is_for(rule: Rule, kernel: Optional[Tuple[int, int]]) -> bool:
    least, below = rule.includes.minimal_kernel, rule.excludes.minimal_kernel
    if kernel is None:
        return below is None
    return (least is None or kernel >= least) and (below is None or kernel < below)


# --- One container's forms ---


def _oci(asked: _Conversion) -> bytes:
    if asked.profile.dialect == model.OCI and not asked.around:
        return formats.write(asked.profile).encode()
    return formats.write(replace(_flat(asked), around=asked.around)).encode()


# What containerd unmarshals: `linux.seccomp` without a config.json around it.
def _containerd(asked: _Conversion) -> bytes:
    return formats.write(replace(_flat(asked), dialect=model.DOCKER)).encode()


def _spo(asked: _Conversion) -> bytes:
    around = asked.profile.around
    if asked.profile.dialect == model.SPO:
        given = asked.profile
        asked.losses.extend(_around_spo(around))
    else:
        given = _flat(asked)
        around = {**values.SPO_HEAD, "metadata": {"name": asked.name}}
    asked.losses.extend(_unknown_fields(asked, given, beside=_SPO_FIELDS))
    asked.losses.extend(refused.what for refused in spo.refused(given))
    taken = spo.within_limits(given)
    if _notifies(given) and not _notifies(taken):
        asked.losses.append(f"{model.NOTIFY} without a listener: it becomes {model.ERRNO}")
    profile = replace(taken, kept=spo.state_of(given.kept), dialect=model.SPO)
    return formats.write(replace(profile, around=_within_v1(around))).encode()


def _notifies(profile: Profile) -> bool:
    actions = (profile.default_action, *(rule.action for rule in profile.rules))
    return model.NOTIFY in actions


_SPO_FIELDS = (f"$.{spo.STATE}", f"$.{spo.DISABLED}")


def _around_spo(around: model.Kept) -> Iterator[str]:
    metadata = around.get("metadata")
    if isinstance(metadata, dict) and "namespace" in metadata:
        yield f"the namespace {metadata['namespace']}: a SeccompProfile belongs to the cluster"


# What a cluster adds to a resource of its own is not for another one.
def _within_v1(around: model.Kept) -> model.Kept:
    metadata = around.get("metadata")
    kept = metadata if isinstance(metadata, dict) else {}
    named = {key: value for key, value in kept.items() if key in ("name", "labels", "annotations")}
    return {**values.SPO_HEAD, "metadata": named or values.SPO_HEAD["metadata"]}


def _systemd(asked: _Conversion) -> bytes:
    flat = _flat(asked)
    asked.losses.extend(_beside_the_rules(asked, flat))
    text, losses = systemd.unit_of(flat, _host(asked.container))
    asked.losses.extend(losses)
    return text.encode()


def _bpf(asked: _Conversion) -> bytes:
    flat = _flat(asked)
    asked.losses.extend(_beside_the_rules(asked, flat))
    return decide.export(flat, _host(asked.container))


# SECCOMP_FILTER_FLAG_TSYNC says nothing: runtimes load filters into one thread and then exec.
def _beside_the_rules(asked: _Conversion, profile: Profile) -> Iterator[str]:
    yield from _unknown_fields(asked, profile)
    yield from (f"the flag {flag}" for flag in profile.flags if not flag.endswith("_TSYNC"))
    if profile.listener_path or profile.listener_metadata:
        yield f"the listener {profile.listener_path}"


def _unknown_fields(
    asked: _Conversion, profile: Profile, beside: Sequence[str] = ()
) -> Iterator[str]:
    """Name the unknown fields but for some, by their places in the document that was given."""
    root = model.ROOTS.get(asked.profile.dialect, "$")
    for path in values.unknown_fields(profile):
        if path not in beside:
            yield f"the unknown field {root}{path[1:]}"


def _flat(asked: _Conversion) -> Profile:
    profile, container = asked.profile, asked.container
    asked.losses.extend(_undetermined(profile, container))
    capabilities = container.capabilities
    if capabilities is None:
        capabilities = DEFAULT_CAPABILITIES[model.DOCKER]
    flat = resolve(profile, _host(container), capabilities, container.kernel)
    return values.respelt(flat)


def _host(container: Container) -> str:
    return container.architecture or container.host


def _undetermined(profile: Profile, container: Container) -> Iterator[str]:
    circumstances = [(rule.includes, rule.excludes) for rule in profile.rules]

    def number(depends: Callable[[Circumstances], object]) -> int:
        return sum(any(map(depends, pair)) for pair in circumstances)

    by_architecture = number(lambda one: one.architectures)
    by_capabilities = number(lambda one: one.capabilities)
    by_kernel = number(lambda one: one.minimal_kernel)
    if container.architecture is None and (by_architecture or profile.families):
        what = _depend(by_architecture) if by_architecture else "archMap depends"
        yield f"the host's architecture, on which {what} (--architecture names it)"
    if container.capabilities is None and by_capabilities:
        yield f"capabilities, on which {_depend(by_capabilities)} (--capabilities names them)"
    if container.kernel is None and by_kernel:
        yield f"the host's kernel, on which {_depend(by_kernel)} (--kernel names it)"


def _depend(number: int) -> str:
    return "1 rule depends" if number == 1 else f"{number} rules depend"


TARGETS: Mapping[str, Callable[[_Conversion], bytes]] = {
    model.OCI: _oci,
    model.DOCKER: _docker,
    model.PODMAN: _podman,
    model.CONTAINERD: _containerd,
    model.SPO: _spo,
    SYSTEMD: _systemd,
    BPF: _bpf,
}
