"""
What belongs to the runtime in a container that is measured, of all that the kernel side counts.
"""

from __future__ import annotations

from typing import Tuple

import pytest

from tracer.errors import HostError
from tracer.kernel.denials import Denied, Keeper, Kind, Place, Standing
from tracer.kernel.recorder import Content
from tracer.kernel.wire import AUDIT_ARCH_X86_64, EXECUTABLE_RUNTIME, Call
from tracer.measuring.running import Shown, _by_name, _shown
from tracer.measuring.variants import ENDS, LASTS

CLOSE, READ, EXIT_GROUP, NAMELESS = 3, 0, 231, 4000
OURS, THEIRS = 100, 200
PLACES = {(7, 70): OURS}


def refusal(
    number: int, comm: str = "runc:[2:INIT]", recording: int = OURS, place: int = 1
) -> Tuple[Kind, Denied]:
    kind = Kind(place, recording, 5, AUDIT_ARCH_X86_64, number, 1)
    return kind, Denied(2, 0, 0, (), 10, 1, comm)


def standing(number: int, namespace: int) -> "dict[int, Standing]":
    return {number: Standing(Place("", namespace, 70), Keeper(1, 0), 1, 1, 0)}


def test_a_refusal_is_known_by_its_recording_or_its_place():
    """The first call after the filter is loaded has no recording yet, but a PID namespace."""
    counted = dict([refusal(CLOSE), refusal(READ, recording=0)])

    assert _by_name(counted, standing(1, 7), PLACES) == {(OURS, "close"): 2, (OURS, "read"): 2}


def test_what_others_are_refused_is_none_of_ours():
    """Neither other containers count, whatever they call, nor the programs of the measurement."""
    counted = dict(
        [
            refusal(NAMELESS, recording=THEIRS),
            refusal(NAMELESS, recording=0, place=2),
            refusal(CLOSE, comm=ENDS),
            refusal(READ, comm=LASTS),
        ]
    )

    assert _by_name(counted, {**standing(1, 7), **standing(2, 8)}, PLACES) == {}


def call(number: int, executable: int) -> Call:
    return Call(OURS, executable, AUDIT_ARCH_X86_64, number, 0, 1, "")


def test_a_container_shows_the_runtimes_calls_and_whether_its_program_ran():
    """The program's own calls are no part of a sample, and prove that it ran."""
    runtime = call(CLOSE, EXECUTABLE_RUNTIME)

    assert _shown(Content((runtime,), {}), frozenset()) == Shown(frozenset({"close"}))
    assert _shown(Content((runtime, call(EXIT_GROUP, 77)), {}), frozenset({"read"})) == Shown(
        frozenset({"close"}), frozenset({"read"}), ran=True
    )


def test_a_call_without_a_name_stops_the_measurement():
    """A floor that cannot be written down whole is none."""
    with pytest.raises(HostError, match="4000 has no name"):
        _shown(Content((call(NAMELESS, EXECUTABLE_RUNTIME),), {}), frozenset())
