"""
How programs are attached so that the kernel runs them each time: it must not preempt them.

A program has a guard on each processor: the kernel skips a run there, and counts it
(`recursion_misses`), while an earlier run has not ended. A task that is preempted in the middle of
a run makes it skip all runs of the tasks that come next on that processor: thousands of them. So
what matters is whether preemption is off where the guard is taken:

- Raw tracepoints on system calls: off, until 7.2 (439ebd5b5708 "bpf: Add sleepable support for raw
  tracepoint programs"; __BPF_DECLARE_TRACE_SYSCALL, include/trace/bpf_probe.h). 6.13 made these
  tracepoints themselves preemptible (a363d27cdbc2), but no program at them (4aadde89d81f).
- Other raw tracepoints: off, until 7.0 (a46023d5616e "tracing: Guard __DECLARE_TRACE() use of
  __DO_TRACE_CALL() with SRCU-fast", f7d327654b88 "bpf: Have __bpf_trace_run() use
  rcu_read_lock_dont_migrate()").
- Trace events, the classic way: off (perf_trace_##call, include/trace/perf.h; 16718274ee75 keeps it
  so). Their guard is one for all such programs, `bpf_prog_active`. bpf(2) takes it, too, while it
  is in a map, and there it can be preempted (bpf_disable_instrumentation, include/linux/bpf.h).
  Skipped runs are counted here as well (trace_call_bpf, since 6.7: dd8657894c11). Our own
  processes hold their processor meanwhile (`bpf.hold_processor`); other users of BPF do not.
- fexit: on, and counted (kernel/bpf/trampoline.c): checks of capabilities, before 6.14.
- kprobes: off (kprobe_ftrace_handler); the guard is that of trace events. So they note checks of
  capabilities where preempt=full is in force (`needs_kprobe`).

The kernel's version is not asked which of these it is: a program that reads the preemption count
answers that (`is_preemptible`). CLASSIC and HELD say how each tracepoint is taken if it is.
"""

from __future__ import annotations

import errno
import os
import struct
from contextlib import suppress
from functools import lru_cache
from typing import Optional, Tuple

from tracer.errors import HostError
from tracer.kernel import bpf, btf, image, layout, perf

# By raw tracepoint, the group of the trace event with the same name.
CLASSIC = {
    "sys_enter": "raw_syscalls",
    "sys_exit": "raw_syscalls",
    "sched_process_exec": "sched",
    "sched_process_exit": "sched",
    "cap_capable": "capability",
    "emulate_vsyscall": "vsyscall",
}
# The raw tracepoint in its place, at which the kernel holds a spin lock, interrupts off. It wakes a
# new task with a run queue's lock held (wake_up_new_task, kernel/sched/core.c), and reports a task
# that enters a cgroup under trace_cgroup_path_lock (TRACE_CGROUP_PATH, kernel/cgroup/). With
# PREEMPT_RT the latter can be preempted, but no other task can run that program meanwhile.
HELD = {
    "sched_process_fork": "sched_wakeup_new",
    "cgroup_attach_task": "cgroup_attach_task",
}

# What bpf/event.h reads of the records of trace events.
MEMBERS = {
    "EVENT_NUMBER": ("trace_event_raw_sys_enter", "id"),
    "EVENT_RESULT": ("trace_event_raw_sys_exit", "ret"),
}
# The same where the kernel has that event: no arm64 kernel has.
VSYSCALL_MEMBERS = {"EVENT_VSYSCALL": ("trace_event_raw_emulate_vsyscall", "nr")}

# A system call, and another tracepoint that a process reaches alone, with preemption on until then
# (do_wait, kernel/exit.c).
ASKED = ("sys_enter", "sched_process_wait")

_MASK = 0xFF  # PREEMPT_MASK, include/linux/preempt.h
_RAN = 1 << 32
_ARRAY = 2  # BPF_MAP_TYPE_ARRAY


@lru_cache(maxsize=1)
def is_classic() -> bool:
    """
    Whether programs are attached the classic way: the kernel preempts them at raw tracepoints.

    Where nobody can tell, or there is no such way, they are not: what is skipped is counted.
    """
    return bool(is_preemptible()) and perf.is_reachable()


def place_of(types: btf.TypeInformation, tracepoint: str) -> Tuple[int, int]:
    """
    What a program for this raw tracepoint attaches to, and how: see `perf.attached`.

    Raises HostError, and OSError where there is no such trace event.
    """
    if is_classic():
        if tracepoint in CLASSIC:
            return perf.number(CLASSIC[tracepoint], tracepoint), bpf.PERF_EVENT
        tracepoint = HELD[tracepoint]
    return layout.tracepoint_type(types, tracepoint), bpf.TRACE_RAW_TP


