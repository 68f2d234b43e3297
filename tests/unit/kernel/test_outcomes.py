"""
Tests of how calls end as the kernel side notes it: what is not known of a call.
"""

from __future__ import annotations

import pytest

from tracer.kernel.outcomes import BEGUN, SUCCESS, Call, Ended, ended

EPERM, ENOSYS = 1, 38
CALL = Call(1, 9, 0xC000003E, 332)


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


@pytest.mark.parametrize(
    "before, after, errors, is_unfinished",
    [
        ({BEGUN: 2, EPERM: 2}, {BEGUN: 2, EPERM: 2}, {EPERM}, False),
        ({BEGUN: 1, EPERM: 1}, {BEGUN: 1, EPERM: 1, SUCCESS: 1}, {EPERM, SUCCESS}, False),
        ({EPERM: 1}, {BEGUN: 2, EPERM: 2}, {EPERM}, True),
        ({BEGUN: 1}, {BEGUN: 1, EPERM: 1}, {EPERM}, True),
        ({}, {BEGUN: 2, EPERM: 2}, {EPERM}, True),
    ],
    ids=["over", "success-passed-by", "more-began", "ended-meanwhile", "new"],
)
def test_nothing_looks_ended_that_happened_while_it_was_read(
    before: dict[int, int], after: dict[int, int], errors: set[int], is_unfinished: bool
):
    """
    A success that the first reading went past is found by the second, and what began or ended in
    between has not ended.
    """
    found = ended({CALL: before}, {CALL: after})[CALL]

    assert set(found.errors) == errors
    assert found.is_unfinished is is_unfinished
