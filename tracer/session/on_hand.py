"""
What the recorder that stays can tell of a container at once, from the container's first call on.

Only looks: nothing is recorded anew, and nothing is let go.
"""

from __future__ import annotations

from typing import Optional

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
    """
    The recording of the last container of a name or id that has ended; None if none is held.

    Another user's containers are not looked at: they may have any name.
    """
    recorder = _present()
    if recorder is None:
        return None
    with recorder:
        ended = [one for one in held(recorder) if _is_ended(one, reference, engine)]
        newest = max(ended, key=lambda one: one.container.head.born, default=None)
        return recording_of(recorder, newest) if newest else None


def _is_ended(one: Holding, reference: str, engine: Optional[str]) -> bool:
    container = one.container
    return (
        refers(reference, container)
        and engine in (None, container.engine)
        and not (one.running or container.late or container.head.user)
        and has_run(one)
    )


# One that cannot be used here is not for this to tell: who records says so.
def _present() -> Optional[Recorder]:
    if pinned.stamp() is None:
        return None
    try:
        return resident.find()
    except HostError:
        return None
