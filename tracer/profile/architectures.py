"""
Architectures as filters see them: by which words, numbers and hosts they go.

Data only; the calls of an architecture are in `tracer.syscalls`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Optional

from tracer import syscalls

_64BIT = 1 << 31
_LITTLE = 1 << 30
_N32 = 1 << 29


@dataclass(frozen=True)
class Architecture:
    """
    One architecture under its token.

    `word` is libseccomp's, which `includes` and `excludes` of profiles use; `audit` is what the
    kernel puts in seccomp_data.arch (AUDIT_ARCH_... of linux/audit.h); `number` is libseccomp's
    own, which differs for x32 alone; `host` is the 64-bit architecture whose kernels run it too.
    """

    token: str
    word: str
    audit: int
    host: str

    @property
    def number(self) -> int:
        return self.audit & ~_64BIT if self.token == syscalls.X32 else self.audit

    @property
    def byteorder(self) -> str:
        return "little" if self.audit & _LITTLE else "big"


# The host's own, in libseccomp and in the security-profiles-operator's resources. No runtime takes
# it from a profile: runc has a table without it (libcontainer/seccomp/config.go), crun asks
# seccomp_arch_resolve_name(3), which does not know it (libcrun/seccomp.c). It would add nothing:
# libseccomp always filters the host's own architecture.
NATIVE = "SCMP_ARCH_NATIVE"

# token, libseccomp's word, AUDIT_ARCH_*, host.
_ROWS = (
    ("SCMP_ARCH_X86_64", "amd64", 62 | _64BIT | _LITTLE, ""),
    ("SCMP_ARCH_X86", "x86", 3 | _LITTLE, "SCMP_ARCH_X86_64"),
    ("SCMP_ARCH_X32", "x32", 62 | _64BIT | _LITTLE, "SCMP_ARCH_X86_64"),
    ("SCMP_ARCH_AARCH64", "arm64", 183 | _64BIT | _LITTLE, ""),
    ("SCMP_ARCH_ARM", "arm", 40 | _LITTLE, "SCMP_ARCH_AARCH64"),
    ("SCMP_ARCH_MIPS64", "mips64", 8 | _64BIT, ""),
    ("SCMP_ARCH_MIPS", "mips", 8, "SCMP_ARCH_MIPS64"),
    ("SCMP_ARCH_MIPS64N32", "mips64n32", 8 | _64BIT | _N32, "SCMP_ARCH_MIPS64"),
    ("SCMP_ARCH_MIPSEL64", "mipsel64", 8 | _64BIT | _LITTLE, ""),
    ("SCMP_ARCH_MIPSEL", "mipsel", 8 | _LITTLE, "SCMP_ARCH_MIPSEL64"),
    ("SCMP_ARCH_MIPSEL64N32", "mipsel64n32", 8 | _64BIT | _LITTLE | _N32, "SCMP_ARCH_MIPSEL64"),
    ("SCMP_ARCH_PPC64", "ppc64", 21 | _64BIT, ""),
    ("SCMP_ARCH_PPC", "ppc", 20, "SCMP_ARCH_PPC64"),
    ("SCMP_ARCH_PPC64LE", "ppc64le", 21 | _64BIT | _LITTLE, ""),
    ("SCMP_ARCH_RISCV64", "riscv64", 243 | _64BIT | _LITTLE, ""),
    ("SCMP_ARCH_S390X", "s390x", 22 | _64BIT, ""),
    ("SCMP_ARCH_S390", "s390", 22, "SCMP_ARCH_S390X"),
    ("SCMP_ARCH_LOONGARCH64", "loong64", 258 | _64BIT | _LITTLE, ""),
)
ARCHITECTURES: Mapping[str, Architecture] = {
    token: Architecture(token, word, audit, host or token) for token, word, audit, host in _ROWS
}


def host_of(token: str) -> str:
    """Return the architecture of the usual kernel under which this one's programs run."""
    known: Optional[Architecture] = ARCHITECTURES.get(token)
    return known.host if known else token
