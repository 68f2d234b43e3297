"""
Fields that several records of a recording's document have: how they are written and read.

What belongs here: a field of one shape, wherever it stands. What does not: which record has which
(`document`, `check_document`).
A value of the wrong kind raises InputError that says where.
"""

from __future__ import annotations

import re
from typing import Dict, FrozenSet, List, Mapping, Optional, Tuple

from tracer.document import Node
from tracer.recording.records import Extra, Run, Sighting, extra_of, values_of

LAST_TIME = 2**63 - 1
LAST_THREAD = 2**31 - 1
LAST_COUNT = 2**64 - 1
NUMBERS = (-(2**31), 2**32 - 1)
CALL_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")


def with_extra(fields: Dict[str, object], extra: Extra) -> Dict[str, object]:
    """A record's own fields, and those that it keeps for newer versions."""
    return {**fields, **values_of(extra)}


def sighting_fields(first: Sighting) -> Dict[str, object]:
    """A sighting as the document has it."""
    fields: Dict[str, object] = {
        "time": first.time,
        "thread": first.thread,
        "comm": first.comm,
    }
    return with_extra(fields, first.extra)


def sighting_in(node: Node) -> Sighting:
    """The sighting that a document has."""
    return Sighting(
        time=node.child("time").integer(0, LAST_TIME),
        thread=node.child("thread").integer(0, LAST_THREAD),
        comm=node.child("comm").text(""),
        extra=extra_in(node, "time", "thread", "comm"),
    )


def extra_in(node: Node, *known: str) -> Extra:
    """The fields of a record that are none of the `known` ones."""
    return extra_of(node.others(known))


def filled_text(node: Node) -> str:
    """A string that is not empty."""
    if not node.text():
        raise node.wrong("a string that is not empty")
    return node.text()


def run_ids_in(node: Node, runs: Mapping[str, Run]) -> FrozenSet[str]:
    """The ids of runs of this document, at least one."""
    ids: List[str] = []
    for one in node.items():
        if one.text() not in runs:
            raise one.wrong("the id of a run of this document")
        ids.append(one.text())
    if not ids:
        raise node.wrong("at least one run")
    return frozenset(ids)


def counts_in(node: Node, runs: Mapping[str, Run]) -> Tuple[Tuple[str, int], ...]:
    """How often, by the id of a run of this document: at least one."""
    counts: Dict[str, int] = {}
    for name in node.others(()):
        if name not in runs:
            raise node.child(name).wrong("the count of a run of this document")
        counts[name] = node.child(name).integer(1, LAST_COUNT)
    if not counts:
        raise node.wrong("at least one run")
    return tuple(sorted(counts.items()))


def call_name_in(node: Node) -> Optional[str]:
    """The name of a system call, or None."""
    if node.value is None:
        return None
    if not CALL_NAME.fullmatch(node.text()):
        raise node.wrong("the name of a system call, or null")
    return node.text()


def optional_time(node: Node) -> Optional[int]:
    """Nanoseconds since the Unix epoch, or None."""
    return None if node.value is None else node.integer(0, LAST_TIME)


def optional_boolean(node: Node) -> Optional[bool]:
    """True, false or None."""
    return None if node.value is None else node.boolean()
