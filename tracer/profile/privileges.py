"""
Which calls take which capability: those that never succeed without it, and those that it serves.

Data only. A call is among NEVER_WITHOUT if the kernel asks for the capability whatever the
arguments: not quotactl, iopl, adjtimex, mknod, bpf, syslog, unshare and the like, by which
everybody may do something. "man" are the Linux man-pages, the functions are the kernel's (6.18).
Tests ask the running kernel about each. Who is told what is for `lint` to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Tuple


@dataclass(frozen=True)
class Privileged:
    """
    Calls that never succeed without a capability.

    `inner`: the user namespace that is asked about may be one that a program has made itself, where
    it has them all. `but`: what the exception is, if there is one.
    """

    capability: str
    calls: Tuple[str, ...]
    source: str
    inner: bool = False
    but: str = ""


def _of(names: str) -> Tuple[str, ...]:
    return tuple(names.split())


NEVER_WITHOUT: Tuple[Privileged, ...] = (
    Privileged("CAP_SYS_PACCT", _of("acct"), "man 2 acct"),
    Privileged(
        "CAP_SYS_MODULE",
        _of("init_module finit_module delete_module"),
        "man 2 init_module, delete_module; kernel/module/main.c, may_init_module",
    ),
    Privileged("CAP_SYS_ADMIN", _of("swapon swapoff"), "man 2 swapon"),
    Privileged(
        "CAP_SYS_BOOT",
        _of("kexec_load kexec_file_load"),
        "man 2 kexec_load; kernel/kexec_core.c, kexec_load_permitted",
    ),
    Privileged("CAP_SYS_TTY_CONFIG", _of("vhangup"), "man 2 vhangup"),
    Privileged(
        "CAP_SYS_TIME",
        _of("settimeofday stime"),
        "man 2 settimeofday, stime; security/commoncap.c, cap_settime",
    ),
    Privileged(
        "CAP_SYS_TIME",
        _of("clock_settime clock_settime64"),
        "man 2 clock_settime; kernel/time/posix-clock.c, pc_clock_settime",
        but="the clock of a device (/dev/ptp0) that it may write to",
    ),
    Privileged("CAP_SYS_CHROOT", _of("chroot"), "man 2 chroot", inner=True),
    Privileged(
        "CAP_SYS_ADMIN",
        _of("mount umount umount2 pivot_root fsopen fsmount fspick move_mount mount_setattr"),
        "man 2 mount, umount2, pivot_root; fs/namespace.c, may_mount",
        inner=True,
    ),
    Privileged("CAP_SYS_ADMIN", _of("setns"), "man 2 setns", inner=True),
    Privileged(
        "CAP_SYS_ADMIN",
        _of("sethostname setdomainname"),
        "man 2 sethostname, setdomainname",
        inner=True,
    ),
    Privileged("CAP_SYS_BOOT", _of("reboot"), "man 2 reboot", inner=True),
)

# Of capabilities that serve few calls: these, by capabilities(7). Left out are an ioctl or a socket
# option now and then, which recordings show where they matter, and capabilities that serve many
# calls, or paths in /proc.
SERVING: Mapping[str, Tuple[str, ...]] = {
    "CAP_CHOWN": _of("chown chown32 fchown fchown32 lchown lchown32 fchownat"),
    "CAP_KILL": _of("kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal"),
    "CAP_NET_BIND_SERVICE": _of("bind socketcall io_uring_enter"),
    "CAP_SYS_MODULE": _of("init_module finit_module delete_module"),
    "CAP_SYS_CHROOT": _of("chroot setns"),
    "CAP_SYS_PACCT": _of("acct"),
    "CAP_SYS_BOOT": _of("reboot kexec_load kexec_file_load"),
    "CAP_SYS_NICE": _of(
        "nice setpriority sched_setscheduler sched_setparam sched_setattr sched_setaffinity "
        "ioprio_set migrate_pages move_pages mbind process_madvise"
    ),
    "CAP_SYS_TIME": _of(
        "settimeofday stime clock_settime clock_settime64 adjtimex clock_adjtime clock_adjtime64"
    ),
    "CAP_MKNOD": _of("mknod mknodat"),
    "CAP_LEASE": _of("fcntl fcntl64"),
    "CAP_SETFCAP": _of("setxattr lsetxattr fsetxattr setxattrat io_uring_enter"),
    "CAP_WAKE_ALARM": _of("timer_create timerfd_create timerfd_settime timerfd_settime64"),
    "CAP_BPF": _of("bpf"),
}
