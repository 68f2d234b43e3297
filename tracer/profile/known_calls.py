"""
Which calls a libseccomp knows, and the profile that is left without the others.

runc and crun ignore the name of a call that their libseccomp does not know, so the profile's
default action decides, or runc's prologue. A release is judged by `releases`; without a release,
this host's own libseccomp is asked, which a distribution may have patched.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import FrozenSet, Iterable, Optional

from tracer.profile import libseccomp
from tracer.profile.model import Profile
from tracer.profile.reduce import allowed_names
from tracer.profile.releases import RELEASE_OF, Release, release_text


@dataclass(frozen=True)
class Ignored:
    """
    The calls that a profile allows by rules which a libseccomp ignores.

    `library` names the libseccomp for a person: "libseccomp 2.5.4".
    """

    names: FrozenSet[str] = frozenset()
    library: str = ""

    def reason(self, names: Iterable[str]) -> str:
        """Return why these calls are refused though the profile allows them; "" if it does not."""
        unknown = sorted(self.names.intersection(names))
        return f"; {self.library} does not know {', '.join(unknown)}" if unknown else ""


def knows(name: str, release: Optional[Release] = None) -> bool:
    """Say whether a libseccomp of this release, or this host's, knows a call."""
    if release is None:
        return libseccomp.knows(name)
    return RELEASE_OF.get(name, (0, 0, 0)) <= release


def as_known_to(profile: Profile, release: Release) -> Profile:
    """Return the profile whose rules name only calls that a libseccomp of this release knows."""
    rules = (
        replace(rule, names=tuple(name for name in rule.names if knows(name, release)))
        for rule in profile.rules
    )
    return replace(profile, rules=tuple(rule for rule in rules if rule.names))


def ignored(profile: Profile, release: Optional[Release] = None) -> Ignored:
    """Return the calls that a profile allows and a libseccomp ignores; see `knows`."""
    names = frozenset(name for name in allowed_names(profile) if not knows(name, release))
    return Ignored(names, library_text(release or libseccomp.version()))


def library_text(release: Optional[Release]) -> str:
    """Return how a person calls a libseccomp: "libseccomp 2.5.4"; the release may be unknown."""
    return f"libseccomp {release_text(release)}" if release else "libseccomp"
