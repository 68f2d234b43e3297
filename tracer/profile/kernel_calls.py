"""
Calls that the kernel makes in a program's place, which no recording is sure to show.

A profile allows all of them. seccomp is asked about `restart_syscall` when a sleep goes on that a
signal, a freeze or a tracer has interrupted, and about the others when the vDSO cannot answer: they
depend on the host and on what happens to the container, not on the program. Data only: each call
with what makes it and where that is in the kernel. A call that a program makes by itself does not
belong here.
"""

from __future__ import annotations

from typing import Iterable, List, Mapping

from tracer import syscalls

# Without this group a profile breaks silently: a stopped and continued `sleep 4` ends early with 0.
# The vDSO answers from a page of the kernel's, and makes the call where programs cannot read the
# host's clock source (hpet, acpi_pm, an unstable kvm-clock). Where there is no vDSO (vdso=0, some
# sandboxes) the C library makes the call. The vsyscall page of x86-64 has the kernel ask seccomp
# each time. vsyscall_64.c was read at about 5.18, vDSO files at about 5.5; signal.c is from memory.
KERNEL_CALLS: Mapping[str, str] = {
    "clock_getres": "lib/vdso/gettimeofday.c, __cvdso_clock_getres: clocks that it does not know",
    "clock_gettime": "lib/vdso/gettimeofday.c, __cvdso_clock_gettime: no readable clock source",
    "getcpu": "arch/x86/entry/vsyscall/vsyscall_64.c, emulate_vsyscall: 0xffffffffff600800",
    "gettimeofday": "lib/vdso/gettimeofday.c, __cvdso_gettimeofday: no readable clock source",
    "restart_syscall": "kernel/signal.c, arch/*/kernel/signal.c (ERESTART_RESTARTBLOCK): "
    "nanosleep, poll and futex with relative timeouts go on after a stop, a freeze or a tracer",
    "time": "arch/x86/entry/vsyscall/vsyscall_64.c, emulate_vsyscall: 0xffffffffff600400",
    # 32-bit architectures with 64-bit times.
    "clock_getres_time64": "arch/x86/include/asm/vdso/gettimeofday.h, "
    "arch/arm64/include/asm/vdso/compat_gettimeofday.h: clock_getres_fallback",
    "clock_gettime64": "arch/x86/include/asm/vdso/gettimeofday.h, "
    "arch/arm64/include/asm/vdso/compat_gettimeofday.h: clock_gettime_fallback",
}


def kernel_calls_of(architectures: Iterable[str]) -> List[str]:
    """Return the calls of KERNEL_CALLS that any of these architectures has, sorted."""
    known = frozenset().union(*map(syscalls.names, architectures))
    return sorted(known.intersection(KERNEL_CALLS))
