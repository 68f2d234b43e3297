"""
The few bpf(2) commands that we need: load, attach, ask, and read or write a map.

What belongs here: the system call and its argument layouts (include/uapi/linux/bpf.h). What does
not: what the maps hold (`wire`), and compiling (`program`). Every descriptor returned is the
caller's to close; the kernel marks all of them close-on-exec.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from contextlib import contextmanager, suppress
from typing import AbstractSet, Iterator, NamedTuple, Optional, Tuple

NUMBERS = {"x86_64": 321, "aarch64": 280}

MAP_CREATE, MAP_LOOKUP, MAP_UPDATE, MAP_DELETE, MAP_NEXT_KEY, PROG_LOAD, PIN, GET = range(8)
OBJECT_INFO, RAW_TRACEPOINT_OPEN, BTF_LOAD, MAP_LOOKUP_BATCH = 15, 17, 18, 24
LINK_CREATE, ITERATOR_CREATE = 28, 33

MAP_TYPE_TASK_STORAGE = 29
PROG_TYPE_KPROBE, PROG_TYPE_TRACEPOINT, PROG_TYPE_TRACING = 2, 5, 26
# enum bpf_attach_type: BPF_TRACE_RAW_TP, BPF_TRACE_FEXIT, BPF_TRACE_ITER, BPF_PERF_EVENT
TRACE_RAW_TP, TRACE_FEXIT, TRACE_ITER, PERF_EVENT = 23, 25, 28, 41
SLEEPABLE = 1 << 4  # BPF_F_SLEEPABLE
KPROBE = -1  # no attach type of the kernel's: attached as PERF_EVENT is, but loaded otherwise
LICENSE = b"GPL\0"
LOG_SIZE = 1 << 20
LOG_ALL, LOG_VERDICT = 1, 4  # include/linux/bpf_verifier.h: BPF_LOG_LEVEL1, BPF_LOG_STATS

INFO_SIZE = 256
RECURSION_MISSES = 208  # struct bpf_prog_info, since 5.12

_holds_processor = False

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class VerifierError(OSError):
    """The kernel refused a program; `log` is what its verifier said."""

    def __init__(self, number: int, log: str) -> None:
        super().__init__(number, os.strerror(number))
        self.log = log


class MapShape(NamedTuple):
    """Sizes in bytes, and how many entries there is room for."""

    key: int
    value: int
    entries: int


def call(command: int, attributes: bytes) -> Tuple[int, bytes]:
    """
    One bpf(2): its result, and the attributes as the kernel left them.

    Raises OSError.
    """
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    number = NUMBERS[os.uname().machine]
    result = int(_libc.syscall(number, command, buffer, len(attributes)))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result, buffer.raw


def create_map(name: str, kind: int, key: int, value: int, entries: int, flags: int) -> int:
    """A new map's descriptor; sizes in bytes. Raises OSError."""
    types = _storage_types(value) if kind == MAP_TYPE_TASK_STORAGE else 0
    try:
        attributes = struct.pack(
            "=IIIIIII16sIIIII",
            *(kind, key, value, entries, flags, 0, 0),
            name.encode()[:15],
            *(0, types, 1 if types else 0, 3 if types else 0, 0),
        )
        return call(MAP_CREATE, attributes)[0]
    finally:
        if types:
            os.close(types)


