"""
The measured runtimes under which a profile starts no container: one of `lint`'s checks.

A profile is judged by the floors of the hosts whose architectures it names. Only what trials prove
is said: a runtime that was seen to make a denied call may do without it.
"""

from __future__ import annotations

from typing import AbstractSet, Iterator, Sequence

from tracer.capabilities.defaults import DEFAULT_CAPABILITIES
from tracer.errors import InputError
from tracer.profile import model
from tracer.profile.architectures import host_of
from tracer.profile.decide import NO_RUNTIME, export
from tracer.profile.floor_choice import described
from tracer.profile.floors import Floor
from tracer.profile.known_calls import ignored
from tracer.profile.remarks import ERROR, NOTE, Remark, Subject, some_of
from tracer.profile.resolve import resolve
from tracer.profile.start_denials import FloorDenial, FloorJudge, joined

_SETTINGS = {
    True: " with no-new-privileges",
    False: " without no-new-privileges",
    None: "",
}
# What works not at all, and what works now and then.
_ACTIONS = {
    "start": ("no container starts", "not every container starts"),
    "exec": ("no exec works", "not every exec works"),
}


def floor_missing(subject: Subject) -> Iterator[Remark]:
    """Give a remark for each runtime, with its versions, that the profile keeps from working."""
    named = {host_of(token) for token in subject.architectures}
    floors = [floor for floor in subject.floors if floor.architecture in named]
    hosts = {floor.architecture for floor in floors}
    if subject.profile.base or not all(_is_loadable(subject, host) for host in hosts):
        return
    judge = FloorJudge(subject.profile, _capabilities(subject), subject.oldest)
    found = list(judge.denials(floors, lambda floor: True))
    unknown = ignored(subject.profile, subject.oldest)
    severity = ERROR if subject.must_start or _starts_nowhere(floors, found) else NOTE
    for denial in joined(found):
        yield Remark(
            "floor-missing",
            severity if denial.action == "start" or subject.must_start else NOTE,
            f"{subject.root}.syscalls",
            _message(denial, len(hosts) > 1) + unknown.reason(denial.calls),
            "allow what it needs, or use the profile under another runtime or version",
        )


def _is_loadable(subject: Subject, host: str) -> bool:
    try:
        export(resolve(subject.profile, host, _capabilities(subject)), host, NO_RUNTIME)
    except InputError:
        return False  # `unloadable` says why
    return True


def _capabilities(subject: Subject) -> AbstractSet[str]:
    needs = subject.needs
    return DEFAULT_CAPABILITIES[model.DOCKER] if needs is None else needs.capabilities


def _starts_nowhere(floors: Sequence[Floor], denials: Sequence[FloorDenial]) -> bool:
    failing = {floor for denial in denials if denial.always for floor in denial.floors}
    starts = [floor for floor in floors if floor.action == "start"]
    return bool(starts) and failing.issuperset(starts)


def _message(denial: FloorDenial, several_hosts: bool) -> str:
    never, sometimes = _ACTIONS[denial.action]
    what = never if denial.always else sometimes
    where = f" on {denial.architecture}" if several_hosts else ""
    under = f"under {described(denial.floors)}{where}{_SETTINGS[denial.no_new_privileges]}"
    return f"{what} {under}: {denial.refusal or 'it needs ' + some_of(denial.needs)}"
