"""
Calls whose permission opens attack surface beyond a program's own files and sockets, by class.

Data only: each class with why it matters and where that is written; each source was read. A call
without such a source does not belong here, nor one that merely needs a capability. Who is told,
and how loudly, is for `diff` and `lint` to say.

Sources: "docker" is docs.docker.com/engine/security/seccomp, the table of significant calls that
the default profile blocks; "systemd" are the sets of src/shared/seccomp-util.c
(`systemd-analyze syscall-filter`); "man" are the Linux man-pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Optional, Tuple


@dataclass(frozen=True)
class Risk:
    """
    One class of calls.

    `usual`: calls of it that almost every program makes all the same, because the dangerous use
    is one of many; allowing those deserves a condition on their arguments rather than an alarm.
    """

    name: str
    reason: str
    source: str
    calls: Tuple[str, ...]
    usual: Tuple[str, ...] = ()


def _of(names: str) -> Tuple[str, ...]:
    return tuple(names.split())


RISKS: Tuple[Risk, ...] = (
    Risk(
        "mount",
        "changes which file systems the container sees, and parses file systems in the kernel",
        "docker: mount, umount, umount2, pivot_root; systemd: @mount",
        _of(
            "mount umount umount2 pivot_root chroot fsopen fsconfig fsmount fspick move_mount "
            "open_tree open_tree_attr mount_setattr"
        ),
    ),
    Risk(
        "namespaces",
        "makes or enters namespaces: a new user namespace gives every capability within it",
        "docker: clone, unshare, setns; man 7 user_namespaces",
        _of("unshare setns clone clone3"),
        usual=_of("clone clone3"),
    ),
    Risk(
        "tracing",
        "reads, changes or steals from other processes",
        "docker: ptrace, process_vm_readv, process_vm_writev, kcmp; systemd: @debug pidfd_getfd",
        _of("ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd"),
    ),
    Risk(
        "bpf",
        "loads programs into the kernel that may stay there",
        "docker: bpf",
        _of("bpf"),
    ),
    Risk(
        "perf",
        "profiles the host, which can leak a lot of information about it",
        "docker: perf_event_open, lookup_dcookie",
        _of("perf_event_open lookup_dcookie"),
    ),
    Risk(
        "keyrings",
        "uses the kernel's keyrings, which are not namespaced",
        "docker: add_key, request_key, keyctl",
        _of("add_key request_key keyctl"),
    ),
    Risk(
        "modules",
        "loads, removes or inspects kernel modules",
        "docker: create_module, delete_module, finit_module, init_module, query_module, "
        "get_kernel_syms; systemd: @module",
        _of(
            "init_module finit_module delete_module create_module query_module get_kernel_syms"
        ),
    ),
    Risk(
        "kexec",
        "replaces the running kernel, or restarts the host",
        "docker: kexec_load, kexec_file_load, reboot; systemd: @reboot",
        _of("kexec_load kexec_file_load reboot"),
    ),
    Risk(
        "io_uring",
        "does I/O that seccomp is not asked about, through code with many exploits against it",
        "github.com/moby/moby/pull/46762, which blocked it in docker's default profile",
        _of("io_uring_setup io_uring_enter io_uring_register"),
    ),
    Risk(
        "userfaultfd",
        "lets a program stop the kernel in the midst of an access to its memory",
        "docker: userfaultfd; man 2 userfaultfd, UFFD_USER_MODE_ONLY",
        _of("userfaultfd"),
    ),
    Risk(
        "raw-io",
        "reaches devices past their drivers",
        "docker: ioperm, iopl; systemd: @raw-io",
        _of(
            "iopl ioperm pciconfig_iobase pciconfig_read pciconfig_write s390_pci_mmio_read "
            "s390_pci_mmio_write"
        ),
    ),
    Risk(
        "time",
        "sets the time of the whole host: it is not namespaced",
        "docker: clock_adjtime, clock_settime, settimeofday, stime; systemd: @clock",
        _of(
            "settimeofday stime clock_settime clock_settime64 adjtimex clock_adjtime "
            "clock_adjtime64"
        ),
        usual=_of("adjtimex clock_adjtime clock_adjtime64"),
    ),
    Risk(
        "swap",
        "changes what the host swaps to",
        "docker: swapon, swapoff; systemd: @swap",
        _of("swapon swapoff"),
    ),
    Risk(
        "accounting",
        "changes the limits and the accounting that the container is under",
        "docker: acct, quotactl",
        _of("acct quotactl quotactl_fd"),
    ),
    Risk(
        "file-handles",
        "opens files past every mount: the cause of an old container breakout",
        "docker: open_by_handle_at",
        _of("open_by_handle_at"),
    ),
    Risk(
        "old-code",
        "reaches code of the kernel that hardly anybody uses or tests",
        "docker: personality, vm86, vm86old, uselib, ustat, sysfs, _sysctl, nfsservctl; "
        "systemd: @cpu-emulation modify_ldt",
        _of(
            "personality modify_ldt vm86 vm86old uselib ustat sysfs _sysctl nfsservctl"
        ),
        usual=_of("personality"),
    ),
    Risk(
        "memory-policy",
        "changes where the kernel keeps memory",
        "docker: mbind, set_mempolicy, get_mempolicy, move_pages",
        _of("mbind set_mempolicy get_mempolicy move_pages"),
        usual=_of("mbind set_mempolicy get_mempolicy"),
    ),
)

_BY_CALL: Mapping[str, Risk] = {name: risk for risk in RISKS for name in risk.calls}


def risk_of(name: str) -> Optional[Risk]:
    """Return the class of a call, None for one without."""
    return _BY_CALL.get(name)
