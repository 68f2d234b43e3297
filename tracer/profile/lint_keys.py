"""
Remarks about the keys of a profile's document: `keys` finds the faults.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Iterator, Sequence

from tracer.profile.keys import CASE_FOLDED, DUPLICATE, IGNORED, NULL, UNKNOWN, KeyFault
from tracer.profile.remarks import ERROR, NOTE, WARNING, Remark

# The codes beside those of `lint.CHECKS`.
CODES = (CASE_FOLDED, DUPLICATE, NULL, IGNORED, UNKNOWN)

# Comparing is slow, and whoever has more unknown fields than this has not misspelt them.
_MOST_COMPARED = 500


def remarks_on(faults: Sequence[KeyFault]) -> Iterator[Remark]:
    """Give what to say of keys; an unknown one is graver if it resembles a field's name."""
    compared = 0
    for fault in faults:
        if fault.code != UNKNOWN:
            yield Remark(fault.code, ERROR, fault.place, fault.message, _remedy(fault))
            continue
        compared += 1
        yield _about_unknown(fault, fault.fields if compared <= _MOST_COMPARED else ())


def _about_unknown(fault: KeyFault, fields: Sequence[str]) -> Remark:
    near = get_close_matches(fault.key, fields, 1)
    severity, remedy = (WARNING, f"did you mean {near[0]}?") if near else (NOTE, "remove it")
    return Remark(fault.code, severity, fault.place, fault.message, remedy)


def _remedy(fault: KeyFault) -> str:
    return {
        CASE_FOLDED: f"spell it {fault.key}, and write it once",
        DUPLICATE: "write it once; the last one counts",
        NULL: "write [], or leave the field out",
    }.get(fault.code, "remove it")
