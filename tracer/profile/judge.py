"""
What one profile answers to calls, for containers with certain capabilities under one runtime.

A filter is built on the first question about its host, and answers are kept. A call gets several
answers if rules have conditions on its arguments.
"""

from __future__ import annotations

from typing import AbstractSet, Dict, FrozenSet, List, NamedTuple, Optional, Sequence, Tuple

from tracer import syscalls
from tracer.profile import calls
from tracer.profile.architectures import host_of
from tracer.profile.decide import NO_RUNTIME, Answer, Filter, answer, load, number_of
from tracer.profile.known_calls import as_known_to
from tracer.profile.model import Profile
from tracer.profile.newer_calls import STAND_IN, newer_calls, with_newest, with_stand_in
from tracer.profile.points import points_for
from tracer.profile.releases import Release
from tracer.profile.resolve import resolve

Point = Tuple[int, ...]
_Call = Tuple[str, int, Optional[str]]


class _Host(NamedTuple):
    """
    A profile on one host: flat; its filter; the arguments to try, by call; and the calls that the
    filter lacks since only the libseccomp in question knows them (`newer_calls`).
    """

    flat: Profile
    loaded: Filter
    points: Dict[str, List[Point]]
    newer: FrozenSet[str]


class Judge:
    """
    Answers calls under one profile.

    `capabilities` is the container's bounding set, `runtime` one of `decide.RUNTIMES`, `release`
    the libseccomp of the host in question, by default this host's. Every question raises
    InputError if that runtime refuses the profile.
    """

    def __init__(
        self,
        profile: Profile,
        capabilities: AbstractSet[str],
        runtime: str = NO_RUNTIME,
        release: Optional[Release] = None,
    ) -> None:
        self._profile = profile
        self._capabilities = capabilities
        self._runtime = runtime
        self._release = release
        self._loaded: Dict[str, _Host] = {}
        self._known: Dict[_Call, Sequence[Answer]] = {}

    def answers(self, architecture: str, number: int, name: Optional[str]) -> Sequence[Answer]:
        """Return every answer that the call can get, the answer to arguments of zero first."""
        key = (architecture, number, name)
        if key not in self._known:
            host = self._on(host_of(architecture))
            loaded = host.loaded
            if name is not None and name in host.newer:
                stand_in = with_stand_in(host.flat, name)
                loaded = load(stand_in, host_of(architecture), self._runtime)
                number = number_of(architecture, STAND_IN)
            asked = host.points.get(name or "", [()])
            found = (answer(loaded, architecture, number, point) for point in asked)
            self._known[key] = tuple(dict.fromkeys(found))
        return self._known[key]

    def answers_to(self, architecture: str, name: str) -> Sequence[Answer]:
        """Return the answers to a call by its name; none if the architecture lacks the call."""
        number = syscalls.number_of(architecture, name)
        return () if number is None else self.answers(architecture, number, name)

    def _on(self, host: str) -> _Host:
        if host not in self._loaded:
            flat = resolve(self._profile, host, self._capabilities)
            if self._release is not None:
                flat = as_known_to(flat, self._release)
            points = {
                name: points_for(condition for rule in rules for condition in rule.conditions)
                for name, rules in calls.by_call(flat.rules).items()
            }
            newer = newer_calls(flat, self._release)
            loaded = with_newest(load(flat, host, self._runtime), newer)
            self._loaded[host] = _Host(flat, loaded, points, newer)
        return self._loaded[host]
