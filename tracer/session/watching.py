"""
One `watch` from beginning to end: what filters deny, as it happens, and in whose container.

Two sources: the kernel side counts what was answered with an error, a trap or a kill, exactly,
whatever happens to us; the audit messages tell what was logged, and who was killed how. Both are
folded per look: a kind of denial that came a thousand times meanwhile is told once, with its
number.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import (
    Callable,
    Dict,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from tracer import syscalls
from tracer.errors import HostError
from tracer.kernel import audit, denials
from tracer.kernel.audit import Audit
from tracer.kernel.denials import Denials, Denied, Kind, Place
from tracer.kernel.recorder import own_containers
from tracer.session import assembly
from tracer.session.command import Pace, Signals, wait_until
from tracer.session.looking import Tell
from tracer.session.messages import Logged, Messages
from tracer.session.naming import Names, unnamed

LOOK_SECONDS = 0.1
REASONS_SECONDS = 5.0  # between looks at what is lost
PATIENCE_SECONDS = 5.0  # how long a denial waits for its container's name
LONG_PATIENCE_SECONDS = 30.0  # if without it is not known whether anybody wants it
PROGRAM_UNKNOWN = "(unknown)"
TRAP, LOG, KILL_THREAD, KILL_PROCESS = "trap", "log", "kill-thread", "kill-process"
NOT_VISIBLE = "not visible"
ANSWERS = {denials.TRAPPED: TRAP, denials.KILLED: "kill", denials.UNSEEN: NOT_VISIBLE}
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
    (EPERM), or trap, log, kill-thread, kill-process, kill (either), or NOT_VISIBLE for a vsyscall,
    which may have been let through. `arguments`: six, or none if unknown.
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
        kernel = opened.enter_context(denials.counting())
        messages = _messages(opened, tell)
        looks = Looks(kernel, messages, plan.containers, Names(kernel))
        tell("watching; Ctrl-C ends it")
        end = None if plan.duration is None else time.monotonic() + plan.duration

        def look() -> bool:
            found = looks.new()
            if found:
                report(found)
            for reason in looks.new_reasons():
                tell(f"not all is told: {reason}; how many is said in the end")
            return False

        wait_until(look, signals, Pace(LOOK_SECONDS, end))
        latest = time.monotonic() + PATIENCE_SECONDS
        wait_until(lambda: look() or not looks.are_waiting, signals, Pace(LOOK_SECONDS, latest))
        report(looks.last())
        return looks.losses()


def _messages(opened: ExitStack, tell: Tell) -> Optional[Messages]:
    try:
        messages = opened.enter_context(Audit())
    except HostError as error:
        tell(f"{error}; errors, traps and kills are told all the same")
        return None
    silent = audit.unlogged()
    if silent:
        tell(f"of {', '.join(silent)} this host logs nothing: see {audit.ACTIONS_LOGGED}")
    return Messages(messages, silent)


class _Waiting(NamedTuple):
    since: float
    place: Place
    denial: Denial


class Looks:
    """What is new each time, named."""

    def __init__(
        self,
        kernel: Denials,
        messages: Optional[Messages],
        references: Tuple[str, ...],
        names: Names,
    ) -> None:
        self._kernel = kernel
        self._messages = messages
        self._references = references
        self._names = names
        self._host = assembly.this_host()
        self._counted: Dict[Kind, int] = {}
        self._waiting: Dict[Tuple[object, ...], _Waiting] = {}
        self._seen = 0
        self._reasons: Set[str] = set()
        self._reasons_due = time.monotonic() + REASONS_SECONDS
        self._full = self._nameless = self._unseen = 0
        self._own = os.stat("/proc/self/ns/pid").st_ino
        self._around = own_containers()

    @property
    def are_waiting(self) -> bool:
        """Whether there is more to tell: messages to be read, or containers to be named."""
        behind = self._messages is not None and self._messages.are_waiting
        return behind or bool(self._waiting)

    def new(self) -> List[Denial]:
        """Denials since the last look that can be told now, the oldest first."""
        now = time.monotonic()
        for place, denial in [*self._grown(), *self._told()]:
            self._wait(now, place, replace(denial, container=self._names.container(place)))
        told: List[Denial] = []
        for key, (since, place, denial) in list(self._waiting.items()):
            name = self._names.of(place)
            if name is None and now - since < self._patience(denial):
                continue
            del self._waiting[key]
            self._settle(replace(denial, name=name or unnamed(place)), name is not None, told)
        return sorted(told, key=lambda one: one.time)

    def last(self) -> List[Denial]:
        """What still waits, without names."""
        told: List[Denial] = []
        if self._messages is not None:
            self._messages.end()
        for _, place, denial in self._waiting.values():
            self._settle(replace(denial, name=unnamed(place)), False, told)
        self._waiting.clear()
        return sorted(told, key=lambda one: one.time)

    def _wait(self, now: float, place: Place, denial: Denial) -> None:
        key = (place, denial.executable, denial.architecture, denial.number, denial.answer)
        before = self._waiting.get(key)
        if before is not None:
            now, denial = before.since, replace(denial, count=denial.count + before.denial.count)
        self._waiting[key] = _Waiting(now, place, denial)

    def _settle(self, denial: Denial, named: bool, told: List[Denial]) -> None:
        if self._is_wanted(denial):
            told.append(denial)
            self._unseen += denial.count if denial.answer == NOT_VISIBLE else 0
        elif not named:
            self._nameless += denial.count

    def _patience(self, one: Denial) -> float:
        return PATIENCE_SECONDS if self._is_wanted(one) else LONG_PATIENCE_SECONDS

    def _is_wanted(self, one: Denial) -> bool:
        wanted = self._references
        return not wanted or any(
            word == one.name or (len(word) >= 3 and one.container.startswith(word))
            for word in wanted
        )

    def _grown(self) -> Iterator[Tuple[Place, Denial]]:
        """What the kernel side has counted since the last look."""
        state = self._kernel.state()
        if state.denials == self._seen and not self._kernel.is_making_room:
            return
        self._seen = state.denials
        counted = self._kernel.counted()
        standings = self._kernel.standings()  # after them: a place is there before its denials
        paths: Optional[Mapping[Tuple[int, int], str]] = None
        for kind, denied in counted.items():
            if kind.error == denials.KILLED and self._messages and self._messages.tell_kills:
                continue  # they say which way
            more = denied.count - self._counted.get(kind, 0)
            standing = standings.get(kind.place)
            if not more or standing is None or not self._is_container(standing.place):
                continue
            self._counted[kind] = denied.count
            self._names.meet(standing.place, standing.keeper)
            paths = paths if paths is not None else self._kernel.paths()
            path = paths.get((kind.place, kind.executable), PROGRAM_UNKNOWN)
            yield standing.place, self._denial(kind, denied, more, standing.place, path)
        self._make_room(counted)

    def _make_room(self, counted: Mapping[Kind, Denied]) -> None:
        gone = self._kernel.make_room(counted)
        self._full += sum(one.lost for one in gone.values())
        if gone:
            self._counted = {
                kind: count for kind, count in self._counted.items() if kind.place not in gone
            }

    def _denial(self, kind: Kind, denied: Denied, more: int, place: Place, path: str) -> Denial:
        architecture = assembly.architecture_of(kind.architecture, kind.number)
        return Denial(
            time=denied.last + self._host.boot,
            count=more,
            container=place.container,
            name="",
            executable=path,
            comm=denied.comm,
            process=denied.process,
            thread=denied.thread,
            architecture=architecture,
            number=kind.number,
            syscall=syscalls.shown_name_of(architecture, kind.number),
            arguments=denied.arguments,
            answer=ANSWERS.get(kind.error) or syscalls.error_name(kind.error),
        )

    def _told(self) -> Iterator[Tuple[Place, Denial]]:
        """What the audit messages told of since the last look."""
        if self._messages is None:
            return
        for logged in self._messages.new(self._kernel.place_of_ended):
            if self._is_container(logged.place):
                self._names.meet(logged.place, logged.keeper)
                yield logged.place, _of_message(logged)

    def _is_container(self, place: Place) -> bool:
        if place.container:
            return place.container not in self._around
        return place.namespace != self._own

    def losses(self) -> Losses:
        """What could not be told."""
        state, messages = self._kernel.state(), self._messages
        full = self._full + sum(one.lost for one in self._kernel.standings().values())
        reasons = {
            "failed calls that could not be judged": state.unsure,
            "times that the kernel skipped our programs": self._kernel.skipped(),
            "denials of kinds that there was no room for": full,
            "denials in containers that there was no room for": state.places_lost,
            "denials in containers whose names were not learnt": self._nameless,
            "audit messages that there was no room for": messages.lost() if messages else 0,
            "logged calls of kinds that there was no room for": messages.full if messages else 0,
            "logged calls of processes that are gone": messages.strangers if messages else 0,
            "answers to vsyscalls, which are not visible": self._unseen,
        }
        return Losses({reason: count for reason, count in reasons.items() if count})

    def new_reasons(self) -> List[str]:
        """Why something cannot be told, as soon as that is so: each reason once."""
        if time.monotonic() < self._reasons_due:
            return []
        self._reasons_due = time.monotonic() + REASONS_SECONDS
        new = [reason for reason in self.losses().reasons if reason not in self._reasons]
        self._reasons.update(new)
        return new


def _of_message(logged: Logged) -> Denial:
    message = logged.message
    architecture = assembly.architecture_of(message.architecture, message.number)
    return Denial(
        time=int(message.time * 1e9),
        count=logged.count,
        container=logged.place.container,
        name="",
        executable=message.executable or PROGRAM_UNKNOWN,
        comm=message.comm,
        process=message.process,
        thread=0,
        architecture=architecture,
        number=message.number,
        syscall=syscalls.shown_name_of(architecture, message.number),
        arguments=(),
        answer=ACTIONS[message.action],
    )