def _storage_types(size: int) -> int:
    """
    BTF for a task storage map, which the kernel demands: 1 int (the key, a pidfd), 2 unsigned
    char, 3 an array of `size` of those (the value). Layout: include/uapi/linux/btf.h.
    """
    strings = b"\0int\0char\0"
    types = struct.pack("=IIII", 1, 1 << 24, 4, 1 << 24 | 32)
    types += struct.pack("=IIII", 5, 1 << 24, 1, 8)
    types += struct.pack("=IIIIII", 0, 3 << 24, 0, 2, 1, size)
    header = struct.pack("=HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings))
    blob = header + types + strings
    room = ctypes.create_string_buffer(blob, len(blob))
    return call(BTF_LOAD, struct.pack("=QQIII", ctypes.addressof(room), 0, len(blob), 0, 0))[0]


def map_creation(descriptor: int) -> Tuple[int, int, int, int, int]:
    """Of a map: type, key size, value size, entries, flags (struct bpf_map_info)."""
    kind, _, key, value, entries, flags = struct.unpack_from("=IIIIII", _info(descriptor))
    return kind, key, value, entries, flags


def load_tracing(
    name: str, instructions: bytes, target: int, kind: int = TRACE_RAW_TP, flags: int = 0
) -> int:
    """
    Load a program for the BTF raw tracepoint whose type id is `target`; its descriptor.

    With TRACE_FEXIT: for the return of the function whose type id that is. With PERF_EVENT: for a
    trace event, whose number does not matter yet. Raises VerifierError, or OSError if the kernel
    refuses before it verifies.
    """
    try:
        return _load(name, instructions, (target, kind, flags))
    except OSError as error:
        log = _log_of(name, instructions, (target, kind, flags))
        raise VerifierError(error.errno or 0, log) from error


def _log_of(name: str, instructions: bytes, where: Tuple[int, int, int]) -> str:
    """What the verifier says. Before 6.4 a log without room lacks its end, which says why."""
    log = ctypes.create_string_buffer(LOG_SIZE)
    for level in (LOG_ALL, LOG_VERDICT):
        with suppress(OSError):
            os.close(_load(name, instructions, where, log, level))
        if len(log.value) < LOG_SIZE - 1:
            break
    return log.value.decode(errors="replace").partition("\nverification time")[0]


def _load(
    name: str,
    instructions: bytes,
    where: Tuple[int, int, int],
    log: "Optional[ctypes.Array[ctypes.c_char]]" = None,
    level: int = 0,
) -> int:
    target, kind, flags = where
    program_type = {PERF_EVENT: PROG_TYPE_TRACEPOINT, KPROBE: PROG_TYPE_KPROBE}.get(kind)
    tracing = program_type is None
    code = ctypes.create_string_buffer(instructions, len(instructions))
    license_text = ctypes.create_string_buffer(LICENSE)
    attributes = struct.pack(
        "=IIQQIIQII16sIIIIQIIQII",
        program_type or PROG_TYPE_TRACING,
        len(instructions) // 8,
        ctypes.addressof(code),
        ctypes.addressof(license_text),
        level,
        LOG_SIZE if log else 0,
        ctypes.addressof(log) if log else 0,
        0,
        flags,
        name.encode()[:15],
        0,
        kind if tracing else 0,
        *(0, 0, 0, 0, 0, 0, 0),
        target if tracing else 0,
    )
    return call(PROG_LOAD, attributes)[0]


def attach_tracing(program: int, kind: int = TRACE_RAW_TP) -> int:
    """Attach a loaded tracing program where it belongs; the link's descriptor."""
    if kind == TRACE_ITER:
        return call(LINK_CREATE, struct.pack("=IIIIQII", program, 0, kind, 0, 0, 0, 0))[0]
    return call(RAW_TRACEPOINT_OPEN, struct.pack("=QII", 0, program, 0))[0]


def attach_event(program: int, event: int) -> int:
    """Attach a program to an open trace event of perf's, which the link keeps; its descriptor."""
    return call(LINK_CREATE, struct.pack("=IIIIQII", program, event, PERF_EVENT, 0, 0, 0, 0))[0]


def iterated(link: int) -> bytes:
    """All that an iterator writes. Raises OSError."""
    reading, _ = call(ITERATOR_CREATE, struct.pack("=II", link, 0))
    with open(reading, "rb") as file:
        return file.read()


def pin(descriptor: int, path: str) -> None:
    """Give a map, program or link a name in a bpffs, which keeps it. Raises OSError."""
    name = ctypes.create_string_buffer(os.fsencode(path))
    call(PIN, struct.pack("=QII", ctypes.addressof(name), descriptor, 0))


def pinned(path: str) -> int:
    """The descriptor of what has that name in a bpffs. Raises OSError."""
    name = ctypes.create_string_buffer(os.fsencode(path))
    return call(GET, struct.pack("=QII", ctypes.addressof(name), 0, 0))[0]


def memory(descriptor: int) -> int:
    """How many bytes of kernel memory a map takes, as its file's description says."""
    with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as details:
        for line in details:
            if line.startswith("memlock:"):
                return int(line.split()[1])
    return 0


def recursion_misses(program: int) -> int:
    """How often the kernel skipped a program because it was already running on that CPU."""
    return int(struct.unpack_from("=Q", _info(program), RECURSION_MISSES)[0])


def map_shape(descriptor: int) -> MapShape:
    """The sizes of a map: struct bpf_map_info."""
    return MapShape(*struct.unpack_from("=III", _info(descriptor), 8))


def _info(descriptor: int) -> bytes:
    info = ctypes.create_string_buffer(INFO_SIZE)
    call(OBJECT_INFO, struct.pack("=IIQ", descriptor, INFO_SIZE, ctypes.addressof(info)))
    return info.raw


def lookup(descriptor: int, key: bytes, size: int) -> Optional[bytes]:
    """The value of a key, or None."""
    value = ctypes.create_string_buffer(size)
    try:
        _element(MAP_LOOKUP, descriptor, key, value)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return None
        raise
    return value.raw


def update(descriptor: int, key: bytes, value: bytes) -> None:
    """Set the value of a key; for task storage the key is a pidfd."""
    _element(MAP_UPDATE, descriptor, key, ctypes.create_string_buffer(value, len(value)))


def delete(descriptor: int, key: bytes) -> None:
    """Remove a key; one that is not there is no error."""
    try:
        _element(MAP_DELETE, descriptor, key, None)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise


def _element(
    command: int, descriptor: int, key: bytes, value: "Optional[ctypes.Array[ctypes.c_char]]"
) -> None:
    room = ctypes.create_string_buffer(key, len(key))
    place = ctypes.addressof(value) if value is not None else 0
    with _unpreempted():
        call(command, struct.pack("=IIQQQ", descriptor, 0, ctypes.addressof(room), place, 0))


def hold_processor() -> None:
    """
    From now on, preempt this process by no other one while it is in a map.

    The kernel skips classic programs on its processor meanwhile: see `preemption`.
    """
    global _holds_processor
    _holds_processor = True


@contextmanager
def _unpreempted() -> Iterator[None]:
    """A thread of real time gives way to no usual one: sched(7). Where that is refused, it may."""
    policy = os.sched_getscheduler(0) if _holds_processor else None
    if policy not in (os.SCHED_OTHER, os.SCHED_BATCH, os.SCHED_IDLE):
        yield
        return
    with suppress(PermissionError):
        highest = os.sched_get_priority_max(os.SCHED_FIFO)
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(highest))
    try:
        yield
    finally:
        with suppress(PermissionError):
            os.sched_setscheduler(0, policy, os.sched_param(0))


