"""
Names and numbers of system calls, per architecture.

Architectures go by libseccomp's tokens (`SCMP_ARCH_X86_64`), names are those that libseccomp
knows, because a profile is read by libseccomp. A number is what the kernel reported, unchanged:
an x32 call has bit 30 set (`X32_BIT`), in the table, in the recording and in `seccomp_data.nr`
alike, so `name_of("SCMP_ARCH_X32", 0)` is None. The tables come from PyPI's `system-calls`, which
is generated from the kernel's sources and imported on first use. So are, in a line, the names of
the errors that calls end in. What a call does, or whether it should be allowed, does not belong
here.
"""

from __future__ import annotations

import errno
import importlib
from functools import lru_cache
from typing import Dict, FrozenSet, Mapping, Optional

from tracer.errors import HostError

X86_64 = "SCMP_ARCH_X86_64"
X86 = "SCMP_ARCH_X86"
X32 = "SCMP_ARCH_X32"
AARCH64 = "SCMP_ARCH_AARCH64"
ARM = "SCMP_ARCH_ARM"

X32_BIT = 1 << 30

_TABLE_OF = {X86_64: "x86_64", X86: "i386", X32: "x32", AARCH64: "arm64", ARM: "arm"}
# Those on which nothing is recorded, for profiles that name them. The kernel has one table for
# both byte orders.
_FOREIGN_TABLE_OF = {
    "SCMP_ARCH_MIPS64": "mips64",
    "SCMP_ARCH_MIPS": "mipso32",
    "SCMP_ARCH_MIPS64N32": "mips64n32",
    "SCMP_ARCH_MIPSEL64": "mips64",
    "SCMP_ARCH_MIPSEL": "mipso32",
    "SCMP_ARCH_MIPSEL64N32": "mips64n32",
    "SCMP_ARCH_PPC64": "powerpc64",
    "SCMP_ARCH_PPC": "powerpc",
    "SCMP_ARCH_PPC64LE": "powerpc64",
    "SCMP_ARCH_RISCV64": "riscv64",
    "SCMP_ARCH_S390X": "s390x",
    "SCMP_ARCH_S390": "s390",
    "SCMP_ARCH_LOONGARCH64": "loongarch64",
}

# Calls that have a number and a name but no implementation, so that the kernel answers ENOSYS and
# the package leaves them out. A program may still ask for them, and the filter is asked about
# them. From the kernel's arch/*/include/uapi/asm/unistd*.h (6.1); names as in libseccomp 2.5.
_UNIMPLEMENTED: Mapping[str, Mapping[str, int]] = {
    X86_64: {
        "uselib": 134,
        "_sysctl": 156,
        "create_module": 174,
        "get_kernel_syms": 177,
        "query_module": 178,
        "nfsservctl": 180,
        "getpmsg": 181,
        "putpmsg": 182,
        "afs_syscall": 183,
        "tuxcall": 184,
        "security": 185,
        "vserver": 236,
    },
    X86: {
        "break": 17,
        "stty": 31,
        "gtty": 32,
        "ftime": 35,
        "prof": 44,
        "lock": 53,
        "mpx": 56,
        "ulimit": 58,
        "uselib": 86,
        "profil": 98,
        "idle": 112,
        "create_module": 127,
        "get_kernel_syms": 130,
        "bdflush": 134,
        "afs_syscall": 137,
        "_sysctl": 149,
        "query_module": 167,
        "nfsservctl": 169,
        "getpmsg": 188,
        "putpmsg": 189,
        "vserver": 273,
    },
    X32: {
        "getpmsg": X32_BIT + 181,
        "putpmsg": X32_BIT + 182,
        "afs_syscall": X32_BIT + 183,
        "tuxcall": X32_BIT + 184,
        "security": X32_BIT + 185,
    },
    AARCH64: {"nfsservctl": 42},
    ARM: {"uselib": 86, "bdflush": 134, "_sysctl": 149, "nfsservctl": 169, "vserver": 313},
}

# Where libseccomp has another name for the same number. The kernel's name is understood too.
_RENAMED: Mapping[str, Mapping[str, str]] = {ARM: {"sync_file_range2": "arm_sync_file_range"}}


def name_of(architecture: str, number: int) -> Optional[str]:
    """Return libseccomp's name of a call as the kernel numbered it, None if nobody can name it."""
    return _names_by_number(architecture).get(number)


def shown_name_of(architecture: str, number: int) -> str:
    """Return what people are shown of a call: its name, or its number if it has none."""
    return name_of(architecture, number) or str(number)


def error_name(number: int) -> str:
    """Return the name of an error (EPERM), as errno(3) has it, or its number if it has none."""
    return errno.errorcode.get(number, str(number))


def number_of(architecture: str, name: str) -> Optional[int]:
    """Return the number (bit 30 set for x32) of a call, None if the architecture has no such."""
    renamed = _RENAMED.get(architecture, {})
    return _numbers_by_name(architecture).get(renamed.get(name, name))


def names(architecture: str) -> FrozenSet[str]:
    """Return every name that the architecture knows; none for an unknown architecture."""
    return frozenset(_numbers_by_name(architecture))


def may_have(architecture: str, name: str) -> bool:
    """
    Say whether a kernel of this architecture has the call, or may have it: a name that no table
    knows may be that of a newer call.
    """
    table = _FOREIGN_TABLE_OF.get(architecture)
    if table is None:
        known = architecture in _TABLE_OF and number_of(architecture, name) is None
        return not (known and is_known(name))
    return name in _packaged_names(table) or name not in _named_by_tables()


def is_known(name: str) -> bool:
    """Say whether any architecture is known to have the call."""
    return name in _named_by_tables() or any(name in calls for calls in _UNIMPLEMENTED.values())


@lru_cache(maxsize=None)
def _packaged_names(table: str) -> FrozenSet[str]:
    return frozenset(_packaged_table(table))


@lru_cache(maxsize=None)
def _named_by_tables() -> FrozenSet[str]:
    known = [names(architecture) for architecture in _TABLE_OF]
    return frozenset().union(*known, *map(_packaged_names, _FOREIGN_TABLE_OF.values()))


def architectures() -> FrozenSet[str]:
    """Return the tokens of the architectures whose calls have names here."""
    return frozenset(_TABLE_OF)


@lru_cache(maxsize=None)
def _numbers_by_name(architecture: str) -> Mapping[str, int]:
    if architecture not in _TABLE_OF:
        return {}
    renamed = _RENAMED.get(architecture, {})
    table = _packaged_table(_TABLE_OF[architecture])
    numbers = {renamed.get(name, name): number for name, number in table.items()}
    taken = set(numbers.values())
    for name, number in _UNIMPLEMENTED[architecture].items():
        if number not in taken:
            numbers[name] = number
    return numbers


@lru_cache(maxsize=None)
def _names_by_number(architecture: str) -> Mapping[int, str]:
    return {number: name for name, number in _numbers_by_name(architecture).items()}


def _packaged_table(table: str) -> Dict[str, int]:
    try:
        package = importlib.import_module("system_calls")
        return dict(package.syscalls().load_arch_table(table))
    except (ImportError, AttributeError) as error:
        raise HostError(
            f"the system call tables cannot be loaded ({error})",
            "install the Python package system-calls (pip install system-calls)",
        ) from error
