"""
What `refine` adds for the runtime's sake, beside what the command asked for.
"""

from __future__ import annotations

from tests.unit.profile.floor_data import RAN, floor
from tests.unit.recordings import recording
from tests.unit.session.trials import allowing
from tracer.profile.floor_choice import FloorChoice
from tracer.profile.model import ALLOW, Condition, Rule
from tracer.session.floor_additions import FloorAdditions, floor_additions

MEASURED = (floor("crun-1.8.1", "read", "write", "statx"), floor("crun-1.21", "close_range"))


def test_calls_of_the_runtime_that_ran_and_of_its_later_versions_are_added():
    """
    What the profile allows, what was recorded and what is to be kept out is not among them.
    """
    found = floor_additions(
        [recording("read", run=RAN)],
        allowing("write"),
        frozenset({"statx"}),
        FloorChoice(),
        MEASURED,
    )

    assert found == FloorAdditions(("close_range",), "crun 1.8.1 and 1.21")


def test_a_call_that_passed_a_condition_is_not_allowed_for_all_arguments():
    """
    What the runtime did under the profile's own condition needs no further rule.
    """
    conditional = Rule(("statx",), ALLOW, conditions=(Condition(0, "SCMP_CMP_EQ", 1),))
    profile = allowing("read", rules=(conditional,))

    found = floor_additions(
        [recording("statx", run=RAN)], profile, frozenset(), FloorChoice("exact"), MEASURED
    )

    assert found.names == ("write",)


def test_without_a_recording_nothing_is_added():
    """
    A run that recorded nothing names no runtime.
    """
    assert floor_additions([], allowing("read"), frozenset(), FloorChoice(), MEASURED) == (
        FloorAdditions()
    )
