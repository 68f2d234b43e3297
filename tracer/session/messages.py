"""
What the audit messages tell of denials: folded, and each with the place where it happened.

A message names a process, which may have ended since, and whose number may be another one's by now.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Callable, Collection, Dict, Iterator, Optional, Set, Tuple

from tracer.container import engines
from tracer.kernel import audit
from tracer.kernel.audit import Audit, Message
from tracer.kernel.denials import Keeper, Place
from tracer.session.naming import TICK, launch_of, parent, started

KILLS = {"kill_thread": audit.KILL_THREAD, "kill_process": audit.KILL_PROCESS}
KINDS_EACH = 1024  # that are told of one place
MOST_ANCESTORS = 64  # between a process and the monitor of its container
PLACES = 1024  # whose kinds are kept apart: then the oldest begins anew
NOBODY = Keeper(0, 0)
NS_GET_PARENT = 0xB702  # ioctl_nsfs(2)
# Messages number processes as the initial PID namespace does: PROC_PID_INIT_INO,
# include/linux/proc_ns.h.
INITIAL = 0xEFFFFFFC

Kind = Tuple[str, int, int, int]
Kept = Tuple[Place, Keeper]
PlaceOfEnded = Callable[[int], Optional[Kept]]


@dataclass(frozen=True)
class Logged:
    """
    Messages of one kind from one place, of which the last is described. `keeper`: the place's.
    """

    place: Place
    keeper: Keeper
    count: int
    message: Message


class Messages:
    """
    The messages, look by look. `strangers`: how many were of processes of which nothing is known
    any more; `full`: of how many there were too many kinds from one place. `tell_kills`: whether
    every kill is among them; if not, none is taken from them, for the kernel side counts them all.

    `unlogged`: what this host logs nothing of, see `audit.unlogged`.
    """

    def __init__(self, messages: Audit, unlogged: Collection[str] = ()) -> None:
        self.tell_kills = KILLS.keys().isdisjoint(unlogged)
        self._actions = {audit.LOG, *(KILLS.values() if self.tell_kills else ())}
        self._messages = messages
        self._kinds: Dict[Place, Set[Kind]] = {}
        self._dropped = 0
        self.strangers = self.full = 0

    @property
    def are_waiting(self) -> bool:
        """Whether the last look left some."""
        return self._messages.are_waiting

    def lost(self) -> int:
        """How many messages found no room, or were not read in time."""
        return self._messages.lost() + self._dropped

    def end(self) -> None:
        """Nothing is read any more."""
        self._dropped += self._messages.drop()

    def new(self, place_of_ended: PlaceOfEnded) -> Iterator[Logged]:
        """What was logged or killed since the last time."""
        folded: Dict[Tuple[Place, Kind], Logged] = {}
        places: Dict[int, Optional[Kept]] = {}
        for message in self._messages.waiting():
            if message.action not in self._actions:
                continue
            if message.process not in places:
                places[message.process] = _place_of(message, place_of_ended)
            found = places[message.process]
            if found is None:
                self.strangers += 1
                continue
            place, keeper = found
            kind = (message.executable, message.architecture, message.number, message.action)
            if self._has_room(place, kind):
                before = folded.get((place, kind))
                count = before.count + 1 if before else 1
                folded[place, kind] = Logged(place, keeper, count, message)
            else:
                self.full += 1
        yield from folded.values()

    def _has_room(self, place: Place, kind: Kind) -> bool:
        kinds = self._kinds.setdefault(place, set())
        if kind not in kinds and len(kinds) >= KINDS_EACH:
            return False
        kinds.add(kind)
        while len(self._kinds) > PLACES:
            del self._kinds[next(iter(self._kinds))]
        return True


def _place_of(message: Message, place_of_ended: PlaceOfEnded) -> Optional[Kept]:
    """Where a process is, if it is the one that the message means, or was before it ended."""
    if os.stat("/proc/self/ns/pid").st_ino != INITIAL:
        return place_of_ended(message.process)
    with suppress(OSError, ValueError, IndexError):
        boot = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        if started(message.process) + boot <= int(message.time * 1e9) + TICK:
            return _place_now(message.process)
    return place_of_ended(message.process)


def _place_now(process: int) -> Kept:
    with open(f"/proc/{process}/cgroup", encoding="utf-8", errors="replace") as groups:
        container = engines.id_in_cgroups(groups.read())
    if container:
        return Place(container, 0, 0), NOBODY
    namespace = _namespace_below_ours(process)
    for _ in range(MOST_ANCESTORS):
        launch = launch_of(process)
        if launch is not None:
            return Place(launch.container, 0, 0), Keeper(process, 0)
        process = parent(process)
        if process <= 1:
            break
    return Place("", namespace, 0), NOBODY


def _namespace_below_ours(process: int) -> int:
    """The number of the PID namespace, of those that a process is in, that is just below ours."""
    own = os.stat("/proc/self/ns/pid").st_ino
    inner = os.open(f"/proc/{process}/ns/pid", os.O_RDONLY)
    try:
        number = os.fstat(inner).st_ino
        while number != own:
            outer = fcntl.ioctl(inner, NS_GET_PARENT)
            os.close(inner)
            inner = outer
            if os.fstat(inner).st_ino == own:
                break
            number = os.fstat(inner).st_ino
        return number
    finally:
        os.close(inner)
