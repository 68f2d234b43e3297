"""
How programs are attached so that the kernel runs them each time: it must not preempt them.

A program has a guard on each processor: the kernel skips a run there, and counts it
(`recursion_misses`), while an earlier run has not ended. A task that is preempted in the middle of a
run makes it skip all runs of the tasks that come next on that processor: thousands of them. So what
matters is whether preemption is off where the guard is taken:

- Raw tracepoints on system calls: off, until 7.2 (439ebd5b5708 "bpf: Add sleepable support for raw
  tracepoint programs"; 6.13 had made the tracepoints themselves preemptible, a363d27cdbc2, but not
  programs at them, 4aadde89d81f).
- Other raw tracepoints: off, until 7.0 (a46023d5616e "tracing: Guard __DECLARE_TRACE() use of
  __DO_TRACE_CALL() with SRCU-fast", f7d327654b88 "bpf: Have __bpf_trace_run() use
  rcu_read_lock_dont_migrate()").
- Classic tracepoint programs: off (perf_trace_##call in include/trace/perf.h; 16718274ee75 keeps it
  so). Their guard is one for all of that kind, `bpf_prog_active`, and is taken besides while a process
  reads or writes a map by bpf(2), which can be preempted (bpf_disable_instrumentation, include/linux/
  bpf.h). Runs that are skipped for that are counted, too (trace_call_bpf, since 6.7: dd8657894c11).
- fexit: never off, and counted (kernel/bpf/trampoline.c). For checks of capabilities before 6.14.

Which one it is on the running kernel is not asked of its version: a program that reads the preemption
count answers that (`is_preemptible`). CLASSIC and HELD say how each tracepoint is then taken.
"""

from __future__ import annotations

import errno
import os
import struct
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Optional

from tracer.errors import HostError
from tracer.kernel import bpf, btf, image, layout, perf

BOOT = Path("/proc/sys/kernel/random/boot_id")

# By raw tracepoint, the group of the trace event with the same name.
CLASSIC = {
    "sys_enter": "raw_syscalls",
    "sys_exit": "raw_syscalls",
    "sched_process_exec": "sched",
    "sched_process_exit": "sched",
    "cap_capable": "capability",
}
# The raw tracepoint in its place, at which the kernel holds a lock with preemption off. A new task is
# woken for the first time with the lock of a run queue held (wake_up_new_task, kernel/sched/core.c); a
# task enters a cgroup with trace_cgroup_path_lock held (TRACE_CGROUP_PATH, kernel/cgroup/), which
# with PREEMPT_RT can be preempted, but no other task can run the program meanwhile.
HELD = {
    "sched_process_fork": "sched_wakeup_new",
    "cgroup_attach_task": "cgroup_attach_task",
}

# What bpf/event.h reads of the records of trace events.
MEMBERS = {
    "EVENT_NUMBER": ("trace_event_raw_sys_enter", "id"),
    "EVENT_RESULT": ("trace_event_raw_sys_exit", "ret"),
}

# A system call, and another tracepoint that a process reaches alone and with preemption on (do_wait,
# kernel/exit.c).
ASKED = ("sys_enter", "sched_process_wait")

_MASK = 0xFF  # PREEMPT_MASK, include/linux/preempt.h
_RAN = 1 << 32
_ARRAY = 2  # BPF_MAP_TYPE_ARRAY


@lru_cache(maxsize=1)
def is_classic() -> bool:
    """
    Whether programs are attached the classic way: the kernel preempts raw tracepoints.

    Where nobody can tell, or there is no such way, they are not: what is skipped is counted.
    """
    return bool(is_preemptible()) and perf.is_reachable()


def is_preemptible() -> Optional[bool]:
    """
    Whether the kernel may preempt a program at a raw tracepoint; None if that cannot be told.

    It is the same until the next boot, also if preemption is switched off meanwhile (preempt=none),
    and kept so long: asking takes some milliseconds. Raises nothing.
    """
    key = f"preemption-{BOOT.read_text(encoding='ascii').strip().replace('-', '')}"
    known = image.kept_text(key)
    if known in ("True", "False"):
        return known == "True"
    with suppress(OSError, HostError):
        types = btf.read()
        answer = can_preempt(types) and _may_preempt_program(types)
        image.keep_text(key, str(answer))
        return answer
    return None


