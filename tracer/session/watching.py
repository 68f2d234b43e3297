"""
One `watch` from beginning to end: what filters deny, as it happens, and in whose container.

Two sources: the kernel side counts what was answered with an error or a trap, exactly, whatever
happens to us; the audit messages tell what was logged or killed. Both are folded per look: a kind
of denial that came a thousand times meanwhile is told once, with its number.
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from tracer import syscalls
from tracer.container import engines
from tracer.errors import HostError
from tracer.kernel import audit, denials
from tracer.kernel.audit import Audit, Message
from tracer.kernel.denials import Denials, Denied, Kind, Place
from tracer.kernel.recorder import own_containers
from tracer.session import assembly
from tracer.session.command import Pace, Signals, wait_until
from tracer.session.looking import Tell

LOOK_SECONDS = 0.1
PROGRAM_UNKNOWN = "(unknown)"
TRAP, LOG, KILL_THREAD, KILL_PROCESS = "trap", "log", "kill-thread", "kill-process"
ACTIONS = {
    audit.LOG: LOG,
    audit.KILL_THREAD: KILL_THREAD,
    audit.KILL_PROCESS: KILL_PROCESS,
}


@dataclass(frozen=True)
class Denial:
    """
    Denials of one kind since the last look, of which the last is described.

    `time`: ns since the epoch. `container`: its id, or nothing for one that has no cgroup of its
    own. `thread` as the container numbers it, `process` as the host does. `answer`: an error's name
    (EPERM), or trap, log, kill-thread, kill-process. `arguments`: six, or none if unknown.
    """

    time: int
    count: int
    container: str
    name: str
    executable: str
    comm: str
    process: int
    thread: int
    architecture: str
    number: int
    syscall: str
    arguments: Tuple[int, ...]
    answer: str


@dataclass(frozen=True)
class Losses:
    """What cannot be told: how many denials, by reason."""

    reasons: Mapping[str, int]


Report = Callable[[Sequence[Denial]], None]


@dataclass(frozen=True)
class Plan:
    """Which containers, by name or the beginning of an id (nothing: all), and for how long (s)."""

    containers: Tuple[str, ...] = ()
    duration: Optional[float] = None


def watch(plan: Plan, signals: Signals, report: Report, tell: Tell) -> Losses:
    """
    Tell of denials until a signal comes or the time is up; what could not be told.

    Raises HostError if watching is not possible here.
    """
    assembly.check_names()
    with ExitStack() as opened:
        kernel = opened.enter_context(Denials())
        messages: Optional[Audit] = None
        try:
            messages = opened.enter_context(Audit())
        except HostError as error:
            tell(f"{error}; what is answered with an error is told all the same")
        looks = _Looks(kernel, messages, plan.containers)
        tell("watching; Ctrl-C ends it")
        end = None if plan.duration is None else time.monotonic() + plan.duration

        def look() -> bool:
            found = looks.new()
            if found:
                report(found)
            return False

        wait_until(look, signals, Pace(LOOK_SECONDS, end))
        look()
        return looks.losses()


class _Looks:
    """What is new each time, named."""

    def __init__(
        self, kernel: Denials, messages: Optional[Audit], references: Tuple[str, ...]
    ) -> None:
        self._kernel = kernel
        self._messages = messages
        self._references = references
        self._host = assembly.this_host()
        self._counted: Dict[Kind, int] = {}
        self._names = _Names()
        self._own = os.stat("/proc/self/ns/pid").st_ino
        self._around = own_containers()

    def new(self) -> List[Denial]:
        """Denials since the last look, the oldest first."""
        places = self._kernel.places()
        found = [*self._grown(places), *self._told(places)]
        return sorted(filter(self._is_wanted, found), key=lambda one: one.time)

    def _is_wanted(self, one: Denial) -> bool:
        wanted = self._references
        return not wanted or any(
            word == one.name or (len(word) >= 3 and one.container.startswith(word))
            for word in wanted
        )

    def _grown(self, places: Mapping[int, Place]) -> Iterator[Denial]:
        paths: Optional[Mapping[Tuple[int, int], str]] = None
        for kind, denied in self._kernel.counted().items():
            more = denied.count - self._counted.get(kind, 0)
            place = places.get(kind.place)
            if not more or place is None or not self._is_container(place):
                continue
            self._counted[kind] = denied.count
            paths = paths if paths is not None else self._kernel.paths()
            path = paths.get((kind.place, kind.executable), PROGRAM_UNKNOWN)
            yield self._denial(kind, denied, more, place, path)

    def _denial(self, kind: Kind, denied: Denied, more: int, place: Place, path: str) -> Denial:
        architecture = assembly.architecture_of(kind.architecture, kind.number)
        return Denial(
            time=denied.last + self._host.boot,
            count=more,
            container=place.container,
            name=self._names.of(place),
            executable=path,
            comm=denied.comm,
            process=denied.process,
            thread=denied.thread,
            architecture=architecture,
            number=kind.number,
            syscall=_syscall(architecture, kind.number),
            arguments=denied.arguments,
            answer=TRAP if kind.error == denials.TRAPPED else _error(kind.error),
        )

    def _told(self, places: Mapping[int, Place]) -> Iterator[Denial]:
        if self._messages is None:
            return
        folded: Dict[Tuple[object, ...], Tuple[int, Message]] = {}
        for message in self._messages.waiting():
            if message.action in ACTIONS:
                key = (message.process, message.executable, message.architecture, message.number)
                count = folded.get((*key, message.action), (0, message))[0]
                folded[(*key, message.action)] = count + 1, message
        for count, message in folded.values():
            place = self._place_of(message.process, places)
            if place is not None and self._is_container(place):
                yield self._of_message(message, count, place)

    def _of_message(self, message: Message, count: int, place: Place) -> Denial:
        architecture = assembly.architecture_of(message.architecture, message.number)
        return Denial(
            time=int(message.time * 1e9),
            count=count,
            container=place.container,
            name=self._names.of(place),
            executable=message.executable or PROGRAM_UNKNOWN,
            comm=message.comm,
            process=message.process,
            thread=0,
            architecture=architecture,
            number=message.number,
            syscall=_syscall(architecture, message.number),
            arguments=(),
            answer=ACTIONS[message.action],
        )

    def _place_of(self, process: int, places: Mapping[int, Place]) -> Optional[Place]:
        """Where a process is, or was before it ended: the kernel side notes that."""
        number = self._kernel.place_of_ended(process)
        if number is not None:
            return places.get(number) or self._kernel.places().get(number)
        with suppress(OSError):
            with open(f"/proc/{process}/cgroup", encoding="utf-8", errors="replace") as groups:
                container = engines.id_in_cgroups(groups.read())
            return Place(container, os.stat(f"/proc/{process}/ns/pid").st_ino, 0)
        return None

    def _is_container(self, place: Place) -> bool:
        if place.container:
            return place.container not in self._around
        return place.namespace != self._own

    def losses(self) -> Losses:
        """What could not be told."""
        unsure, lost = self._kernel.unsure()
        full = sum(place.lost for place in self._kernel.places().values())
        reasons = {
            "failed calls that could not be judged": unsure,
            "denials of kinds that there was no room for": full,
            "denials in containers that there was no room for": lost,
            "times that audit messages were lost": self._messages.overruns if self._messages else 0,
        }
        return Losses({reason: count for reason, count in reasons.items() if count})


class _Names:
    """What containers are called, asked of the engines once for each."""

    def __init__(self) -> None:
        self._known: Dict[Tuple[str, int], str] = {}
        self._since = int(time.time())

    def of(self, place: Place) -> str:
        """The name of the container at a place; the beginning of its id if it has none."""
        key = place.container, 0 if place.container else place.namespace
        if key not in self._known:
            self._known[key] = self._ask(place)
        return self._known[key]

    def _ask(self, place: Place) -> str:
        if place.container:
            for name, engine in engines.registry().items():
                found = engine.look_up([name], place.container, self._since, engines.ask)
                if found is not None and found.name:
                    return found.name
            return place.container[:12]
        for one in engines.running():
            with suppress(OSError):
                if os.stat(f"/proc/{one.process}/ns/pid").st_ino == place.namespace:
                    return one.name
        return f"pid:[{place.namespace}]"


def _syscall(architecture: str, number: int) -> str:
    return syscalls.name_of(architecture, number) or str(number)


def _error(number: int) -> str:
    return errno.errorcode.get(number, str(number))
