"""
One trial: a container runs from beginning to end, under a profile or with other capabilities, is
driven and is watched.

What a trial shows is told as it is; whether that is good is for `verification`, `refinement`,
`minimisation` and `confirmation` to say. The command is one `podman run` or `docker run`, in the
foreground.
"""

from __future__ import annotations

import math
import signal
import subprocess
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Iterator, List, Optional, Sequence, Tuple

from tracer.container import arguments
from tracer.container.arguments import EngineCall
from tracer.errors import HostError
from tracer.kernel import audit
from tracer.kernel.audit import Audit
from tracer.kernel.denials import counting
from tracer.kernel.outcomes import Outcomes
from tracer.kernel.recorder import Recorder
from tracer.recording import Reason, Recording
from tracer.session import assembly, resident
from tracer.session.belonging import Container
from tracer.session.checking import Checking
from tracer.session.command import GRACE_SECONDS, Pace, Signals, wait_for_command, wait_until
from tracer.session.driving import LOOK_SECONDS, Drive, Driving, is_alive
from tracer.session.looking import Tell
from tracer.session.messages import Messages
from tracer.session.recording_run import Plan as RecordingPlan
from tracer.session.recording_run import Session
from tracer.session.refusals import Refusal, Refusals, title_of
from tracer.session.runtimes import identify

AGAIN_SECONDS = 2.0
PARTING = (signal.SIGHUP, signal.SIGTERM)
ENDING = (signal.SIGINT, signal.SIGQUIT, *PARTING)


@dataclass(frozen=True)
class Plan:
    """
    What to try: a command with its engine's call in it, and a drive, if any.

    `limit`: seconds after which the container is killed, and soon after an interruption; without it
    a second Ctrl-C kills it, or soon after a signal that has come from elsewhere. `output`
    is the descriptor that the command gets as its standard output instead of ours.
    """

    command: Tuple[str, ...]
    call: EngineCall
    drive: Tuple[str, ...] = ()
    limit: Optional[float] = None
    output: Optional[int] = None


