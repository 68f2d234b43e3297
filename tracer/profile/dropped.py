"""
What containerd drops of a profile, in words.

`resolve` says what the rest comes to (`as_containerd_reads`). podman and docker read all of it.
"""

from __future__ import annotations

from typing import Dict, Iterator, List, Tuple

from tracer.profile import model, values
from tracer.profile.model import Profile, Rule


def dropped_by_containerd(profile: Profile) -> Iterator[Tuple[str, str]]:
    """
    Give what containerd has no field for: the first place, from the profile, and what follows.

    Nothing for documents that containerd does not read: a config.json, the operator's resource.
    """
    if profile.dialect not in (model.DOCKER, model.PODMAN):
        return
    if profile.families:
        yield ".archMap", "archMap: it filters the host's own architecture alone"
    if profile.default_errno_name:
        yield ".defaultErrno", "defaultErrno: the errno is that of defaultErrnoRet, or EPERM"
    rules: Dict[str, List[int]] = {}
    for number, rule in enumerate(profile.rules):
        for consequence in _dropped_of(rule):
            rules.setdefault(consequence, []).append(number)
    for consequence, numbers in rules.items():
        more = f" ({len(numbers)} such rules)" if len(numbers) > 1 else ""
        yield f".syscalls[{numbers[0]}]", consequence + more


def _dropped_of(rule: Rule) -> Iterator[str]:
    if rule.includes or rule.excludes:
        yield "includes and excludes: the rule holds for every container and host"
    if values.has_old_name(rule):
        yield "name, only names: the rule is about no call at all"
    if rule.errno_name:
        yield "errno: the errno is that of errnoRet, or EPERM"
