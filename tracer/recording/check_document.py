"""
Capability checks in a recording's document, and what the run's first program held.

What belongs here: those records' fields, which came into version 1 of the format later. A run's
count stands under its id, so that an older version, which keeps and joins what it does not know,
joins even these.
"""

from __future__ import annotations

import re
from typing import Dict, Mapping, Optional, Tuple

from tracer.document import Node
from tracer.recording.fields import (
    LAST_COUNT,
    NUMBERS,
    call_name_in,
    counts_in,
    extra_in,
    filled_text,
    optional_boolean,
    sighting_fields,
    sighting_in,
    with_extra,
)
from tracer.recording.records import CONTAINER, HOST, NAMESPACES, Capabilities, Check
from tracer.recording.records import Circumstances, Run

_LAST_WORD = 2**32 - 1  # of a uid, or of securebits
_CAPABILITY = re.compile(r"CAP_[A-Z0-9_]{1,60}|[0-9]{1,2}")
_MASK = re.compile(r"0x[0-9a-f]{16}")
_SETS = ("inheritable", "permitted", "effective", "bounding", "ambient")
_CAPABILITIES_FIELDS = ("user", "namespace", "lost", "confirmed", "circumstances")
_CIRCUMSTANCES_FIELDS = ("executable", "real_user", "securebits", "uid_map")
_CHECK_FIELDS = (
    "executable",
    "architecture",
    "number",
    "name",
    "capability",
    "namespace",
    "granted",
    "idle",
    "audited",
    "caller",
    "first",
    "runs",
)


def check_fields(check: Check) -> Dict[str, object]:
    """A check as the document has it."""
    fields: Dict[str, object] = {
        "executable": check.executable,
        "architecture": check.architecture,
        "number": check.number,
        "name": check.name,
        "capability": check.capability,
        "namespace": check.namespace,
        "granted": check.granted,
        "idle": check.idle,
        "audited": check.audited,
        "caller": check.caller,
        "first": sighting_fields(check.first),
        "runs": dict(check.counts),
    }
    return with_extra(fields, check.extra)


def check_in(node: Node, runs: Mapping[str, Run]) -> Check:
    """The check that a document has."""
    return Check(
        executable=filled_text(node.child("executable")),
        architecture=filled_text(node.child("architecture")),
        number=node.child("number").integer(*NUMBERS),
        name=call_name_in(node.child("name")),
        capability=_capability(node.child("capability")),
        namespace=_one_of(node.child("namespace"), NAMESPACES),
        granted=node.child("granted").boolean(),
        idle=optional_boolean(node.child("idle")) or False,
        audited=optional_boolean(node.child("audited")),
        caller=node.child("caller").text(""),
        first=sighting_in(node.child("first")),
        counts=counts_in(node.child("runs"), runs),
        extra=extra_in(node, *_CHECK_FIELDS),
    )


def capabilities_fields(held: Capabilities) -> Dict[str, object]:
    """What a first program held, as the document has it."""
    fields: Dict[str, object] = {"user": held.user, "namespace": held.namespace}
    fields.update({name: _mask_text(getattr(held, name)) for name in _SETS})
    if held.confirmed is not None:
        fields["confirmed"] = _mask_text(held.confirmed)
    if held.circumstances is not None:
        fields["circumstances"] = _circumstances_fields(held.circumstances)
    return with_extra({**fields, "lost": held.lost}, held.extra)


def _circumstances_fields(known: Circumstances) -> Dict[str, object]:
    fields: Dict[str, object] = {
        "executable": known.executable,
        "real_user": known.real_user,
        "securebits": known.securebits,
        "uid_map": None if known.uid_map is None else [list(line) for line in known.uid_map],
    }
    return with_extra(fields, known.extra)


def capabilities_in(node: Node) -> Optional[Capabilities]:
    """What a first program held; None where the document has it not."""
    if node.value is None:
        return None
    confirmed = node.child("confirmed")
    return Capabilities(
        user=node.child("user").integer(0, _LAST_WORD),
        namespace=_one_of(node.child("namespace"), (HOST, CONTAINER)),
        lost=node.child("lost").integer(0, LAST_COUNT),
        extra=extra_in(node, *_CAPABILITIES_FIELDS, *_SETS),
        confirmed=None if confirmed.value is None else _mask(confirmed),
        circumstances=_circumstances(node.child("circumstances")),
        **{name: _mask(node.child(name)) for name in _SETS},
    )


def _circumstances(node: Node) -> Optional[Circumstances]:
    if node.value is None:
        return None
    bits, lines = node.child("securebits"), node.child("uid_map")
    return Circumstances(
        executable=node.child("executable").text(""),
        real_user=node.child("real_user").integer(0, _LAST_WORD),
        securebits=None if bits.value is None else bits.integer(0, _LAST_WORD),
        uid_map=None if lines.value is None else tuple(_map_line(one) for one in lines.items()),
        extra=extra_in(node, *_CIRCUMSTANCES_FIELDS),
    )


def _map_line(node: Node) -> Tuple[int, int, int]:
    numbers = [one.integer(0, _LAST_WORD) for one in node.items()]
    if len(numbers) != 3:
        raise node.wrong("three numbers: a uid inside, outside, and how many")
    return numbers[0], numbers[1], numbers[2]


def _capability(node: Node) -> str:
    if not _CAPABILITY.fullmatch(node.text()):
        raise node.wrong("the name of a capability, or its number in a string")
    return node.text()


def _mask_text(mask: int) -> str:
    return f"0x{mask:016x}"


def _mask(node: Node) -> int:
    if not _MASK.fullmatch(node.text()):
        raise node.wrong("a mask: 0x and sixteen hexadecimal digits")
    return int(node.text(), 16)


def _one_of(node: Node, words: Tuple[str, ...]) -> str:
    if node.text() not in words:
        raise node.wrong(" or ".join(f'"{word}"' for word in words))
    return node.text()