@dataclass(frozen=True)
class Trial:
    """
    What one run showed.

    `status` is the command's; `drive` is the drive's, None if it was not started. `stopped`: the
    container ran on when the drive had ended, and was asked to stop; `expired`: it was killed
    because its time was up; `interrupted`: because somebody did not want to wait. `failed`:
    containers that never ran a program; `unfiltered`: such as ran without any filter. `unsure`:
    what could not be judged on this host; `lost`: refusals that could not be kept.
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
    interrupted: bool = False


@dataclass(frozen=True)
class Bench:
    """
    What trials are made with: one recorder and one watch for all of them.

    `refusals`: None if nobody wants to know what is refused. `hears_logs`: what a filter logs can
    be told here. `asked`: how capability checks are noted, if they are.
    """

    recorder: Recorder
    refusals: Optional[Refusals] = None
    hears_logs: bool = True
    asked: Checking = Checking()
    ended: Optional[Outcomes] = None


class Watchful(Signals):
    """
    Signals that remember whether somebody wanted an end; `insisted`: more than once; `parted`: and
    does not wait at a terminal for it. What a program may take for anything (SIGUSR1) is none.
    """

    interrupted = insisted = parted = False

    def __enter__(self) -> "Watchful":
        super().__enter__()
        return self

    def next(self, seconds: float) -> Optional["signal.struct_siginfo"]:
        """See Signals.next."""
        information = super().next(seconds)
        if information is not None and information.si_signo in ENDING:
            self.insisted = self.interrupted
            self.interrupted = True
            self.parted |= information.si_signo in PARTING
        return information


@contextmanager
def bench(tell: Tell) -> Iterator[Bench]:
    """
    All that trials need. `tell` hears of what cannot be seen here.

    Raises HostError if trials are not possible here.
    """
    assembly.check_names()  # before anything runs
    with resident.for_session(tell) as recorder, ExitStack() as opened:
        kernel = opened.enter_context(counting(recorder.threads))
        messages: Optional[Messages] = None
        try:
            messages = Messages(opened.enter_context(Audit()), audit.unlogged())
        except HostError as error:
            tell(f"{error}; errors, traps and kills are seen all the same")
        hears_logs = messages is not None and "log" not in audit.unlogged()
        yield Bench(recorder, Refusals(kernel, messages), hears_logs)


@contextmanager
def plain_bench(tell: Tell) -> Iterator[Bench]:
    """What trials need in which nobody asks what is refused. As `bench`."""
    assembly.check_names()
    with resident.for_session(tell) as recorder:
        yield Bench(recorder)


def attempt(bench: Bench, plan: Plan, profile: str, signals: Watchful) -> Trial:
    """
    Run the command once under the profile in a file.

    Raises CommandError if the command or the drive cannot be started.
    """
    command = arguments.with_profile(plan.command, plan.call, profile)
    return attempt_as(bench, plan, command, signals)


def attempt_as(bench: Bench, plan: Plan, command: Sequence[str], signals: Watchful) -> Trial:
    """
    Run the command once as it is rewritten here.

    Raises CommandError if the command or the drive cannot be started.
    """
    if bench.refusals:
        bench.refusals.begin()
    with ExitStack() as ending:
        with bench.recorder.command() as number:
            session = Session(
                RecordingPlan(plan.command),
                bench.recorder,
                number,
                asked=bench.asked,
                ended=bench.ended,
            )
            ending.callback(session.leave)
            child = signals.start(arguments.to_its_end(command, plan.call), plan.output)
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
        signals: Watchful,
        child: "subprocess.Popen[bytes]",
    ) -> None:
        self._bench = bench
        self._session = session
        self._signals = signals
        self._child = child
        self._limited = plan.limit is not None
        self._began = time.monotonic()
        self._end = math.inf if plan.limit is None else self._began + plan.limit
        self._latest = math.inf
        self._driving = Driving(Drive(plan.drive, plan.call.client), signals)
        self._expired = self._hurried = False
        session.look()  # makes room for this one

    def look(self) -> None:
        """Start the drive, or end what the drive is done with, or what takes too long."""
        if self._bench.refusals:
            self._bench.refusals.hear()
        if self._driving.is_wanted:
            self._driving.look(self._session.containers())
        hurry = self._signals.parted or (self._signals.interrupted and self._limited)
        if hurry and not self._hurried:
            self._hurried = True
            self._end = min(self._end, time.monotonic() + GRACE_SECONDS)
        if self._signals.insisted and not self._expired:
            self._hurried, self._end = True, -math.inf
        if time.monotonic() >= self._end:
            self._give_up()

    def _give_up(self) -> None:
        """
        Kill the container, then whatever does not end for that.

        The engine is asked again: it refuses to while it has not written down that it has started.
        """
        now, running = time.monotonic(), self._running()
        if not self._expired:
            self._latest = now + GRACE_SECONDS
        if now >= self._latest or not (running or self._expired):
            self._child.kill()
        elif running:
            self._driving.ask("kill", running)
        self._end = now + AGAIN_SECONDS
        self._expired = True

    def _running(self) -> List[Container]:
        return [one for one in self._session.containers() if is_alive(one)]

    def finish(self) -> None:
        """
        Wait for what is left: the last of the container's tasks, and a drive without one, but for
        one whose time is up. A container that its command has left in a hurry is killed; or removed
        if that does not help, for engines kill none that they have made and not yet started.
        """
        left = self._signals.interrupted or self._child.returncode < 0
        self._wait(AGAIN_SECONDS if left else GRACE_SECONDS)
        left |= self._signals.interrupted
        if left and self._running():
            self._driving.ask("kill", self._running())
            self._wait(AGAIN_SECONDS)
        if left and self._running():
            self._driving.ask("rm", self._running(), "--force")

    def _wait(self, seconds: float) -> None:
        latest = time.monotonic() + seconds
        wait_until(self._is_over, self._signals, Pace(LOOK_SECONDS, latest))

    def _is_over(self) -> bool:
        return (self._expired or self._driving.is_over()) and not self._running()

    def leave(self) -> None:
        """Leave nothing behind that we have started."""
        self._driving.leave(self._child, self._session.containers)

    def outcome(self, status: int) -> Trial:
        """What the trial showed, once all is over."""
        self.leave()
        heads = self._bench.recorder.heads()
        containers = self._session.containers()
        outcome = self._session.outcome(status)
        refusals, host = self._bench.refusals, assembly.this_host()
        return Trial(
            status=status,
            drive=self._driving.status,
            stopped=self._driving.stopped,
            expired=self._expired and not self._hurried,
            interrupted=self._expired and self._hurried,
            seconds=time.monotonic() - self._began,
            recordings=outcome.recordings,
            refusals=refusals.of(containers, heads) if refusals else (),
            failed=outcome.failed,
            unfiltered=tuple(title_of(one) for one in containers if one.head.unfiltered),
            tried=tuple(dict.fromkeys(_tried(container, host.boot) for container in containers)),
            doubts=outcome.doubts,
            unsure=refusals.unsure() if refusals else 0,
            lost=refusals.lost(containers, heads) if refusals else 0,
        )


def _tried(container: Container, boot: int) -> str:
    runtime = identify(container, boot)
    words = f"{runtime.name or 'an unknown runtime'} {runtime.version}".strip()
    return f"{container.engine or 'no engine'} with {words}"