def items(descriptor: int, batch: int = 4096) -> Iterator[Tuple[bytes, bytes]]:
    """
    Every entry of a hash map, in no order; entries that come or go meanwhile may or may not be
    among them, and one that stays always is (kernel/bpf/hashtab.c walks bucket by bucket).
    """
    shape = map_shape(descriptor)
    for count, keys, values in _batches(descriptor, shape, batch):
        for at in range(count):
            yield _entry(shape, keys, values, at)


def items_of(
    descriptor: int, wanted: AbstractSet[int], batch: int = 4096
) -> Iterator[Tuple[bytes, bytes]]:
    """
    The entries, as `items` gives them, whose key begins with one of these 64-bit numbers.

    A map may hold a hundred thousand others: nothing is made of those. Its keys are whole words.
    """
    shape = map_shape(descriptor)
    for count, keys, values in _batches(descriptor, shape, batch):
        words = memoryview(keys)[: count * shape.key].cast("Q")
        for at, number in enumerate(words[:: shape.key // 8].tolist()):
            if number in wanted:
                yield _entry(shape, keys, values, at)


def _entry(shape: MapShape, keys: bytes, values: bytes, at: int) -> Tuple[bytes, bytes]:
    return (
        keys[at * shape.key : (at + 1) * shape.key],
        values[at * shape.value : (at + 1) * shape.value],
    )


def _batches(descriptor: int, shape: MapShape, batch: int) -> Iterator[Tuple[int, bytes, bytes]]:
    """How many entries a batch has, and their keys and values."""
    keys = ctypes.create_string_buffer(shape.key * batch)
    values = ctypes.create_string_buffer(shape.value * batch)
    place = ctypes.create_string_buffer(8)
    start = 0
    while True:
        attributes = struct.pack(
            "=QQQQIIQQ",
            start,
            ctypes.addressof(place),
            ctypes.addressof(keys),
            ctypes.addressof(values),
            batch,
            descriptor,
            0,
            0,
        )
        count, last = _batch(attributes)
        yield count, keys.raw, values.raw
        if last:
            return
        start = ctypes.addressof(place)


def _batch(attributes: bytes) -> Tuple[int, bool]:
    """How many entries one batch brought, and whether it was the last."""
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    number = NUMBERS[os.uname().machine]
    with _unpreempted():
        result = int(_libc.syscall(number, MAP_LOOKUP_BATCH, buffer, len(attributes)))
        code = ctypes.get_errno()
    if result < 0 and code != errno.ENOENT:
        raise OSError(code, os.strerror(code))
    return int(struct.unpack_from("=I", buffer.raw, 32)[0]), result < 0
