"""
Checks of `lint` for the security-profiles-operator's resources.
"""

from __future__ import annotations

from typing import Iterator

from tracer.profile import model, spo
from tracer.profile.remarks import ERROR, Remark, Subject


def base_missing(subject: Subject) -> Iterator[Remark]:
    """Report a base profile that is not given, so that the rules are not known."""
    base = subject.profile.base
    if base:
        place = f"{subject.root}.baseProfileName"
        message = f"the rules of {base!r} belong to the profile, and are not at hand"
        yield Remark("base-missing", ERROR, place, message, "name its file by --base")


def operator_refuses(subject: Subject) -> Iterator[Remark]:
    """Report what the definition of the resource refuses."""
    if subject.profile.dialect != model.SPO:
        return
    for found in (*spo.refused(subject.profile), *spo.corrected(subject.profile)):
        place = found.path.replace("$", subject.root, 1)
        message = f"a SeccompProfile cannot have {found.what}"
        yield Remark("operator-refuses", ERROR, place, message, "correct or remove it")
