"""
What the recorder that stays can tell of a container at once, from the container's first call on.

Only looks: nothing is recorded anew, and nothing is let go.
"""

from __future__ import annotations

from typing import AbstractSet, Iterable, Optional

from tracer.errors import HostError, InputError
from tracer.kernel import pinned
from tracer.kernel.recorder import Recorder
from tracer.recording import Recording
from tracer.session import resident
from tracer.session.attachment import Target, held_from_its_start
from tracer.session.holdings import Holding, has_run, held, recording_of, refers


def of_running(target: Target) -> Optional[Recording]:
    """The recording of a container that runs, so far; None if it is not held from its start."""
    recorder = _present()
    if recorder is None:
        return None
    with recorder:
        found = held_from_its_start(recorder, target)
        return recording_of(recorder, found) if found else None


def of_ended(
    reference: str, engine: Optional[str] = None, stopped: AbstractSet[str] = frozenset()
) -> Optional[Recording]:
    """
    The recording of the last container of a name or id that has ended; None if none is held.

    `stopped`: the ids of those that engines still know by that name. Raises InputError if it may be
    one of several.
    """
    recorder = _present()
    if recorder is None:
        return None
    with recorder:
        found = last_ended(held(recorder), reference, engine, stopped)
        return recording_of(recorder, found) if found else None


def last_ended(
    holdings: Iterable[Holding],
    reference: str,
    engine: Optional[str] = None,
    stopped: AbstractSet[str] = frozenset(),
) -> Optional[Holding]:
    """
    The one of these that began last of those of a name or id, of this engine or any, that are known
    from their start to their end; None if there is none, or one of that name runs.

    Where engines know that name, it is one of these ids or none. Another user's are passed over:
    they may have any name. Raises InputError if several engines had one.
    """
    theirs = [one for one in holdings if _may_be(one, reference, engine)]
    if any(one.running for one in theirs):
        return None
    known = (one for one in theirs if not stopped or one.container.id in stopped)
    ended = [one for one in known if has_run(one) and not one.container.late]
    if len({one.container.engine for one in ended}) > 1:
        raise InputError(f"{reference!r}: several engines had one", "--engine or an id says which")
    return max(ended, key=lambda one: one.container.head.born, default=None)


def _may_be(one: Holding, reference: str, engine: Optional[str]) -> bool:
    if one.container.head.user or not refers(reference, one.container):
        return False
    is_silent = one.running and not one.container.engine  # so that nobody knows whose it is
    return engine in (None, one.container.engine) or is_silent


# One that cannot be used here is not for this to tell: who records says so.
def _present() -> Optional[Recorder]:
    if pinned.stamp() is None:
        return None
    try:
        return resident.find()
    except HostError:
        return None
