"""
Remarks about the keys of a profile's document: `keys` finds the faults.
"""

from __future__ import annotations

from tracer.profile.keys import CASE_FOLDED, DUPLICATE, IGNORED, NULL, REFUSED, UNKNOWN, KeyFault
from tracer.profile.remarks import ERROR, NOTE, WARNING, Remark

# The codes beside those of `lint.CHECKS`.
CODES = (CASE_FOLDED, DUPLICATE, NULL, IGNORED, UNKNOWN)


def remark_on(fault: KeyFault) -> Remark:
    """Return what to say of a key; an unknown one is graver if it resembles a field's name."""
    return Remark(fault.code, _severity(fault), fault.place, fault.message, _remedy(fault))


def _severity(fault: KeyFault) -> str:
    if fault.code in REFUSED:
        return ERROR
    return WARNING if fault.known else NOTE


def _remedy(fault: KeyFault) -> str:
    if fault.code == CASE_FOLDED:
        return f"spell it {fault.known}, and write it once"
    if fault.code == DUPLICATE:
        return "write it once; the last one counts"
    if fault.code == NULL:
        return "write [], or leave the field out"
    if fault.code == UNKNOWN and fault.known:
        return f"did you mean {fault.known}?"
    return "remove it"
