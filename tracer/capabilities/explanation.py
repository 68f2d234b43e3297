"""
What an execve would give, said in a line for people.

Names here are without their CAP_, as people say them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Mapping, Optional

from tracer.capabilities.attribute import FileCapabilities
from tracer.capabilities.execution import (
    AMBIENT,
    FILE,
    REFUSED,
    ROOT,
    Outcome,
    Program,
    granting,
)
from tracer.capabilities.names import LAST_NAMED, names_in, numbers_in, short_name
from tracer.capabilities.namespace import UserNamespace, inside_of
from tracer.capabilities.sets import Credentials

_NAMED_AT_MOST = 3


@dataclass(frozen=True)
class _Case:
    before: Credentials
    granted: Optional[FileCapabilities]
    namespace: UserNamespace
    outcome: Outcome
    last: int

    def some(self, mask: int) -> str:
        return some(mask, self.last)


def explain(
    before: Credentials,
    program: Program,
    namespace: UserNamespace,
    outcome: Outcome,
    last: int = LAST_NAMED,
) -> str:
    """Say in a line which sets an execve gives, and by which rule."""
    case = _Case(before, granting(program, namespace, last), namespace, outcome, last)
    if outcome.rule == REFUSED:
        return _refusal(case)
    said = f"{_given(case)}: {_REASONS[outcome.rule](case)}"
    return f"{said}; no_new_privs takes away what would be gained" if outcome.limited else said


def some(mask: int, last: int = LAST_NAMED) -> str:
    """The capabilities of a set, if they are few; else how many."""
    names = [short_name(name) for name in names_in(mask, last)]
    if not names:
        return "none"
    if len(names) > _NAMED_AT_MOST:
        return f"{len(names)} capabilities"
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def _refusal(case: _Case) -> str:
    forced = case.granted.permitted if case.granted else 0
    lacking = case.some(forced & ~case.before.sets.bounding)
    return f"refused (EPERM): the file insists on {lacking}, not in the bounding set"


def _given(case: _Case) -> str:
    sets = case.outcome.credentials.sets
    if not sets.permitted:
        return "permitted and effective empty"
    if sets.permitted == sets.effective:
        return f"permitted and effective {case.some(sets.permitted)}"
    effective = case.some(sets.effective) if sets.effective else "empty"
    return f"permitted {case.some(sets.permitted)}, effective {effective}"


def _by_root(case: _Case) -> str:
    sets = case.before.sets
    whole = sets.bounding | sets.inheritable
    is_root = case.outcome.credentials.uids.effective == case.namespace.root
    who = "uid 0" if is_root else "real uid 0"
    source = "the bounding set" if whole == sets.bounding else "bounding and inheritable set"
    if not whole:
        return f"{who} gets {source}, which is empty"
    unless = "" if case.before.securebits is not None else ", unless its securebits have noroot"
    return f"{who} gets all of {source}{unless}"


def _by_file(case: _Case) -> str:
    granted, sets = case.granted, case.outcome.credentials.sets
    if granted and not granted.permitted | granted.inheritable:
        return f"{_uid(case)}, the file's capabilities are empty, and clear the ambient set"
    if not sets.permitted and not case.outcome.limited:
        return f"{_uid(case)}, what the file's capabilities name it cannot have"
    how = " without the effective bit" if sets.permitted and not sets.effective else ""
    return f"{_uid(case)}, granted by the file's capabilities{how}"


def _by_ambient(case: _Case) -> str:
    if case.outcome.credentials.sets.ambient:
        return f"{_uid(case)}, kept by the ambient set"
    ambient = "cleared by the change of ids" if case.before.sets.ambient else "empty"
    return f"{_uid(case)}, ambient {ambient}; {_grantable(case)}"


def _grantable(case: _Case) -> str:
    bounding = case.before.sets.bounding
    if not bounding:
        return "the bounding set is empty too, so file capabilities could grant nothing"
    is_one = len(numbers_in(bounding)) == 1
    where = f"{case.some(bounding)} {'is' if is_one else 'are'} in the bounding set"
    if case.before.no_new_privileges:
        return f"{where}, but with no_new_privs file capabilities grant nothing"
    return f"{where}, so file capabilities could grant {'it' if is_one else 'them'}"


def _uid(case: _Case) -> str:
    uid = case.outcome.credentials.uids.effective
    inside = inside_of(uid, case.namespace.uid_map)
    return f"uid {uid} (not mapped)" if inside is None else f"uid {inside}"


_REASONS: Mapping[str, Callable[[_Case], str]] = {
    ROOT: _by_root,
    FILE: _by_file,
    AMBIENT: _by_ambient,
}
