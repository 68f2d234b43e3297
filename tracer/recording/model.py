"""
A recording: the runs, and what they saw; and the union of two recordings.

A Recording is normal by construction: one record per identity (path; executable, architecture and
number; run id), sorted, so that two recordings that say the same are equal and are written as the
same bytes. Only what follows from the records at a glance (`complete`, `name`) belongs here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Mapping, Tuple

from tracer.recording.joining import (
    join_extras,
    normal_checks,
    normal_executables,
    normal_observations,
    normal_denials,
    normal_runs,
)
from tracer.recording.records import Check, Denial, Executable, Extra, Observation, Reason, Run

_UNSAFE_IN_A_FILE_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
_NAME_LIMIT = 100
IMPOSSIBLE = 2**32 - 1  # stands for all numbers that no kernel has: bpf/recorder.h


@dataclass(frozen=True)
class Recording:
    """
    What was recorded, in one run or in several: a set of runs and what each of them saw.

    The constructor takes the records in any order and joins those of one identity. Observations,
    executables, checks and denials may only name runs that are there.
    """

    runs: Mapping[str, Run] = field(default_factory=dict)
    executables: Tuple[Executable, ...] = ()
    observations: Tuple[Observation, ...] = ()
    extra: Extra = ()
    checks: Tuple[Check, ...] = ()
    denials: Tuple[Denial, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "runs", normal_runs(self.runs.values()))
        object.__setattr__(self, "executables", normal_executables(self.executables))
        object.__setattr__(self, "observations", normal_observations(self.observations))
        object.__setattr__(self, "checks", normal_checks(self.checks))
        object.__setattr__(self, "denials", normal_denials(self.denials))

    def __hash__(self) -> int:
        runs = tuple(self.runs.values())
        seen = (self.executables, self.observations, self.checks, self.denials)
        return hash((runs, seen, self.extra))

    @property
    def reasons(self) -> Tuple[Reason, ...]:
        """Every reason why something may be missing, those that the runs gave first."""
        if not self.runs:
            return (Reason("no-run", "nothing was recorded", 1),)
        given = [reason for run in self.runs.values() for reason in run.integrity]
        nameless = [_nameless(seen) for seen in self.observations if seen.name is None]
        return tuple(dict.fromkeys(given + nameless))

    @property
    def complete(self) -> bool:
        """Whether nothing speaks against this being all that was asked of the kernel."""
        return not self.reasons

    @property
    def name(self) -> str:
        """
        The container's name, else its short id, else the command's, of the run that started first.

        Safe as a file name: other characters than letters, digits, `_`, `.` and `-` are replaced.
        """
        runs = sorted(self.runs.values(), key=lambda run: (run.started or 0, run.id))
        safe = _UNSAFE_IN_A_FILE_NAME.sub("_", _chosen_name(runs[0]) if runs else "")
        return safe.lstrip(".-")[:_NAME_LIMIT] or "recording"


def merge(*recordings: Recording) -> Recording:
    """
    Return what any of the recordings saw: the union of their runs, and what those saw.

    Associative, commutative and idempotent. Merging many at once is faster than one by one.
    """
    return Recording(
        runs=normal_runs(run for one in recordings for run in one.runs.values()),
        executables=tuple(seen for one in recordings for seen in one.executables),
        observations=tuple(seen for one in recordings for seen in one.observations),
        extra=join_extras([(), *(one.extra for one in recordings)]),
        checks=tuple(seen for one in recordings for seen in one.checks),
        denials=tuple(seen for one in recordings for seen in one.denials),
    )


def _chosen_name(run: Run) -> str:
    command = run.command[0].rstrip("/").rpartition("/")[2] if run.command else ""
    return run.container_name or run.container_id[:12] or command


def _nameless(seen: Observation) -> Reason:
    what = f"call number {seen.number} of {seen.architecture} is unknown"
    if seen.number == IMPOSSIBLE:
        what = f"calls with numbers that {seen.architecture} never had"
    text = f"{what}, made by {seen.executable}"
    return Reason("unknown-call", text, len(seen.runs))
