"""
Running a runtime's commands while they are recorded: what each container called, and was refused.

`variants` says what is run; who wants which starts and execs, and what it means, is `observing`'s
and `trials`'. No engine is asked: a container is known by the PID namespace that it begins in the
process tree of its own command.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, FrozenSet, Iterator, List, Mapping, Optional, Sequence, Tuple

from tracer import syscalls
from tracer.errors import HostError
from tracer.kernel import denials, wire
from tracer.kernel.denials import Place
from tracer.kernel.recorder import Content, Recorder, own
from tracer.measuring.variants import ENDS, LASTS
from tracer.session.assembly import Doubts, architecture_of, head_reasons

ENDS_WITHIN = 10  # seconds: one command, and then what it has started
IN_VAIN = 2_000_000_000  # ns that a command may go on after its container has ended
WAIT_SECONDS = 0.25
LOOK_SECONDS = 0.01


@dataclass(frozen=True)
class Shown:
    """
    What a container has shown since the last look: the runtime's calls, those refused to it, and
    whether the container's own program came to run.
    """

    calls: FrozenSet[str] = frozenset()
    refused: FrozenSet[str] = frozenset()
    ran: bool = False


@dataclass
class Job:
    """
    A command line of a runtime that was started; `command` is the recording of its process tree.

    `status`: its exit code, None until it has ended, and if it had to be ended.
    """

    command: int
    process: "subprocess.Popen[bytes]"
    status: Optional[int] = field(default=None)


class Watch:
    """
    The recorder and the counting of denials. What is known of a command and its container stays
    until it is released.
    """

    def __init__(self, recorder: Recorder, refused: denials.Denials, log: Path) -> None:
        self._recorder = recorder
        self._denials = refused
        self._log = log
        self._counted: Dict[Tuple[int, str], int] = {}
        self._jobs: List[Job] = []

    def start(self, script: str) -> Job:
        """Start a shell script in a recording of its own."""
        with self._log.open("ab") as log, self._recorder.command() as command:
            process = subprocess.Popen(
                ["sh", "-c", script],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        self._jobs.append(Job(command, process))
        return self._jobs[-1]

    def finish(self, job: Job) -> None:
        """
        Wait for the end of a command. It is ended if it takes too long, or goes on waiting for a
        container that is no more.
        """
        deadline = time.monotonic() + ENDS_WITHIN
        while time.monotonic() < deadline:
            with suppress(subprocess.TimeoutExpired):
                job.status = job.process.wait(WAIT_SECONDS)
                return
            if self._is_in_vain(job):
                break
        self._kill(job)

    def _kill(self, job: Job) -> None:
        with suppress(ProcessLookupError):
            os.killpg(job.process.pid, signal.SIGKILL)
        job.process.wait()
        self.end([job])

    def release(self, jobs: Sequence[Job]) -> None:
        """End what is left of these commands and their containers, and forget all about them."""
        for job in jobs:
            if job.process.poll() is None:
                self._kill(job)
        self.end(jobs)
        begun = frozenset(self.containers(jobs).values())
        self.wait_for_tasks(begun, 0)
        heads = self._recorder.heads()
        self._denials.forget(
            {Place("", heads[found].namespace, heads[found].namespace_born) for found in begun}
        )
        self._recorder.release(begun | {job.command for job in jobs})
        self._jobs = [job for job in self._jobs if job not in jobs]

    def close(self) -> None:
        """End whatever is left of all that was started."""
        self.release(self._jobs)

    def _is_in_vain(self, job: Job) -> bool:
        early = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - IN_VAIN
        return any(
            head.outer == job.command and head.alive <= 0 and 0 < head.last_exit < early
            for head in self._recorder.heads().values()
            if head.kind == wire.NAMESPACE
        )

    def containers(self, jobs: Sequence[Job]) -> Mapping[int, int]:
        """Return the recording of the container that each command, by its recording, began."""
        commands = {job.command for job in jobs}
        return {
            head.outer: recording
            for recording, head in self._recorder.heads().items()
            if head.outer in commands and head.kind == wire.NAMESPACE
        }

    def end(self, jobs: Sequence[Job]) -> None:
        """Kill the containers of these commands: with its first process a PID namespace ends."""
        wanted = set(self.containers(jobs).values())
        for recording, head in self._recorder.heads().items():
            if recording in wanted and head.alive > 0:
                with suppress(ProcessLookupError):
                    os.kill(head.first_process, signal.SIGKILL)

    def wait_for_tasks(self, recordings: FrozenSet[int], most: int) -> bool:
        """Wait until no container has more than so many tasks alive; False if one still has."""
        deadline = time.monotonic() + ENDS_WITHIN
        while time.monotonic() < deadline:
            heads = self._recorder.heads()
            if all(heads[recording].alive <= most for recording in recordings):
                return True
            time.sleep(LOOK_SECONDS)
        return False

    def alive(self, recordings: FrozenSet[int]) -> FrozenSet[int]:
        """Return those of these containers that run."""
        heads = self._recorder.heads()
        return frozenset(found for found in recordings if heads[found].alive > 0)

    def look(self, recordings: FrozenSet[int]) -> Mapping[int, Shown]:
        """
        Return what these containers have shown since the last look.

        Raises HostError if something was lost, or a call has no name.
        """
        self._check(recordings)
        contents = self._recorder.contents(recordings)
        refused = self._refused(recordings)
        self._recorder.forget_calls(recordings)
        return {
            recording: _shown(content, refused.get(recording, frozenset()))
            for recording, content in contents.items()
        }

    def _check(self, recordings: FrozenSet[int]) -> None:
        heads = self._recorder.heads()
        reasons = list(Doubts(self._recorder.losses(), self._recorder.recursion_misses()).reasons())
        for recording in recordings:
            reasons += head_reasons(heads[recording])
        if reasons:
            raise HostError("; ".join(dict.fromkeys(reason.text for reason in reasons)))

    def settings(self, recordings: FrozenSet[int]) -> FrozenSet[bool]:
        """Return the no-new-privileges settings that programs in these containers ran with."""
        heads = self._recorder.heads()
        return frozenset(heads[recording].no_new_privileges for recording in recordings)

    def _refused(self, recordings: FrozenSet[int]) -> Mapping[int, FrozenSet[str]]:
        """What filters newly refused to the runtime in each container."""
        counted = self._denials.counted()
        standings = self._denials.standings()  # after them: a place is there before its denials
        heads = self._recorder.heads()
        places = {
            (heads[recording].namespace, heads[recording].namespace_born): recording
            for recording in recordings
        }
        found: Dict[int, FrozenSet[str]] = {}
        for (recording, name), count in _by_name(counted, standings, places).items():
            if count > self._counted.get((recording, name), 0):
                self._counted[recording, name] = count
                found[recording] = found.get(recording, frozenset()) | {name}
        return found

    def messages(self) -> str:
        """Return the end of what the runtime said."""
        said = self._log.read_bytes()[-600:].decode(errors="replace").strip()
        return said.splitlines()[-1] if said else "the runtime said nothing"


def _by_name(
    counted: Mapping[denials.Kind, denials.Denied],
    standings: Mapping[int, denials.Standing],
    places: Mapping[Tuple[int, int], int],
) -> Mapping[Tuple[int, str], int]:
    """How often what was refused to the runtime in these places, by recording and call's name."""
    own = set(places.values())
    found: Dict[Tuple[int, str], int] = {}
    for kind, denied in counted.items():
        recording = kind.recording
        if not recording and kind.place in standings:
            place = standings[kind.place].place
            recording = places.get((place.namespace, place.born), 0)
        if recording in own and denied.comm not in (ENDS, LASTS):
            key = (recording, _name(kind.architecture, kind.number))
            found[key] = found.get(key, 0) + denied.count
    return found


