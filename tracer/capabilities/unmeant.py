"""
Checks that the kernel makes without needing the answer, with where its sources do so.

What belongs here: the documented table. The kernel marks most such checks itself (CAP_OPT_NOAUDIT),
which a recording knows from the function that was called (`Check.audited`); those it does not mark
are ASKED_ALL_THE_SAME, and what it marks stands in MARKED for recordings from kernels that hide
their symbols. One mark is wrong: MEANT. Sources are of 6.18; each entry was seen there unless it
says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import FrozenSet, Optional, Tuple

from tracer.recording import Check


@dataclass(frozen=True)
class Unmeant:
    """
    In any of these calls (all, if there are none), asked by any of these functions (all, if there
    are none, and where the function is not known).
    """

    calls: FrozenSet[str]
    capability: str
    callers: FrozenSet[str]
    why: str
    source: str

    def covers(self, check: Check) -> bool:
        """Whether a check is one of these."""
        return (
            check.capability == self.capability
            and (not self.calls or check.name in self.calls)
            and (not self.callers or not check.caller or check.caller in self.callers)
        )


def _unmeant(calls: str, capability: str, callers: str, why: str, source: str) -> Unmeant:
    return Unmeant(
        frozenset(calls.split()), f"CAP_{capability}", frozenset(callers.split()), why, source
    )


_READING = (
    "open openat openat2 read readv pread64 readlink readlinkat stat lstat newfstatat fstatat64 "
    "statx access faccessat faccessat2 getdents getdents64"
)

ASKED_ALL_THE_SAME: Tuple[Unmeant, ...] = (
    _unmeant(
        "capset",
        "SETPCAP",
        "cap_capset cap_inh_is_capped",
        "asked at every capset, and used only if the inheritable set grows",
        "security/commoncap.c, cap_inh_is_capped",
    ),
    _unmeant(
        "setsockopt",
        "NET_ADMIN",
        "do_tcp_setsockopt",
        "asked for TCP_CONGESTION before it is known whether the algorithm is restricted",
        "net/ipv4/tcp.c, do_tcp_setsockopt",
    ),
    _unmeant(
        "io_uring_setup",
        "IPC_LOCK",
        "io_uring_setup io_uring_create",
        "whether memory is accounted to the user (audited until 5.19)",
        "io_uring/io_uring.c, io_uring_create",
    ),
    _unmeant(
        _READING,
        "SYS_PTRACE",
        "cap_ptrace_access_check __ptrace_may_access ptrace_may_access",
        "whether another process's files in /proc show all: ps and the like do without",
        "security/commoncap.c, cap_ptrace_access_check; fs/proc/array.c, do_task_stat",
    ),
    _unmeant(
        _READING,
        "PERFMON",
        "mm_access may_access_mm",
        "whether another process's files in /proc show all: ps and the like do without",
        "kernel/fork.c, may_access_mm",
    ),
    _unmeant(
        _READING,
        "SYS_ADMIN",
        "mm_access may_access_mm",
        "asked where PERFMON was refused",
        "kernel/fork.c, may_access_mm; include/linux/capability.h, perfmon_capable",
    ),
    _unmeant(
        "",
        "SYS_RESOURCE",
        "ext4_has_free_clusters ext4_claim_free_clusters",
        "whether the last blocks of a full file system may be taken (not seen: from the source)",
        "fs/ext4/balloc.c, ext4_has_free_clusters",
    ),
    _unmeant(
        "",
        "SYS_RESOURCE",
        "ignore_hardlimit",
        "whether a quota's hard limit counts (not seen: from the source)",
        "fs/quota/dquot.c, ignore_hardlimit",
    ),
)

MARKED: Tuple[Unmeant, ...] = (
    _unmeant(
        "mmap mmap2 mprotect brk mremap fork vfork clone clone3 execve execveat shmat shmget",
        "SYS_ADMIN",
        "security_vm_enough_memory_mm",
        "memory accounting: whether the last pages may be taken",
        "security/commoncap.c, cap_vm_enough_memory",
    ),
    _unmeant(
        _READING,
        "NET_ADMIN",
        "net_ctl_permissions",
        "whether files in /proc/sys/net are root's",
        "net/sysctl_net.c, net_ctl_permissions",
    ),
    _unmeant(
        _READING,
        "SYS_ADMIN",
        "pid_table_root_permissions",
        "whether files in /proc/sys/kernel are root's",
        "kernel/pid.c, pid_table_root_permissions",
    ),
    _unmeant(
        _READING,
        "SYSLOG",
        "kallsyms_open kallsyms_show_value",
        "whether /proc/kallsyms shows addresses",
        "kernel/kallsyms.c, kallsyms_show_value",
    ),
    _unmeant(
        "listxattr llistxattr flistxattr",
        "SYS_ADMIN",
        "simple_xattr_list",
        "whether attributes that are trusted are listed",
        "fs/xattr.c, simple_xattr_list",
    ),
)

# Marked, and needed all the same: a filter, or a ruleset, without no_new_privs takes SYS_ADMIN.
MEANT = frozenset({"do_seccomp", "seccomp_prepare_filter", "landlock_restrict_self"})
# Where the functions have no names: the calls that ask by these.
_MEANT_IN = frozenset({"seccomp", "prctl", "landlock_restrict_self"})
_MARKED_BY_THE_KERNEL = "the kernel marks it as not meant (CAP_OPT_NOAUDIT)"
_IDLE = {
    "CAP_FSETID": "asked at every chmod, and used only for a set-group-ID bit",
    "CAP_SETUID": "asked even for an id that the task has",
    "CAP_SETGID": "asked even for an id that the task has",
}


def unmeant(check: Check) -> Optional[str]:
    """Why a check was not meant; None if it was."""
    if check.idle:
        return _IDLE.get(check.capability, "the call's arguments need no answer")
    table = ASKED_ALL_THE_SAME if check.audited is not None else ASKED_ALL_THE_SAME + MARKED
    found = next((one.why for one in table if one.covers(check)), None)
    if found is None and check.audited is False and not _is_meant(check):
        known = next((one.why for one in MARKED if one.covers(check)), None)
        return known or _MARKED_BY_THE_KERNEL
    return found


def _is_meant(check: Check) -> bool:
    if not check.caller:
        return check.capability == "CAP_SYS_ADMIN" and check.name in _MEANT_IN
    return check.caller.replace("__do_sys_", "").replace("__x64_sys_", "") in MEANT
