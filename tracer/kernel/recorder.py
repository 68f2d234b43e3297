"""
The recorder as a session sees it: begin a command's recording, look at the maps, let go.

What belongs here: which map is read for which question. What does not: what the answers mean
(`tracer.session`).
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from typing import AbstractSet, Dict, FrozenSet, Iterable, Iterator, List, Mapping, Tuple

from tracer.errors import HostError
from tracer.kernel import bpf, divided_maps, program, wire

# Of what may be pinned beside it: the keys of these begin with a recording's id, too.
BESIDE = divided_maps.divided(("checks", "holders", "denials", "programs"))

SECCOMP_FILTERS = "Seccomp_filters:"  # /proc/PID/status, since 5.9


@dataclass(frozen=True)
class Content:
    """What one recording holds: its calls, and the paths of their executables by id."""

    calls: Tuple[wire.Call, ...]
    paths: Mapping[int, str]


def own(capacity: Mapping[str, int] = program.CAPACITY) -> "Recorder":
    """
    A recorder of this process's own: it goes when it is closed.

    Raises HostError, see `program.load`.
    """
    recorder = Recorder(program.load(capacity))
    recorder.ignore_own_containers()
    return recorder


class Recorder:
    """
    The loaded recorder. A context manager: leaving it lets go of it, and what nobody else holds
    leaves the kernel.
    """

    def __init__(self, loaded: program.Loaded) -> None:
        self._loaded = loaded
        self._maps = self._loaded.maps
        self._before = self.state()
        self._read: Dict[int, List[bytes]] = {}
        self._resident = wire.is_resident(self._value("switches", wire.SWITCHES.size))

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_: object) -> None:
        self._loaded.close()

    @property
    def is_resident(self) -> bool:
        """Whether it stays when we go, and was there before us."""
        return self._resident

    @property
    def threads(self) -> int:
        """The descriptor of the map that knows each thread's recording; it stays ours."""
        return self._maps["threads"]

    @property
    def recordings(self) -> int:
        """The descriptor of the map of the recordings' heads; it stays ours."""
        return self._maps["recordings"]

    @property
    def loaded(self) -> program.Loaded:
        """What is in the kernel of it, and of what is pinned beside it; it stays ours."""
        return self._loaded

    def make_resident(self) -> None:
        """Have what engines start noted for everybody."""
        self._resident = True
        self._begin_generation(strays=False)

    def ignore_own_containers(self) -> None:
        """Tell the kernel side the ids of containers that we are in ourselves."""
        for container in own_containers():
            bpf.update(self._maps["containers"], container.encode(), wire.ID.pack(0))

    def _begin_generation(self, strays: bool) -> None:
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        bpf.update(self._maps["switches"], bytes(4), wire.switches(now, strays, self._resident))

    def _put(self, name: str, key: bytes, value: bytes) -> None:
        try:
            bpf.update(self._maps[name], key, value)
        except OSError as error:
            if error.errno not in (errno.E2BIG, errno.ENOMEM):
                raise
            raise full(name) from error

    def is_full(self) -> bool:
        """Whether no recording can begin."""
        held = sum(1 for _ in bpf.items(self._maps["recordings"], 512))
        return held >= self.room("recordings")

    def _value(self, name: str, size: int) -> bytes:
        return bpf.lookup(self._maps[name], bytes(4), size) or bytes(size)

    @contextmanager
    def command(self) -> Iterator[int]:
        """
        A new recording, whose scope is every process forked while in this context; its id.

        The calling thread carries the verdict meanwhile and hands it down, so nothing is raced:
        a child is in scope from its birth.
        """
        born = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        recording = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        self._put("recordings", wire.ID.pack(recording), wire.command_head(born, os.getpid()))
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
        """
        What these recordings hold. Reading changes nothing, so it may be done at any time.

        In a recorder that has run for months it takes 0.1 s, however few are wanted.
        """
        self._read = {one: [] for one in wanted}
        calls: Dict[int, List[wire.Call]] = defaultdict(list)
        paths: Dict[int, Dict[int, str]] = defaultdict(dict)
        for key, value in bpf.items_of(self._maps["observations"], wanted):
            seen = wire.call(key, value)
            calls[seen.recording].append(seen)
            self._read[seen.recording].append(key)
        for key, value in bpf.items_of(self._maps["executables"], wanted, 512):
            recording, number, path = wire.executable(key, value)
            paths[recording][number] = path
        return {one: Content(tuple(calls[one]), paths[one]) for one in wanted}

    def launches(self) -> Dict[int, Tuple[str, ...]]:
        """The command lines of container monitors, by the key that a head's `launcher` names."""
        return {
            int(wire.ID.unpack(key)[0]): wire.launch(value)
            for name in ("launches", "others_launches")
            for key, value in bpf.items(self._maps[name], 128)
        }

    def requests(self) -> List[Tuple[int, str]]:
        """(recording of the asker, first line) of what commands asked of engines' sockets."""
        return [wire.request(key) for key, _ in bpf.items(self._maps["requests"], 256)]

    def state(self) -> wire.State:
        """The counters that belong to no recording."""
        return wire.state(self._value("state", wire.STATE.size))

    def losses(self) -> wire.State:
        """What these counters have gained since this recorder was opened."""
        now, before = astuple(self.state()), astuple(self._before)
        return wire.State(*(count - earlier for count, earlier in zip(now, before)))

    def memory(self) -> int:
        """Bytes of kernel memory that its maps take; what each thread has comes on top."""
        return sum(bpf.memory(descriptor) for descriptor in self._maps.values())

    def room(self, name: str) -> int:
        """How many entries a map has room for."""
        return bpf.map_shape(self._maps[name]).entries

    def adopt(self, scope: wire.Adopted) -> int:
        """A new recording for tasks that run already; its id. `take` brings them in."""
        recording = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        born = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        head = wire.adopted_head(scope, born)
        self._put("recordings", wire.ID.pack(recording), head)
        return recording

    def enrol(self, recording: int, scope: wire.Adopted) -> None:
        """Have what enters the scope's container and namespace from now on recorded, too."""
        value = wire.ID.pack(recording)
        if scope.container:
            self._put("containers", scope.container.encode(), value)
        if scope.namespace:
            self._put("namespaces", scope.namespace.to_bytes(4, "little"), value)

    def take(self, recording: int, scope: wire.Adopted, threads: Mapping[int, str]) -> None:
        """
        Record these threads, by their numbers on this host, with the paths of their executables.

        Each is the recording's from its next call on, and so is what it forks. Raises OSError:
        E2BIG where too many wait.
        """
        for thread, path in threads.items():
            executable = self._name_executable(recording, path) if scope.open else 0
            value = wire.adopted_thread(recording, scope, executable)
            bpf.update(self._maps["strays"], thread.to_bytes(4, "little"), value)
        self._begin_generation(strays=True)

    def _name_executable(self, recording: int, path: str) -> int:
        if not path:
            return wire.EXECUTABLE_UNKNOWN
        number, value = wire.path(path, time.clock_gettime_ns(time.CLOCK_BOOTTIME))
        try:
            self._put("executables", wire.EXECUTABLE_KEY.pack(recording, number), value)
        except HostError:
            return wire.EXECUTABLE_UNKNOWN
        return number

    def spare(self, threads: Iterable[int]) -> None:
        """Let go of threads that were taken and have made no call since: they are no more."""
        for thread in threads:
            bpf.delete(self._maps["strays"], thread.to_bytes(4, "little"))

    def claim(self, recording: int) -> None:
        """Keep a recording for who said so, for a while after its end."""
        self._put("claims", wire.ID.pack(recording), wire.ID.pack(1))

    def disclaim(self, recording: int) -> None:
        """Take back what `claim` said."""
        bpf.delete(self._maps["claims"], wire.ID.pack(recording))

    def claims(self) -> FrozenSet[int]:
        """The recordings that are claimed."""
        return frozenset(wire.ID.unpack(key)[0] for key, _ in bpf.items(self._maps["claims"], 512))

    def recursion_misses(self) -> Dict[str, int]:
        """How often the kernel skipped each program of those that it has."""
        programs = self._loaded.programs
        names = (name for name in program.RECORDER.programs if name in programs)
        return {name: bpf.recursion_misses(programs[name]) for name in names}

    def forget_calls(self, recordings: AbstractSet[int]) -> None:
        """
        Forget what these recordings hold, but not that they go on: what enters them from now on
        shows alone. A thread does not report again what it has reported.
        """
        for key, _ in list(bpf.items_of(self._maps["observations"], recordings)):
            bpf.delete(self._maps["observations"], key)

    def release(self, ended: AbstractSet[int]) -> None:
        """
        Forget recordings that nobody wants, and make room.

        Of those that have just been read, what was read goes, and is not looked for once more. If
        there are newer calls, the kernel side clears them away as it does with what gives way.
        """
        for name in ("containers", "namespaces", "strays"):
            for key, value in list(bpf.items(self._maps[name], 512)):
                if wire.ID.unpack_from(value)[0] in ended:
                    bpf.delete(self._maps[name], key)
        for name in ("recordings", "claims", "executables", "requests", *BESIDE):
            if name in self._maps:
                for key, _ in list(bpf.items_of(self._maps[name], ended, 1024)):
                    bpf.delete(self._maps[name], key)
        if ended <= self._read.keys():
            for key in (key for one in ended for key in self._read[one]):
                bpf.delete(self._maps["observations"], key)
        else:
            self.forget_calls(ended)
        bpf.update(self._maps["others"], bytes(4), wire.share(self.heads().values()))


def full(name: str) -> HostError:
    """What to say when a map has no room left that anything in it could give."""
    return HostError(
        f"the recorder has no room left ({name}): too many containers and PID namespaces at once",
        "seccomp-trace recorder status",
    )


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
