"""
One `attach` from beginning to end: find, adopt, wait, read the maps, name what is in them.
"""

from __future__ import annotations

import os
import select
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Optional, Tuple

from tracer.container import tasks
from tracer.container.engines import Named
from tracer.container.first_process import find_running
from tracer.container.process import read_process
from tracer.errors import HostError, InputError
from tracer.kernel.recorder import Recorder
from tracer.kernel.wire import Head
from tracer.recording import Capabilities, Reason, Recording, Run
from tracer.session import assembly, checking, refusing, resident
from tracer.session.adoption import adopt
from tracer.session.belonging import Container, tree_of
from tracer.session.checking import Checking
from tracer.session.command import Pace, Signals, wait_until
from tracer.session.credentials import with_securebits
from tracer.session.holdings import Holding, doubts_of_one, held, with_denials
from tracer.session.looking import Tell, Watch, seen_of
from tracer.session.refusing import Refusing

LOOK_SECONDS = 0.25
MOST_NOTED = 2048  # recordings with capability checks: strangers', that nobody wants
SINCE_NOW = (
    "recorded from when it was attached to (--since-now): what it had called before is not in it"
)
NO_CALL = Reason("no-call", "no call was made while it was recorded", 1)


@dataclass(frozen=True)
class Target:
    """
    What is to be recorded: a running container of an engine's, or, without one, a process.

    `process` is the first one, by its number on this host.
    """

    process: int
    engine: str = ""
    named: Named = Named("")
    command: Tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What people call it."""
        return self.named.name or self.named.id[:12] or f"process {self.process}"


@dataclass(frozen=True)
class Plan:
    """`duration` in seconds. `since_now`: that what happened before is unknown is understood."""

    target: Target
    duration: Optional[float] = None
    since_now: bool = False


def container(reference: str, engine: Optional[str] = None) -> Target:
    """The running container of a name or id, of this engine or any. Raises InputError."""
    found = find_running(reference, engine)
    return Target(found.named.process, found.engine, found.named)


def process(number: int) -> Target:
    """The process of a number. Raises InputError if there is none, or it is the kernel's own."""
    tasks.scope_of(number)
    if not any(tasks.threads(tasks.Scope(number)).values()):
        raise InputError(f"process {number} is the kernel's own: it makes no system calls")
    return Target(number, command=tasks.command_of(number))


def attach(plan: Plan, signals: Signals, watch: Watch, tell: Tell) -> Recording:
    """
    Record what runs already, until it ends, a signal comes or the time is up.

    Raises HostError if recording is not possible here, InputError if it has ended.
    """
    assembly.check_names()
    with resident.for_session(tell) as recorder, ExitStack() as ending:
        watched = ending.enter_context(_Watched(plan.target.process))
        known = held_from_its_start(recorder, plan.target)
        notes = None if known else _notes(recorder, plan.target, ending)
        number = known.container.recording if known else _adopted(recorder, plan.target)
        if known is None and recorder.is_resident:
            ending.callback(recorder.release, {number})
        end = None if plan.duration is None else time.monotonic() + plan.duration
        lasting = "until it ends" if plan.duration is None else f"for {plan.duration:g} s"
        tell(f"recording {plan.target.name} {lasting}; Ctrl-C stops recording, nothing else")

        def done() -> bool:
            head = recorder.heads().get(number)
            if notes is not None:
                notes.make_room(number)
            if head is not None:
                watch((seen_of(plan.target.name, head),))
            return head is None or watched.has_ended()

        wait_until(done, signals, Pace(LOOK_SECONDS, end))
        recording = _recording(recorder, number, plan, known, notes)
        if known is not None and not known.claimed and watched.has_ended():
            ending.callback(recorder.release, {number})
        return recording


@dataclass(frozen=True)
class _Notes:
    """Capability checks and denials from now on, and what the first process `held` before."""

    asked: Checking
    refused: Refusing
    held: Capabilities

    def make_room(self, number: int) -> None:
        """Forget whatever else is noted, if it is much."""
        noted = self.asked.noted()
        if len(noted) > MOST_NOTED:
            self.asked.release(noted - {number})