def _may_preempt_program(types: btf.TypeInformation) -> bool:
    """
    Whether preemption is on where the guard is taken, at any tracepoint.

    A kernel that hides its variables (no CONFIG_KALLSYMS_ALL) refuses to have the count read. There a
    sign must do: it accepts a program that may sleep at a system call, so it does not switch
    preemption off before (since 7.2). Raises OSError, HostError.
    """
    try:
        return not all(_is_off(types, name) for name in ASKED)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
    with suppress(OSError):
        code = _op(0xB7, 0) + _op(0x95)
        target = layout.tracepoint_type(types, "sys_enter")
        os.close(bpf.load_tracing("preemption", code, target, flags=bpf.SLEEPABLE))
        return True
    return False


def can_preempt(types: btf.TypeInformation) -> bool:
    """Whether the kernel preempts itself anywhere: CONFIG_PREEMPTION."""
    return types.function_id("preempt_schedule") is not None


def _is_off(types: btf.TypeInformation, tracepoint: str) -> bool:
    """
    Whether preemption is off where the guard of a program at this tracepoint is taken.

    A program runs right after that, and ends right before the guard is let go. Raises OSError, and
    HostError if the count cannot be found.
    """
    counted = bpf.create_map("preemption", _ARRAY, 4, 8, 1, 0)
    try:
        code = reading_count(types, counted)
        _run(code, layout.tracepoint_type(types, tracepoint))
        count = int.from_bytes(bpf.lookup(counted, bytes(4), 8) or b"", "little")
    finally:
        os.close(counted)
    if not count & _RAN:
        raise HostError(f"nothing reaches the tracepoint {tracepoint}")
    return bool(count & _MASK)


def _run(code: bytes, target: int) -> None:
    """Have a program run at a tracepoint, at least once. Raises OSError."""
    program = bpf.load_tracing("preemption", code, target)
    try:
        link = bpf.attach_tracing(program)
        with suppress(ChildProcessError):
            os.waitpid(os.getpid(), os.WNOHANG)  # who is nobody's child of ours
        os.close(link)
    finally:
        os.close(program)


def reading_count(
    types: btf.TypeInformation, into: int, machine: str = os.uname().machine
) -> bytes:
    """
    The instructions of a program that writes the preemption count, and _RAN, into an array map.

    arm64 has the count in struct thread_info; x86-64 has it for each processor, in a variable of its
    own (until 6.2, and from 6.15 on) or in pcpu_hot. Raises HostError where it is not.
    """
    if machine == "aarch64":
        offset = types.offset("task_struct", "thread_info.preempt_count")
        source = [_op(0x85, value=158)]  # call bpf_get_current_task_btf
    else:
        own = types.variable_id("__preempt_count")
        offset = 0 if own else types.offset("pcpu_hot", "preempt_count")
        shared = own or types.variable_id("pcpu_hot")
        source = [_address(1, 3, shared or 0), _op(0x85, value=154)]  # call bpf_this_cpu_ptr
    if offset is None:
        raise HostError("this kernel does not say where it counts preemption")
    rest = [
        _op(0x61, 6, 0, offset),  # r6 = the word at r0 + offset
        _op(0xB7, 1, value=1),
        _op(0x67, 1, value=32),
        _op(0x4F, 6, 1),  # r6 |= 1 << 32
        _address(1, 2, into),
        _op(0x7B, 1, 6),  # the map's value = r6
        _op(0xB7, 0),
        _op(0x95),
    ]
    return b"".join((*source, *rest))


def _op(code: int, into: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    """struct bpf_insn, include/uapi/linux/bpf.h."""
    return struct.pack("=BBhi", code, source << 4 | into, offset, value)


def _address(into: int, kind: int, value: int) -> bytes:
    """An address into a register: of a kernel's variable (3), or of a map's first value (2)."""
    return _op(0x18, into, kind, 0, value) + _op(0)
