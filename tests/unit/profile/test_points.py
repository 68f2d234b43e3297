"""
Values that tell conditions apart, beside what the conditions say.
"""

from __future__ import annotations

from typing import List

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.profile import strategies
from tracer.profile import model
from tracer.profile.model import Condition
from tracer.profile.points import points_for

SOME = settings(max_examples=50, deadline=None)


def holds(condition: Condition, value: int) -> bool:
    """
    Say whether an argument of 64 bits meets a condition.
    """
    wanted = condition.value
    return {
        model.EQUAL: value == wanted,
        model.NOT_EQUAL: value != wanted,
        model.LESS: value < wanted,
        model.LESS_OR_EQUAL: value <= wanted,
        model.GREATER: value > wanted,
        model.GREATER_OR_EQUAL: value >= wanted,
        model.MASKED_EQUAL: value & wanted == condition.value_two,
    }[condition.operator]


@given(st.lists(strategies.conditions(), min_size=1, max_size=3))
@SOME
def test_points_meet_and_miss_each_condition(conditions: List[Condition]):
    """
    Among the points is one that meets a condition and one that misses it, if there are such.
    """
    points = points_for(conditions)

    for condition in conditions:
        met = {holds(condition, point[condition.index]) for point in points}
        impossible = (
            condition.operator == model.MASKED_EQUAL and condition.value_two & ~condition.value
        )
        always = (condition.operator, condition.value) in (
            (model.GREATER_OR_EQUAL, 0),
            (model.MASKED_EQUAL, 0),
        )
        never = impossible or (condition.operator, condition.value) == (model.LESS, 0)
        assert (True in met) != bool(never)
        assert (False in met) != bool(always and not impossible)