def _notes(recorder: Recorder, target: Target, ending: ExitStack) -> _Notes:
    (first,), _ = with_securebits((read_process(target.process),))
    return _Notes(
        ending.enter_context(checking.checking(recorder)),
        ending.enter_context(refusing.refusing(recorder)),
        checking.held_by(first),
    )


class _Watched:
    """A process whose end can be waited for, whoever gets its number then: pidfd_open(2)."""

    def __init__(self, process: int) -> None:
        try:
            self._descriptor = os.pidfd_open(process)
        except (OSError, OverflowError) as error:
            raise InputError(f"there is no process {process}") from error

    def __enter__(self) -> "_Watched":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def has_ended(self) -> bool:
        """Whether the process, with all its threads, has come to its end."""
        return bool(select.select([self._descriptor], [], [], 0)[0])


def held_from_its_start(recorder: Recorder, target: Target) -> Optional[Holding]:
    """
    What a recorder that stays holds of the container from its beginning, if it does.

    It is root's, whose engine was asked: another user's may have any id on its monitor's command
    line.
    """
    if not recorder.is_resident or not target.named.id:
        return None
    for one in held(recorder):
        is_it = one.container.id == target.named.id and not one.container.head.user
        if is_it and one.running and not one.container.late:
            return one
    return None


def _adopted(recorder: Recorder, target: Target) -> int:
    scope = tasks.scope_of(target.process, target.named.id)
    confinement = tasks.confinement_of(target.process)
    maker = os.path.basename(target.named.runtime)
    return adopt(recorder, scope, confinement, maker, open=True)


def _recording(
    recorder: Recorder, number: int, plan: Plan, known: Optional[Holding], notes: Optional[_Notes]
) -> Recording:
    host = assembly.this_host()
    contents = recorder.contents({number})
    # A head goes before its contents do; and read after them, it knows of all that they lack.
    head = _still_held(recorder, number, plan.target)
    run = _run(plan.target, head, number, known, host)
    doubts = doubts_of_one(recorder.losses(), recorder.recursion_misses())
    run = replace(run, integrity=run.integrity + doubts)
    if plan.since_now and assembly.LATE in run.integrity:
        others: Tuple[Reason, ...] = tuple(one for one in run.integrity if one != assembly.LATE)
        run = replace(run, integrity=others, notes=(*run.notes, SINCE_NOW))
    if not contents[number].calls:
        run = replace(run, integrity=(*run.integrity, NO_CALL))
    recording = assembly.recording_of(run, [contents[number]], host)
    asked = notes.asked if notes else checking.beside(recorder)
    parts = tuple(checking.noted(asked, {number: contents[number].paths}).values())
    recording = checking.with_checks(recording, asked, parts, host, notes.held if notes else None)
    container = known.container if known else tree_of(number, head)
    if notes is None:
        return with_denials(recorder, recording, container)
    return refusing.with_denials(recording, notes.refused, container, {number: head})


def _still_held(recorder: Recorder, number: int, target: Target) -> Head:
    """Raises HostError if a hook, or a `collect`, has taken it meanwhile."""
    head = recorder.heads().get(number)
    if head is None:
        raise HostError(f"{target.name}: it is not held any more: somebody else has collected it")
    return head


def _run(
    target: Target, head: Head, number: int, known: Optional[Holding], host: assembly.Host
) -> Run:
    if not target.named.id:
        return assembly.run_of_command(head, target.command, host)
    named = target.named
    of_target = Container(
        recording=number,
        head=head,
        engine=target.engine,
        id=named.id,
        name=named.name,
        image=named.image,
        runtime=named.runtime,
        late=False,
        infra=False,
    )
    one = known.container if known else of_target
    return assembly.run_of_container(replace(one, head=head), (), False, host)
