"""
What one profile answers to calls, for containers with certain capabilities under one runtime.

A filter is built on the first question about its host, and answers are kept. A call gets several
answers if rules have conditions on its arguments.
"""

from __future__ import annotations

from typing import AbstractSet, Dict, List, Optional, Sequence, Tuple

from tracer import syscalls
from tracer.profile import calls
from tracer.profile.architectures import host_of
from tracer.profile.decide import NO_RUNTIME, Answer, Filter, answer, load
from tracer.profile.model import Profile
from tracer.profile.points import points_for
from tracer.profile.resolve import resolve

Point = Tuple[int, ...]
_Call = Tuple[str, int, Optional[str]]


class Judge:
    """
    Answers calls under one profile.

    `capabilities` is the container's bounding set, `runtime` one of `decide.RUNTIMES`. Every
    question raises InputError if that runtime refuses the profile.
    """

    def __init__(
        self, profile: Profile, capabilities: AbstractSet[str], runtime: str = NO_RUNTIME
    ) -> None:
        self._profile = profile
        self._capabilities = capabilities
        self._runtime = runtime
        self._loaded: Dict[str, Tuple[Filter, Dict[str, List[Point]]]] = {}
        self._known: Dict[_Call, Sequence[Answer]] = {}

    def answers(self, architecture: str, number: int, name: Optional[str]) -> Sequence[Answer]:
        """Return every answer that the call can get, the answer to arguments of zero first."""
        key = (architecture, number, name)
        if key not in self._known:
            loaded, points = self._on(host_of(architecture))
            asked = points.get(name or "", [()])
            found = (answer(loaded, architecture, number, point) for point in asked)
            self._known[key] = tuple(dict.fromkeys(found))
        return self._known[key]

    def answers_to(self, architecture: str, name: str) -> Sequence[Answer]:
        """Return the answers to a call by its name; none if the architecture lacks the call."""
        number = syscalls.number_of(architecture, name)
        return () if number is None else self.answers(architecture, number, name)

    def _on(self, host: str) -> Tuple[Filter, Dict[str, List[Point]]]:
        if host not in self._loaded:
            flat = resolve(self._profile, host, self._capabilities)
            points = {
                name: points_for(condition for rule in rules for condition in rule.conditions)
                for name, rules in calls.by_call(flat.rules).items()
            }
            self._loaded[host] = (load(flat, host, self._runtime), points)
        return self._loaded[host]
