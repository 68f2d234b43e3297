"""
Which refusals to try, how often, and what they have shown. Pure.

A trial refuses calls on purpose, and counts the starts that saw a refusal and how many of these
failed. Calls that the runtime makes in place of a refused one are tried together with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Dict, FrozenSet, Iterable, List, Mapping, Optional, Sequence, Tuple

from tracer.measuring.variants import Refusal
from tracer.profile.floors import ANSWERS, LEAST_REFUSED, RefusalTrial

# If so many starts that saw a refusal failed, and none of them worked, others would fail, too.
# Fewer failures may have another cause.
ENOUGH_FAILED = 3
# So many attempts at most: what is not refused in these is too rare to be judged. They are enough
# for each of 15 variants to fail as often as proves something.
MOST_ATTEMPTS = 45


@dataclass
class Tally:
    """
    What the attempts with one refusal have shown so far; `calls`: what all that saw a refusal and
    worked have in common.

    `variants`: so many attempts try every variant that makes the calls. Some variants may fail and
    others work, so nothing is known before each was tried.
    """

    variants: int
    made: int = 0
    refused: int = 0
    failed: int = 0
    calls: Optional[FrozenSet[str]] = None

    def add(self, calls: FrozenSet[str], refused: bool, worked: bool) -> None:
        """Count one more attempt: without a refusal it proves nothing."""
        self.made += 1
        self.refused += refused
        self.failed += refused and not worked
        if refused and worked:
            self.calls = calls if self.calls is None else self.calls & calls

    @property
    def is_done(self) -> bool:
        """Whether more attempts would tell nothing more, or seldom enough."""
        if self.made >= MOST_ATTEMPTS:
            return True
        if self.made < self.variants:
            return False
        if self.failed == self.refused >= ENOUGH_FAILED:
            return True
        return self.refused >= LEAST_REFUSED and not self.is_doubtful

    @property
    def is_doubtful(self) -> bool:
        """Whether the failures may have had another cause: a busy host, for example."""
        return 0 < self.failed < ENOUGH_FAILED

    @property
    def wanted(self) -> int:
        """How many attempts to make next."""
        if self.is_done:
            return 0
        if self.made < self.variants:
            return self.variants - self.made
        missing = max(LEAST_REFUSED - self.refused, 1)
        likely = -(-missing * self.made // max(self.refused, 1))
        return min(likely, MOST_ATTEMPTS - self.made)


Tallies = Dict[Refusal, Tally]


def first_refusals(names: Iterable[str]) -> Tuple[Refusal, ...]:
    """Return a refusal of each call, with each answer."""
    return tuple(Refusal((name,), answer) for name in sorted(set(names)) for answer in ANSWERS)


def with_substitutes(
    floor: FrozenSet[str], tallies: Mapping[Refusal, Tally]
) -> Tuple[Refusal, ...]:
    """
    Return refusals of several calls at once: each survivable call with each that came in its place,
    and all the survivable ones.
    """
    found: List[Refusal] = []
    for refusal, tally in tallies.items():
        calls = tally.calls if tally.calls and _is_survived(tally) else frozenset()
        for name in sorted(calls - floor):
            found.append(Refusal(tuple(sorted((*refusal.calls, name))), refusal.answer))
    for answer in ANSWERS:
        survived = _survived(tallies, answer)
        if len(survived) > 1:
            found.append(Refusal(survived, answer))
    return tuple(dict.fromkeys(found))


def pairs(tallies: Mapping[Refusal, Tally]) -> Tuple[Refusal, ...]:
    """Return refusals of two calls each, of those that cannot all be refused together."""
    found = (
        Refusal(pair, refusal.answer)
        for refusal, tally in tallies.items()
        if len(refusal.calls) > 2 and tally.failed
        for pair in combinations(refusal.calls, 2)
    )
    return tuple(found)


def _survived(tallies: Mapping[Refusal, Tally], answer: str) -> Tuple[str, ...]:
    alone = {
        refusal.calls[0]: tally
        for refusal, tally in tallies.items()
        if refusal.answer == answer and len(refusal.calls) == 1
    }
    return tuple(sorted(name for name, tally in alone.items() if _is_survived(tally)))


def _is_survived(tally: Tally) -> bool:
    return tally.refused >= LEAST_REFUSED and not tally.failed


def trials_of(tallies: Mapping[Refusal, Tally]) -> Tuple[RefusalTrial, ...]:
    """
    Return what was learnt: of single calls all that was refused; of several the failures alone,
    which say that the calls can stand in for each other, and the smallest such groups. Failures
    that are too few to be sure of their cause are left out: the call stays unknown.
    """
    sure = {
        refusal: tally
        for refusal, tally in tallies.items()
        if tally.refused and not tally.is_doubtful
    }
    failed = [refusal for refusal, tally in sure.items() if tally.failed]
    return tuple(
        RefusalTrial(refusal.calls, refusal.answer, tally.refused, tally.failed)
        for refusal, tally in sorted(sure.items(), key=lambda item: _order(item[0]))
        if len(refusal.calls) == 1 or (tally.failed and not _is_explained(refusal, failed))
    )


def _is_explained(refusal: Refusal, failed: Sequence[Refusal]) -> bool:
    return any(
        other.answer == refusal.answer and set(other.calls) < set(refusal.calls) for other in failed
    )


def _order(refusal: Refusal) -> Tuple[int, Tuple[str, ...], str]:
    return len(refusal.calls), refusal.calls, refusal.answer


def showing(calls: Sequence[Tuple[int, FrozenSet[str]]], names: Iterable[str]) -> Tuple[int, ...]:
    """Return the numbers of the samples that showed all of these calls, else any of them."""
    wanted = set(names)
    whole = tuple(number for number, seen in calls if wanted <= seen)
    return whole or tuple(number for number, seen in calls if wanted & seen)
