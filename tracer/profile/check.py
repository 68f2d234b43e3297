"""
What a profile would deny of what was recorded.

Each call is judged by the runtime that its run was recorded under, since runc adds to a profile:
it answers ENOSYS to calls that are newer than every call of the profile. A recording has no
argument values. So a call that the profile allows for some arguments only is neither sure to be
denied nor sure to pass, and is told apart. Rules for certain capabilities are judged by those that
each run has recorded. Whether containers would start at all is `check_starts`' to say.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import AbstractSet, Callable, Dict, FrozenSet, Iterable, Iterator, List, Optional, Tuple

from tracer.capabilities.held import held_by
from tracer.profile.decide import Answer, kind_of
from tracer.profile.judge import Judge
from tracer.profile.model import Profile
from tracer.profile.releases import Release
from tracer.profile.resolve import depends_on_capabilities
from tracer.recording import Observation, Recording, Run

_Call = Tuple[str, int, Optional[str]]
# The bounding set of a run's container.
Held = Callable[[Run], AbstractSet[str]]


@dataclass(frozen=True)
class Denial:
    """
    Observations of one call that the profile denies, the first one first, and how it answers.

    `depends`: only for some arguments, which the recording does not know.
    """

    observations: Tuple[Observation, ...]
    answer: Answer
    depends: bool


def denials(
    profile: Profile,
    recording: Recording,
    held: Held = held_by,
    release: Optional[Release] = None,
) -> Tuple[Denial, ...]:
    """
    Return what the profile would deny of a recording, sure denials first, then by name.

    `held` tells a run's capabilities; `release` is the host's libseccomp, as for `Judge`. Where
    runs differ in capabilities, or in their runtime, a call may be denied in some of them only, or
    in two ways. Raises InputError for a profile that a runtime does not load.
    """
    found = [
        denial
        for judge, runs in _judges(profile, recording.runs.values(), held, release)
        for denial in _denials(judge, recording, frozenset(run.id for run in runs))
    ]
    return tuple(sorted(_joined(found), key=_order))


def _denials(judge: Judge, recording: Recording, runs: FrozenSet[str]) -> Iterator[Denial]:
    same: Dict[_Call, List[Observation]] = {}
    for seen in recording.observations:
        if not seen.runs.isdisjoint(runs):
            same.setdefault(_call_of(seen), []).append(replace(seen, runs=seen.runs & runs))
    for call, observations in same.items():
        answers = judge.answers(*call)
        refusals = [answer for answer in answers if not answer.lets_through]
        if refusals:
            yield Denial(tuple(observations), refusals[0], len(refusals) < len(answers))


def _joined(found: Iterable[Denial]) -> Iterator[Denial]:
    """Those of one call that are answered alike as one, its observations in order."""
    same: Dict[Tuple[_Call, Answer, bool], Dict[Tuple[str, str, int], Observation]] = {}
    for one in found:
        here = same.setdefault((_call_of(one.observations[0]), one.answer, one.depends), {})
        for seen in one.observations:
            known = here.get(seen.key, seen)
            here[seen.key] = replace(seen, runs=seen.runs | known.runs)
    for (_, answered, depends), observations in same.items():
        ordered = sorted(observations.values(), key=lambda seen: (seen.first, seen.key))
        yield Denial(tuple(ordered), answered, depends)


def _call_of(seen: Observation) -> _Call:
    return (seen.architecture, seen.number, seen.name)


def _order(one: Denial) -> Tuple[object, ...]:
    first = one.observations[0]
    return (one.depends, first.name or "", first.architecture, first.number, str(one.answer))


def runs_by_capabilities(
    profile: Profile, runs: Iterable[Run], held: Held
) -> Iterator[Tuple[FrozenSet[str], List[Run]]]:
    """Give the runs whose containers the profile cannot tell apart, with their capabilities."""
    alike: Dict[FrozenSet[str], List[Run]] = {}
    for run in runs:
        capabilities = held(run) if depends_on_capabilities(profile) else frozenset()
        alike.setdefault(frozenset(capabilities), []).append(run)
    yield from alike.items()


def _judges(
    profile: Profile, runs: Iterable[Run], held: Held, release: Optional[Release]
) -> Iterator[Tuple[Judge, List[Run]]]:
    """Give a judge for each group of runs that it answers alike."""
    for capabilities, same in runs_by_capabilities(profile, runs, held):
        kinds: Dict[str, List[Run]] = {}
        for run in same:
            kinds.setdefault(kind_of(run.runtime, run.runtime_version), []).append(run)
        for kind, some in kinds.items():
            yield Judge(profile, capabilities, kind, release), some
