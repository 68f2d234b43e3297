"""
What capabilities the containers of trials had, as far as a profile asks for them.

What belongs here: that the kernel notes it where the profile under trial has rules for some
capabilities only, and whose a refusal was. What follows from it is `verification`'s.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import AbstractSet, FrozenSet, Iterator, Optional, Sequence, Tuple

from tracer.capabilities.held import held_by
from tracer.profile.model import Profile
from tracer.profile.resolve import depends_on_capabilities
from tracer.recording import Run
from tracer.session.checking import NOT_RECORDED, checking
from tracer.session.trial import Bench, Trial


@contextmanager
def noting(bench: Bench, profile: Profile) -> Iterator[Bench]:
    """The bench, on which recordings tell what containers hold if the profile depends on that."""
    if not depends_on_capabilities(profile):
        yield bench
        return
    with checking(bench.recorder) as asked:
        yield replace(bench, asked=asked)


def runs_of(trials: Sequence[Trial]) -> Tuple[Run, ...]:
    """The runs of the containers that were recorded in these trials."""
    return tuple(
        run for one in trials for recording in one.recordings for run in recording.runs.values()
    )


def held_in(trial: Trial, container: str) -> Optional[AbstractSet[str]]:
    """
    What the container of this title (`refusals.title_of`) had; None if nobody knows.
    """
    runs = runs_of([trial])
    named = [run for run in runs if container in (run.container_name, run.container_id[:12])]
    known = {held_by(run) for run in named or runs if run.capabilities is not None}
    return known.pop() if len(known) == 1 else None


def held_by_any(trials: Sequence[Trial]) -> FrozenSet[FrozenSet[str]]:
    """Each set that a container had; none at all if it is not known of all of them."""
    runs = runs_of(trials)
    if any(run.capabilities is None for run in runs):
        return frozenset()
    return frozenset(map(held_by, runs))


def unknown(trials: Sequence[Trial]) -> Tuple[str, ...]:
    """Why it is not known what containers had, where it was asked."""
    notes = (note for run in runs_of(trials) for note in run.notes if NOT_RECORDED in note)
    return tuple(dict.fromkeys(notes))
