"""
Whether a runtime starts containers under a profile, as far as its measurements prove.

A call that a start was seen to make is not a call that a start needs. So only two things block a
start: calls that are refused with an answer with which a trial failed, all the alternatives of that
trial together; and calls that the kernel kills the runtime for. An errno other than ENOSYS counts
as EPERM, which is what trials refuse with. What a profile allows for some arguments only blocks
nothing, and neither do TRACE and NOTIFY, which leave the decision to another process.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from tracer.profile import model
from tracer.profile.decide import Answer
from tracer.profile.floors import ENOSYS, EPERM, LEAST_REFUSED, NEVER, Floor, RefusalTrial

# The answers that a profile may give to a call; none for a call that the architecture lacks.
Answers = Callable[[str], Sequence[Answer]]

_KILLS = (model.KILL_PROCESS, model.KILL_THREAD, model.TRAP)


@dataclass(frozen=True)
class Blocker:
    """
    Calls of which a start, or an exec, needs at least one, and the profile refuses all: sorted.

    `always`: every start was seen to need one of them. If not, some starts work.
    """

    calls: Tuple[str, ...]
    always: bool


def blockers(floor: Floor, answers: Answers) -> Tuple[Blocker, ...]:
    """Return what keeps this floor's runtime from starting, or from an exec, sorted by calls."""
    tried = {trial.calls for trial in floor.trials if trial.failed}
    made = {(name,) for name in floor.names}
    found = [_blocker(floor, calls, answers) for calls in sorted(tried | made)]
    return tuple(_least(blocker for blocker in found if blocker is not None))


def untried(floor: Floor, answers: Answers) -> Tuple[str, ...]:
    """
    Return the calls that samples made, that a profile could allow and refuses, and of which nobody
    knows whether the runtime does without them; sorted.
    """
    return tuple(
        name
        for name in sorted(floor.names - NEVER)
        if any(
            _word(answer) is not None and _outcome(floor, name, answer) is None
            for answer in _refusals(answers(name))
        )
    )


def does_without(floors: Iterable[Floor], name: str, answer: Answer) -> bool:
    """Say whether trials prove that starts and execs work with this answer to this call."""
    found = {_outcome(floor, name, answer) for floor in floors}
    return True in found and False not in found


def _outcome(floor: Floor, name: str, answer: Answer) -> Optional[bool]:
    """Whether the runtime works with this answer to this call alone; None if nobody knows."""
    trials = _trials(floor, (name,), _word(answer))
    if any(trial.failed for trial in trials):
        return False
    return True if any(trial.refused >= LEAST_REFUSED for trial in trials) else None


def _blocker(floor: Floor, calls: Tuple[str, ...], answers: Answers) -> Optional[Blocker]:
    always = True
    for name in calls:
        refusals = _refusals(answers(name))
        proofs = [_proof(floor, calls, answer) for answer in refusals]
        if not refusals or None in proofs:
            return None
        always = always and all(proofs)
    counts = dict(floor.calls)
    return Blocker(calls, always and any(counts.get(name) == floor.samples for name in calls))


def _proof(floor: Floor, calls: Tuple[str, ...], answer: Answer) -> Optional[bool]:
    """Whether every start fails that sees this answer, or some do; None if nobody knows."""
    if answer.action in _KILLS:
        return True
    failed = [trial for trial in _trials(floor, calls, _word(answer)) if trial.failed]
    return all(trial.failed == trial.refused for trial in failed) if failed else None


def _refusals(answers: Sequence[Answer]) -> Sequence[Answer]:
    """All answers, unless one of them makes the call; then none."""
    return () if any(answer.lets_through for answer in answers) else answers


def _word(answer: Answer) -> Optional[str]:
    """What trials call an answer; None for one that no trial is about."""
    if answer.action != model.ERRNO or not answer.errno:
        return None  # an errno of 0 tells the program that the call succeeded
    return ENOSYS if answer.errno == errno.ENOSYS else EPERM


def _trials(floor: Floor, calls: Tuple[str, ...], word: Optional[str]) -> List[RefusalTrial]:
    return [trial for trial in floor.trials if (trial.calls, trial.answer) == (calls, word)]


def _least(found: Iterable[Blocker]) -> Iterator[Blocker]:
    """Those that say nothing which another says with fewer calls."""
    by_calls: Dict[Tuple[str, ...], Blocker] = {blocker.calls: blocker for blocker in found}
    for calls, blocker in by_calls.items():
        if not any(set(other) < set(calls) for other in by_calls):
            yield blocker
