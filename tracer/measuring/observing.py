"""
Starting containers, and executing programs in them, to see what the runtime calls meanwhile.
"""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Dict, FrozenSet, Iterator, List, Optional, Sequence, Tuple

from tracer.errors import HostError
from tracer.measuring.place import cgroups_removed
from tracer.measuring.running import Job, Shown, Watch, finished
from tracer.measuring.variants import (
    CGROUP,
    CONTAINERS,
    LASTS,
    NOTHING,
    RUN,
    TERMINAL,
    Execution,
    Refusal,
    Start,
    bundle,
    process,
)

CONSOLE = "console"
MOST_TERMINALS = 1024
AT_ONCE = 2 * (os.cpu_count() or 1)
# Options of a runtime that leave the host's cgroups alone.
OPTIONS = {"crun": ("--cgroup-manager=disabled",)}


@dataclass(frozen=True)
class Target:
    """
    What is measured: a runtime's name and the file, with or without no-new-privileges.

    `place` is the directory that `place.prepare` made.
    """

    runtime: str
    path: str
    place: Path
    no_new_privileges: bool

    @property
    def command(self) -> str:
        """How every call of the runtime begins, for a shell."""
        options = ("--root", str(self.place / "state"), *OPTIONS.get(self.runtime, ()))
        return shlex.join((self.path, *options))


@dataclass(frozen=True)
class Outcome:
    """
    What one start or exec showed: the runtime's calls, those that were refused to it, and whether
    it worked. It worked if all commands did and the container's program ran.

    `number`: the start's, or the container's that something was executed in.
    """

    number: int
    refusal: Refusal
    calls: FrozenSet[str]
    refused: FrozenSet[str]
    worked: bool


def observe_starts(
    watch: Watch, target: Target, starts: Sequence[Start], busy: bool = False
) -> List[Outcome]:
    """Make these starts; return what each showed, in their order. Raises HostError."""
    with _surroundings(target), busy_processors() if busy else nullcontext():
        jobs = finished(watch, (_started(watch, target, start) for start in starts), AT_ONCE)
        containers = watch.containers(jobs)
        recordings = frozenset(containers.values())
        if not watch.wait_for_tasks(recordings, 0):
            watch.end(jobs)
            watch.wait_for_tasks(recordings, 0)
        shown = watch.look(recordings)
        outcomes = [
            _outcome(start.number, start.refusal, job, shown.get(containers.get(job.command, 0)))
            for start, job in zip(starts, jobs)
        ]
        watch.release(jobs)
    _check(watch, target, outcomes)
    return outcomes


def _outcome(number: int, refusal: Refusal, job: Job, shown: Optional[Shown]) -> Outcome:
    shown = shown or Shown()
    return Outcome(number, refusal, shown.calls, shown.refused, job.status == 0 and shown.ran)


def _started(watch: Watch, target: Target, start: Start) -> Job:
    name = f"start-{start.number}-{next(_serial)}"
    document = bundle(start.variant, start.program, target.no_new_privileges, start.refusal, name)
    return watch.start(_script(target, start.way, name, document, start.variant.terminal))


def _numbers() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1


_serial = _numbers()


def _script(
    target: Target, way: str, name: str, document: Dict[str, object], terminal: bool = False
) -> str:
    directory = target.place / "bundles" / name
    directory.mkdir(parents=True)
    (directory / "config.json").write_text(json.dumps(document))
    return way.format(
        runtime=target.command,
        bundle=shlex.quote(str(directory)),
        id=name,
        terminal=_terminal(target, terminal),
    )


def _terminal(target: Target, wanted: bool) -> str:
    path = shlex.quote(str(target.place / CONSOLE))
    return TERMINAL.format(socket=path) if wanted else ""


