"""
The denials that the kernel side counts, as a session sees them: `bpf/denials.c`.

What belongs here: the bytes of `bpf/denials.h`, and which map is read for which question.
"""

from __future__ import annotations

import os
import struct
import time
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import AbstractSet, Dict, Iterator, Mapping, Optional, Tuple

from tracer.kernel import bpf, divided_maps, program, wire

PLACE_KEY = struct.Struct("=64sQI4x")
PLACE = struct.Struct("=QQQQI4xQ")
END = struct.Struct("=64sQI4xI4xQ")
KEY = struct.Struct("=QQQIIi4x")
DENIAL = struct.Struct("=QQQ6QII16s")
STATE = struct.Struct("=QQQ")

# Answered with SIGSYS; by killing the thread or the process; asked by a vsyscall, with whatever
# answer.
TRAPPED, KILLED, UNSEEN = 0, -1, -2

NAMING = ("ended", "monitors", "started_for", "blank_start")

# on_enter first: a call that begins before and ends after both are attached must not look denied.
SOURCE = program.Source(
    "denials.c",
    MappingProxyType(
        {
            "on_enter": "sys_enter",
            "on_leave": "sys_exit",
            "on_end": "sched_process_exit",
            "on_birth": "sched_process_fork",
            "on_program": "sched_process_exec",
            "on_unseen": "emulate_vsyscall",
        }
    ),
    (
        "threads",
        "marks",
        "places",
        "denials",
        "programs",
        "denial_state",
        "watcher",
        "blank_path",
        "blank_cgroup",
        *NAMING,
    ),
    optional=frozenset({"on_unseen"}),
)
# Beside the recorder that stays nobody asks where a process was that has ended, nor for names.
RESIDENT = program.Source(
    SOURCE.file,
    MappingProxyType({name: SOURCE.programs[name] for name in ("on_enter", "on_leave", "on_end")}),
    (
        *(name for name in SOURCE.maps if name not in NAMING),
        *("others_places", "others_denials", "others_programs", "recordings"),
    ),
)
CAPACITY = MappingProxyType({"MAX_PLACES": 1024, "MAX_DENIALS": 16384, "MAX_PROGRAMS": 8192})

# How many of an array's entries may be taken before what has long been quiet gives way.
CROWDED = MappingProxyType({"places": 512, "denials": 8192, "programs": 4096})
QUIET = 30_000_000_000  # ns


@dataclass(frozen=True)
class Place:
    """
    Where denials happened: a container's id, or else a PID namespace's inode number and its birth
    (ns of CLOCK_BOOTTIME; 0 if unknown). Beside the recorder that stays: a recording, as `born`.
    """

    container: str
    namespace: int
    born: int


@dataclass(frozen=True)
class Keeper:
    """
    Who keeps a place that has no container's id: the parent of its first process. `launch`: what
    the kernel side knows it to have been started for, by number; 0: nothing.
    """

    process: int
    launch: int


@dataclass(frozen=True)
class Standing:
    """
    A place and how much of the kernel side's room it has; `lost`: denials that had none.
    """

    place: Place
    keeper: Keeper
    denials: int
    programs: int
    lost: int


