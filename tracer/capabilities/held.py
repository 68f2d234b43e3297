"""
What recorded containers held, for whoever judges a profile's rules about capabilities.

An engine resolves `includes` and `excludes` by the bounding set of the process that it hands to the
runtime; what a recording has of that is its first program's.
"""

from __future__ import annotations

from typing import FrozenSet, Iterable, Optional

from tracer.capabilities.defaults import DEFAULT_CAPABILITIES, DOCKER
from tracer.capabilities.names import names_in
from tracer.capabilities.required import required
from tracer.recording import Recording, Run


def held_by(run: Run) -> FrozenSet[str]:
    """The bounding set of a run's container; its engine's default where that was not recorded."""
    if run.capabilities is None:
        return DEFAULT_CAPABILITIES.get(run.engine, DEFAULT_CAPABILITIES[DOCKER])
    return frozenset(names_in(run.capabilities.bounding))


def held_by_all(runs: Iterable[Run]) -> Optional[FrozenSet[FrozenSet[str]]]:
    """The bounding sets of these runs' containers; None if not all were recorded."""
    known = tuple(runs)
    if not known or any(run.capabilities is None for run in known):
        return None
    return frozenset(map(held_by, known))


def circumstances_of(recording: Recording) -> FrozenSet[FrozenSet[str]]:
    """
    The sets under which a profile of this recording has to work: those that its containers had, and
    the one that they need. None at all where that was not recorded.
    """
    held = held_by_all(recording.runs.values())
    if held is None:
        return frozenset()
    return held | {frozenset(required(recording).capabilities)}
