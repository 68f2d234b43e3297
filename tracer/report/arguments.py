"""
A call's arguments as a person reads them, where a table makes them readable.

Only numbers are known, never what they point to. A call without an entry has its arguments in
hexadecimal. The names are those of the kernel's uapi headers, named beside each table.
"""

from __future__ import annotations

import signal
import socket
from typing import Callable, Dict, Mapping, Sequence, Tuple

Show = Callable[[int], str]

# include/uapi/linux/sched.h
CLONE = {
    0x80: "CLONE_NEWTIME",
    0x100: "CLONE_VM",
    0x200: "CLONE_FS",
    0x400: "CLONE_FILES",
    0x800: "CLONE_SIGHAND",
    0x4000: "CLONE_VFORK",
    0x10000: "CLONE_THREAD",
    0x20000: "CLONE_NEWNS",
    0x2000000: "CLONE_NEWCGROUP",
    0x4000000: "CLONE_NEWUTS",
    0x8000000: "CLONE_NEWIPC",
    0x10000000: "CLONE_NEWUSER",
    0x20000000: "CLONE_NEWPID",
    0x40000000: "CLONE_NEWNET",
}
# include/uapi/linux/mount.h
MOUNT = {
    0x1: "MS_RDONLY",
    0x2: "MS_NOSUID",
    0x4: "MS_NODEV",
    0x8: "MS_NOEXEC",
    0x20: "MS_REMOUNT",
    0x1000: "MS_BIND",
    0x2000: "MS_MOVE",
    0x4000: "MS_REC",
    0x40000: "MS_PRIVATE",
}
# include/linux/socket.h, include/linux/net.h
FAMILIES = {int(value): value.name for value in socket.AddressFamily}
TYPES = {1: "SOCK_STREAM", 2: "SOCK_DGRAM", 3: "SOCK_RAW", 5: "SOCK_SEQPACKET", 10: "SOCK_PACKET"}
TYPE_FLAGS = {0o4000: "SOCK_NONBLOCK", 0o2000000: "SOCK_CLOEXEC"}
# include/uapi/linux/keyctl.h
KEYCTL = dict(
    enumerate(
        "GET_KEYRING_ID JOIN_SESSION_KEYRING UPDATE REVOKE CHOWN SETPERM DESCRIBE CLEAR LINK "
        "UNLINK SEARCH READ INSTANTIATE NEGATE SET_REQKEY_KEYRING SET_TIMEOUT ASSUME_AUTHORITY "
        "GET_SECURITY SESSION_TO_PARENT REJECT INSTANTIATE_IOV INVALIDATE GET_PERSISTENT".split()
    )
)
# include/uapi/linux/bpf.h
BPF = dict(
    enumerate(
        "MAP_CREATE MAP_LOOKUP_ELEM MAP_UPDATE_ELEM MAP_DELETE_ELEM MAP_GET_NEXT_KEY PROG_LOAD "
        "OBJ_PIN OBJ_GET PROG_ATTACH PROG_DETACH PROG_TEST_RUN".split()
    )
)
# include/uapi/linux/ptrace.h
PTRACE = {
    0: "PTRACE_TRACEME",
    1: "PTRACE_PEEKTEXT",
    2: "PTRACE_PEEKDATA",
    7: "PTRACE_CONT",
    16: "PTRACE_ATTACH",
    17: "PTRACE_DETACH",
    0x4206: "PTRACE_SEIZE",
}
# include/uapi/linux/prctl.h
PRCTL = {
    1: "PR_SET_PDEATHSIG",
    4: "PR_SET_DUMPABLE",
    8: "PR_SET_KEEPCAPS",
    15: "PR_SET_NAME",
    22: "PR_SET_SECCOMP",
    23: "PR_CAPBSET_READ",
    24: "PR_CAPBSET_DROP",
    28: "PR_SET_SECUREBITS",
    38: "PR_SET_NO_NEW_PRIVS",
    47: "PR_CAP_AMBIENT",
}


def shown(syscall: str, arguments: Sequence[int]) -> str:
    """`name(argument, ...)`, or only the name if the arguments are unknown."""
    if not arguments:
        return syscall
    table = TABLE.get(syscall, (_hexadecimal,) * len(arguments))
    return f"{syscall}({', '.join(show(one) for show, one in zip(table, arguments))})"


def _hexadecimal(value: int) -> str:
    return str(value) if value < 10 else hex(value)


def _signed(value: int) -> str:
    number = value & 0xFFFFFFFF
    return str(number - (1 << 32) if number >> 31 else number)


def _octal(value: int) -> str:
    return f"{value & 0o7777777:#o}"


def _signal(value: int) -> str:
    try:
        return signal.Signals(value).name
    except ValueError:
        return _signed(value)


def _one_of(names: Mapping[int, str], prefix: str = "") -> Show:
    return lambda value: (
        prefix + names[value & 0xFFFFFFFF] if value & 0xFFFFFFFF in names else _hexadecimal(value)
    )


def _flags(names: Mapping[int, str]) -> Show:
    def show(value: int) -> str:
        value &= 0xFFFFFFFF
        parts = [name for bit, name in names.items() if value & bit]
        rest = value & ~sum(names)
        return "|".join(parts + ([hex(rest)] if rest else [])) or "0"

    return show


def _clone(value: int) -> str:
    """clone(2): the low byte is the signal at its end."""
    flags = _flags(CLONE)(value & ~0xFF)
    ending = _signal(value & 0xFF) if value & 0xFF else ""
    return "|".join(part for part in (flags if flags != "0" else "", ending) if part) or "0"


def _type(value: int) -> str:
    kind, flags = value & 0xF, value & ~0xF & 0xFFFFFFFF
    parts = [TYPES.get(kind, str(kind))] + ([_flags(TYPE_FLAGS)(flags)] if flags else [])
    return "|".join(parts)


_family = _one_of(FAMILIES)

TABLE: Dict[str, Tuple[Show, ...]] = {
    "bpf": (_one_of(BPF, "BPF_"), _hexadecimal, _signed),
    "chmod": (_hexadecimal, _octal),
    "chown": (_hexadecimal, _signed, _signed),
    "clone": (_clone, _hexadecimal),
    "clone3": (_hexadecimal, _signed),
    "fchmod": (_signed, _octal),
    "fchown": (_signed, _signed, _signed),
    "ioctl": (_signed, _hexadecimal, _hexadecimal),
    "keyctl": (_one_of(KEYCTL, "KEYCTL_"), _hexadecimal, _hexadecimal),
    "kill": (_signed, _signal),
    "mkdir": (_hexadecimal, _octal),
    "mkdirat": (_signed, _hexadecimal, _octal),
    "mknod": (_hexadecimal, _octal, _hexadecimal),
    "mount": (_hexadecimal, _hexadecimal, _hexadecimal, _flags(MOUNT), _hexadecimal),
    "personality": (_hexadecimal,),
    "prctl": (_one_of(PRCTL), _hexadecimal, _hexadecimal, _hexadecimal, _hexadecimal),
    "ptrace": (_one_of(PTRACE), _signed, _hexadecimal, _hexadecimal),
    "setns": (_signed, _flags(CLONE)),
    "setgid": (_signed,),
    "setuid": (_signed,),
    "socket": (_family, _type, _signed),
    "socketpair": (_family, _type, _signed, _hexadecimal),
    "tgkill": (_signed, _signed, _signal),
    "umount2": (_hexadecimal, _hexadecimal),
    "unshare": (_flags(CLONE),),
}
