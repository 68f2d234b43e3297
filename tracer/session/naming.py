"""
What the containers are called that denials happen in.

Engines are asked in threads of their own, one for each engine, so that one which takes its time,
or never answers, delays neither the telling nor the others' names.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Dict, Iterable, List, Mapping, Optional, Protocol, Sequence, Tuple

from tracer.container import engines
from tracer.container.engines import Ask, Engine, Named
from tracer.container.podman import Launch, read_launch
from tracer.kernel.denials import Keeper, Place

MOST = 4096  # places whose names are kept
AGAIN_SECONDS = 60  # until an engine that knew nothing is asked again
BRIEF_SECONDS = 2  # for a namespace whose birth is unknown: its number may be another one's soon
TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")  # ns, of the times in /proc/PID/stat

Answers = Dict[str, str]


class Monitors(Protocol):
    """What the kernel side has kept of podman's monitors: their command lines."""

    def launch(self, number: int) -> Sequence[str]:
        """That of one, by the number that a keeper has for it; empty if it is not known."""

    def launches(self) -> Iterable[Sequence[str]]:
        """All of them."""


class Names:
    """
    What containers are called. Only `of` is for others than this class's own threads.
    """

    def __init__(
        self,
        monitors: Monitors,
        registry: Optional[Mapping[str, Engine]] = None,
        ask: Ask = engines.ask,
    ) -> None:
        self._monitors = monitors
        self._ask = ask
        self._since = int(time.time())
        self._registry = engines.registry() if registry is None else registry
        self._queues: Dict[str, "SimpleQueue[Place]"] = {}
        self._answers: Dict[Place, Tuple[float, Answers]] = {}
        self._launches: Dict[Place, Launch] = {}

    def meet(self, place: Place, keeper: Keeper) -> None:
        """
        Learn of a place from who keeps it, if that is podman's monitor: it ends with its container,
        and where a container has no cgroup of its own nothing else knows it afterwards. What the
        kernel side has kept of it is for one that has ended already.
        """
        if not keeper.process or place in self._launches:
            return
        launch = read_launch(self._monitors.launch(keeper.launch)) or launch_of(keeper.process)
        if launch is not None:
            self._keep(place, launch)

    def _keep(self, place: Place, launch: Launch) -> None:
        _make_room(self._launches)
        self._launches[place] = launch

    def container(self, place: Place) -> str:
        """The id of the container at a place, or an empty string."""
        launch = self._launches.get(place)
        return launch.container if launch is not None else place.container

    def of(self, place: Place) -> Optional[str]:
        """
        The name of the container at a place, or what stands for it if no engine knows one; None as
        long as they are being asked.
        """
        if place in self._launches:
            return self._launches[place].name or unnamed(place)
        asked, answers = self._answers.get(place, (0.0, {}))
        age = time.monotonic() - asked
        name = next(filter(None, list(answers.values())), "")
        settled = bool(name) or (bool(asked) and len(answers) == len(self._registry))
        lasting = name and (place.container or place.born)
        if not asked or (settled and not lasting and age > _lifetime(place)):
            self._begin(place)
            return None
        return name or (self._left_at(place) if settled else None)

    def _left_at(self, place: Place) -> str:
        """By what its monitor was started for: a container that its engine has forgotten."""
        found = filter(None, map(read_launch, self._monitors.launches() if place.container else ()))
        launch = next((one for one in found if one.container == place.container), None)
        if launch is None or not launch.name:
            return unnamed(place)
        self._keep(place, launch)
        return launch.name

    def _begin(self, place: Place) -> None:
        _make_room(self._answers)
        self._answers[place] = time.monotonic(), {}
        for name, engine in self._registry.items():
            if name not in self._queues:
                self._queues[name] = SimpleQueue()
                work = (name, engine, self._queues[name])
                threading.Thread(target=self._work, args=work, daemon=True).start()
            self._queues[name].put(place)

    def _work(self, name: str, engine: Engine, queue: "SimpleQueue[Place]") -> None:
        while True:
            places = [queue.get(), *_waiting(queue)]
            try:
                found = self._asked(name, engine, places)
            except Exception:  # whatever an engine's answer does to us: it names nothing
                found = {}
            for place in places:
                with suppress(KeyError):  # it has given way meanwhile
                    self._answers[place][1][name] = found.get(place, "")

    def _asked(self, name: str, engine: Engine, places: List[Place]) -> Dict[Place, str]:
        ids = [place.container for place in places if place.container]
        known = {one.id: one.name for one in engine.inspect([name], ids, self._ask)} if ids else {}
        found: Dict[Place, str] = {}
        for place in places:
            if place.container in known:
                found[place] = known[place.container]
            elif place.container:
                gone = engine.look_up([name], place.container, self._since, self._ask)
                found[place] = gone.name if gone is not None else ""
        nameless = [place for place in places if not place.container]
        if nameless:
            found.update(_by_namespace(nameless, self._running(name, engine)))
        return found

    def _running(self, name: str, engine: Engine) -> List[Named]:
        ids = self._ask([name, "ps", "--quiet", "--no-trunc"]).split()
        return engine.inspect([name], ids, self._ask) if ids else []


def _make_room(entries: Dict[Place, Any]) -> None:
    while len(entries) >= MOST:
        del entries[next(iter(entries))]


def launch_of(process: int) -> Optional[Launch]:
    """What a process was started for, if it is podman's monitor of a container."""
    with suppress(OSError):
        with open(f"/proc/{process}/cmdline", "rb") as arguments:
            words = arguments.read().decode(errors="surrogateescape").split("\0")
        if os.path.basename(words[0]) == "conmon":
            return read_launch(words)
    return None


def unnamed(place: Place) -> str:
    """What stands for a name: the beginning of the id, or the namespace as /proc shows it."""
    return place.container[:12] or f"pid:[{place.namespace}]"


def _lifetime(place: Place) -> float:
    return AGAIN_SECONDS if place.container or place.born else BRIEF_SECONDS


def _waiting(queue: "SimpleQueue[Place]") -> Iterable[Place]:
    with suppress(Empty):
        while True:
            yield queue.get_nowait()


def _by_namespace(places: Iterable[Place], running: Iterable[Named]) -> Dict[Place, str]:
    """Containers by their first process: in a PID namespace of that number, born when that was."""
    found: Dict[Place, str] = {}
    for one in running:
        with suppress(OSError, ValueError, IndexError):
            namespace = os.stat(f"/proc/{one.process}/ns/pid").st_ino
            born = started(one.process)
            for place in places:
                if place.namespace == namespace and place.born // TICK in (0, born // TICK):
                    found[place] = one.name
    return found


def parent(process: int) -> int:
    """The number of a process's parent. Raises as `started` does."""
    return int(_stat(process)[1])


def started(process: int) -> int:
    """
    When a process started: ns of CLOCK_BOOTTIME, to a tick. proc_pid_stat(5).

    Raises OSError if there is none, ValueError or IndexError if its description is not understood.
    """
    return int(_stat(process)[19]) * TICK


def _stat(process: int) -> List[str]:
    with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as stat:
        return stat.read().rpartition(")")[2].split()
