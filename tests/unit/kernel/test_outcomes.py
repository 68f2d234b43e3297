"""
Tests of how calls end as the kernel side notes it: what is not known of a call.
"""

from __future__ import annotations

import pytest

from tracer.kernel.outcomes import SUCCESS, Ended

EPERM, ENOSYS = 1, 38


@pytest.mark.parametrize(
    "ended, is_unfinished",
    [
        (Ended(3, {ENOSYS: 3}), False),
        (Ended(3, {ENOSYS: 2, EPERM: 1}), False),
        (Ended(3, {ENOSYS: 2}), True),
        (Ended(1, {}), True),
        (Ended(2, {ENOSYS: 3}), True),
        (Ended(1, {SUCCESS: 1, ENOSYS: 5}), False),
    ],
)
def test_a_call_is_finished_if_each_one_that_began_has_ended(ended: Ended, is_unfinished: bool):
    """
    What began and has not ended may end in anything, unless it has succeeded before, from when on
    beginnings are not counted.
    """
    assert ended.is_unfinished is is_unfinished
