"""
Tests of what engines give, and of what differs from it.
"""

from __future__ import annotations

import pytest

from tracer.capabilities.defaults import DOCKER, PODMAN, Difference, default_sets, differences
from tracer.capabilities.names import mask_of
from tracer.capabilities.sets import Sets


@pytest.mark.parametrize(("engine", "mask"), [(PODMAN, 0x800405FB), (DOCKER, 0xA80425FB)])
def test_a_default_is_the_mask_that_people_know(engine: str, mask: int):
    """
    Root in a container without options has the mask that every text about containers shows.
    """
    assert default_sets(engine, root=True) == Sets(0, mask, mask, mask, 0)


def test_a_user_has_the_bounding_set_alone():
    """
    Another user than root holds nothing.
    """
    assert default_sets(PODMAN, root=False) == Sets(bounding=0x800405FB)


def test_what_is_added_and_missing_is_told_set_by_set():
    """
    A set that differs says in what, the others are silent.
    """
    default = default_sets(PODMAN, root=False)
    chown, admin = mask_of(["chown"]), mask_of(["net_admin"])
    sets = Sets(permitted=admin, bounding=default.bounding & ~chown | admin)

    assert differences(default, default) == ()
    assert differences(sets, default) == (
        Difference("permitted", admin, 0),
        Difference("bounding", admin, chown),
    )
