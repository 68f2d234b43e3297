"""
Tests of what recorded containers held.
"""

from __future__ import annotations

from typing import Optional

import pytest

from tests.unit.recordings import check
from tracer.capabilities.defaults import DEFAULT_CAPABILITIES
from tracer.capabilities.held import circumstances_of, held_by
from tracer.capabilities.names import mask_of
from tracer.recording import HOST, Capabilities, Recording, Run


def run(id: str = "run", *words: str) -> Run:
    bounding = mask_of(words)
    return Run(id, engine="podman", capabilities=Capabilities(0, HOST, 0, 0, 0, bounding, 0))


def test_a_container_held_its_bounding_set():
    """
    That is what engines resolve profiles by, whatever its first program made of it.
    """
    assert held_by(run("run", "chown", "kill")) == {"CAP_CHOWN", "CAP_KILL"}


@pytest.mark.parametrize(
    "engine, default", [("podman", "podman"), ("docker", "docker"), ("", "docker")]
)
def test_one_of_which_nothing_was_recorded_had_the_usual(engine: str, default: str):
    """
    The default of its engine, docker's if it had none.
    """
    assert held_by(Run("run", engine=engine)) == DEFAULT_CAPABILITIES[default]


@pytest.mark.parametrize(
    "other, sets",
    [
        (run("other", "kill"), [{"CAP_KILL"}, {"CAP_CHOWN"}, {"CAP_CHOWN", "CAP_KILL"}]),
        (Run("other"), []),
        (None, [{"CAP_CHOWN"}, {"CAP_CHOWN", "CAP_KILL"}]),
    ],
    ids=["known", "unknown", "one run"],
)
def test_a_profile_has_to_work_with_what_was_held_and_with_what_is_needed(
    other: Optional[Run], sets: list[set[str]]
):
    """
    Every run's set and the required one; none can be told if one run's set is not known.
    """
    runs = {one.id: one for one in (run("run", "chown", "kill"), other) if one}

    found = circumstances_of(Recording(runs, checks=(check("CAP_CHOWN", "chown"),)))

    assert found == frozenset(map(frozenset, sets))
