"""
The denials that the kernel side counts, as a session sees them: `bpf/denials.c`.

What belongs here: the bytes of `bpf/denials.h`, and which map is read for which question.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from types import MappingProxyType
from typing import Dict, Mapping, Optional, Tuple

from tracer.kernel import bpf, program, wire

PLACE_KEY = struct.Struct("=64sI4x")
PLACE = struct.Struct("=QQQ")
KEY = struct.Struct("=QQQIIi4x")
DENIAL = struct.Struct("=QQQ6QII16s")
STATE = struct.Struct("=QQ")

TRAPPED = 0  # answered with SIGSYS

# on_enter first: a call that begins before and ends after both are attached must not look denied.
SOURCE = program.Source(
    "denials.c",
    MappingProxyType(
        {"on_enter": "sys_enter", "on_leave": "sys_exit", "on_end": "sched_process_exit"}
    ),
    (
        "threads",
        "marks",
        "places",
        "denials",
        "programs",
        "ended",
        "denial_state",
        "blank_path",
        "blank_cgroup",
    ),
)


@dataclass(frozen=True)
class Place:
    """
    Where denials happened: a container's id, or nothing, and a PID namespace's inode number.

    `lost`: how many denials were of a kind that there was no room for.
    """

    container: str
    namespace: int
    lost: int


@dataclass(frozen=True)
class Kind:
    """
    One kind of denial. `recording` as the recorder numbers it, or 0.

    `error`: the error number that it was answered with, or TRAPPED.
    """

    place: int
    recording: int
    executable: int
    architecture: int
    number: int
    error: int


@dataclass(frozen=True)
class Denied:
    """How often there was one, and the last one; times in ns of CLOCK_BOOTTIME."""

    count: int
    first: int
    last: int
    arguments: Tuple[int, ...]
    process: int
    thread: int
    comm: str


class Denials:
    """
    What filters deny from now on. A context manager: leaving it takes it out of the kernel.

    `recorder`: the descriptor of a recorder's map `threads`, so that denials know their recording.
    Raises HostError (see `program.load`) when made.
    """

    def __init__(self, threads: Optional[int] = None) -> None:
        shared = {} if threads is None else {"threads": threads}
        self._loaded = program.load({}, SOURCE, shared)
        self._maps = self._loaded.maps

    def __enter__(self) -> "Denials":
        return self

    def __exit__(self, *_: object) -> None:
        self._loaded.close()

    def places(self) -> Dict[int, Place]:
        """Where there have been denials, by the number that kinds name it by."""
        found: Dict[int, Place] = {}
        for key, value in bpf.items(self._maps["places"], 256):
            container, namespace = PLACE_KEY.unpack(key)
            number, _, lost = PLACE.unpack(value)
            found[number] = Place(wire.text(container), namespace, lost)
        return found

    def counted(self) -> Dict[Kind, Denied]:
        """Every kind of denial so far."""
        found: Dict[Kind, Denied] = {}
        for key, value in bpf.items(self._maps["denials"], 1024):
            place, recording, executable, architecture, number, error = KEY.unpack(key)
            count, first, last, *rest = DENIAL.unpack(value)
            arguments, (process, thread, comm) = rest[:6], rest[6:]
            kind = Kind(place, recording, executable, architecture, number, -error)
            told = (process, thread, wire.text(comm))
            found[kind] = Denied(count, first, last, tuple(arguments), *told)
        return found

    def paths(self) -> Mapping[Tuple[int, int], str]:
        """The paths of programs, by place and id."""
        found: Dict[Tuple[int, int], str] = {}
        for key, value in bpf.items(self._maps["programs"], 512):
            place, number, path = wire.executable(key, value)
            found[place, number] = path
        return found

    def place_of_ended(self, process: int) -> Optional[int]:
        """Where a process was that had a filter and has ended: a number of `places`, or None."""
        value = bpf.lookup(self._maps["ended"], process.to_bytes(4, "little"), 8)
        return int.from_bytes(value, "little") if value else None

    def unsure(self) -> Tuple[int, int]:
        """Failed calls that could not be judged, and denials in places that had no room."""
        value = bpf.lookup(self._maps["denial_state"], bytes(4), STATE.size) or bytes(STATE.size)
        unsure, lost = STATE.unpack(value)
        return unsure, lost
