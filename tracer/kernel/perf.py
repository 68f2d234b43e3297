"""
The classic way to a tracepoint: through an event of perf, whose number tracefs knows.

What belongs here: that number, perf_event_open(2), and attaching a program to what it opens. What
does not: when this way is taken (`preemption`).
"""

from __future__ import annotations

import ctypes
import os
import struct
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Iterator, Tuple

from tracer.kernel import bpf

TRACEFS = "/sys/kernel/tracing"

# perf_event_open(2); and the calls that mount without a place, which have one number everywhere.
OPEN = {"x86_64": 298, "aarch64": 241}
FSOPEN, FSCONFIG, FSMOUNT = 430, 431, 432
_CREATE = 6  # FSCONFIG_CMD_CREATE, include/uapi/linux/mount.h

KPROBES = Path("/sys/bus/event_source/devices/kprobe/type")

# struct perf_event_attr of 72 bytes (PERF_ATTR_SIZE_VER1), include/uapi/linux/perf_event.h: type,
# size, config, ..., the bits, ..., kprobe_func, probe_offset
_ATTRIBUTES = struct.Struct("=IIQQQQQ8xQQ")
_TRACEPOINT = 2  # PERF_TYPE_TRACEPOINT
_DISABLED = 1  # the first of its bits
_CLOSE_ON_EXEC = 8  # PERF_FLAG_FD_CLOEXEC

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def number(group: str, name: str) -> int:
    """
    The number of a trace event, such as sys_enter of raw_syscalls.

    Raises OSError if the kernel has no such event, or no tracefs for us.
    """
    path = f"events/{group}/{name}/id"
    with _tracefs() as directory:
        file = os.open(path, os.O_RDONLY, dir_fd=directory)
        try:
            return int(os.read(file, 32))
        finally:
            os.close(file)


@contextmanager
def _tracefs() -> Iterator[int]:
    """The descriptor of tracefs. Where nobody has mounted it nothing is mounted for us either."""
    try:
        directory = os.open(f"{TRACEFS}/events", os.O_PATH | os.O_DIRECTORY)
        os.close(directory)
        directory = os.open(TRACEFS, os.O_PATH | os.O_DIRECTORY)
    except FileNotFoundError:
        directory = unplaced("tracefs")
    try:
        yield directory
    finally:
        os.close(directory)


def unplaced(kind: str) -> int:
    """
    A mount of a filesystem that has no place in any namespace: fsmount(2), since 5.2.

    The descriptor of its root. Raises OSError.
    """
    context = _call(FSOPEN, ctypes.c_char_p(kind.encode()), 1)
    try:
        _call(FSCONFIG, context, _CREATE, None, None, 0)
        return _call(FSMOUNT, context, 1, 0)
    finally:
        os.close(context)


def opened(event: int) -> int:
    """
    The descriptor of a trace event that counts nothing: a program can be attached to it, which then
    runs on every processor. Raises OSError.
    """
    return _open(_ATTRIBUTES.pack(_TRACEPOINT, 72, event, 0, 0, 0, _DISABLED, 0, 0))


def opened_kprobe(function: str) -> int:
    """The same where a function begins. Raises OSError, such as for a kernel without kprobes."""
    kind = int(KPROBES.read_text(encoding="ascii"))
    name = ctypes.create_string_buffer(function.encode())
    place = ctypes.addressof(name)
    return _open(_ATTRIBUTES.pack(kind, 72, 0, 0, 0, 0, _DISABLED, place, 0))


def _open(attributes: bytes) -> int:
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    processor = min(os.sched_getaffinity(0))  # any that runs; it may stop later
    return _call(OPEN[os.uname().machine], buffer, -1, processor, -1, _CLOSE_ON_EXEC)


def _call(which: int, *arguments: object) -> int:
    result = int(_libc.syscall(which, *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def is_reachable() -> bool:
    """Whether this way can be taken here: there are trace events of system calls, and tracefs."""
    with suppress(OSError):
        return number("raw_syscalls", "sys_enter") > 0
    return False


def attached(program: int, target: Tuple[int, int], name: str) -> int:
    """
    Attach a program; the link's descriptor. Raises OSError.

    `target`: what it attaches to, and how, as `bpf.load_tracing` has them; with PERF_EVENT, the
    number of a trace event. `name`: the function's that a kprobe belongs to.
    """
    number, kind = target
    if kind not in (bpf.PERF_EVENT, bpf.KPROBE):
        return bpf.attach_tracing(program, kind)
    event = opened(number) if kind == bpf.PERF_EVENT else opened_kprobe(name)
    try:
        return bpf.attach_event(program, event)
    finally:
        os.close(event)
