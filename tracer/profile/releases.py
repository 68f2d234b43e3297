"""
Which release of libseccomp first knows a call. Runtimes ignore a rule whose name it does not know.

Data only, for the calls added since 2.4.2: read from src/syscalls.csv (2.5.0 and later) and
src/arch-x86*-syscalls.c (before) at the release tags of github.com/seccomp/libseccomp.
"""

from __future__ import annotations

from typing import Mapping, Tuple

Release = Tuple[int, int, int]

# The oldest among the hosts that we support: RHEL 9's.
OLDEST: Release = (2, 5, 2)

_ADDED: Mapping[Release, str] = {
    (2, 4, 2): "clock_adjtime64 clock_getres_time64 clock_gettime64 clock_nanosleep_time64 "
    "clock_settime64 clone3 fsconfig fsmount fsopen fspick futex_time64 io_pgetevents_time64 "
    "io_uring_enter io_uring_register io_uring_setup move_mount mq_timedreceive_time64 "
    "mq_timedsend_time64 open_tree pidfd_open pidfd_send_signal ppoll_time64 pselect6_time64 "
    "recvmmsg_time64 rt_sigtimedwait_time64 sched_rr_get_interval_time64 semtimedop_time64 "
    "timer_gettime64 timer_settime64 timerfd_gettime64 timerfd_settime64 utimensat_time64",
    (2, 4, 4): "faccessat2 openat2 pidfd_getfd",
    (2, 5, 2): "close_range epoll_pwait2 landlock_add_rule landlock_create_ruleset "
    "landlock_restrict_self memfd_secret mount_setattr process_madvise quotactl_fd",
    (2, 5, 3): "process_mrelease",
    (2, 5, 4): "futex_waitv set_mempolicy_home_node",
    (2, 5, 5): "cachestat fchmodat2 futex_requeue futex_wait futex_wake map_shadow_stack",
    (2, 5, 6): "getxattrat listmount listxattrat lsm_get_self_attr lsm_list_modules "
    "lsm_set_self_attr mseal removexattrat riscv_hwprobe setxattrat statmount uretprobe",
    (2, 6, 1): "file_getattr file_setattr listns open_tree_attr rseq_slice_yield uprobe",
}
RELEASE_OF: Mapping[str, Release] = {
    name: release for release, names in _ADDED.items() for name in names.split()
}


def release_text(release: Release) -> str:
    """Return a release as people write it: 2.5.4."""
    return ".".join(map(str, release))
