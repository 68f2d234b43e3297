"""
Our port of libseccomp's tree beside libseccomp itself: the same answers, the same refusals.

libseccomp's code generator has a fault that is not in the port: where a comparison is reached in
two ways, it may compare a word that another comparison has loaded. Such programs are recognised,
and left out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import List, Optional, Sequence, Tuple

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.unit.profile import strategies
from tests.unit.profile.strategies import compares_as_written
from tracer import syscalls
from tracer.errors import InputError
from tracer.profile import calls, model
from tracer.profile.call_differences import answer_of
from tracer.profile.chains import Refused
from tracer.profile.decide import NO_RUNTIME, Answer, Filter, answer, load, number_of
from tracer.profile.decision import Budget, Entry, TooLarge, entries_of
from tracer.profile.model import Condition, Profile, Rule
from tracer.profile.points import points_for
from tracer.profile.resolve import alternatives

SOME = settings(max_examples=60, deadline=None)
CALL = "personality"
DENIED = ("SCMP_ACT_ERRNO", 1)
TOKENS = {64: syscalls.X86_64, 32: syscalls.X86}
STEPS = 200_000


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """
    Rules for one call, of few answers, so that they meet.
    """
    action = draw(st.sampled_from((model.ALLOW, model.LOG, model.TRAP)))
    conditions = draw(st.lists(strategies.conditions(), min_size=1, max_size=3))
    return Rule((CALL,), action, tuple(conditions))


def profile_of(some: Sequence[Rule]) -> Profile:
    return Profile(model.ERRNO, tuple(some), architectures=tuple(TOKENS.values()))


def entries(some: Sequence[Rule], bits: int) -> Tuple[Entry, ...]:
    loaded = [
        (conditions, calls.said_by(rule)) for rule in some for conditions in alternatives(rule)
    ]
    return entries_of(loaded, bits, Budget(STEPS))


def answered(some: Sequence[Entry], point: Sequence[int], bits: int) -> Answer:
    """
    What the first entry that holds answers.
    """
    for entry in some:
        if all(
            any(first <= point[index] % 2**bits <= last for first, last in values.ranges)
            and all(point[index] & mask == wanted for mask, wanted in values.masks)
            for index, values in entry.values
        ):
            return answer_of(entry.action)
    return Answer(*DENIED)


def loaded_of(some: Sequence[Rule]) -> Optional[Filter]:
    try:
        return load(profile_of(some), syscalls.X86_64, NO_RUNTIME)
    except InputError:
        return None


@given(st.lists(rules(), min_size=1, max_size=5))
@SOME
def test_the_port_answers_as_libseccomp_does(some: List[Rule]):
    """
    Every call gets the answer that the program of libseccomp gives; what it refuses is refused.
    """
    loaded = loaded_of(some)
    try:
        by_bits = {bits: entries(some, bits) for bits in TOKENS}
    except Refused:
        assert loaded is None
        return
    except TooLarge:
        assume(False)
    assert loaded is not None
    assume(compares_as_written(loaded.program))

    for bits, token in TOKENS.items():
        number = number_of(token, CALL)
        for point in points_for(condition for rule in some for condition in rule.conditions)[:200]:
            expected = answer(loaded, token, number, point)
            assert answered(by_bits[bits], point, bits) == expected, (bits, point)


@given(st.lists(strategies.conditions(), min_size=1, max_size=6))
@SOME
def test_rules_of_one_condition_and_one_answer_need_no_tree(some: List[Condition]):
    """
    Any of them suffices: the shortcut for them says the same as the tree.
    """
    alike = [Rule((CALL,), model.ALLOW, (condition,)) for condition in some]
    # A rule that cannot hold, of another answer, takes the long way.
    never = Rule((CALL,), model.LOG, (Condition(5, model.LESS, 0),))

    for bits in TOKENS:
        short, long = entries(alike, bits), entries([*alike, never], bits)
        for point in points_for(some)[:200]:
            assert answered(short, point, bits) == answered(long, point, bits)


def test_rules_that_contradict_each_other_are_refused():
    """
    Two answers under the same condition are none: EEXIST.
    """
    rule = Rule((CALL,), model.ALLOW, (Condition(0, model.EQUAL, 1),))

    with pytest.raises(Refused):
        entries([rule, replace(rule, action=model.LOG)], 64)


def test_each_way_costs_steps_for_each_argument_that_it_asks_about():
    """
    A list of few rules and many ways is not taken for cheap: its ways are what takes the time.
    """
    loaded = [
        (
            tuple(Condition(index, model.NOT_EQUAL, 10 * number + index) for index in range(6)),
            (action, None),
        )
        for number, action in enumerate((model.ALLOW, model.LOG))
    ]
    budget = Budget(STEPS)

    found = entries_of(loaded, 64, budget)

    assert len(found) > 64
    assert STEPS - budget.steps > len(found) * 50


def test_what_takes_too_many_steps_is_not_computed():
    """
    Beyond the budget there is no answer, rather than a wrong or a late one.
    """
    many = [
        Rule((CALL,), (model.ALLOW, model.LOG)[value % 2], (Condition(0, model.EQUAL, value),))
        for value in range(1000)
    ]

    with pytest.raises(TooLarge):
        entries(many, 64)
