"""
Which of its capabilities a container's command misses: found by running it again without them.

First with what its recording says it needs, and nothing else; what is missed beyond that is found
among all that it had by halving; then each that was recorded as needed is left out in turn. The
result proves no more than that this command, with this drive, ended as it had when it was recorded.
What decides is pure, and is given what tries.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import AbstractSet, Callable, Dict, FrozenSet, Optional, Sequence, Tuple

from tracer.capabilities.names import NAMES, mask_of, names_in, short_name
from tracer.capabilities.required import required
from tracer.container import arguments
from tracer.errors import CommandError
from tracer.recording import HOST, Recording
from tracer.session.minimisation import droppable, limit_after
from tracer.session.recording_run import Outcome
from tracer.session.refinement import INTERRUPTED
from tracer.session.trial import Bench, Plan, Trial, Watchful, attempt_as
from tracer.session.verification import end_problems

Works = Callable[[FrozenSet[str]], bool]
Told = Callable[[int, Tuple[str, ...], Tuple[str, ...]], None]


@dataclass(frozen=True)
class Asked:
    """
    What is put to the proof: the capabilities that were recorded as needed, and those that the
    container had, both in the order of their numbers, and how the recorded run went.
    """

    required: Tuple[str, ...]
    held: Tuple[str, ...]
    first: Trial


@dataclass(frozen=True)
class Confirmed:
    """
    What the command does with, each of which it misses; what was recorded as needed and is not
    missed; what is missed although nothing was recorded that needs it. `runs`: how many it took.
    `problems`: why nothing is confirmed, a phrase each.
    """

    needed: Tuple[str, ...]
    unmissed: Tuple[str, ...]
    unrecorded: Tuple[str, ...]
    runs: int
    problems: Tuple[str, ...] = ()


def missed(required: Sequence[str], held: Sequence[str], works: Works) -> Optional[FrozenSet[str]]:
    """
    The least of these that suffices, in so far as each alone is missed; None if not even all do.

    `works` says whether all is well with certain names and no others; it is asked about each set
    but once.
    """
    asked: Dict[FrozenSet[str], bool] = {}

    def suffices(names: FrozenSet[str]) -> bool:
        if names not in asked:
            asked[names] = works(names)
        return asked[names]

    needed = frozenset(required)
    if not suffices(needed):
        more = _missed_besides(needed, [name for name in held if name not in needed], suffices)
        if more is None:
            return None
        needed |= more
    for name in required:  # what halving has found was left out alone there
        if suffices(needed - {name}):
            needed -= {name}
    return needed


def _missed_besides(
    needed: FrozenSet[str], others: Sequence[str], suffices: Works
) -> Optional[FrozenSet[str]]:
    everything = needed | frozenset(others)
    if not suffices(everything):
        return None
    return frozenset(others) - droppable([others], lambda out: suffices(everything - out))


def asked_of(outcome: Outcome) -> Asked:
    """What a recorded run gives to be confirmed; there is nothing if `first_problems` has any."""
    first = Trial(
        status=outcome.status,
        drive=outcome.drive,
        stopped=outcome.stopped,
        expired=False,
        seconds=outcome.seconds,
        recordings=outcome.recordings,
        refusals=(),
        failed=outcome.failed,
    )
    sets = [run.capabilities for one in outcome.recordings for run in one.runs.values()]
    held = names_in(sets[0].bounding) if sets and sets[0] else ()
    found = required(outcome.recordings[0]).capabilities if outcome.recordings else ()
    return Asked(_named(found), _named(held), first)


def _named(names: Sequence[str]) -> Tuple[str, ...]:
    """Those that an engine can be told by name."""
    return tuple(name for name in names if name in NAMES)


def first_problems(asked: Asked, plan: Plan) -> Tuple[str, ...]:
    """Why the recorded run is no measure for others, a phrase each."""
    found = end_problems(asked.first, plan, 0)
    if len(asked.first.recordings) > 1:
        found += (f"{len(asked.first.recordings)} containers were recorded, not one",)
    sets = [run.capabilities for one in asked.first.recordings for run in one.runs.values()]
    if None in sets:
        found += ("no capability checks were recorded",)
    return found


def confirm(bench: Bench, plan: Plan, asked: Asked, signals: Watchful, told: Told) -> Confirmed:
    """
    Run the command with less and less, and find what it misses. `told` hears of each run: its
    number, what it was given, and what was not as in the recorded run.

    Raises CommandError if the command or the drive cannot be started.
    """
    one = _Confirming(bench, replace(plan, limit=limit_after(asked.first)), asked, signals, told)
    needed = missed(asked.required, asked.held, one.works)
    problems: Tuple[str, ...] = ()
    if signals.interrupted:
        problems = (INTERRUPTED,)
    elif needed is None:
        problems = ("with all that it had it does not end as it did when it was recorded",)
    kept = needed if needed is not None and not problems else frozenset()
    return Confirmed(
        needed=_in_order(kept),
        unmissed=_in_order(frozenset(asked.required) - kept) if not problems else (),
        unrecorded=_in_order(kept - frozenset(asked.required)),
        runs=one.runs,
        problems=problems,
    )


def _in_order(names: AbstractSet[str]) -> Tuple[str, ...]:
    return tuple(sorted(names, key=NAMES.index))


def with_confirmed(recording: Recording, needed: Sequence[str]) -> Recording:
    """The recording of one run, whose checks are known, with what its command misses."""
    (run,) = recording.runs.values()
    assert run.capabilities is not None
    held = replace(run.capabilities, confirmed=mask_of(needed))
    return replace(recording, runs={run.id: replace(run, capabilities=held)})


def ambient_user(recording: Recording) -> Optional[int]:
    """
    The host's number of the user whom the container's program runs as, if that is not root: then
    what --cap-add gives is not simply his.
    """
    (run,) = recording.runs.values()
    held = run.capabilities
    return held.user if held and held.user and held.namespace == HOST else None


class _Confirming:
    """Trials of one command with less and less."""

    def __init__(
        self, bench: Bench, plan: Plan, asked: Asked, signals: Watchful, told: Told
    ) -> None:
        self.runs = 0
        self._bench = bench
        self._plan = plan
        self._status = asked.first.status
        self._signals = signals
        self._told = told

    def works(self, names: FrozenSet[str]) -> bool:
        """Whether the command ends as it did, with these; what was interrupted did not."""
        given = _in_order(names)
        trial = None if self._is_over() else self._attempt([short_name(name) for name in given])
        if trial is None:
            return False
        self.runs += 1
        # Whether a filter is in force is the command's own affair here.
        problems = end_problems(replace(trial, unfiltered=()), self._plan, self._status)
        self._told(self.runs, given, problems)
        return not (problems or self._is_over())

    def _attempt(self, names: Sequence[str]) -> Optional[Trial]:
        command = arguments.with_capabilities(self._plan.command, self._plan.call, names)
        try:
            return attempt_as(self._bench, self._plan, command, self._signals)
        except CommandError:
            if self._is_over():
                return None
            raise

    def _is_over(self) -> bool:
        return self._signals.interrupted
