"""
What a profile lets through and a command can do without: found by leaving it out.

Groups of calls are left out, and halved where they are missed. What a runtime may need to start,
and what the kernel makes at times, is never tried: no number of runs shows all of it. The result
proves no more than that this command, with this drive, ended as it should.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Callable, FrozenSet, Sequence, Tuple

from tracer.profile.kernel_calls import KERNEL_CALLS
from tracer.profile.model import Profile
from tracer.profile.reduce import allowed_names, without
from tracer.session.refinement import INTERRUPTED, Put, Wish
from tracer.session.trial import Bench, Plan, Trial, Watchful, attempt
from tracer.session.verification import end_problems, every_floor

CONFIRMATIONS = 3
# A command that misses something may wait for ever: how long it may take, by the first run.
TIMES_LONGER = 5
LEAST_SECONDS = 10.0

Works = Callable[[FrozenSet[str]], bool]
Told = Callable[[int, int, bool], None]


@dataclass(frozen=True)
class Minimised:
    """
    The profile without what was not missed; how many runs that took; the calls that were dropped,
    those that were missed, and those that were not tried, for runtimes may need them or, `kernel`,
    the kernel makes them. `problems`: what speaks against the result, a phrase each.
    """

    profile: Profile
    runs: int
    dropped: Tuple[str, ...]
    missed: Tuple[str, ...]
    floor: Tuple[str, ...]
    kernel: Tuple[str, ...]
    problems: Tuple[str, ...]


def minimise(
    bench: Bench, plan: Plan, wish: Wish, put: Put, signals: Watchful, told: Told
) -> Minimised:
    """
    Leave out of the profile what the command does not miss. `told` hears of each run: its number,
    how many calls were left out, and whether it went well.

    Raises CommandError if the command or the drive cannot be started.
    """
    one = _Minimising(bench, plan, wish, put, signals, told)
    names = allowed_names(wish.profile)
    floor = names & every_floor()
    kernel = (names & KERNEL_CALLS.keys()) - floor
    tried = names - floor - kernel
    first = one.attempt(frozenset())
    problems = end_problems(first, plan, wish.status)
    dropped: FrozenSet[str] = frozenset()
    if not problems:
        one.plan = replace(plan, limit=plan.limit or limit_after(first))
        used = {seen.name for each in first.recordings for seen in each.observations}
        groups = sorted(tried - used), sorted(tried & used)
        dropped = droppable(groups, one.works)
        problems = one.confirmed(dropped)
    if signals.interrupted:
        problems += (INTERRUPTED,)
    return Minimised(
        profile=without(wish.profile, dropped),
        runs=one.runs,
        dropped=tuple(sorted(dropped)),
        missed=tuple(sorted(tried - dropped)),
        floor=tuple(sorted(floor)),
        kernel=tuple(sorted(kernel)),
        problems=problems,
    )


def droppable(groups: Sequence[Sequence[str]], works: Works) -> FrozenSet[str]:
    """
    What of these groups can be left out together, by halving what cannot be left out whole.

    `works` says whether all is well without certain names.
    """
    dropped: FrozenSet[str] = frozenset()
    waiting = [tuple(group) for group in reversed(groups) if group]
    while waiting:
        group = waiting.pop()
        if works(dropped | frozenset(group)):
            dropped |= frozenset(group)
        elif len(group) > 1:
            middle = len(group) // 2
            waiting += [group[middle:], group[:middle]]
    return dropped


def limit_after(first: Trial) -> float:
    """How many seconds a run may take, by the first one."""
    return max(LEAST_SECONDS, TIMES_LONGER * first.seconds)


class _Minimising:
    """Trials of one profile with less and less in it."""

    def __init__(
        self, bench: Bench, plan: Plan, wish: Wish, put: Put, signals: Watchful, told: Told
    ) -> None:
        self.plan = plan
        self.runs = 0
        self._bench = bench
        self._wish = wish
        self._put = put
        self._signals = signals
        self._told = told

    def attempt(self, dropped: FrozenSet[str]) -> Trial:
        path = self._put(without(self._wish.profile, dropped))
        trial = attempt(self._bench, self.plan, path, self._signals)
        self.runs += 1
        self._told(self.runs, len(dropped), not self._problems(trial))
        return trial

    def works(self, dropped: FrozenSet[str]) -> bool:
        """Whether the command ends well without these; what was interrupted did not."""
        if self._signals.interrupted:
            return False
        trial = self.attempt(dropped)
        return not (self._problems(trial) or self._signals.interrupted)

    def confirmed(self, dropped: FrozenSet[str]) -> Tuple[str, ...]:
        """
        What speaks against the result when it is tried some times more. That nothing could be
        dropped is tried, too: a command may work but once (--cidfile), whatever it runs under.
        """
        if all(self.works(dropped) for _ in range(CONFIRMATIONS)) or self._signals.interrupted:
            return ()
        how = "without what was dropped" if dropped else "with all of the profile"
        return (f"{how} it works only now and then",)

    def _problems(self, trial: Trial) -> Tuple[str, ...]:
        return end_problems(trial, self.plan, self._wish.status)
