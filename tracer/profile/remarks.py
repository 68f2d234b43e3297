"""
What `lint` says of a profile, and the profile taken apart for it.

The records that checks share; the checks themselves are `lint`'s and `lint_capabilities`'.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple

from tracer import syscalls
from tracer.profile import calls, hosts, model
from tracer.profile.architectures import ARCHITECTURES
from tracer.profile.floors import Floor
from tracer.profile.model import Profile, Rule
from tracer.profile.releases import Release

ERROR, WARNING, NOTE = "error", "warning", "note"
# Gravest first; SARIF has the same words.
SEVERITIES = (ERROR, WARNING, NOTE)

_NAMED_AT_MOST = 12


@dataclass(frozen=True)
class Remark:
    """
    One thing to say: its stable code, severity, place (a JSON path), what is wrong, what to do.
    """

    code: str
    severity: str
    place: str
    message: str
    remedy: str


@dataclass(frozen=True)
class Needs:
    """
    The capabilities that a container is to have, and for which calls it was seen to need them, as
    far as that was recorded; an empty name is outside of any call.
    """

    capabilities: FrozenSet[str]
    calls: Mapping[str, FrozenSet[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """A rule about one call, and where it is written."""

    rule: Rule
    path: str


class Subject:
    """
    A profile taken apart once for all checks.

    One that names no architecture is judged as x86-64 hosts load it, by `architectures`.
    """

    def __init__(
        self,
        profile: Profile,
        oldest: Release,
        needs: Optional[Needs] = None,
        floors: Sequence[Floor] = (),
        must_start: bool = False,
    ) -> None:
        self.profile = profile
        self.oldest = oldest
        self.needs = needs
        self.floors = tuple(floors)
        self.must_start = must_start
        self.root = model.ROOTS.get(profile.dialect, "$")
        named = hosts.named_by(profile) & ARCHITECTURES.keys()
        self.names_architectures = bool(named)
        self.architectures = set(named) or {syscalls.X86_64}
        self.by_call: Dict[str, List[Place]] = {}
        for number, rule in enumerate(profile.rules):
            # Where each name stands first.
            first = {name: place for place, name in reversed(list(enumerate(rule.names)))}
            for name, (about,) in calls.by_call([rule]).items():
                path = f"{self.path_of(number)}.names[{first[name]}]"
                self.by_call.setdefault(name, []).append(Place(about, path))

    def path_of(self, number: int) -> str:
        """Where a rule is written."""
        return f"{self.root}.syscalls[{number}]"

    def rules_of(self, name: str) -> Tuple[Rule, ...]:
        """The rules about one call."""
        return tuple(one.rule for one in self.by_call.get(name, ()))


def some_of(names: Sequence[str]) -> str:
    """The first of many names, and how many more there are."""
    more = len(names) - _NAMED_AT_MOST
    return ", ".join(names[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
