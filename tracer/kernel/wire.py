"""
The bytes of `bpf/recorder.h` as Python values, and back.

Mirrors that header and nothing else; a test compares sizes and offsets with what a compiler makes
of it. Times stay as the kernel gave them: nanoseconds of CLOCK_BOOTTIME. Strings come from inside
containers: they are decoded so that nothing is lost (surrogateescape), and are not harmless yet.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Iterable, Tuple

COMMAND, NAMESPACE, CGROUP, ADOPTED = range(1, 5)

EXECUTABLE_UNKNOWN, EXECUTABLE_RUNTIME = 0, 1

PATH_SIZE = 512

IMPOSSIBLE = 0xFFFFFFFF  # stands for all numbers that no kernel has

AUDIT_ARCH_X86_64 = 0xC000003E
AUDIT_ARCH_I386 = 0x40000003
AUDIT_ARCH_AARCH64 = 0xC00000B7
AUDIT_ARCH_ARM = 0x40000028

HEAD = struct.Struct("=QQQQQQqQQQQQQQIBBBBIIIIII16s64sQQII512s")
OBSERVATION_KEY = struct.Struct("=QQII")
OBSERVATION = struct.Struct("=QI4x16s")
EXECUTABLE_KEY = struct.Struct("=QQ")
EXECUTABLE = struct.Struct("=QII512s")
LAUNCH = struct.Struct("=II1024s")
REQUEST = struct.Struct("=Q192s")
VERDICT = struct.Struct("=QQQQQIBBBx")
THREAD = struct.Struct("=QQQQQIBBBx128s")
STATE = struct.Struct("=QQQQQQQQ")
SHARE = struct.Struct("=QQQ")
SWITCHES = struct.Struct("=QII")
ID = struct.Struct("=Q")


@dataclass(frozen=True)
class RuntimeExecuted:
    """
    The file that a container's runtime was executed from, as its monitor's root directory shows it.

    `inode` is 0 if the kernel side does not know the file. `time`: ns, CLOCK_BOOTTIME.
    """

    inode: int = 0
    time: int = 0
    path: str = ""


@dataclass(frozen=True)
class Head:
    """struct recording: what the kernel knows of one recording besides its observations."""

    outer: int
    launcher: int
    root: int
    born: int
    last_exit: int
    newest: int
    alive: int
    observations: int
    executables: int
    lost: int
    unnamed: int
    strays: int
    lost_tasks: int
    namespace_born: int
    kind: int
    filtered: bool
    unfiltered: bool
    no_new_privileges: bool
    outsider: bool
    newest_architecture: int
    newest_number: int
    namespace: int
    first_process: int
    user: int
    late: bool
    maker: str
    container: str
    runtime: RuntimeExecuted


@dataclass(frozen=True)
class Adopted:
    """
    Tasks that run already and are to be recorded from now on.

    `open`: their window is open; otherwise it opens with the next filter beyond these `filters`,
    or an execve. `namespace`: the inode number of their PID namespace, or 0 for the host's own.
    `runtime`: the file of their runtime, as far as it is known.
    """

    process: int
    container: str
    namespace: int
    maker: str
    filters: int
    no_new_privileges: bool
    open: bool
    runtime: RuntimeExecuted = RuntimeExecuted()


@dataclass(frozen=True)
class Call:
    """struct observation with its key."""

    recording: int
    executable: int
    architecture: int
    number: int
    first: int
    thread: int
    comm: str


@dataclass(frozen=True)
class State:
    """struct state: counters that belong to no recording."""

    strays: int
    recordings_lost: int
    namespaces_lost: int
    requests_lost: int
    dropped: int
    queued_recordings: int = 0
    queued_observations: int = 0
    queued_executables: int = 0


_NO_RUNTIME = (0, 0, 0, 0, b"")


def head(value: bytes) -> Head:
    """A value of the map `recordings`."""
    fields = list(HEAD.unpack(value))
    fields[15:19] = [bool(flag) for flag in fields[15:19]]
    fields[24] = bool(fields[24])
    fields[25:27] = [text(field) for field in fields[25:27]]
    inode, time, *file = fields[27:]
    fields[27:] = [RuntimeExecuted(inode, time, _shown(*file) if inode else "")]
    return Head(*fields)


def command_head(born: int, process: int) -> bytes:
    """A value of the map `recordings` for a command that is about to start."""
    identity = (process, 0, 0, b"", b"")
    return HEAD.pack(*(0, 0, 0, born), *(0,) * 10, COMMAND, *(0,) * 7, *identity, *_NO_RUNTIME)


def command_thread(recording: int, filters: int) -> bytes:
    """
    The task storage under which a command is forked, so that its tree inherits the recording.

    `filters`: how many seccomp filters the forking task has.
    """
    return THREAD.pack(recording, 0, 0, 0, 0, filters, 0, 1, 0, b"")


def adopted_head(scope: Adopted, born: int) -> bytes:
    """A value of the map `recordings` for tasks that run already."""
    unfiltered = scope.open and not scope.filters
    flags = (bool(scope.filters) and scope.open, unfiltered, scope.no_new_privileges, False)
    return HEAD.pack(
        *(0, 0, 0, born),
        *(0,) * 10,
        ADOPTED,
        *flags,
        *(0, 0, scope.namespace, scope.process, 0, scope.open),
        scope.maker.encode()[:15],
        scope.container.encode(),
        scope.runtime.inode,
        scope.runtime.time,
        *_kept(scope.runtime.path),
    )


def adopted_thread(recording: int, scope: Adopted, executable: int) -> bytes:
    """What waits in the map `strays` for a task that runs already."""
    return THREAD.pack(recording, 0, executable, 0, 0, scope.filters, scope.open, 0, 1, b"")


def path(text: str, first: int) -> Tuple[int, bytes]:
    """An executable's id and its value in the map `executables`, for a path that is known."""
    number = int.from_bytes(
        hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "little"
    )
    return max(number, 2), EXECUTABLE.pack(first, *_kept(text))


