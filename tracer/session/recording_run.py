"""
One `run` from beginning to end: load, start, wait, read the maps, name what is in them.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import FrozenSet, List, Mapping, Optional, Sequence, Tuple

from tracer.container import arguments, engines
from tracer.container.engines import Named
from tracer.errors import InputError
from tracer.kernel import program
from tracer.kernel.outcomes import Outcomes
from tracer.kernel.recorder import Content, Recorder
from tracer.kernel.wire import Head
from tracer.recording import Reason, Recording, Run
from tracer.session import assembly, driving, marker, resident
from tracer.session.belonging import Belongings, Container, Evidence, LookUp, belongings
from tracer.session.belonging import tree_of
from tracer.session.checking import Checking, checking, noted, with_checks
from tracer.session.driving import NO_DRIVE, Drive, Driving
from tracer.session.looking import Seen, Tell, Watch, seen_of
from tracer.session.outcomes import with_outcomes
from tracer.session.refusing import Refusing, refusing, with_denials
from tracer.session.command import Ending, Pace, Signals, wait_for_command, wait_until

LOOK_SECONDS = 0.25  # between looks at the maps while a command runs
END_SECONDS = 0.02  # and while its containers come to their end,
SOON_SECONDS = 1.0  # which takes no longer than this unless they are meant to stay
CROWDED = 0.5  # how full a map may be before what others have left in it is let go
GONE = Reason("gave-way", "it was let go while it was read: others have filled the recorder", 1)
TIMED_OUT = 124  # as timeout(1) has it


@dataclass(frozen=True)
class Plan:
    """
    What to run. `duration` in seconds; `output` is the descriptor that the command gets as its
    standard output instead of ours; `unconfined` starts the container under the marker filter;
    `outcomes` notes how calls end.
    `drive` exercises the container. `once`: the container ends with the command and is removed.
    """

    command: Tuple[str, ...]
    duration: Optional[float] = None
    unconfined: bool = False
    output: Optional[int] = None
    outcomes: bool = False
    drive: Drive = NO_DRIVE
    once: bool = False


@dataclass(frozen=True)
class Outcome:
    """
    How the command ended, what was recorded (one for each container, or one for the command), the
    names of containers that never came to run a program, and what speaks against all of it.
    `drive` and `stopped` as `driving.Driving` has them.
    """

    status: int
    recordings: Tuple[Recording, ...]
    failed: Tuple[str, ...]
    doubts: Tuple[Reason, ...]
    drive: Optional[int] = None
    stopped: bool = False
    seconds: float = 0.0


def record(plan: Plan, signals: Signals, watch: Watch, tell: Tell) -> Outcome:
    """
    Run a command and record it. `signals` is the caller's, who still has to write the results.

    Raises HostError if recording is not possible here, CommandError if the command cannot be
    started, InputError if it cannot be run as asked.
    """
    end = None if plan.duration is None else time.monotonic() + plan.duration
    assembly.check_names()  # before the command runs: without them nothing could be made of it
    with resident.for_session(tell) as recorder, ExitStack() as ending:
        command = as_asked(plan)
        asked = ending.enter_context(checking(recorder))
        refused = ending.enter_context(refusing(recorder))
        ended = ending.enter_context(Outcomes(recorder.threads)) if plan.outcomes else None
        with recorder.command() as number:
            session = Session(plan, recorder, number, asked, refused, ended)
            ending.callback(session.leave)
            began = time.monotonic()
            child = signals.start(command, plan.output)
        drive = Driving(plan.drive, signals)
        if plan.drive.words:
            ending.callback(drive.leave, child, session.containers)

        def look() -> None:
            watch(session.look())
            if drive.is_wanted:
                drive.look(session.containers())

        status = wait_for_command(child, signals, Pace(_look_seconds(plan), end), look)
        if status is None:
            tell("the command did not end when it was asked to: it goes on, unrecorded")
            return session.outcome(TIMED_OUT)
        session.wait_for_containers(signals, end, watch, tell)
        drive.finish()
        outcome, seconds = session.outcome(status), time.monotonic() - began
        return replace(outcome, drive=drive.status, stopped=drive.stopped, seconds=seconds)


def _look_seconds(plan: Plan) -> float:
    return driving.LOOK_SECONDS if plan.drive.words else LOOK_SECONDS


def as_asked(plan: Plan) -> Tuple[str, ...]:
    """
    The command, with the marker filter if the container is to be unconfined, and without a
    container in the background, or left behind, if it is to run but once.

    Raises InputError if that cannot be.
    """
    call = arguments.find_engine(plan.command)
    starts = call is not None and call.verb in arguments.STARTS
    if plan.unconfined and not starts:
        raise InputError(
            "--unconfined: the command is no podman or docker run",
            "give containers started by a script --security-opt seccomp=unconfined there",
        )
    command = plan.command
    if call is not None and plan.unconfined:
        command = arguments.with_profile(command, call, marker.file())
    if call is not None and plan.once:
        command = arguments.to_its_end(command, call)
    return command


class Session:
    """What one run knows while it lasts."""

    def __init__(
        self,
        plan: Plan,
        recorder: Recorder,
        number: int,
        asked: Checking = Checking(),
        refused: Refusing = Refusing(),
        ended: Optional[Outcomes] = None,
    ) -> None:
        self._plan = plan
        self._checking = asked
        self._refusing = refused
        self._outcomes = ended
        self._recorder = recorder
        self._number = number
        self._host = assembly.this_host()
        self._since = int(time.time())
        self._call = arguments.find_engine(plan.command)
        self._ask: LookUp = lru_cache(maxsize=None)(self._look_up)

    def containers(self) -> Tuple[Container, ...]:
        """The command's containers so far, but for those that only hold a pod's namespaces."""
        found = self._belongings(self._recorder.heads(), self._ask)
        return tuple(one for one in found.containers if not one.infra)

    def look(self, look_up: LookUp = lambda engine, reference: None) -> Tuple[Seen, ...]:
        """
        What there is to see now: containers, or the command's tree unless an engine is called,
        which leaves helpers behind that never end. Makes room if others start many containers.
        """
        noted = self._noted()  # before the heads: what is not among these is over
        heads = self._recorder.heads()
        self._make_room(noted, heads)
        found = self._belongings(heads, look_up)
        if found.containers or self._call is not None:
            shown = (one for one in found.containers if not one.infra)
            return tuple(seen_of(_title(one), one.head) for one in shown)
        return (seen_of(os.path.basename(self._plan.command[0]), heads[self._number]),)

    def _noted(self) -> FrozenSet[int]:
        outcomes = self._outcomes.noted() if self._outcomes is not None else frozenset()
        return self._checking.noted() | outcomes

    def _make_room(self, noted: FrozenSet[int], heads: Mapping[int, Head]) -> None:
        """Let go of what is over and not ours, if it has filled what is ours to make room in."""
        full = not self._recorder.is_resident and _is_crowded(heads)
        if not full and len(noted) <= CROWDED * program.CAPACITY["MAX_RECORDINGS"]:
            return
        mine = self._belongings(heads, self._ask)
        kept = mine.tree | {one.recording for one in mine.containers}
        strangers = (noted | heads.keys()) - kept
        over = {one for one in strangers if one not in heads or _over(heads[one])}
        if not over:
            return
        self._checking.release(over)
        if self._outcomes is not None:
            self._outcomes.release(over)
        if not self._recorder.is_resident:
            self._recorder.release(over & heads.keys())

    def wait_for_containers(
        self, signals: Signals, end: Optional[float], watch: Watch, tell: Tell
    ) -> None:
        """
        Wait for what the command left running, until a signal or the end of the time.

        The engine is asked: only it knows a pod's own container, which never ends, and what a
        container is that was started by its name.
        """
        running = [one for one in self.look(self._ask) if one.alive > 0]
        if not running:
            return

        def done() -> bool:
            seen = self.look(self._ask)
            watch(seen)
            return all(one.alive <= 0 for one in seen)

        soon = time.monotonic() + SOON_SECONDS
        brief = soon if end is None else min(soon, end)
        if wait_until(done, signals, Pace(END_SECONDS, brief)) != Ending.TIME or brief == end:
            return
        names = ", ".join(one.name for one in self.look(self._ask) if one.alive > 0)
        tell(f"recording {names} until it ends; Ctrl-C stops recording, not the container")
        wait_until(done, signals, Pace(LOOK_SECONDS, end))

    def _belongings(self, heads: Mapping[int, Head], look_up: LookUp) -> Belongings:
        evidence = Evidence(
            self._number, heads, self._recorder.launches(), self._recorder.requests(), look_up
        )
        return belongings(evidence)

    def outcome(self, status: int) -> Outcome:
        """The recordings, read from the maps once everything is over."""
        found = self._belongings(self._recorder.heads(), self._ask)
        wanted = found.tree | {one.recording for one in found.containers}
        contents = self._recorder.contents(wanted)
        # A head goes before its contents do; and read after them, it knows of all that they lack.
        heads = self._recorder.heads()
        doubts = assembly.Doubts(self._recorder.losses(), self._recorder.recursion_misses())
        recordings: List[Recording] = []
        failed: List[str] = []
        for one in found.containers:
            if one.infra:
                continue
            if not _ran(one.head):
                failed.append(_title(one))
                continue
            head = heads.get(one.recording)
            run = assembly.run_of_container(
                replace(one, head=head or one.head),
                self._plan.command,
                self._plan.unconfined,
                self._host,
            )
            gone = () if head else (GONE,)
            run = replace(run, integrity=run.integrity + doubts.reasons() + gone)
            recording = self._recording(run, contents, [one.recording], heads)
            recordings.append(with_denials(recording, self._refusing, one, heads))
        if not found.containers and self._call is None:
            run = assembly.run_of_command(heads[self._number], self._plan.command, self._host)
            run = replace(run, integrity=run.integrity + doubts.reasons())
            recording = self._recording(run, contents, sorted(found.tree), heads)
            tree = tree_of(self._number, heads[self._number])
            recordings.append(with_denials(recording, self._refusing, tree, heads))
        return Outcome(status, tuple(recordings), tuple(failed), doubts.reasons())

    def _recording(
        self,
        run: Run,
        contents: Mapping[int, Content],
        numbers: Sequence[int],
        heads: Mapping[int, Head],
    ) -> Recording:
        """One run from these of the kernel's recordings, the one that is named after it first."""
        own = {one: contents[one] for one in numbers}
        parts = noted(self._checking, {one: own[one].paths for one in own})
        recording = assembly.recording_of(run, own.values(), self._host)
        recording = with_outcomes(recording, self._outcomes, own, heads)
        return with_checks(
            recording, self._checking, tuple(parts[one] for one in parts), self._host
        )

    def leave(self) -> None:
        """
        Let go of what was noted beside the recording, and of what a recorder that stays would keep:
        the command, and what of it is over, unless a hook is still to fetch it.
        """
        heads = self._recorder.heads()
        found = self._belongings(heads, self._ask)
        mine = found.tree | {one.recording for one in found.containers}
        self._checking.release(mine)
        if self._outcomes is not None:
            self._outcomes.release(mine)
        if not self._recorder.is_resident:
            return
        over = {one.recording for one in found.containers if _over(one.head)}
        self._recorder.release(found.tree | (over - self._recorder.claims()))

    def _look_up(self, engine: str, reference: str) -> Optional[Named]:
        """Ask the engine that the command called, or the one of that name on this host."""
        client: Tuple[str, ...] = (engine,)
        if self._call is not None and self._call.engine == engine:
            client = self._call.client
        return engines.registry()[engine].look_up(client, reference, self._since, engines.ask)


def _is_crowded(heads: Mapping[int, Head]) -> bool:
    """Whether recordings, observations or executables fill their map so far that room is wanted."""
    filled = {
        "MAX_RECORDINGS": len(heads),
        "MAX_OBSERVATIONS": sum(head.observations for head in heads.values()),
        "MAX_EXECUTABLES": sum(head.executables for head in heads.values()),
    }
    return any(count > CROWDED * program.CAPACITY[name] for name, count in filled.items())


def _over(head: Head) -> bool:
    return head.alive <= 0 and head.last_exit > 0


def _ran(head: Head) -> bool:
    """Whether a program was executed in a container, and not only what its runtime does before."""
    return bool(head.executables or head.unnamed)


def _title(container: Container) -> str:
    return container.name or container.id[:12] or "container"
