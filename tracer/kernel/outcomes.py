"""
How the calls of a recording end, as a session sees it: `bpf/outcomes.c`.

What belongs here: the bytes of `bpf/outcomes.h`, and which map is read for which question. What
does not: what it means for an observation (`tracer.session.outcomes`).
"""

from __future__ import annotations

import struct
import time
from collections import defaultdict
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import AbstractSet, DefaultDict, Dict, FrozenSet, Mapping, NamedTuple

from tracer.kernel import bpf, program, wire

SUCCESS = 0
BEGUN = 0xFFFFFFFF  # how often a call began, among the errors in which it ended
INTERRUPTED = range(512, 517)  # ERESTARTSYS and the like, which no program sees: linux/errno.h

KEY = struct.Struct("=QQIIII")
ROOM = struct.Struct("=QQ")
STATE = struct.Struct("=Q")
COUNT = struct.Struct("=Q")

CAPACITY: Mapping[str, int] = MappingProxyType(
    {"MAX_KINDS": 262144, "MAX_KINDS_EACH": 16384, "MAX_ROOMS": 4096}
)

# on_return first: what begins before both are attached has not begun for either.
SOURCE = program.Source(
    "outcomes.c",
    MappingProxyType({"on_return": "sys_exit", "on_begin": "sys_enter"}),
    ("threads", "flights", "counts", "rooms", "outcome_state"),
)


class Call(NamedTuple):
    """What is recorded of a call, as the kernel side numbers all of it."""

    recording: int
    executable: int
    architecture: int
    number: int


@dataclass(frozen=True)
class Ended:
    """
    How often a call began, and how often it ended in which error (SUCCESS for none).

    Both are counted by a thread until it has seen the call succeed.
    """

    begun: int = 0
    errors: Mapping[int, int] = field(default_factory=dict)

    @property
    def is_unfinished(self) -> bool:
        """Whether some have not ended, or nobody knows how; False once one has succeeded."""
        return SUCCESS not in self.errors and self.begun != sum(self.errors.values())


# By call, how often it ended in each error, and how often it began.
Counts = Mapping[Call, Mapping[int, int]]


def ended(before: Counts, after: Counts) -> Mapping[Call, Ended]:
    """
    How calls ended by what was counted, which was read twice, one after the other.

    Ends are counted as they were before and beginnings as they are after: no call that was under
    way meanwhile looks ended. But each way of ending is among them that is there after: a first
    success may come where the first reading has been already, and from then on its thread's errors
    are counted and their beginnings are not.
    """
    return {
        call: Ended(
            now.get(BEGUN, 0),
            {error: before.get(call, {}).get(error, 0) for error in now if error != BEGUN},
        )
        for call, now in after.items()
    }


class Outcomes:
    """
    How the calls of recorded tasks end from now on. A context manager: leaving it takes it out of
    the kernel. `since`: when that began, ns of CLOCK_BOOTTIME.

    `threads`: the descriptor of a recorder's map. Raises HostError (see `program.load`) when made.
    """

    def __init__(self, threads: int, capacity: Mapping[str, int] = CAPACITY) -> None:
        self._loaded = program.load(capacity, SOURCE, {"threads": threads})
        self._maps = self._loaded.maps
        self.since = time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def __enter__(self) -> "Outcomes":
        return self

    def __exit__(self, *_: object) -> None:
        self._loaded.close()

    def of(self, recordings: AbstractSet[int]) -> Mapping[Call, Ended]:
        """How the calls of these recordings ended."""
        before = self._counts(recordings)
        return ended(before, self._counts(recordings))

    def _counts(self, recordings: AbstractSet[int]) -> Counts:
        counts: DefaultDict[Call, Dict[int, int]] = defaultdict(dict)
        for key, value in bpf.items_of(self._maps["counts"], recordings):
            *call, error, _ = KEY.unpack(key)
            counts[Call(*call)][error] = COUNT.unpack(value)[0]
        return counts

    def lost(self, recordings: AbstractSet[int]) -> int:
        """How much was not noted of these recordings, or nobody knows of which."""
        value = bpf.lookup(self._maps["outcome_state"], bytes(4), STATE.size) or bytes(STATE.size)
        skipped = sum(bpf.recursion_misses(one) for one in self._loaded.programs.values())
        rooms = bpf.items_of(self._maps["rooms"], recordings)
        known = sum(int(ROOM.unpack(one)[1]) for _, one in rooms)
        return int(STATE.unpack(value)[0]) + skipped + known

    def noted(self) -> FrozenSet[int]:
        """The recordings of which something is noted: strangers' too."""
        rooms = bpf.items(self._maps["rooms"], 512)
        return frozenset(int(wire.ID.unpack(key)[0]) for key, _ in rooms)

    def release(self, gone: AbstractSet[int]) -> None:
        """Forget recordings that nobody wants, and make room."""
        for name in ("rooms", "counts"):
            for key in [key for key, _ in bpf.items_of(self._maps[name], gone)]:
                bpf.delete(self._maps[name], key)