def _kept(path: str) -> Tuple[int, bool, bytes]:
    """The fields of struct executable for a path: length, whether it is cut, components."""
    components = [name.encode(errors="surrogateescape") for name in path.split("/") if name]
    kept = b"".join(name + b"\0" for name in reversed(components))
    cut = len(kept) > PATH_SIZE
    while len(kept) > PATH_SIZE:
        kept = kept[: kept[:-1].rindex(b"\0") + 1] if b"\0" in kept[:-1] else b""
    return len(kept), cut, kept


def _shown(length: int, cut: int, components: bytes) -> str:
    """The path that these fields of struct executable hold."""
    names = [name.decode(errors="surrogateescape") for name in components[:length].split(b"\0")]
    return ("[...]/" if cut else "/") + "/".join(reversed(names[:-1]))


def share(heads: Iterable[Head]) -> bytes:
    """The one value of the map `others`: what these recordings hold that are not root's."""
    theirs = [head for head in heads if head.user]
    return SHARE.pack(
        len(theirs),
        sum(head.observations for head in theirs),
        sum(head.executables for head in theirs),
    )


def switches(now: int, strays: bool, resident: bool) -> bytes:
    """The one value of the map `switches`: `now` (ns, CLOCK_MONOTONIC) begins a generation."""
    return SWITCHES.pack(now, strays, resident)


def is_resident(value: bytes) -> bool:
    """Whether the one value of `switches` says so."""
    return bool(SWITCHES.unpack(value)[2])


def call(key: bytes, value: bytes) -> Call:
    """An entry of the map `observations`."""
    recording, number, architecture, call_number = OBSERVATION_KEY.unpack(key)
    first, thread, comm = OBSERVATION.unpack(value)
    return Call(recording, number, architecture, call_number, first, thread, text(comm))


def executable(key: bytes, value: bytes) -> Tuple[int, int, str]:
    """An entry of the map `executables`: recording, executable id, path."""
    recording, number = EXECUTABLE_KEY.unpack(key)
    _, length, cut, components = EXECUTABLE.unpack(value)
    return recording, number, _shown(length, cut, components)


def launch(value: bytes) -> Tuple[str, ...]:
    """A value of the map `launches`: the arguments, of which the last may be cut off or missing."""
    length, _, arguments = LAUNCH.unpack(value)
    parts = arguments[:length].split(b"\0")
    return tuple(part.decode(errors="surrogateescape") for part in parts if part)


def request(key: bytes) -> Tuple[int, str]:
    """A key of the map `requests`: recording, and the first line of what was written."""
    recording, content = REQUEST.unpack(key)
    return recording, content.split(b"\r\n")[0].split(b"\0")[0].decode("ascii", "replace")


def state(value: bytes) -> State:
    """The one value of the map `state`."""
    return State(*STATE.unpack(value))


def text(field: bytes) -> str:
    """A fixed-size character array up to its first NUL."""
    return field.split(b"\0")[0].decode(errors="surrogateescape")
