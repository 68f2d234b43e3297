"""
Joining records of one identity, so that order, grouping and repetition make no difference.

Every field has a join that is associative, commutative and idempotent. Where two records of one
identity disagree, which only happens when one of them was written before its run was over or by
another version, the join chooses without regard to which came first: the earlier start, the later
end, the known over the unknown (but not of outcomes, by which calls are left out of profiles), the
larger of two texts. Fields of newer versions join by their shape: objects per key, arrays as sets,
all else the larger.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import reduce
from operator import or_
from typing import Callable, Dict, FrozenSet, Iterable, List, Mapping, Optional, Sequence, Set
from typing import Tuple, TypeVar, Union

from tracer.document import canonical
from tracer.recording.records import Capabilities, Check, Denial, Executable, Extra, Observation
from tracer.recording.records import Outcomes, Reason, Run

Record = TypeVar("Record")
Key = TypeVar("Key", bound=Union[str, Tuple[object, ...]])
Ordered = TypeVar("Ordered", int, str, bool)


def normal_runs(runs: Iterable[Run]) -> Dict[str, Run]:
    """Return the runs by id, sorted, those of one id joined."""
    return {run.id: run for run in _normal(runs, lambda one: one.id, _join_runs)}


def normal_executables(executables: Iterable[Executable]) -> Tuple[Executable, ...]:
    """Return the executables sorted, those of one path joined."""
    return _normal(executables, lambda one: one.path, _join_executables)


def normal_observations(observations: Iterable[Observation]) -> Tuple[Observation, ...]:
    """Return the observations sorted, those of one identity joined."""
    return _normal(observations, lambda one: one.key, _join_observations)


def normal_checks(checks: Iterable[Check]) -> Tuple[Check, ...]:
    """Return the checks sorted, those of one identity joined."""
    return _normal(checks, lambda one: one.key, _join_checks)


def normal_denials(denials: Iterable[Denial]) -> Tuple[Denial, ...]:
    """Return the denials sorted, those of one identity joined."""
    return _normal(denials, lambda one: one.key, _join_denials)


# Joins all records of one identity at once: two by two, sets of run ids would be copied for each.
def _normal(
    records: Iterable[Record],
    key: Callable[[Record], Key],
    join: Callable[[List[Record]], Record],
) -> Tuple[Record, ...]:
    same: Dict[Key, List[Record]] = {}
    for record in records:
        same.setdefault(key(record), []).append(record)
    return tuple(
        join(same[here]) if len(same[here]) > 1 else same[here][0] for here in sorted(same)
    )


def _join_executables(same: List[Executable]) -> Executable:
    return Executable(
        path=same[0].path,
        runs=frozenset().union(*(one.runs for one in same)),
        extra=join_extras(one.extra for one in same),
    )


def _join_observations(same: List[Observation]) -> Observation:
    return replace(
        same[0],
        name=_largest(one.name for one in same),
        first=min(one.first for one in same),
        runs=frozenset().union(*(one.runs for one in same)),
        extra=join_extras(one.extra for one in same),
        outcomes=_join_outcomes(same),
    )


# What one record does not know of a run that it saw nobody knows: there the call may have ended in
# anything, in which another record of that run, written earlier, did not see it end.
def _join_outcomes(same: List[Observation]) -> Outcomes:
    if not any(one.outcomes for one in same):
        return ()
    joined: Dict[str, FrozenSet[str]] = {}
    unknown: Set[str] = set()
    for one in same:
        known = dict(one.outcomes)
        unknown |= one.runs - known.keys()
        for run, words in known.items():
            joined[run] = joined.get(run, frozenset()) | words
    return tuple((run, joined[run]) for run in sorted(joined.keys() - unknown))


def _join_checks(same: List[Check]) -> Check:
    return replace(
        same[0],
        name=_largest(one.name for one in same),
        first=min(one.first for one in same),
        counts=_join_counts(one.counts for one in same),
        extra=join_extras(one.extra for one in same),
    )


def _join_denials(same: List[Denial]) -> Denial:
    return replace(
        same[0],
        name=_largest(one.name for one in same),
        last=max(one.last for one in same),
        counts=_join_counts(one.counts for one in same),
        extra=join_extras(one.extra for one in same),
    )


def _join_counts(several: Iterable[Tuple[Tuple[str, int], ...]]) -> Tuple[Tuple[str, int], ...]:
    counts: Dict[str, int] = {}
    for run, count in (pair for one in several for pair in one):
        counts[run] = max(count, counts.get(run, 0))
    return tuple(sorted(counts.items()))


def _join_runs(same: List[Run]) -> Run:
    return reduce(_join_two_runs, same)


def _join_two_runs(a: Run, b: Run) -> Run:
    both = (a, b)
    return Run(
        id=a.id,
        engine=max(a.engine, b.engine),
        container_id=max(a.container_id, b.container_id),
        container_name=max(a.container_name, b.container_name),
        image=max(a.image, b.image),
        command=max(a.command, b.command),
        runtime=max(a.runtime, b.runtime),
        runtime_version=max(a.runtime_version, b.runtime_version),
        kernel=max(a.kernel, b.kernel),
        architecture=max(a.architecture, b.architecture),
        no_new_privileges=_largest(run.no_new_privileges for run in both),
        filter=min(a.filter, b.filter),
        started=min((run.started for run in both if run.started is not None), default=None),
        ended=_largest(run.ended for run in both),
        integrity=_join_reasons(a.integrity, b.integrity),
        notes=a.notes if a.notes == b.notes else tuple(sorted({*a.notes, *b.notes})),
        extra=join_extras(run.extra for run in both),
        runtime_path=max(a.runtime_path, b.runtime_path),
        runtime_build_id=max(a.runtime_build_id, b.runtime_build_id),
        capabilities=_join_held([run.capabilities for run in both if run.capabilities]),
    )


# What a command does with, it does with more: of two confirmed sets the union suffices.
def _join_held(same: Sequence[Capabilities]) -> Optional[Capabilities]:
    if not same:
        return None
    masks = [one.confirmed for one in same if one.confirmed is not None]
    confirmed = reduce(or_, masks) if masks else None
    known = [one.circumstances for one in same if one.circumstances is not None]
    return replace(
        max(replace(one, confirmed=None, circumstances=None) for one in same),
        confirmed=confirmed,
        circumstances=max(known, key=repr, default=None),
    )


def _join_reasons(a: Tuple[Reason, ...], b: Tuple[Reason, ...]) -> Tuple[Reason, ...]:
    return a if a == b else _normal(a + b, lambda one: (one.code, one.text), _join_same_reasons)


def _join_same_reasons(same: List[Reason]) -> Reason:
    return replace(
        same[0],
        count=max(one.count for one in same),
        extra=join_extras(one.extra for one in same),
    )


def _largest(values: Iterable[Optional[Ordered]]) -> Optional[Ordered]:
    return max((value for value in values if value is not None), default=None)


def join_extras(extras: Iterable[Extra]) -> Extra:
    """Return the union of fields that we do not know, those of one name joined by their shape."""
    return reduce(_join_two_extras, extras)


def _join_two_extras(a: Extra, b: Extra) -> Extra:
    if a == b or not b:
        return a
    joined = dict(a)
    for name, text in b:
        joined[name] = _join_texts(joined[name], text) if name in joined else text
    return tuple(sorted(joined.items()))


def _join_texts(a: str, b: str) -> str:
    return a if a == b else canonical(_join_values(json.loads(a), json.loads(b)))


# An object outranks an array and an array all else, so that any two values have one join.
def _join_values(a: object, b: object) -> object:
    if isinstance(a, dict) and isinstance(b, dict):
        return _join_objects(a, b)
    if isinstance(a, list) and isinstance(b, list):
        return _join_arrays(a, b)
    return max(a, b, key=lambda value: (_rank(value), canonical(value)))


def _join_objects(a: Mapping[str, object], b: Mapping[str, object]) -> Dict[str, object]:
    shared = {key: _join_values(a[key], b[key]) for key in a if key in b}
    return {**a, **b, **shared}


def _join_arrays(a: List[object], b: List[object]) -> List[object]:
    if canonical(a) == canonical(b):
        return a
    by_text = {canonical(value): value for value in a + b}
    return [by_text[text] for text in sorted(by_text)]


def _rank(value: object) -> int:
    return 2 if isinstance(value, dict) else 1 if isinstance(value, list) else 0
