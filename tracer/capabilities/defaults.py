"""
What engines give a container without options, and how a container's sets differ from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import FrozenSet, Mapping, Tuple

from tracer.capabilities.names import mask_of
from tracer.capabilities.sets import KINDS, Sets

PODMAN, DOCKER = "podman", "docker"

# podman: default_capabilities of the containers.conf that packages bring, and what is compiled in
# since 4.4 (containers-common 0.51, f39f2a3f, "Rework default list of capabilities to minimal");
# an older one without that file gives Docker's. Docker: Moby's oci/caps/defaults.go.
_PODMAN_CAPABILITIES = frozenset(
    "CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL CAP_NET_BIND_SERVICE CAP_SETFCAP "
    "CAP_SETGID CAP_SETPCAP CAP_SETUID CAP_SYS_CHROOT".split()
)
_DOCKER_CAPABILITIES = _PODMAN_CAPABILITIES | {"CAP_AUDIT_WRITE", "CAP_MKNOD", "CAP_NET_RAW"}
DEFAULT_CAPABILITIES: Mapping[str, FrozenSet[str]] = {
    DOCKER: _DOCKER_CAPABILITIES,
    PODMAN: _PODMAN_CAPABILITIES,
}


@dataclass(frozen=True)
class Difference:
    """Which capabilities a set has beyond an engine's default, and which it lacks."""

    kind: str
    added: int
    missing: int


def default_sets(engine: str, *, root: bool) -> Sets:
    """
    The sets of a container's first process, as root or as another user, without options.

    Inheritable is empty since Moby 20.10.14 and podman 4.0.3 (CVE-2022-24769, CVE-2022-27649).
    """
    mask = mask_of(DEFAULT_CAPABILITIES[engine])
    held = mask if root else 0
    return Sets(permitted=held, effective=held, bounding=mask)


def differences(sets: Sets, default: Sets) -> Tuple[Difference, ...]:
    """How each set differs from a default one; empty if none does."""
    found = (
        Difference(kind, sets.of(kind) & ~default.of(kind), default.of(kind) & ~sets.of(kind))
        for kind in KINDS
    )
    return tuple(one for one in found if one.added or one.missing)
