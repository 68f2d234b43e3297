"""
Tests of user namespaces' maps.
"""

from __future__ import annotations

from typing import Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracer.capabilities.namespace import (
    EVERYTHING,
    Extent,
    UserNamespace,
    inside_of,
    outside_of,
    read_map,
)
from tracer.errors import InputError

MAP = (Extent(0, 1000, 1), Extent(1, 100000, 65536))


def test_a_map_is_read_line_by_line():
    """
    Each line is inside, outside and how many.
    """
    text = "         0       1000          1\n         1     100000      65536\n"

    assert read_map(text) == MAP
    assert read_map("         0          0 4294967295\n") == EVERYTHING
    assert read_map("") == ()


@pytest.mark.parametrize("text", ["0 1000", "a b c", "1 2 3 4"])
def test_what_is_no_map_is_refused(text: str):
    """
    Anything else is an error that is expected.
    """
    with pytest.raises(InputError):
        read_map(text)


@settings(deadline=None)
@given(st.integers(0, 65536))
def test_an_id_goes_out_and_in_again(number: int):
    """
    An id that is mapped is the same after the way out and back.
    """
    outside = outside_of(number, MAP)

    assert outside is not None
    assert inside_of(outside, MAP) == number


def test_an_id_that_is_not_mapped_has_no_other():
    """
    Beyond the extents there is nothing.
    """
    assert outside_of(65537, MAP) is None
    assert inside_of(0, MAP) is None


@pytest.mark.parametrize(
    ("namespace", "root", "roots"),
    [
        (UserNamespace(), 0, [0]),
        (UserNamespace(1, MAP), 1000, [0, 1000]),
        (UserNamespace(1, ()), None, [0]),
    ],
)
def test_root_is_the_uid_that_is_mapped_to_0(
    namespace: UserNamespace, root: Optional[int], roots: list[int]
):
    """
    A namespace's root has a uid of its own outside, or none.
    """
    assert namespace.root == root
    assert sorted(namespace.roots) == roots
