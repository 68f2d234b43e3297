"""
Capability checks beside a recording: noted if this kernel can tell them, and then part of it.

What belongs here: what a session does for them. What does not: what of it a container needs
(`tracer.capabilities`). A recording is made all the same where they cannot be noted, and says so.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, AbstractSet, Dict, FrozenSet, Iterator, Mapping, Optional
from typing import Sequence, Tuple

from tracer import syscalls
from tracer.capabilities.names import name_of
from tracer.errors import HostError
from tracer.kernel import checks, wire
from tracer.kernel.recorder import Recorder
from tracer.recording import CONTAINER, HOST, INNER, RUNTIME, UNKNOWN, Capabilities, Check
from tracer.recording import Circumstances, Recording, Run, Sighting
from tracer.session.assembly import LATE, Host, architecture_of, executable_names

if TYPE_CHECKING:  # a hook has no use for it, and would wait 8 ms
    from tracer.container.process import Process

NAMESPACES = {checks.HOSTS: HOST, checks.CONTAINERS: CONTAINER, checks.INNER: INNER}
NO_CALL = -1
NOT_RECORDED = "capability checks were not recorded"
DROPPED = f"{NOT_RECORDED} all: the recorder had no room for what was first held and asked for"


@dataclass(frozen=True)
class Checking:
    """
    The kernel's notes of a session, or why there are none. `drops`: where there is no room, it is
    old notes that go.
    """

    kernel: Optional[checks.Checks] = None
    why: str = ""
    drops: bool = False

    def noted(self) -> FrozenSet[int]:
        """The recordings of which something is noted: strangers' too."""
        return frozenset(self.kernel.holders()) if self.kernel is not None else frozenset()

    def release(self, ended: AbstractSet[int]) -> None:
        """Forget recordings that nobody wants."""
        if self.kernel is not None:
            self.kernel.release(ended)


@contextmanager
def checking(recorder: Recorder) -> Iterator[Checking]:
    """Note the checks of whatever a recorder records while in this context."""
    try:
        loaded = checks.load(recorder.threads)
    except HostError as error:
        yield Checking(why=f"{NOT_RECORDED}: {error.message}")
        return
    with loaded:
        yield Checking(checks.Checks(loaded))


def beside(recorder: Recorder) -> Checking:
    """What a recorder that stays has noted from the beginning of each container."""
    if checks.is_in(recorder.loaded):
        return Checking(checks.Checks(recorder.loaded), drops=True)
    return Checking(why=f"{NOT_RECORDED}: this kernel does not tell of them, says doctor")


@dataclass(frozen=True)
class Noted:
    """
    What was noted of one of the kernel's recordings, and the paths of its executables by their id.
    """

    found: Tuple[checks.Check, ...]
    holder: Optional[checks.Holder]
    paths: Mapping[int, str]


def noted(checking: Checking, paths: Mapping[int, Mapping[int, str]]) -> Dict[int, Noted]:
    """By recording, what was noted of those whose `paths` these are."""
    if checking.kernel is None:
        return {}
    holders = checking.kernel.holders()  # before the checks: it counts what is missing of them
    found = checking.kernel.of(paths.keys())
    return {
        number: Noted(
            tuple(one for one in found if one.recording == number), holders.get(number), paths_of
        )
        for number, paths_of in paths.items()
    }


def with_checks(
    recording: Recording,
    checking: Checking,
    parts: Tuple[Noted, ...],
    host: Host,
    held: Optional[Capabilities] = None,
) -> Recording:
    """
    A recording of one run with the checks of the kernel's recordings that it was made of; the first
    of them is the one whose first program is the run's. `held`: what that held, if it was asked.
    """
    (run,) = recording.runs.values()
    if checking.kernel is None:
        notes = (*run.notes, checking.why) if checking.why else run.notes
        return replace(recording, runs={run.id: replace(run, notes=notes)})
    lost = checking.kernel.lost() + sum(_lost(part, part.holder) for part in parts if part.holder)
    found = tuple(_check(one, part, run, host) for part in parts for one in part.found)
    held = held or _held(parts)
    if checking.drops and LATE not in run.integrity and _has_dropped(parts, recording, host):
        held, run = None, replace(run, notes=(*run.notes, DROPPED))
    run = replace(run, capabilities=replace(held, lost=lost) if held else None)
    return replace(recording, runs={run.id: run}, checks=found)


def _lost(part: Noted, holder: checks.Holder) -> int:
    """How many checks the kernel side had no room for, or kinds of them it has dropped since."""
    return holder.lost + max(0, holder.checks - len(part.found))


def _has_dropped(parts: Sequence[Noted], recording: Recording, host: Host) -> bool:
    """
    Whether it has dropped all that it knew once, and begun anew, with what somebody else holds: it
    notes who holds what when the first program is executed, before any call of it.
    """
    programs = (one for one in recording.observations if one.executable not in (RUNTIME, UNKNOWN))
    first = min((one.first.time for one in programs), default=None)
    return first is not None and any(
        part.holder.since + host.boot > first for part in parts if part.holder
    )


def held_by(process: Process) -> Capabilities:
    """What a process that runs already holds."""
    credentials = process.threads[0].credentials
    here = os.stat("/proc/self/ns/user").st_ino
    return Capabilities(
        user=credentials.uids.effective,
        namespace=HOST if process.namespace.inode == here else CONTAINER,
        inheritable=credentials.sets.inheritable,
        permitted=credentials.sets.permitted,
        effective=credentials.sets.effective,
        bounding=credentials.sets.bounding,
        ambient=credentials.sets.ambient,
        circumstances=Circumstances(
            executable="",
            real_user=credentials.uids.real,
            securebits=credentials.securebits,
            uid_map=tuple(
                (one.inside, one.outside, one.count) for one in process.namespace.uid_map
            ),
        ),
    )


def _held(parts: Sequence[Noted]) -> Optional[Capabilities]:
    settled = (part for part in parts if part.holder and part.holder.namespace)
    part = next(settled, None)
    if part is None or part.holder is None:
        return None
    holder = part.holder
    return Capabilities(
        user=holder.user,
        namespace=CONTAINER if holder.level else HOST,
        inheritable=holder.inheritable,
        permitted=holder.permitted,
        effective=holder.effective,
        bounding=holder.bounding,
        ambient=holder.ambient,
        circumstances=Circumstances(
            executable=part.paths.get(holder.executable, ""),
            real_user=holder.real_user,
            securebits=holder.securebits,
            uid_map=checks.uid_map_of(holder),
        ),
    )


def _check(one: checks.Check, part: Noted, run: Run, host: Host) -> Check:
    architecture = architecture_of(one.architecture, one.number)
    outside = one.number == wire.IMPOSSIBLE
    return Check(
        executable=executable_names(run, part.paths).get(one.executable, UNKNOWN),
        architecture=architecture,
        number=NO_CALL if outside else one.number,
        name=None if outside else syscalls.name_of(architecture, one.number),
        capability=name_of(one.capability),
        namespace=NAMESPACES[one.namespace],
        granted=one.granted,
        idle=one.idle,
        audited=one.audited,
        caller=one.caller,
        first=Sighting(one.first + host.boot, one.thread, one.comm),
        counts=((run.id, one.count),),
    )