def _shown(content: Content, refused: FrozenSet[str]) -> Shown:
    runtimes = [call for call in content.calls if call.executable == wire.EXECUTABLE_RUNTIME]
    return Shown(
        calls=frozenset(_name(call.architecture, call.number) for call in runtimes),
        refused=refused,
        ran=len(runtimes) < len(content.calls),
    )


def _name(architecture: int, number: int) -> str:
    name = syscalls.name_of(architecture_of(architecture, number), number)
    if name is None:
        raise HostError(f"call {number} has no name", "update the package system-calls")
    return name


@contextmanager
def watching(log: Path) -> Iterator[Watch]:
    """Record what is started while in this context. Raises HostError, see `program.load`."""
    with own() as recorder, denials.counting(recorder.threads) as refused:
        watch = Watch(recorder, refused, log)
        try:
            yield watch
        finally:
            watch.close()


def finished(watch: Watch, jobs: Iterator[Job], at_once: int) -> List[Job]:
    """Start these commands, so many at once, and wait for all of them."""
    waiting: List[Job] = []
    done: List[Job] = []
    for job in jobs:
        waiting.append(job)
        if len(waiting) >= at_once:
            done.append(waiting.pop(0))
            watch.finish(done[-1])
    for job in waiting:
        watch.finish(job)
    return done + waiting
