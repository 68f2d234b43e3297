"""
What `caps` is asked about: a recording in a file, or a container.

What is written with a slash is a file, as shells have it, and so is `-`, and the name of a file
that is there; all else is a container, and everything is one whose --engine is named.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Optional, Sequence

from tracer.cli import complain
from tracer.cli.given import STANDARD_OUTPUT, refuse_twice
from tracer.cli.life import life
from tracer.cli.results import read_recordings
from tracer.container.first_process import ANY_PROCESS, NotRunning, Running, find_running
from tracer.errors import HostError, InputError
from tracer.recording import Recording, merge

if TYPE_CHECKING:
    from tracer.session.attachment import Target

NO_FILE = "there is no file of that name"


def is_recording(word: str, engine: Optional[str] = None) -> bool:
    """Whether a word on the command line means a recording, and not a container."""
    if engine is not None:
        return False
    is_there = os.path.exists(word) and not os.path.isdir(word)
    return "/" in word or word == STANDARD_OUTPUT or is_there


def read(paths: Sequence[str]) -> Recording:
    """What these files, of which one may be "-", have recorded. Raises InputError."""
    refuse_twice(paths)
    try:
        return merge(*read_recordings(paths))
    except InputError as error:
        bare = (path for path in paths if "/" not in path and path != STANDARD_OUTPUT)
        if error.hint or not any(error.message.startswith(f"{path}: ") for path in bare):
            raise
        raise InputError(error.message, "--engine says that a container is meant") from error


def unrecorded(recording: Recording) -> InputError:
    """What to say of a recording that knows nothing of capabilities: why, if that was noted."""
    from tracer.session.checking import NOT_RECORDED

    notes = (note for run in recording.runs.values() for note in run.notes if NOT_RECORDED in note)
    return InputError(
        next(notes, "no capability checks were recorded"),
        "seccomp-trace doctor says whether this host can",
    )


def running(reference: str, engine: Optional[str]) -> Running:
    """The running container that a word means. Raises InputError."""
    hint = ANY_PROCESS if engine else f"{NO_FILE} either; {ANY_PROCESS}"
    return find_running(reference, engine, otherwise=hint)


def recording_of(reference: str, engine: Optional[str], duration: Optional[float]) -> Recording:
    """
    What a container is seen to do: what the recorder that stays has of it from its start, or else
    what is recorded from now on, until it ends, a signal comes, or for so many seconds.

    Raises InputError if there is no such container, or several may be meant; HostError if it cannot
    be recorded here, or an engine that may have it is silent.
    """
    from tracer.session import on_hand
    from tracer.session.attachment import Target

    if os.geteuid() != 0:  # before an engine says that it knows no such container
        raise HostError(
            f"{reference!r}: only root can record a container", "" if engine else NO_FILE
        )
    try:
        found = find_running(reference, engine, otherwise="" if engine else f"{NO_FILE} either")
    except NotRunning as error:
        stopped = {one.named.id for one in error.stopped}
        ended = on_hand.of_ended(reference, engine, stopped)
        if ended is None:
            raise
        complain(f"{ended.name} has ended; it was recorded from its start")
        return ended
    target = Target(found.named.process, found.engine, found.named)
    known = on_hand.of_running(target) if duration is None else None
    if known is not None:
        complain(f"{known.name} is being recorded from its start: this is what it did so far")
        return known
    return _attached(target, duration)


def _attached(target: Target, duration: Optional[float]) -> Recording:
    from tracer.session import attachment
    from tracer.session.command import Signals

    with Signals() as signals, life() as (show, tell):
        try:
            return attachment.attach(attachment.Plan(target, duration), signals, show, tell)
        except InputError as error:
            gone = f"{target.name}: it ended before it could be recorded"
            raise InputError(gone, "the recorder that stays records from the start") from error
