"""
What filters refused to some containers meanwhile: which call, to whom, how often, and how.

Two sources, as for `watching`: the kernel side counts what was answered with an error, a trap or a
kill, the audit messages tell what was logged, and who was killed how. Which containers count is the
caller's to say, once they are known.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, replace
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from tracer import syscalls
from tracer.kernel import audit, denials
from tracer.kernel.denials import Denials, Denied, Kind, Place
from tracer.kernel.wire import Head
from tracer.profile import model
from tracer.profile.decide import Answer
from tracer.recording import RUNTIME, UNKNOWN
from tracer.session import assembly
from tracer.session.belonging import RUNTIMES, Container
from tracer.session.messages import Logged, Messages

MOST_LOOKS = 20  # at messages in one go: a look takes a limited number
# What stands for the answer to a vsyscall, which may have been let through.
NOT_VISIBLE = Answer("not visible")
ANSWERS = {
    denials.TRAPPED: Answer(model.TRAP),
    denials.KILLED: Answer(model.KILL),
    denials.UNSEEN: NOT_VISIBLE,
}
ACTIONS = {
    audit.LOG: model.LOG,
    audit.KILL_THREAD: model.KILL_THREAD,
    audit.KILL_PROCESS: model.KILL_PROCESS,
}


@dataclass(frozen=True)
class Refusal:
    """
    What one program asked for and was refused (or logged for), and the last time of it. A vsyscall
    has the answer NOT_VISIBLE, whether it was refused or not.

    `time`: ns since the epoch. `thread` as its container numbers it, 0 if unknown; `arguments`:
    six, or none if unknown. `count` is how often.
    """

    syscall: str
    architecture: str
    number: int
    answer: Answer
    executable: str
    comm: str
    container: str
    thread: int
    time: int
    count: int
    arguments: Tuple[int, ...]

    @property
    def key(self) -> Tuple[str, str, str, Answer]:
        """What makes two refusals one, of whichever container."""
        return (self.syscall, self.architecture, self.executable, self.answer)


class Refusals:
    """
    What is refused from `begin` on, anywhere; and to some containers, once these are known.

    `messages`: None where they are not read, so that LOG does not show, nor which KILL it was: then
    it is KILL, for either.
    """

    def __init__(self, kernel: Denials, messages: Optional[Messages]) -> None:
        self._kernel = kernel
        self._messages = messages
        self._host = assembly.this_host()
        self._before: Mapping[Kind, Denied] = {}
        self._heard: List[Logged] = []
        self._uncertain, self._without_room = self._count_uncertain(), self._count_without_room()

    def begin(self) -> None:
        """Forget what has been so far."""
        self._kernel.make_room(self._kernel.counted())
        self._before = self._kernel.counted()
        self.hear()
        self._heard = []
        self._uncertain, self._without_room = self._count_uncertain(), self._count_without_room()

    def hear(self) -> None:
        """Take the messages that wait, before they are too many."""
        for _ in range(MOST_LOOKS):
            found = self._messages.new(self._kernel.place_of_ended) if self._messages else ()
            before = len(self._heard)
            self._heard += found
            if len(self._heard) == before:
                return

    def of(self, containers: Sequence[Container], heads: Mapping[int, Head]) -> Tuple[Refusal, ...]:
        """What was refused to these, the first one first."""
        self.hear()
        theirs = _Theirs(containers, heads)
        found = [*self._counted(theirs), *self._told(theirs)]
        return tuple(sorted(found, key=lambda one: one.time))

    def unsure(self) -> int:
        """How often it could not be judged, anywhere on this host, what was refused and to whom."""
        return self._count_uncertain() - self._uncertain

    def lost(self, containers: Sequence[Container], heads: Mapping[int, Head]) -> int:
        """How many refusals there was no room for."""
        theirs = _Theirs(containers, heads)
        standings = self._kernel.standings()  # before the denials: it counts what is missing
        kept = Counter(kind.place for kind in self._kernel.counted())
        full = sum(
            one.lost + max(0, one.denials - kept[number])
            for number, one in standings.items()
            if theirs.title_at(one.place)
        )
        return full + self._count_without_room() - self._without_room

    def _count_uncertain(self) -> int:
        strangers = self._messages.strangers if self._messages else 0
        return self._kernel.state().unsure + self._kernel.skipped() + strangers

    def _count_without_room(self) -> int:
        messages = self._messages
        return self._kernel.state().places_lost + (messages.lost() if messages else 0)

    def _counted(self, theirs: "_Theirs") -> Iterator[Refusal]:
        counted = self._kernel.counted()
        standings = self._kernel.standings()  # after them: a place is there before its denials
        paths: Optional[Mapping[Tuple[int, int], str]] = None
        for kind, denied in counted.items():
            if kind.error == denials.KILLED and self._messages and self._messages.tell_kills:
                continue  # they say which way
            before, standing = self._before.get(kind), standings.get(kind.place)
            more = denied.count - (before.count if before else 0)
            title = theirs.title_of(kind.recording)
            if not kind.recording and standing:
                title = theirs.title_at(standing.place, denied.last)
            if more and title:
                paths = self._kernel.paths() if paths is None else paths
                path = paths.get((kind.place, kind.executable), UNKNOWN)
                yield self._of_kind(kind, replace(denied, count=more), title, path)

    def _of_kind(self, kind: Kind, denied: Denied, title: str, path: str) -> Refusal:
        architecture = assembly.architecture_of(kind.architecture, kind.number)
        return Refusal(
            syscall=syscalls.shown_name_of(architecture, kind.number),
            architecture=architecture,
            number=kind.number,
            answer=ANSWERS.get(kind.error) or Answer(model.ERRNO, kind.error),
            executable=_program(path, denied.comm),
            comm=denied.comm,
            container=title,
            thread=denied.thread,
            time=denied.last + self._host.boot,
            count=denied.count,
            arguments=denied.arguments,
        )

    def _told(self, theirs: "_Theirs") -> Iterator[Refusal]:
        folded: Dict[Tuple[object, ...], Refusal] = {}
        for logged in self._heard:
            title = theirs.title_at(logged.place, int(logged.message.time * 1e9) - self._host.boot)
            if title:
                one = _of_message(logged, title)
                known = folded.get(one.key)
                folded[one.key] = replace(one, count=one.count + (known.count if known else 0))
        yield from folded.values()


def _of_message(logged: Logged, title: str) -> Refusal:
    message = logged.message
    architecture = assembly.architecture_of(message.architecture, message.number)
    return Refusal(
        syscall=syscalls.shown_name_of(architecture, message.number),
        architecture=architecture,
        number=message.number,
        answer=Answer(ACTIONS[message.action]),
        executable=_program(message.executable, message.comm),
        comm=message.comm,
        container=title,
        thread=0,
        time=int(message.time * 1e9),
        count=logged.count,
        arguments=(),
    )


class _Theirs:
    """Whose something is, by recording or by place: a container's title, or an empty string."""

    def __init__(self, containers: Sequence[Container], heads: Mapping[int, Head]) -> None:
        self._own = os.stat("/proc/self/ns/pid").st_ino
        self._containers = containers
        self._recordings: Dict[int, str] = {}
        self._ids: Dict[str, str] = {}
        for one in containers:
            title = title_of(one)
            self._recordings[one.recording] = title
            if one.id:
                self._ids[one.id] = title
        for recording, head in sorted(heads.items()):  # ids are times: what is outer comes first
            if head.outer in self._recordings:
                self._recordings.setdefault(recording, self._recordings[head.outer])

    def title_of(self, recording: int) -> str:
        return self._recordings.get(recording, "")

    def title_at(self, place: Place, time: int = 0) -> str:
        """`time`: when something was there, ns of CLOCK_BOOTTIME."""
        if place.container:
            return self._ids.get(place.container, "")
        if not place.namespace:
            return self._recordings.get(place.born, "")
        if place.namespace == self._own:
            return ""
        return next((title_of(one) for one in self._containers if _is_in(one, place, time)), "")


def _is_in(container: Container, place: Place, time: int) -> bool:
    """
    Whether a place is a container's PID namespace, and not a later one of the same inode number:
    they are used again within milliseconds.
    """
    head = container.head
    if head.namespace != place.namespace:
        return False
    if place.born and head.namespace_born:
        return place.born == head.namespace_born
    return head.alive > 0 or time <= head.last_exit


def title_of(container: Container) -> str:
    """What a person calls a container."""
    return container.name or container.id[:12] or "container"


# The runtime's own program lies in no container; its comm says what it is about: "runc:[2:INIT]".
def _program(path: str, comm: str) -> str:
    name = comm.split(":")[0]
    return RUNTIME if name in RUNTIMES else path or UNKNOWN
