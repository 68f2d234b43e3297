"""
Which architectures a profile filters, on which hosts, and the union of several profiles' ones.

A flat list holds for whichever host; `archMap` says it for each. Runtimes filter the host's own
architecture whether a profile names it or not, so SCMP_ARCH_NATIVE counts for nothing here. What an
architecture is, is `architectures`'.
"""

from __future__ import annotations

from dataclasses import replace
from typing import AbstractSet, Dict, Iterable, Sequence, Tuple

from tracer.profile import architectures, model
from tracer.profile.model import Profile


def named_by(profile: Profile) -> AbstractSet[str]:
    """Return the architectures that a profile names, in either of Docker's two ways."""
    hosts = by_host(profile)
    return {*hosts, *(token for members in hosts.values() for token in members)}


def named_in_list(profile: Profile) -> Tuple[str, ...]:
    """Return the architectures of a profile's flat list."""
    return tuple(token for token in profile.architectures if token != architectures.NATIVE)


def with_architectures(profile: Profile, others: Sequence[Profile]) -> Profile:
    """The profile with every architecture that any names, as a list, or by host if any does so."""
    everyone = [profile, *others]
    if not any(one.families for one in everyone):
        tokens = dict.fromkeys(
            (*profile.architectures, *(token for other in others for token in named_in_list(other)))
        )
        if len(tokens) == len(profile.architectures):
            return profile
        return replace(profile, architectures=_in_order(profile.architectures, tokens))
    hosts: Dict[str, Dict[str, None]] = {}
    for one in everyone:
        for host, members in by_host(one).items():
            hosts.setdefault(host, {}).update(members)
    if hosts == by_host(profile):
        return profile
    had = {family.architecture: family for family in profile.families}
    families = [
        replace(
            had.get(host, model.Family(host)),
            members=_in_order(had[host].members if host in had else (), members),
        )
        for host, members in hosts.items()
    ]
    return replace(profile, architectures=(), families=tuple(families))


def _in_order(before: Sequence[str], tokens: Iterable[str]) -> Tuple[str, ...]:
    order = list(architectures.ARCHITECTURES)
    new = {token for token in tokens if token not in before}
    known = sorted(new & set(order), key=order.index)
    return (*before, *known, *sorted(new - set(order)))


def by_host(profile: Profile) -> Dict[str, Dict[str, None]]:
    """Return, for each host that a profile names, the architectures beside the host's own."""
    hosts: Dict[str, Dict[str, None]] = {
        family.architecture: dict.fromkeys(family.members) for family in profile.families
    }
    for token in named_in_list(profile):
        own = hosts.setdefault(architectures.host_of(token), {})
        if token != architectures.host_of(token):
            own[token] = None
    return hosts