class Containers:
    """
    Running containers to execute programs in. A container is known by its number, which chooses its
    variant; what its filter refuses is refused to what is executed in it, too.
    """

    def __init__(self, watch: Watch, target: Target, wanted: Sequence[Tuple[int, Refusal]]) -> None:
        self._watch = watch
        self._target = target
        self._refusals = [refusal for _, refusal in wanted]
        self._names = [f"lasting-{number}-{next(_serial)}" for number, _ in wanted]
        self._numbers = [number for number, _ in wanted]
        self._jobs = finished(watch, (self._start(place) for place in range(len(wanted))), AT_ONCE)
        begun = watch.containers(self._jobs)
        alive = watch.alive(frozenset(begun.values()))
        self._recordings = {
            place: begun[job.command]
            for place, job in enumerate(self._jobs)
            if job.status == 0 and begun.get(job.command, 0) in alive
        }
        watch.look(frozenset(self._recordings.values()))

    def _start(self, place: int) -> Job:
        number, name = self._numbers[place], self._names[place]
        variant = CONTAINERS[number % len(CONTAINERS)]
        document = bundle(
            replace(variant, terminal=False),
            LASTS,
            self._target.no_new_privileges,
            self._refusals[place],
            name,
        )
        return self._watch.start(_script(self._target, RUN, name, document))

    @property
    def running(self) -> FrozenSet[int]:
        """The places, in the order in which they were asked for, of the containers that run."""
        return frozenset(self._recordings)

    def execute(self, round: int, places: Sequence[int], busy: bool = False) -> List[Outcome]:
        """Execute a program in each of these running containers; raises HostError."""
        executions = [Execution(self._numbers[place], round) for place in places]
        started = (self._executed(place, which) for place, which in zip(places, executions))
        with busy_processors() if busy else nullcontext():
            jobs = finished(self._watch, started, AT_ONCE)
        recordings = frozenset(self._recordings[place] for place in places)
        if not self._watch.wait_for_tasks(recordings, 1):
            raise HostError("what was executed in a container does not end")
        shown = self._watch.look(recordings)
        outcomes = [
            _outcome(which.container, self._refusals[place], job, shown[self._recordings[place]])
            for place, which, job in zip(places, executions, jobs)
        ]
        _check(self._watch, self._target, outcomes)
        return outcomes

    def _executed(self, place: int, execution: Execution) -> Job:
        file = self._target.place / "bundles" / self._names[place] / "process.json"
        document = process(execution.variant, execution.program, self._target.no_new_privileges)
        file.write_text(json.dumps(document))
        script = execution.way.format(
            runtime=self._target.command,
            process=shlex.quote(str(file)),
            id=self._names[place],
            terminal=_terminal(self._target, execution.variant.terminal),
        )
        return self._watch.start(script)

    def end(self) -> None:
        """End all containers."""
        self._watch.release(self._jobs)


@contextmanager
def containers(
    watch: Watch, target: Target, wanted: Sequence[Tuple[int, Refusal]]
) -> Iterator[Containers]:
    """Give running containers, each with a number and a refusal. Raises HostError."""
    with _surroundings(target):
        found = Containers(watch, target, wanted)
        yield found
        found.end()


@contextmanager
def _surroundings(target: Target) -> Iterator[None]:
    with cgroups_removed(CGROUP), _terminals(target.place / CONSOLE):
        yield


@contextmanager
def _terminals(path: Path) -> Iterator[None]:
    """Take the terminals of containers: whoever sends one need not wait for it to be looked at."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(MOST_TERMINALS)
        try:
            yield
        finally:
            path.unlink()


def _check(watch: Watch, target: Target, outcomes: Sequence[Outcome]) -> None:
    """Without a single success something is wrong with the host; what it is the runtime says."""
    plain = [outcome for outcome in outcomes if outcome.refusal == NOTHING]
    if plain and not any(outcome.worked for outcome in plain):
        raise HostError(
            f"{target.path}: cannot start a container or execute in it here", watch.messages()
        )


@contextmanager
def busy_processors() -> Iterator[None]:
    """Keep every processor busy, so that the rarer calls of Go's scheduler show."""
    command = ["setpriv", "--pdeathsig", "KILL", "sh", "-c", "while :; do :; done"]
    loops = [subprocess.Popen(command) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
