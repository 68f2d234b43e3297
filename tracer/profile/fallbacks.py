"""
Calls that C libraries and language runtimes try first and can do without.

A profile answers them with ENOSYS when they were not recorded: that is how a kernel without the
call answers, so the caller takes its older path, while EPERM reads as a failure of the task itself
(EPERM on clone3 kills every thread start of a newer glibc). Data only: each call with where its
fallback on ENOSYS is written. A call without such a source does not belong here, nor one whose
caller is content with any error.
"""

from __future__ import annotations

from typing import Iterable, List, Mapping

from tracer import syscalls

ENOSYS = 38

# Paths of glibc are below sysdeps/unix/sysv/linux (ENOSYS looked for at 2.42; not seen there: the
# timer_*, timerfd_*, futex and utimensat rows), of musl below src (1.2.5), of Go read in full. What
# is said of Rust, Python, coreutils, libpathrs and filepath-securejoin, and most first versions, is
# from memory.
FALLBACKS: Mapping[str, str] = {
    "clone3": "glibc 2.34 clone-internal.c: clone",
    "close_range": "glibc 2.34 spawni.c, closefrom_fallback.c: a walk of /proc/self/fd",
    "copy_file_range": "Go 1.15 internal/poll/copy_file_range_linux.go; Rust std io::copy; "
    "coreutils 9.0 copy.c: read and write",
    "execveat": "glibc 2.27 fexecve.c, musl process/fexecve.c: execve of /proc/self/fd",
    "faccessat2": "glibc 2.33 faccessat.c, musl 1.2.3 unistd/faccessat.c: faccessat",
    "fchmodat2": "glibc 2.39 fchmodat.c, musl 1.2.5 stat/fchmodat.c: chmod of /proc/self/fd",
    "getrandom": "glibc 2.36 stdlib/arc4random.c, Python 3.6 bootstrap_hash.c: /dev/urandom",
    "mlock2": "glibc 2.27 mlock2.c: mlock, if no flags are given",
    "openat2": "filepath-securejoin and libpathrs (runc 1.2, podman 5): openat, step by step",
    "pidfd_open": "Go 1.23 os/pidfd_linux.go checkPidfd, Python 3.12 asyncio can_use_pidfd: pids",
    "pidfd_send_signal": "Go 1.23 os/pidfd_linux.go checkPidfd: kill",
    "preadv2": "glibc 2.26 preadv2.c: preadv, if no flags are given",
    "pwritev2": "glibc 2.26 pwritev2.c, musl 1.2.5 unistd/pwritev.c: pwritev",
    "renameat2": "glibc 2.28 renameat2.c: renameat, if no flags are given",
    "rseq": "glibc 2.35 sysdeps/nptl/dl-tls_init_tp.c: no restartable sequences",
    "statx": "glibc 2.28 statx.c, musl 1.1.24 linux/statx.c, Rust std fs try_statx: fstatat",
    # 32-bit architectures with 64-bit times: each falls back to the call with 32-bit ones.
    "clock_adjtime64": "glibc 2.34 clock_adjtime.c, musl 1.2.0 linux/clock_adjtime.c",
    "clock_getres_time64": "glibc 2.34 clock_getres.c",
    "clock_gettime64": "glibc 2.34 clock_gettime.c, musl 1.2.0 time/clock_gettime.c",
    "clock_nanosleep_time64": "glibc 2.34 clock_nanosleep.c, musl 1.2.0 time/clock_nanosleep.c",
    "clock_settime64": "glibc 2.34 clock_settime.c, musl 1.2.0 time/clock_settime.c",
    "futex_time64": "glibc 2.34 nptl/futex-internal.c, musl 1.2.0 thread/__timedwait.c",
    "mq_timedreceive_time64": "glibc 2.34 mq_timedreceive.c, musl 1.2.0 mq/mq_timedreceive.c",
    "mq_timedsend_time64": "glibc 2.34 mq_timedsend.c, musl 1.2.0 mq/mq_timedsend.c",
    "ppoll_time64": "glibc 2.34 ppoll.c, musl 1.2.0 select/ppoll.c",
    "pselect6_time64": "glibc 2.34 pselect.c, musl 1.2.0 select/pselect.c",
    "recvmmsg_time64": "glibc 2.34 recvmmsg.c, musl 1.2.0 network/recvmmsg.c",
    "rt_sigtimedwait_time64": "glibc 2.34 sigtimedwait.c, musl 1.2.0 signal/sigtimedwait.c",
    "sched_rr_get_interval_time64": "glibc 2.34 sched_rr_gi.c",
    "semtimedop_time64": "glibc 2.34 semtimedop.c, musl 1.2.0 ipc/semtimedop.c",
    "timer_gettime64": "glibc 2.34 timer_gettime.c, musl 1.2.0 time/timer_gettime.c",
    "timer_settime64": "glibc 2.34 timer_settime.c, musl 1.2.0 time/timer_settime.c",
    "timerfd_gettime64": "glibc 2.34 timerfd_gettime.c, musl 1.2.0 linux/timerfd.c",
    "timerfd_settime64": "glibc 2.34 timerfd_settime.c, musl 1.2.0 linux/timerfd.c",
    "utimensat_time64": "glibc 2.34 utimensat.c, musl 1.2.0 stat/utimensat.c",
}


def fallbacks_of(architectures: Iterable[str]) -> List[str]:
    """Return the calls of FALLBACKS that any of these architectures has, sorted."""
    known = frozenset().union(*map(syscalls.names, architectures))
    return sorted(known.intersection(FALLBACKS))