def is_preemptible() -> Optional[bool]:
    """
    Whether the kernel may preempt a program at a raw tracepoint; None if that cannot be told.

    It is the same until the next boot, also if preemption is switched off meanwhile (preempt=none),
    and kept so long: asking takes some milliseconds. Raises nothing.
    """
    key = image.until_reboot("preemption")
    known = image.kept_text(key)
    if known in ("True", "False"):
        return known == "True"
    with suppress(OSError, HostError):
        types = btf.read()
        answer = can_preempt(types) and _may_preempt_program(types)
        image.keep_text(key, str(answer))
        return answer
    return None


def needs_kprobe(types: btf.TypeInformation) -> bool:
    """
    Whether the kernel preempts programs where functions return, and a kprobe can be had instead.

    A kprobe runs with preemption off. The kernel counts its skipped runs since 6.7, in a series
    that also let links say so (e2b2cd592adb), which is the sign asked for here. Where nobody can
    tell, fexit stays: what it skips is counted anyway.
    """
    if types.offset("bpf_link_info", "kprobe_multi.missed") is None:
        return False
    return can_preempt(types) and perf.KPROBES.exists() and _is_switched_on()


def _is_switched_on() -> bool:
    """Whether preemption is on: "none voluntary (full)", kernel/sched/core.c, or not to choose."""
    try:
        directory = perf.unplaced("debugfs")
        try:
            file = os.open("sched/preempt", os.O_RDONLY, dir_fd=directory)
            with open(file, encoding="ascii") as modes:
                return bool({"(full)", "(lazy)"} & set(modes.read().split()))
        finally:
            os.close(directory)
    except FileNotFoundError:
        return True  # CONFIG_PREEMPT without CONFIG_PREEMPT_DYNAMIC, or PREEMPT_RT
    except OSError:
        return False


def _may_preempt_program(types: btf.TypeInformation) -> bool:
    """
    Whether preemption is on where the guard is taken, at any tracepoint.

    A kernel that hides its variables (no CONFIG_KALLSYMS_ALL) refuses to have the count read. There
    a sign must do: it accepts a program that may sleep at a system call, so it does not switch
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
            os.waitpid(os.getpid(), os.WNOHANG)  # no child of ours
        os.close(link)
    finally:
        os.close(program)


def reading_count(
    types: btf.TypeInformation, into: int, machine: str = os.uname().machine
) -> bytes:
    """
    The instructions of a program that writes the preemption count, and _RAN, into an array map.

    Raises HostError where this kernel does not say what it counts in.
    """
    source, offset = _counted_in(types, machine)
    rest = (
        _op(0x61, 6, 0, offset),  # r6 = the word at r0 + offset
        _op(0xB7, 1, value=1),
        _op(0x67, 1, value=32),
        _op(0x4F, 6, 1),  # r6 |= 1 << 32
        _address(1, 2, into),
        _op(0x7B, 1, 6),  # the map's value = r6
        _op(0xB7, 0),
        _op(0x95),
    )
    return source + b"".join(rest)


def _counted_in(types: btf.TypeInformation, machine: str) -> Tuple[bytes, int]:
    """
    Instructions after which r0 points to what has the count, and where it is in that.

    arm64 has it in struct thread_info. x86-64 has it for each processor, in a variable of its own
    (until 6.2, and since 6.15) or in pcpu_hot.
    """
    if machine == "aarch64":
        offset = types.offset("task_struct", "thread_info.preempt_count")
        source = _op(0x85, value=158)  # call bpf_get_current_task_btf
    else:
        own = types.variable_id("__preempt_count")
        offset = 0 if own else types.offset("pcpu_hot", "preempt_count")
        variable = own or types.variable_id("pcpu_hot") or 0
        source = _address(1, 3, variable) + _op(0x85, value=154)  # call bpf_this_cpu_ptr
    if offset is None:
        raise HostError("this kernel does not say where it counts preemption")
    return source, offset


def _op(code: int, into: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    """struct bpf_insn, include/uapi/linux/bpf.h."""
    return struct.pack("=BBhi", code, source << 4 | into, offset, value)


def _address(into: int, kind: int, value: int) -> bytes:
    """An address into a register: of a kernel's variable (3), or of a map's first value (2)."""
    return _op(0x18, into, kind, 0, value) + _op(0)
