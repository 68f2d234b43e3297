"""
What a profile would deny of what was recorded, and of what runtimes need to start at all.

A recording has no argument values. So a call that the profile allows for some arguments only is
neither sure to be denied nor sure to pass, and is told apart. What a container may do beside that
the profile asks of its capabilities: they are what its run has recorded. Who made a call and when
is the recording's to say; printing is not done here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import (
    AbstractSet,
    Callable,
    Dict,
    FrozenSet,
    Iterable,
    Iterator,
    List,
    Optional,
    Set,
    Tuple,
)

from tracer import syscalls
from tracer.capabilities.held import held_by
from tracer.profile import calls, floors, model
from tracer.profile.architectures import host_of
from tracer.profile.decide import NO_RUNTIME, Answer, Filter, answer, load
from tracer.profile.fallbacks import ENOSYS, FALLBACKS
from tracer.profile.model import Profile
from tracer.profile.points import points_for
from tracer.profile.resolve import depends_on_capabilities, resolve
from tracer.recording import Observation, Recording, Run

Point = Tuple[int, ...]
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


@dataclass(frozen=True)
class FloorDenial:
    """
    What a runtime needs and the profile denies, so that a container would not start, or not every
    time: sorted names. `action`: "start", or "exec" for `podman exec` and the like.
    `recorded`: the recording was made under this runtime.
    """

    runtime: str
    no_new_privileges: Optional[bool]
    action: str
    calls: Tuple[str, ...]
    recorded: bool


class _Judge:
    """Answers calls under one profile, for containers with these capabilities."""

    def __init__(
        self, profile: Profile, capabilities: AbstractSet[str], engine: Optional[str]
    ) -> None:
        self._profile = profile
        self._capabilities = capabilities
        self._engine = engine
        self._loaded: Dict[str, Tuple[Filter, Dict[str, List[Point]]]] = {}

    def answers(self, architecture: str, number: int, name: Optional[str]) -> List[Answer]:
        """Every answer that the call can get, that to arguments of zero first."""
        loaded, points = self._on(host_of(architecture))
        asked = points.get(name or "", [()])
        found = (answer(loaded, architecture, number, point) for point in asked)
        return list(dict.fromkeys(found))

    def _on(self, host: str) -> Tuple[Filter, Dict[str, List[Point]]]:
        if host not in self._loaded:
            flat = resolve(self._profile, host, self._capabilities, engine=self._engine)
            points = {
                name: points_for(one for rule in rules for one in rule.conditions)
                for name, rules in calls.by_call(flat.rules).items()
            }
            self._loaded[host] = (load(flat, host, NO_RUNTIME), points)
        return self._loaded[host]


def denials(
    profile: Profile,
    recording: Recording,
    held: Held = held_by,
    *,
    engine: Optional[str] = None,
) -> Tuple[Denial, ...]:
    """
    Return what the profile would deny of a recording, sure denials first, then by name.

    `held` tells a run's capabilities; `engine` is as in `resolve`. Where runs differ in their
    capabilities, a call may be denied in some of them only, or in two ways. Raises InputError for
    a profile that cannot be loaded.
    """
    found = [
        denial
        for judge, runs in _judges(profile, recording.runs.values(), held, engine)
        for denial in _denials(judge, recording, frozenset(run.id for run in runs))
    ]
    return tuple(sorted(_joined(found), key=_order))


def _denials(judge: _Judge, recording: Recording, runs: FrozenSet[str]) -> Iterator[Denial]:
    same: Dict[_Call, List[Observation]] = {}
    for seen in recording.observations:
        if not seen.runs.isdisjoint(runs):
            same.setdefault(_call_of(seen), []).append(replace(seen, runs=seen.runs & runs))
    for call, observations in same.items():
        answers = judge.answers(*call)
        refusals = [one for one in answers if not one.lets_through]
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


def _judges(
    profile: Profile, runs: Iterable[Run], held: Held, engine: Optional[str]
) -> Iterator[Tuple[_Judge, List[Run]]]:
    """A judge for each group of runs whose containers the profile cannot tell apart."""
    alike: Dict[FrozenSet[str], List[Run]] = {}
    for run in runs:
        capabilities = held(run) if depends_on_capabilities(profile) else frozenset()
        alike.setdefault(frozenset(capabilities), []).append(run)
    for capabilities, same in (alike or {frozenset(): []}).items():
        yield _Judge(profile, capabilities, engine), same


def floor_denials(
    profile: Profile,
    runs: Iterable[Run],
    wanted: Optional[AbstractSet[str]] = None,
    held: Held = held_by,
    *,
    engine: Optional[str] = None,
) -> Tuple[FloorDenial, ...]:
    """
    Return what the profile denies of the floors of the recorded runtimes, then of the others.

    `wanted` names the runtimes to look at, by default all that were measured. `held` and `engine`
    are as in `denials`.
    """
    found = [
        denial
        for judge, some in _judges(profile, runs, held, engine)
        for denial in _floor_denials(judge, some, wanted)
    ]
    counted = [one for one in found if one.recorded]
    theirs = {one.runtime for one in counted}
    others = (one for one in found if not one.recorded and one.runtime not in theirs)
    return tuple(dict.fromkeys([*counted, *others]))


def _floor_denials(
    judge: _Judge, runs: Iterable[Run], wanted: Optional[AbstractSet[str]]
) -> Iterator[FloorDenial]:
    settings: Dict[str, Set[Optional[bool]]] = {}
    for run in runs:
        settings.setdefault(run.runtime, set()).add(run.no_new_privileges)
    anywhere = {one for some in settings.values() for one in some} or {None}
    for runtime in sorted(floors.known_runtimes() if wanted is None else wanted):
        for privileges in sorted(settings.get(runtime, anywhere), key=str):
            for action in floors.ACTIONS:
                calls_denied = _denied_of(judge, _floor(runtime, privileges, action))
                if calls_denied:
                    recorded = runtime in settings
                    yield FloorDenial(runtime, privileges, action, calls_denied, recorded)


def _floor(runtime: str, privileges: Optional[bool], action: str) -> FrozenSet[str]:
    measured = tuple(one for one in floors.measured() if one.action == action)
    return floors.floor_among(measured, runtime, privileges)


# A runtime does without what it can do without, if it is told that the kernel has no such call.
def _denied_of(judge: _Judge, names: Iterable[str]) -> Tuple[str, ...]:
    denied = []
    for name in sorted(names):
        number = syscalls.number_of(syscalls.X86_64, name)
        if number is None:
            continue
        answers = judge.answers(syscalls.X86_64, number, name)
        falls_back = name in FALLBACKS and answers == [Answer(model.ERRNO, ENOSYS)]
        if not any(one.lets_through for one in answers) and not falls_back:
            denied.append(name)
    return tuple(denied)
