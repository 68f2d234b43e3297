"""
Capability checks beside a recording: noted if this kernel can tell them, and then part of it.

What belongs here: what a session does for them. What does not: what of it a container needs
(`tracer.capabilities`). A recording is made all the same where they cannot be noted, and says so.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import AbstractSet, Dict, Iterator, Mapping, Optional, Tuple

from tracer import syscalls
from tracer.capabilities.names import name_of
from tracer.errors import HostError
from tracer.kernel import checks, wire
from tracer.kernel.recorder import Recorder
from tracer.recording import CONTAINER, HOST, INNER, UNKNOWN, Capabilities, Check, Recording
from tracer.recording import Run, Sighting
from tracer.session.assembly import Host, architecture_of, executable_names

NAMESPACES = {checks.HOSTS: HOST, checks.CONTAINERS: CONTAINER, checks.INNER: INNER}
NO_CALL = -1


@dataclass(frozen=True)
class Checking:
    """
    The kernel's notes of a session, or why there are none.
    """

    kernel: Optional[checks.Checks] = None
    why: str = ""

    def release(self, ended: AbstractSet[int]) -> None:
        """Forget recordings that nobody wants."""
        if self.kernel is not None:
            self.kernel.release(ended)


@contextmanager
def checking(recorder: Recorder) -> Iterator[Checking]:
    """Note the checks of whatever a recorder records while in this context."""
    try:
        kernel = checks.Checks(recorder.threads)
    except HostError as error:
        yield Checking(why=f"capability checks were not recorded: {error.message}")
        return
    with kernel:
        yield Checking(kernel)


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
    found = checking.kernel.of(paths.keys())
    holders = checking.kernel.holders()
    return {
        number: Noted(
            tuple(one for one in found if one.recording == number), holders.get(number), paths_of
        )
        for number, paths_of in paths.items()
    }


def with_checks(
    recording: Recording, checking: Checking, parts: Tuple[Noted, ...], host: Host
) -> Recording:
    """
    A recording of one run with the checks of the kernel's recordings that it was made of; the first
    of them is the one whose first program is the run's.
    """
    (run,) = recording.runs.values()
    if checking.kernel is None:
        notes = (*run.notes, checking.why) if checking.why else run.notes
        return replace(recording, runs={run.id: replace(run, notes=notes)})
    lost = checking.kernel.lost() + sum(part.holder.lost for part in parts if part.holder)
    found = tuple(_check(one, part, run, host) for part in parts for one in part.found)
    run = replace(run, capabilities=_held(parts, lost))
    return replace(recording, runs={run.id: run}, checks=found)


def _held(parts: Tuple[Noted, ...], lost: int) -> Optional[Capabilities]:
    holder = next((part.holder for part in parts if part.holder and part.holder.namespace), None)
    if holder is None:
        return None
    return Capabilities(
        user=holder.user,
        namespace=CONTAINER if holder.level else HOST,
        inheritable=holder.inheritable,
        permitted=holder.permitted,
        effective=holder.effective,
        bounding=holder.bounding,
        ambient=holder.ambient,
        lost=lost,
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
