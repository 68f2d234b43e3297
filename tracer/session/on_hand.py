"""
What the recorder that stays can tell of a container at once, from the container's first call on.

Only looks: nothing is recorded anew, and nothing is let go.
"""

from __future__ import annotations

from typing import Iterable, Optional

from tracer.errors import HostError
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


def of_ended(reference: str, engine: Optional[str] = None) -> Optional[Recording]:
    """The recording of the last container of a name or id that has ended; None if none is held."""
    recorder = _present()
    if recorder is None:
        return None
    with recorder:
        found = last_ended(held(recorder), reference, engine)
        return recording_of(recorder, found) if found else None


def last_ended(
    holdings: Iterable[Holding], reference: str, engine: Optional[str] = None
) -> Optional[Holding]:
    """
    The one of these that began last of those of a name or id, of this engine or any, that are known
    from their start to their end; None if there is none.

    Another user's are passed over: they may have any name.
    """
    ended = (one for one in holdings if _has_ended(one) and refers(reference, one.container))
    theirs = (one for one in ended if engine in (None, one.container.engine))
    return max(theirs, key=lambda one: one.container.head.born, default=None)


def _has_ended(one: Holding) -> bool:
    return has_run(one) and not (one.running or one.container.late or one.container.head.user)


# One that cannot be used here is not for this to tell: who records says so.
def _present() -> Optional[Recorder]:
    if pinned.stamp() is None:
        return None
    try:
        return resident.find()
    except HostError:
        return None
