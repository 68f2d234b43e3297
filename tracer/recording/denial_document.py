"""
Denials in a recording's document.

What belongs here: those records' fields, which came into version 1 of the format later. A run's
count stands under its id, as that of a capability check does.
"""

from __future__ import annotations

import re
from typing import Dict, Mapping

from tracer.document import Node
from tracer.recording.fields import (
    NUMBERS,
    call_name_in,
    counts_in,
    extra_in,
    filled_text,
    sighting_fields,
    sighting_in,
    with_extra,
)
from tracer.recording.records import Denial, Run

_ANSWER = re.compile(r"[A-Za-z0-9-]{1,32}")
_FIELDS = ("executable", "architecture", "number", "name", "answer", "last", "runs")


def denial_fields(denial: Denial) -> Dict[str, object]:
    """A denial as the document has it."""
    fields: Dict[str, object] = {
        "executable": denial.executable,
        "architecture": denial.architecture,
        "number": denial.number,
        "name": denial.name,
        "answer": denial.answer,
        "last": sighting_fields(denial.last),
        "runs": dict(denial.counts),
    }
    return with_extra(fields, denial.extra)


def denial_in(node: Node, runs: Mapping[str, Run]) -> Denial:
    """The denial that a document has."""
    answer = node.child("answer")
    if not _ANSWER.fullmatch(answer.text()):
        raise answer.wrong("the name of an error, or trap, or kill")
    return Denial(
        executable=filled_text(node.child("executable")),
        architecture=filled_text(node.child("architecture")),
        number=node.child("number").integer(*NUMBERS),
        name=call_name_in(node.child("name")),
        answer=answer.text(),
        last=sighting_in(node.child("last")),
        counts=counts_in(node.child("runs"), runs),
        extra=extra_in(node, *_FIELDS),
    )
