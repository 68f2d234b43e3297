"""
Which of its capabilities a container's command misses: found by running it again without them.

First with what its recording says it needs, and nothing else; what is missed beyond that is found
among all that it had by halving; then each that was recorded as needed is left out in turn. With
less a program may go other ways, and make other calls: what it did with just what it misses is
united with what was recorded, and the last trial is under the profile of both. The result proves no
more than that this command, with this drive, ended as it had when it was recorded. What decides is
pure, and is given what tries.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import AbstractSet, Callable, Dict, FrozenSet, Iterator, Optional, Sequence, Tuple

from tracer.capabilities.names import NAMES, mask_of, names_in, short_name
from tracer.capabilities.required import required
from tracer.container import arguments
from tracer.errors import CommandError
from tracer.kernel.outcomes import Outcomes
from tracer.recording import HOST, Recording, Run, merge
from tracer.session.checking import checking
from tracer.session.minimisation import droppable, limit_after
from tracer.session.recording_run import Outcome
from tracer.session.refinement import INTERRUPTED
from tracer.session.trial import Bench, Plan, Trial, Watchful, attempt_as
from tracer.session.verification import end_problems

Works = Callable[[FrozenSet[str]], bool]
Told = Callable[["Tried"], None]
Put = Callable[[Recording], str]


@dataclass(frozen=True)
class Tried:
    """
    One trial: its number, what the container was given, what was not as in the recorded run, and
    whether it was under the new profile.
    """

    run: int
    given: Tuple[str, ...]
    problems: Tuple[str, ...]
    profiled: bool


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
    recording: Optional[Recording] = None
    added: Tuple[str, ...] = ()
    apart: Tuple[str, ...] = ()


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


def confirm(
    bench: Bench, plan: Plan, asked: Asked, put: Put, signals: Watchful, told: Told
) -> Confirmed:
    """
    Run the command with less and less, and find what it misses; then under the new profile. `put`
    writes a recording's profile where the engine reads it; `told` hears of each trial.

    Raises CommandError if the command or the drive cannot be started.
    """
    plan = replace(plan, limit=limit_after(asked.first))
    with _noting(bench, asked.first.recordings[0]) as tools:
        one = _Confirming(tools, plan, asked.first.status, signals, told)
        needed = missed(asked.required, asked.held, one.works)
        if needed is None or one.is_over():
            problem = "with all that it had it does not end as it did when it was recorded"
            return _nothing(one.runs, INTERRUPTED if one.is_over() else problem)
        (first,) = asked.first.recordings
        recording = united(first, one.recorded(needed), _in_order(needed))
        apart = one.attempt(needed, put(recording))
    if one.is_over():
        return _nothing(one.runs, INTERRUPTED)
    return Confirmed(
        needed=_in_order(needed),
        unmissed=_in_order(frozenset(asked.required) - needed),
        unrecorded=_in_order(needed - frozenset(asked.required)),
        runs=one.runs,
        recording=recording,
        added=tuple(sorted(_calls(recording) - _calls(first))),
        apart=apart,
    )


def _nothing(runs: int, problem: str) -> Confirmed:
    return Confirmed((), (), (), runs, (problem,))


def _calls(recording: Recording) -> FrozenSet[str]:
    return frozenset(seen.name for seen in recording.observations if seen.name is not None)


@contextmanager
def _noting(bench: Bench, first: Recording) -> Iterator[Bench]:
    """The bench, on which recordings tell what the first one does."""
    with ExitStack() as opened:
        asked = opened.enter_context(checking(bench.recorder))
        ended: Optional[Outcomes] = None
        if any(seen.outcomes for seen in first.observations):
            ended = opened.enter_context(Outcomes(bench.recorder.threads))
        yield replace(bench, asked=asked, ended=ended)


def _in_order(names: AbstractSet[str]) -> Tuple[str, ...]:
    return tuple(sorted(names, key=NAMES.index))


def united(first: Recording, trials: Sequence[Recording], needed: Sequence[str]) -> Recording:
    """
    What was recorded, and what was in trials with just the capabilities that are missed; all of
    these runs know them.

    What a trial was refused, for it was left out, says nothing of what its command asks in vain.
    """
    granted = (tuple(check for check in one.checks if check.granted) for one in trials)
    settled = (replace(one, checks=checks) for one, checks in zip(trials, granted))
    return with_confirmed(merge(first, *settled), needed)


def with_confirmed(recording: Recording, needed: Sequence[str]) -> Recording:
    """The recording, with what the command of its runs misses, where their checks are known."""

    def knowing(run: Run) -> Run:
        held = run.capabilities
        return replace(run, capabilities=held and replace(held, confirmed=mask_of(needed)))

    return replace(recording, runs={id: knowing(run) for id, run in recording.runs.items()})


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
        self, bench: Bench, plan: Plan, status: int, signals: Watchful, told: Told
    ) -> None:
        self.runs = 0
        self._bench = bench
        self._plan = plan
        self._status = status
        self._signals = signals
        self._told = told
        self._recorded: Dict[FrozenSet[str], Tuple[Recording, ...]] = {}

    def works(self, names: FrozenSet[str]) -> bool:
        """Whether the command ends as it did, with these; what was interrupted did not."""
        return not (self.attempt(names) or self.is_over())

    def is_over(self) -> bool:
        """Whether somebody wants an end."""
        return self._signals.interrupted

    def recorded(self, names: FrozenSet[str]) -> Tuple[Recording, ...]:
        """What was recorded with just these, the last time that all was well."""
        return self._recorded[names]

    def attempt(self, names: FrozenSet[str], profile: str = "") -> Tuple[str, ...]:
        """What is not as it was with these, and under this profile if there is one."""
        given = _in_order(names)
        trial = None if self.is_over() else self._attempt(given, profile)
        if trial is None:
            return (INTERRUPTED,)
        self.runs += 1
        if not profile:  # then whether a filter is in force is the command's own affair
            trial = replace(trial, unfiltered=())
        problems = end_problems(trial, self._plan, self._status)
        if not problems:
            self._recorded[names] = trial.recordings
        self._told(Tried(self.runs, given, problems, bool(profile)))
        return problems

    def _attempt(self, names: Sequence[str], profile: str) -> Optional[Trial]:
        plan, call = self._plan, self._plan.call
        short = [short_name(name) for name in names]
        command = arguments.with_capabilities(plan.command, call, short)
        if profile:
            command = arguments.with_profile(command, call, profile)
        try:
            return attempt_as(self._bench, plan, command, self._signals)
        except CommandError:
            if self.is_over():
                return None
            raise
