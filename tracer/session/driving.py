"""
The drive: a command that exercises a container while it runs, and says whether it worked.

It is started once the container's own program runs, and told which container that is. A container
that runs on when its drive has ended is asked to stop. Whoever waits for the command calls `look`.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Callable, List, Optional, Sequence, Tuple

from tracer.container.tasks import family
from tracer.session.belonging import Container
from tracer.session.command import GRACE_SECONDS, Pace, Signals, wait_until

LOOK_SECONDS = 0.05
STANDARD_ERROR = 2
# What tells a drive which container it is to drive, and how to ask the engine about it.
CONTAINER_VARIABLE = "SECCOMP_TRACE_CONTAINER"
NAME_VARIABLE = "SECCOMP_TRACE_NAME"
ENGINE_VARIABLE = "SECCOMP_TRACE_ENGINE"


@dataclass(frozen=True)
class Drive:
    """The drive's words, none if there is none; and by which words its engine can be asked."""

    words: Tuple[str, ...]
    client: Tuple[str, ...]


NO_DRIVE = Drive((), ())


class Driving:
    """
    A drive while its container lasts. `stopped`: the container ran on when the drive had ended, and
    was asked to stop.
    """

    def __init__(self, drive: Drive, signals: Signals) -> None:
        self.stopped = False
        self._drive = drive
        self._signals = signals
        self._process: Optional["subprocess.Popen[bytes]"] = None
        self._asked: List["subprocess.Popen[bytes]"] = []

    @property
    def status(self) -> Optional[int]:
        """The exit code as a shell tells it, once it has ended; None if there was no drive."""
        if self._process is None:
            return None
        status = self._process.returncode
        return 128 - status if status < 0 else status

    @property
    def is_wanted(self) -> bool:
        """Whether there is something to do that depends on which containers run."""
        if not self._drive.words or self.stopped:
            return False
        return self._process is None or self._process.poll() is not None

    def look(self, containers: Sequence[Container]) -> None:
        """Start the drive, or end what the drive is done with. Raises CommandError."""
        running = [one for one in containers if _runs(one)]
        if not (self.is_wanted and running):
            return
        if self._process is None:
            self._process = self._start(running[0])
        else:
            self.ask("stop", running)
            self.stopped = True

    def _start(self, container: Container) -> "subprocess.Popen[bytes]":
        variables = {
            CONTAINER_VARIABLE: container.id,
            NAME_VARIABLE: container.name or container.id,
            ENGINE_VARIABLE: shlex.join(self._drive.client),
        }
        words, none = self._drive.words, subprocess.DEVNULL
        return self._signals.start_beside(words, STANDARD_ERROR, input=none, variables=variables)

    def ask(self, verb: str, containers: Sequence[Container], *options: str) -> None:
        """Have the engine do something to containers; what it says of it is not the command's."""
        words = [*self._drive.client, verb, *options, *(one.id for one in containers)]
        none = subprocess.DEVNULL
        self._asked.append(self._signals.start_beside(words, none, input=none))

    def finish(self) -> None:
        """Give a drive without a container, and the engine, a little time to end."""
        soon = Pace(LOOK_SECONDS, time.monotonic() + GRACE_SECONDS)
        wait_until(self.is_over, self._signals, soon)

    def is_over(self) -> bool:
        """Whether nothing of ours runs any more."""
        return all([one.poll() is not None for one in self._started()])

    def leave(
        self, child: "subprocess.Popen[bytes]", containers: Callable[[], Sequence[Container]]
    ) -> None:
        """
        Leave nothing behind that was started: containers whose command still runs, for something
        went wrong, are killed; the drive, whom we have asked, and the command are ended.
        """
        try:
            running = [] if child.poll() is not None else [*filter(is_alive, containers())]
            if running:
                self.ask("kill", running)
        finally:
            if self._process is not None:
                end_family(self._process)
            for one in (*self._asked, child):
                end(one)

    def _started(self) -> List["subprocess.Popen[bytes]"]:
        return [one for one in (self._process, *self._asked) if one is not None]


def end_family(process: "subprocess.Popen[bytes]") -> None:
    """Wait a little for a process, then end it and what it has started: a shell leaves that."""
    try:
        process.wait(GRACE_SECONDS / 2)
        return
    except subprocess.TimeoutExpired:
        pass
    with ExitStack() as opened:
        members = [one for one in map(_handle, sorted(family(process.pid))) if one is not None]
        for one in members:
            opened.callback(os.close, one)
        for one in members:
            _send(one, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS / 2)
        for one in members:
            _send(one, signal.SIGKILL)
    process.wait()


def _handle(process: int) -> Optional[int]:
    """A descriptor of a process, for its number may be another one's when it has ended."""
    try:
        return os.pidfd_open(process)
    except ProcessLookupError:
        return None


def _send(handle: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        signal.pidfd_send_signal(handle, number)


def end(process: "subprocess.Popen[bytes]") -> None:
    """Wait a little for a process, then end it."""
    for ask in (process.terminate, process.kill):
        try:
            process.wait(GRACE_SECONDS / 2)
            return
        except subprocess.TimeoutExpired:
            ask()
    process.wait()


def is_alive(container: Container) -> bool:
    """Whether anything of a container runs, be it only its runtime."""
    return container.head.alive > 0


def _runs(container: Container) -> bool:
    """Whether a container's own program runs, and not only its runtime."""
    head = container.head
    return is_alive(container) and bool(head.executables or head.unnamed)
