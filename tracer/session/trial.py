"""
One trial of a profile: a container runs under it from beginning to end, is driven and is watched.

What a trial shows is told as it is; whether that is good is for `verification`, `refinement` and
`minimisation` to say. The command is one `podman run` or `docker run`, in the foreground.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Iterator, List, Optional, Sequence, Tuple

from tracer.container import arguments, engines
from tracer.container.arguments import EngineCall
from tracer.errors import HostError
from tracer.kernel import audit
from tracer.kernel.audit import Audit
from tracer.kernel.denials import Denials
from tracer.kernel.recorder import Recorder
from tracer.recording import Reason, Recording
from tracer.session import assembly, resident
from tracer.session.belonging import Container
from tracer.session.command import GRACE_SECONDS, Pace, Signals, wait_for_command, wait_until
from tracer.session.looking import Tell
from tracer.session.messages import Messages
from tracer.session.recording_run import Plan as RecordingPlan
from tracer.session.recording_run import Session
from tracer.session.refusals import Refusal, Refusals, title_of

LOOK_SECONDS = 0.05
STANDARD_ERROR = 2
# What tells a drive which container it is to drive, and how to ask the engine about it.
CONTAINER_VARIABLE = "SECCOMP_TRACE_CONTAINER"
NAME_VARIABLE = "SECCOMP_TRACE_NAME"
ENGINE_VARIABLE = "SECCOMP_TRACE_ENGINE"


@dataclass(frozen=True)
class Plan:
    """
    What to try: a command with its engine's call in it, and a drive, if any.

    `limit`: seconds after which the container is killed. `output` is the descriptor that the
    command gets as its standard output instead of ours.
    """

    command: Tuple[str, ...]
    call: EngineCall
    drive: Tuple[str, ...] = ()
    limit: Optional[float] = None
    output: Optional[int] = None


@dataclass(frozen=True)
class Trial:
    """
    What one run under a profile showed.

    `status` is the command's; `drive` is the drive's, None if it was not started. `stopped`: the
    container ran on when the drive had ended, and was asked to stop; `expired`: it was killed
    because its time was up. `failed`: containers that never ran a program; `unfiltered`: such as
    ran without any filter. `unsure`: what could not be judged on this host; `lost`:
    refusals that could not be kept.
    """

    status: int
    drive: Optional[int]
    stopped: bool
    expired: bool
    seconds: float
    recordings: Tuple[Recording, ...]
    refusals: Tuple[Refusal, ...]
    failed: Tuple[str, ...] = ()
    unfiltered: Tuple[str, ...] = ()
    tried: Tuple[str, ...] = ()
    doubts: Tuple[Reason, ...] = ()
    unsure: int = 0
    lost: int = 0


@dataclass(frozen=True)
class Bench:
    """
    What trials are made with: one recorder and one watch for all of them.

    `hears_logs`: what a filter logs can be told here.
    """

    recorder: Recorder
    refusals: Refusals
    hears_logs: bool = True


class Watchful(Signals):
    """Signals that remember whether somebody wanted an end."""

    interrupted = False

    def __enter__(self) -> "Watchful":
        super().__enter__()
        return self

    def next(self, seconds: float) -> Optional["signal.struct_siginfo"]:
        """See Signals.next."""
        information = super().next(seconds)
        if information is not None and information.si_signo != signal.SIGCHLD:
            self.interrupted = True
        return information


@contextmanager
def bench(tell: Tell) -> Iterator[Bench]:
    """
    All that trials need. `tell` hears of what cannot be seen here.

    Raises HostError if trials are not possible here.
    """
    assembly.check_names()  # before anything runs
    with resident.for_session(tell) as recorder, ExitStack() as opened:
        kernel = opened.enter_context(Denials(recorder.threads))
        messages: Optional[Messages] = None
        try:
            messages = Messages(opened.enter_context(Audit()))
        except HostError as error:
            tell(f"{error}; what is answered with an error is seen all the same")
        hears_logs = messages is not None and "log" not in audit.unlogged()
        yield Bench(recorder, Refusals(kernel, messages), hears_logs)


def attempt(bench: Bench, plan: Plan, profile: str, signals: Signals) -> Trial:
    """
    Run the command once under the profile in a file.

    Raises CommandError if the command or the drive cannot be started.
    """
    command = arguments.to_its_end(
        arguments.with_profile(plan.command, plan.call, profile), plan.call
    )
    bench.refusals.begin()
    with ExitStack() as ending:
        with bench.recorder.command() as number:
            session = Session(RecordingPlan(plan.command), bench.recorder, number)
            ending.callback(session.leave)
            child = signals.start(command, plan.output)
        one = _Attempt(bench, plan, session, signals, child)
        ending.callback(one.leave)
        status = wait_for_command(child, signals, Pace(LOOK_SECONDS, None), one.look)
        one.finish()
        return one.outcome(status if status is not None else 1)


class _Attempt:
    """What one trial knows while it lasts."""

    def __init__(
        self,
        bench: Bench,
        plan: Plan,
        session: Session,
        signals: Signals,
        child: "subprocess.Popen[bytes]",
    ) -> None:
        self._bench = bench
        self._plan = plan
        self._session = session
        self._signals = signals
        self._child = child
        self._began = time.monotonic()
        self._end = None if plan.limit is None else self._began + plan.limit
        self._drive: Optional["subprocess.Popen[bytes]"] = None
        self._asked: List["subprocess.Popen[bytes]"] = []
        self._stopped = self._expired = False
        session.look()  # makes room for this one

    def look(self) -> None:
        """Start the drive, end what the drive is done with, or what takes too long."""
        self._bench.refusals.hear()
        waiting = self._plan.drive and not self._stopped
        if waiting and (self._drive is None or self._drive.poll() is not None):
            running = [one for one in self._session.containers() if _runs(one)]
            if running and self._drive is None:
                self._drive = self._start_drive(running[0])
            elif running and self._drive is not None:
                self._ask("stop", running)
                self._stopped = True
        if self._end is not None and time.monotonic() >= self._end:
            self._give_up()

    def _start_drive(self, container: Container) -> "subprocess.Popen[bytes]":
        return self._signals.start(
            self._plan.drive,
            STANDARD_ERROR,
            input=subprocess.DEVNULL,
            variables={
                CONTAINER_VARIABLE: container.id,
                NAME_VARIABLE: container.name or container.id,
                ENGINE_VARIABLE: shlex.join(self._plan.call.client),
            },
        )

    def _ask(self, verb: str, containers: Sequence[Container]) -> None:
        """Have the engine do something to containers; what it says of it is not the command's."""
        words = [*self._plan.call.client, verb, "--", *(one.id for one in containers)]
        self._asked.append(self._signals.start(words, subprocess.DEVNULL, input=subprocess.DEVNULL))

    def _give_up(self) -> None:
        """Kill the container, then whatever does not end for that."""
        self._end = time.monotonic() + GRACE_SECONDS
        running = [one for one in self._session.containers() if one.head.alive > 0]
        if self._expired or not running:
            self._child.kill()
        else:
            self._ask("kill", running)
        self._expired = True

    def finish(self) -> None:
        """Wait for what is left: the last of the container's tasks, and a drive without one."""
        soon = Pace(LOOK_SECONDS, time.monotonic() + GRACE_SECONDS)
        wait_until(self._is_over, self._signals, soon)

    def _is_over(self) -> bool:
        left = [one for one in (self._drive, *self._asked) if one is not None]
        ended = [one.poll() is not None for one in left]
        return all(ended) and not any(one.head.alive > 0 for one in self._session.containers())

    def leave(self) -> None:
        """Leave nothing behind that we have started."""
        running = [one for one in self._session.containers() if one.head.alive > 0]
        if self._child.poll() is None and running:
            self._ask("kill", running)
        for one in (self._drive, *self._asked, self._child):
            if one is not None and one.poll() is None:
                _end(one)

    def outcome(self, status: int) -> Trial:
        """What the trial showed, once all is over."""
        self.leave()
        heads = self._bench.recorder.heads()
        containers = self._session.containers()
        outcome = self._session.outcome(status)
        refusals = self._bench.refusals
        return Trial(
            status=status,
            drive=None if self._drive is None else _status(self._drive),
            stopped=self._stopped,
            expired=self._expired,
            seconds=time.monotonic() - self._began,
            recordings=outcome.recordings,
            refusals=refusals.of(containers, heads),
            failed=outcome.failed,
            unfiltered=tuple(title_of(one) for one in containers if one.head.unfiltered),
            tried=tuple(dict.fromkeys(_tried(one) for one in containers)),
            doubts=outcome.doubts,
            unsure=refusals.unsure(),
            lost=refusals.lost(containers, heads),
        )


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Wait a little for a process, then end it."""
    for ask in (process.terminate, process.kill):
        try:
            process.wait(GRACE_SECONDS / 2)
            return
        except subprocess.TimeoutExpired:
            ask()
    process.wait()


def _runs(container: Container) -> bool:
    """Whether a container's own program runs, and not only its runtime."""
    head = container.head
    return head.alive > 0 and bool(head.executables or head.unnamed)


def _status(process: "subprocess.Popen[bytes]") -> int:
    """A process's end as a shell tells it."""
    return 128 - process.returncode if process.returncode < 0 else process.returncode


def _tried(container: Container) -> str:
    runtime = os.path.basename(container.runtime) or "an unknown runtime"
    version = engines.installed_version(container.runtime) if container.runtime else ""
    return f"{container.engine or 'no engine'} with {f'{runtime} {version}'.strip()}"
