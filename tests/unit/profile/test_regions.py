"""
Regions of arguments: exactly where two lists answer differently, in words and numbers.
"""

from __future__ import annotations

from typing import List, Sequence, Tuple

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.unit.profile.strategies import compares_as_written
from tests.unit.profile.test_chains import (
    DENIED,
    STEPS,
    TOKENS,
    answered,
    entries,
    loaded_of,
    rules,
)
from tracer.profile import model
from tracer.profile.call_differences import answer_of
from tracer.profile.chains import Refused
from tracer.profile.decide import Answer, answer, number_of
from tracer.profile.decision import Budget, TooLarge
from tracer.profile.model import Condition, Rule
from tracer.profile.points import points_for
from tracer.profile.region_text import region_text
from tracer.profile.regions import MOST_REGIONS, Region, Term, differing

SOME = settings(max_examples=50, deadline=None)
CALL = "personality"

Point = Tuple[int, ...]


def found_in(
    old: Sequence[Rule], new: Sequence[Rule], bits: int
) -> Tuple[Tuple[Region, Tuple[Answer, Answer]], ...]:
    budget = Budget(STEPS)
    both = entries(old, bits), entries(new, bits)
    regions = differing(*both, (DENIED, DENIED), bits, budget)
    return tuple((region, (answer_of(a), answer_of(b))) for region, (a, b) in regions)


def asked(*sides: Sequence[Rule]) -> List[Point]:
    """
    Calls on both sides of every boundary.
    """
    return points_for(
        condition for some in sides for rule in some for condition in rule.conditions
    )[:300]


def pairs_at(
    regions: Sequence[Tuple[Region, Tuple[Answer, Answer]]], point: Point, bits: int
) -> List[Tuple[Answer, Answer]]:
    return [
        pair
        for region, pair in regions
        if all(term.holds(point[term.index], bits) for term in region)
    ]


@given(st.lists(rules(), max_size=4), st.lists(rules(), max_size=4), st.data())
@SOME
def test_a_point_is_in_a_region_exactly_if_the_lists_differ_there(
    old: List[Rule], new: List[Rule], data: st.DataObject
):
    """
    No region is too large or too small, on either width, at boundaries and elsewhere.
    """
    anywhere = data.draw(st.lists(st.tuples(*[st.integers(0, 2**64 - 1)] * 3), max_size=20))
    for bits in TOKENS:
        try:
            lists = entries(old, bits), entries(new, bits)
            regions = found_in(old, new, bits)
        except (Refused, TooLarge):
            assume(False)
        for point in [*asked(old, new), *(point + (0, 0, 0) for point in anywhere)]:
            before, after = (answered(some, point, bits) for some in lists)
            expected = {(before, after)} if before != after else set()
            assert set(pairs_at(regions, point, bits)) == expected, (bits, point)


@given(st.lists(rules(), max_size=4), st.lists(rules(), max_size=4))
@SOME
def test_regions_are_where_the_kernel_would_answer_differently(old: List[Rule], new: List[Rule]):
    """
    A point is in a region exactly if the filters of libseccomp answer it differently.
    """
    filters = [loaded_of(some) for some in (old, new)]
    assume(all(loaded is not None and compares_as_written(loaded.program) for loaded in filters))
    for bits, token in TOKENS.items():
        try:
            regions = found_in(old, new, bits)
        except TooLarge:
            assume(False)
        number = number_of(token, CALL)
        for point in asked(old, new):
            before, after = (answer(loaded, token, number, point) for loaded in filters if loaded)
            expected = {(before, after)} if before != after else set()
            assert set(pairs_at(regions, point, bits)) == expected, (bits, point)


def allow(*conditions: Condition) -> Rule:
    return Rule((CALL,), model.ALLOW, conditions)


def argument(index: int, operator: str, value: int, two: int = 0) -> Condition:
    return Condition(index, operator, value, two)


FLAGS = 0x7E020000


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            [allow(argument(0, model.NOT_EQUAL, 40))],
            [
                allow(argument(0, model.LESS, 38)),
                allow(argument(0, model.EQUAL, 39)),
                allow(argument(0, model.GREATER, 40)),
            ],
            ["arg0 == 38"],
        ),
        ([], [allow(argument(0, model.NOT_EQUAL, 40))], ["arg0 != 40"]),
        (
            [allow(argument(1, model.LESS, 2))],
            [allow(argument(1, model.LESS_OR_EQUAL, 10))],
            ["arg1 in 2..10"],
        ),
        ([], [allow(argument(0, model.GREATER, 1 << 40))], [f"arg0 >= {(1 << 40) + 1}"]),
        ([], [allow(argument(0, model.LESS, 9))], ["arg0 <= 8"]),
        (
            [allow(argument(0, model.MASKED_EQUAL, FLAGS))],
            [allow(argument(0, model.GREATER_OR_EQUAL, 0))],
            [f"arg0 & {FLAGS:#x} != 0"],
        ),
        ([], [allow(argument(0, model.MASKED_EQUAL, FLAGS))], [f"arg0 & {FLAGS:#x} == 0"]),
        ([], [allow(argument(0, model.MASKED_EQUAL, (1 << 64) - 16, 32))], ["arg0 in 32..47"]),
        (
            [],
            [allow(argument(0, model.EQUAL, 2), argument(1, model.MASKED_EQUAL, 12, 4))],
            ["arg0 == 2 and arg1 & 0xc == 0x4"],
        ),
        (
            [],
            [allow(argument(0, model.EQUAL, value)) for value in (1, 2, 7)],
            ["arg0 in {1..2, 7}"],
        ),
        (
            [allow(argument(0, model.EQUAL, value)) for value in (0, 8)],
            [allow(argument(0, model.GREATER_OR_EQUAL, 0))],
            ["arg0 not in {0, 8}"],
        ),
    ],
)
def test_regions_are_named_as_a_person_would(
    old: List[Rule], new: List[Rule], words: List[str]
):
    """
    One comparison, one interval or one list for each argument, however the rules are written.
    """
    assert [region_text(region) for region, _ in found_in(old, new, 64)] == words


def test_a_mask_and_a_number_meet_on_one_argument():
    """
    What both a mask and a range say of an argument is taken apart exactly.
    """
    old = [allow(argument(0, model.MASKED_EQUAL, 1, 1))]
    new = [*old, allow(argument(0, model.EQUAL, 4)), allow(argument(0, model.EQUAL, 5))]

    ((region, _),) = found_in(old, new, 64)

    assert region == (Term(0, ((4, 4),)),)


def test_thousands_of_values_are_one_region():
    """
    A list of 2,500 values is compared as it is, and shortened in words only.
    """
    new = [allow(argument(0, model.EQUAL, 2 * value)) for value in range(2500)]

    ((region, _),) = found_in([], new, 64)

    assert len(region[0].spans) == 2500
    assert region_text(region).endswith("2488 more}")


def test_more_regions_than_anybody_reads_are_not_broken_down():
    """
    There is a limit; beyond it nothing is said of the regions.
    """
    new = [
        allow(argument(0, model.EQUAL, value), argument(1, model.EQUAL, value))
        for value in range(MOST_REGIONS + 1)
    ]

    with pytest.raises(TooLarge):
        found_in([], new, 64)
