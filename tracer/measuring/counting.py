"""
From samples to floors, and from old floors and new ones to the data file. Pure.

A sample is what one start, or one exec, showed: the names of the runtime's calls.
"""

from __future__ import annotations

from collections import Counter
from typing import Dict, FrozenSet, Iterable, Optional, Sequence, Tuple

from tracer.errors import HostError
from tracer.profile.floors import Floor
from tracer.recording import RUNTIME, Recording

Sample = FrozenSet[str]

# Every start ends with it: a recording without it shows a start that failed on the way.
LAST = "execve"


def sample_of(recording: Recording) -> Optional[Sample]:
    """
    Return the runtime's calls of one recording; None if it never came to run a program.

    Raises HostError if a call has no name.
    """
    calls = [seen for seen in recording.observations if seen.executable == RUNTIME]
    nameless = [seen.number for seen in calls if seen.name is None]
    if nameless:
        raise HostError(f"calls without a name: {nameless}", "update the package system-calls")
    names = frozenset(seen.name for seen in calls if seen.name is not None)
    return names if LAST in names else None


def count(samples: Sequence[Sample]) -> Tuple[Tuple[str, int], ...]:
    """Return how many samples show each call, the most frequent first."""
    counted = Counter(name for sample in samples for name in sample)
    return tuple(sorted(counted.items(), key=lambda one: (-one[1], one[0])))


def replaced(old: Iterable[Floor], new: Iterable[Floor]) -> Tuple[Floor, ...]:
    """Return the floors with new ones in place of those that measured the same, sorted."""
    floors: Dict[Tuple[str, ...], Floor] = {_subject(one): one for one in old}
    floors.update((_subject(one), one) for one in new)
    return tuple(floors[subject] for subject in sorted(floors))


def _subject(floor: Floor) -> Tuple[str, ...]:
    privileges = str(int(floor.no_new_privileges))
    return (floor.runtime, floor.version, floor.engine, privileges, floor.action)