@dataclass(frozen=True)
class Kind:
    """
    One kind of denial. `recording` as the recorder numbers it, or 0.

    `error`: the error number that it was answered with, or TRAPPED, KILLED or UNSEEN.
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


@dataclass(frozen=True)
class State:
    """Counters of the whole watch: see `bpf/denials.h`."""

    denials: int
    unsure: int
    places_lost: int


@contextmanager
def counting(threads: Optional[int] = None) -> Iterator["Denials"]:
    """
    What filters deny while in this context.

    `threads`: the descriptor of a recorder's map of that name, so that denials know their
    recording. Raises HostError, see `program.load`.
    """
    loaded = program.load(CAPACITY, SOURCE, {} if threads is None else {"threads": threads})
    try:
        own = os.stat("/proc/self/ns/pid").st_ino
        bpf.update(loaded.maps["watcher"], bytes(4), own.to_bytes(4, "little"))
        yield Denials(loaded)
    finally:
        loaded.close()


def load_to_stay(threads: int, recordings: int) -> program.Loaded:
    """Count denials beside a recorder that stays, by its two maps: of what it records alone."""
    shared = {"threads": threads, "recordings": recordings}
    return program.load(divided_maps.lasting(CAPACITY), RESIDENT, shared)


class Denials:
    """The denials that are counted by what is loaded, which stays its owner's."""

    def __init__(self, loaded: program.Loaded) -> None:
        counting = {*RESIDENT.programs, *SOURCE.optional} & loaded.programs.keys()
        self._programs = [loaded.programs[name] for name in counting]
        self._maps = loaded.maps
        self._leaving: Dict[int, Standing] = {}

    def _items(self, name: str) -> Iterator[Tuple[bytes, bytes]]:
        for descriptor in divided_maps.parts(self._maps, name):
            yield from bpf.items(descriptor, 512)

    def standings(self) -> Dict[int, Standing]:
        """
        The places that there have been denials in, by the number that kinds name them by; those
        that have just given way among them, until what belongs to them is removed.
        """
        found = dict(self._leaving)
        for key, value in self._items("places"):
            number, denials, programs, lost, *keeper = PLACE.unpack(value)
            found[number] = Standing(_place(key), Keeper(*keeper), denials, programs, lost)
        return found

    def counted(self) -> Dict[Kind, Denied]:
        """Every kind of denial that is kept."""
        found: Dict[Kind, Denied] = {}
        for key, value in self._items("denials"):
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
        for key, value in self._items("programs"):
            place, number, path = wire.executable(key, value)
            found[place, number] = path
        return found

    def launch(self, number: int) -> Tuple[str, ...]:
        """A container monitor's command line; empty if it has given way to newer ones."""
        key = wire.ID.pack(number)
        value = bpf.lookup(self._maps["started_for"], key, wire.LAUNCH.size) if number else None
        return wire.launch(value) if value is not None else ()

    def launches(self) -> Iterator[Tuple[str, ...]]:
        """The command lines of container monitors, of which those of newer ones are kept."""
        for _, value in bpf.items(self._maps["started_for"], 256):
            yield wire.launch(value)

    def place_of_ended(self, process: int) -> Optional[Tuple[Place, Keeper]]:
        """
        Where a process was that had a filter and has ended, and that place's keeper; None if that
        is not known.
        """
        value = bpf.lookup(self._maps["ended"], process.to_bytes(4, "little"), END.size)
        if value is None:
            return None
        return _place(value[: PLACE_KEY.size]), Keeper(*END.unpack(value)[-2:])

    def state(self) -> State:
        """What has been counted so far."""
        value = bpf.lookup(self._maps["denial_state"], bytes(4), STATE.size) or bytes(STATE.size)
        return State(*STATE.unpack(value))

    def skipped(self) -> int:
        """
        How often the kernel skipped a program: then a call may look denied that was not, or a
        vsyscall is missing.
        """
        return sum(bpf.recursion_misses(one) for one in self._programs)

    @property
    def is_making_room(self) -> bool:
        """Whether `make_room` has something left to remove."""
        return bool(self._leaving)

    def make_room(self, counted: Mapping[Kind, Denied]) -> Mapping[int, Standing]:
        """
        Let places give way that have been quiet, the longest quiet first, if the room is getting
        scarce; those whose last traces are removed now. `counted` is what has just been told.

        A place is removed in one call, and what belongs to it in the next: no program of the kernel
        side can be adding to it any more.
        """
        gone = self._leaving
        self._remove_what_belongs_to(gone, counted)
        self._leaving = {}
        standings = self.standings()
        last: Dict[int, int] = dict.fromkeys(standings, 0)
        for kind, denied in counted.items():
            last[kind.place] = max(last.get(kind.place, 0), denied.last)
        too_many = _too_many(standings)
        early = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - QUIET
        for number in sorted(standings, key=lambda one: last[one]):
            if last[number] > early or not any(more > 0 for more in too_many.values()):
                break
            one = standings[number]
            bpf.delete(self._maps["places"], _key(one.place))
            self._leaving[number] = one
            for name, more in _too_many({number: one}, limited=False).items():
                too_many[name] -= more
        return gone

    def forget(self, ended: AbstractSet[Place]) -> None:
        """Remove places where nothing runs any more, and what was denied there."""
        gone = {
            number: standing
            for number, standing in self.standings().items()
            if standing.place in ended
        }
        for standing in gone.values():
            bpf.delete(self._maps["places"], _key(standing.place))
        self._remove_what_belongs_to(gone, self.counted())

    def _remove_what_belongs_to(
        self, gone: Mapping[int, Standing], counted: Mapping[Kind, Denied]
    ) -> None:
        if not gone:
            return
        for kind in counted:
            if kind.place in gone:
                bpf.delete(self._maps["denials"], _kind(kind))
        for place, number in self.paths():
            if place in gone:
                bpf.delete(self._maps["programs"], wire.EXECUTABLE_KEY.pack(place, number))


def _too_many(standings: Mapping[int, Standing], limited: bool = True) -> Dict[str, int]:
    """How many entries of each map places have, above the number that may be taken."""
    taken = {
        "places": len(standings),
        "denials": sum(one.denials for one in standings.values()),
        "programs": sum(one.programs for one in standings.values()),
    }
    return {name: count - CROWDED[name] * limited for name, count in taken.items()}


def _place(key: bytes) -> Place:
    container, born, namespace = PLACE_KEY.unpack(key)
    return Place(wire.text(container), namespace, born)


def _key(place: Place) -> bytes:
    return PLACE_KEY.pack(place.container.encode(), place.born, place.namespace)


def _kind(kind: Kind) -> bytes:
    return KEY.pack(
        kind.place,
        kind.recording,
        kind.executable,
        kind.architecture,
        kind.number,
        -kind.error,
    )
