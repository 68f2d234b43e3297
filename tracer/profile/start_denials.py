"""
The measured runtimes under which a profile starts no container, or works with no exec.

What one measurement proves is `floor_judgement`'s to say. Here every floor is judged as its own
runtime, version and architecture would load the profile, and floors with the same answer are told
together. Which floors matter is the caller's choice: `check_starts` has it for recordings.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import AbstractSet, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from tracer.errors import InputError
from tracer.profile.decide import kind_of
from tracer.profile.floor_judgement import Answers, Blocker, blockers
from tracer.profile.floors import Floor
from tracer.profile.judge import Judge
from tracer.profile.model import Profile
from tracer.profile.releases import Release


@dataclass(frozen=True)
class FloorDenial:
    """
    Floors of one runtime, architecture and action that fail alike under a profile.

    `blockers` says for want of what; `refusal` why the runtime does not even load the profile.
    `counts`: the caller asked about these very versions; otherwise it is worth a note.
    """

    floors: Tuple[Floor, ...]
    blockers: Tuple[Blocker, ...] = ()
    refusal: str = ""
    counts: bool = False

    @property
    def runtime(self) -> str:
        """The runtime's name."""
        return self.floors[0].runtime

    @property
    def architecture(self) -> str:
        """The host's architecture, by libseccomp's token."""
        return self.floors[0].architecture

    @property
    def action(self) -> str:
        """What fails: "start", or "exec" for `podman exec` and the like."""
        return self.floors[0].action

    @property
    def no_new_privileges(self) -> Optional[bool]:
        """The setting under which it fails; None for both."""
        settings = {floor.no_new_privileges for floor in self.floors}
        return settings.pop() if len(settings) == 1 else None

    @property
    def always(self) -> bool:
        """Whether every attempt fails; otherwise some do."""
        return bool(self.refusal) or any(blocker.always for blocker in self.blockers)

    @property
    def calls(self) -> Tuple[str, ...]:
        """Every call that is named in `needs`."""
        return tuple(name for blocker in self.blockers for name in blocker.calls)

    @property
    def needs(self) -> Tuple[str, ...]:
        """What the runtime needs: a call, or alternatives such as "faccessat2 or faccessat"."""
        return tuple(" or ".join(blocker.calls) for blocker in self.blockers)


class FloorJudge:
    """
    Judges floors under one profile, for containers with these capabilities.

    `release` is the host's libseccomp, as for `Judge`.
    """

    def __init__(
        self,
        profile: Profile,
        capabilities: AbstractSet[str],
        release: Optional[Release] = None,
    ) -> None:
        self._profile = profile
        self._capabilities = capabilities
        self._release = release
        self._judges: Dict[str, Judge] = {}

    def denials(
        self, floors: Iterable[Floor], counts: Callable[[Floor], bool]
    ) -> Iterator[FloorDenial]:
        """Give a denial for each floor that fails."""
        for floor in floors:
            try:
                found = blockers(floor, self.answers(floor))
            except InputError as error:
                yield FloorDenial((floor,), refusal=error.message, counts=counts(floor))
                continue
            if found:
                yield FloorDenial((floor,), found, counts=counts(floor))

    def answers(self, floor: Floor) -> Answers:
        """Return what a floor's runtime would be answered; asking raises InputError as `Judge`."""
        kind = kind_of(floor.runtime, floor.version)
        if kind not in self._judges:
            self._judges[kind] = Judge(self._profile, self._capabilities, kind, self._release)
        judge = self._judges[kind]
        return lambda name: judge.answers_to(floor.architecture, name)


def joined(denials: Iterable[FloorDenial]) -> Tuple[FloorDenial, ...]:
    """
    Return denials with those of equal cause united, what counts first.

    A floor that fails alike in several containers is told once. An exec is not worth telling where
    no container starts that it could be about.
    """
    once: Dict[FloorDenial, bool] = {}
    for denial in _worth_telling(tuple(denials)):
        key = replace(denial, counts=False)
        once[key] = once.get(key, False) or denial.counts
    both = _united((replace(denial, counts=counts) for denial, counts in once.items()), _versioned)
    alike = _united(both, _alike)
    return tuple(sorted(alike, key=lambda denial: (not denial.counts, *_alike(denial))))


def _worth_telling(denials: Sequence[FloorDenial]) -> Iterator[FloorDenial]:
    unstarted = {
        same_but_action(floor)
        for denial in denials
        if denial.action == "start" and denial.always
        for floor in denial.floors
    }
    for denial in denials:
        if denial.action == "start" or same_but_action(denial.floors[0]) not in unstarted:
            yield denial


def same_but_action(floor: Floor) -> Tuple[object, ...]:
    """Return what the floor of a start has in common with that of an exec there."""
    return floor.key[:-1]


def _united(
    denials: Iterable[FloorDenial], key: Callable[[FloorDenial], Tuple[object, ...]]
) -> List[FloorDenial]:
    same: Dict[Tuple[object, ...], FloorDenial] = {}
    for denial in denials:
        known = same.get(key(denial))
        floors = (*known.floors, *denial.floors) if known else denial.floors
        same[key(denial)] = replace(denial, floors=floors)
    return list(same.values())


def _versioned(denial: FloorDenial) -> Tuple[object, ...]:
    return (denial.floors[0].version, *_cause(denial))


def _alike(denial: FloorDenial) -> Tuple[object, ...]:
    return (*_cause(denial)[:2], str(denial.no_new_privileges), *_cause(denial)[2:])


def _cause(denial: FloorDenial) -> Tuple[object, ...]:
    return (
        denial.runtime,
        denial.architecture,
        denial.action != "start",
        denial.needs,
        denial.always,
        denial.refusal,
        denial.counts,
    )
