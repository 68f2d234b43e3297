"""
The recorder as a session sees it: begin a command's recording, look at the maps, let go.

What belongs here: which map is read for which question. What does not: what the answers mean
(`tracer.session`).
"""

from __future__ import annotations

import os
import re
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import AbstractSet, Dict, FrozenSet, Iterator, List, Mapping, Tuple

from tracer.kernel import bpf, program, wire

SECCOMP_FILTERS = "Seccomp_filters:"  # /proc/PID/status, since 5.9


@dataclass(frozen=True)
class Content:
    """What one recording holds: its calls, and the paths of their executables by id."""

    calls: Tuple[wire.Call, ...]
    paths: Mapping[int, str]


class Recorder:
    """
    The loaded recorder. A context manager: leaving it takes everything out of the kernel.

    Raises HostError (see `program.load`) when made.
    """

    def __init__(self, capacity: Mapping[str, int] = program.CAPACITY) -> None:
        self._loaded = program.load(capacity)
        self._maps = self._loaded.maps
        for container in own_containers():
            bpf.update(self._maps["containers"], container.encode(), wire.ID.pack(0))

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_: object) -> None:
        self._loaded.close()

    @contextmanager
    def command(self) -> Iterator[int]:
        """
        A new recording, whose scope is every process forked while in this context; its id.

        The calling thread carries the verdict meanwhile and hands it down, so nothing is raced:
        a child is in scope from its birth.
        """
        born = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        recording = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        bpf.update(
            self._maps["recordings"],
            wire.ID.pack(recording),
            wire.command_head(born, os.getpid()),
        )
        own = os.pidfd_open(os.getpid())
        try:
            key = own.to_bytes(4, "little")
            thread = wire.command_thread(recording, _filters())
            bpf.update(self._maps["threads"], key, thread)
            try:
                yield recording
            finally:
                bpf.delete(self._maps["threads"], key)
        finally:
            os.close(own)

    def heads(self) -> Dict[int, wire.Head]:
        """Every recording that the kernel holds, by id."""
        return {
            int(wire.ID.unpack(key)[0]): wire.head(value)
            for key, value in bpf.items(self._maps["recordings"], 512)
        }

    def contents(self, wanted: AbstractSet[int]) -> Dict[int, Content]:
        """What these recordings hold. Reading changes nothing, so it may be done at any time."""
        calls: Dict[int, List[wire.Call]] = defaultdict(list)
        paths: Dict[int, Dict[int, str]] = defaultdict(dict)
        for key, value in bpf.items(self._maps["observations"]):
            seen = wire.call(key, value)
            if seen.recording in wanted:
                calls[seen.recording].append(seen)
        for key, value in bpf.items(self._maps["executables"], 512):
            recording, number, path = wire.executable(key, value)
            if recording in wanted:
                paths[recording][number] = path
        return {one: Content(tuple(calls[one]), paths[one]) for one in wanted}

    def launches(self) -> Dict[int, Tuple[str, ...]]:
        """The command lines of container monitors, by the key that a head's `launcher` names."""
        return {
            int(wire.ID.unpack(key)[0]): wire.launch(value)
            for key, value in bpf.items(self._maps["launches"], 128)
        }

    def requests(self) -> List[Tuple[int, str]]:
        """(recording of the asker, first line) of what commands asked of engines' sockets."""
        return [wire.request(key) for key, _ in bpf.items(self._maps["requests"], 256)]

    def state(self) -> wire.State:
        """The counters that belong to no recording."""
        value = bpf.lookup(self._maps["state"], bytes(4), wire.STATE.size)
        return wire.state(value or bytes(wire.STATE.size))

    def recursion_misses(self) -> Dict[str, int]:
        """How often the kernel skipped each program."""
        return {
            name: bpf.recursion_misses(descriptor)
            for name, descriptor in self._loaded.programs.items()
        }

    def forget_calls(self, recordings: AbstractSet[int]) -> None:
        """
        Forget what these recordings hold, but not that they go on: what enters them from now on
        shows alone. A thread does not report again what it has reported.
        """
        for key, _ in list(bpf.items(self._maps["observations"])):
            if wire.ID.unpack_from(key)[0] in recordings:
                bpf.delete(self._maps["observations"], key)

    def release(self, ended: AbstractSet[int]) -> None:
        """Forget recordings that nobody wants, and make room."""
        for name, id_of in (("observations", 0), ("executables", 0), ("recordings", 0)):
            keys = [key for key, _ in bpf.items(self._maps[name], 1024)]
            for key in keys:
                if wire.ID.unpack_from(key, id_of)[0] in ended:
                    bpf.delete(self._maps[name], key)
        for name in ("namespaces", "containers"):
            for key, value in list(bpf.items(self._maps[name], 512)):
                if wire.ID.unpack(value)[0] in ended:
                    bpf.delete(self._maps[name], key)


def own_containers() -> FrozenSet[str]:
    """The ids of containers that we are in ourselves: a task of ours in there is no news."""
    with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as groups:
        return frozenset(re.findall(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])", groups.read()))


def _filters() -> int:
    """How many seccomp filters this thread has."""
    with open("/proc/thread-self/status", encoding="utf-8") as status:
        for line in status:
            if line.startswith(SECCOMP_FILTERS):
                return int(line.split()[1])
    return 0
