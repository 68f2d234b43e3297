"""
What diff finds: every difference that a call can notice, and nothing else.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import List, Tuple

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.unit.profile import strategies
from tests.unit.profile.defaults import DEFAULTS, default_text
from tests.unit.profile.strategies import Asked, outcome
from tracer import syscalls
from tracer.profile import compare as comparing
from tracer.profile import formats, model
from tracer.profile.compare import CALL, CHANGED, LOOSER, STRICTER, compare
from tracer.profile.decide import Answer
from tracer.profile.model import Circumstances, Condition, Profile, Rule
from tracer.profile.points import holds, points_for

SOME = settings(max_examples=50, deadline=None)
ALLOWED, DENIED = Answer(model.ALLOW), Answer(model.ERRNO, 1)


def profile(*rules: Rule, **fields: object) -> Profile:
    return Profile(model.ERRNO, rules, architectures=(syscalls.X86_64,), **fields)  # type: ignore


def allow(*names: str, **fields: object) -> Rule:
    return Rule(names, model.ALLOW, **fields)  # type: ignore[arg-type]


def argument(index: int, operator: str, value: int, two: int = 0) -> Condition:
    return Condition(index, operator, value, two)


@given(strategies.profiles())
@SOME
def test_a_profile_is_like_itself(one: Profile):
    """
    Comparing a profile with itself, or with itself read again, finds nothing.
    """
    assert compare(one, one) == ()
    assert compare(one, formats.read(formats.write(one), "p.json")) == ()


@pytest.mark.parametrize("engine", DEFAULTS)
def test_a_default_profile_is_like_itself(engine: str):
    """
    An engine's default profile, read twice, decides alike.
    """
    assert compare(*(formats.read(default_text(engine), engine) for _ in range(2))) == ()


@given(strategies.profiles(), strategies.profiles(), strategies.calls())
@SOME
def test_whatever_a_call_can_notice_is_found(old: Profile, new: Profile, asked: Asked):
    """
    Two profiles that answer any call differently are not alike.
    """
    answers = [outcome(one, asked, "none") for one in (old, new)]
    assume(not any(isinstance(one, str) for one in answers))

    assert answers[0] == answers[1] or compare(old, new)


def every_call_of(rule: Rule) -> List[Asked]:
    """
    Calls that meet the rule and that miss it, from containers of both kinds.
    """
    known = [name for name in rule.names if syscalls.number_of(syscalls.X86_64, name) is not None]
    containers = product((frozenset[str](), frozenset(strategies.CAPABILITIES)), ((4, 4), (6, 12)))
    points = points_for(rule.conditions)[:12]
    return [
        Asked(syscalls.X86_64, name, point, *container)
        for container in containers
        for name in known
        for point in points
    ]


@given(strategies.profiles(), st.data())
@SOME
def test_every_change_of_a_single_rule_is_found(one: Profile, data: st.DataObject):
    """
    A rule that is taken out is missed, if any call would miss it; and only then.
    """
    assume(one.rules)
    index = data.draw(st.integers(0, len(one.rules) - 1))
    without = replace(one, rules=one.rules[:index] + one.rules[index + 1 :])
    answers: List[Tuple[object, object]] = [
        (outcome(one, asked, "none"), outcome(without, asked, "none"))
        for asked in every_call_of(one.rules[index])
    ]
    assume(not any(isinstance(said, str) for pair in answers for said in pair))

    noticed = any(before != after for before, after in answers)

    assert not noticed or compare(one, without)


@given(strategies.profiles(), strategies.profiles())
@SOME
def test_a_change_goes_the_other_way_round_too(old: Profile, new: Profile):
    """
    What became looser is what would become stricter.
    """
    opposite = {LOOSER: STRICTER, STRICTER: LOOSER, CHANGED: CHANGED}

    there = sorted(opposite[one.direction] for one in compare(old, new))
    back = sorted(one.direction for one in compare(new, old))

    assert there == back


def test_a_condition_that_changes_is_told_apart():
    """
    Only the arguments that are answered differently are a change, under their condition.
    """
    old = profile(allow("personality", conditions=(argument(0, model.EQUAL, 0),)))
    new = profile(*old.rules, allow("personality", conditions=(argument(0, model.EQUAL, 8),)))

    (change,) = compare(old, new)

    assert (change.condition, change.before, change.after) == ("arg0 == 8", DENIED, ALLOWED)
    assert change.direction == LOOSER
    assert change.risk is not None and change.risk.name == "old-code"


@pytest.mark.parametrize(
    ("some", "others"),
    [
        ([argument(0, model.LESS, 3)], [argument(0, model.LESS_OR_EQUAL, 2)]),
        ([argument(1, model.MASKED_EQUAL, 4, 4)], [argument(1, model.MASKED_EQUAL, 4, 4)]),
    ],
)
def test_conditions_that_mean_the_same_are_no_change(
    some: List[Condition], others: List[Condition]
):
    """
    It is not how a condition is written that counts.
    """
    old = profile(allow("read", conditions=tuple(some)))
    new = profile(allow("read", conditions=tuple(others), comment="written differently"))

    assert compare(old, new) == ()


def test_rules_in_other_groups_and_order_are_no_change():
    """
    Neither grouping, order nor comments make a difference.
    """
    old = profile(allow("read", "write"))
    new = profile(allow("write", comment="w"), allow("read"))

    assert compare(old, new) == ()


def test_a_change_for_some_containers_names_them():
    """
    A rule under a capability changes something for containers that have it.
    """
    admin = Circumstances(capabilities=("CAP_SYS_ADMIN",))

    (change,) = compare(profile(), profile(allow("mount", includes=admin)))

    assert (change.syscall, change.container) == ("mount", "with CAP_SYS_ADMIN")


def test_a_new_architecture_is_one_looser_change():
    """
    Programs of it were killed, now they are filtered.
    """
    (change,) = compare(
        profile(allow("read")),
        replace(profile(allow("read")), architectures=(syscalls.X86_64, syscalls.X86)),
    )

    assert (change.kind, change.direction) == (comparing.ADDED, LOOSER)
    assert change.architectures == (syscalls.X86,)


def test_a_call_of_one_architecture_is_a_change_there_alone():
    """
    A call that only i386 has is no change for x86-64 programs.
    """
    both = (syscalls.X86_64, syscalls.X86)
    old = replace(profile(), architectures=both)

    (change,) = compare(old, replace(profile(allow("waitpid")), architectures=both))

    assert change.architectures == (syscalls.X86,)


def test_a_rule_for_another_host_is_looked_at_there():
    """
    What holds on s390x alone is found from any machine.
    """
    elsewhere = Circumstances(architectures=("s390x",))

    (change,) = compare(profile(), profile(allow("s390_pci_mmio_read", includes=elsewhere)))

    assert change.architectures == ("SCMP_ARCH_S390X",)


def test_looser_and_risky_changes_come_first():
    """
    The reader meets what matters before the rest.
    """
    old = profile(allow("read"))
    new = profile(allow("write", "mount"), Rule(("getpid",), model.ERRNO, errno=38))

    found = [(one.direction, one.syscall) for one in compare(old, new) if one.kind == CALL]

    assert found == [
        (LOOSER, "mount"),
        (LOOSER, "write"),
        (CHANGED, "getpid"),
        (STRICTER, "read"),
    ]


@given(st.lists(strategies.conditions(), min_size=1, max_size=3))
@SOME
def test_points_meet_and_miss_each_condition(conditions: List[Condition]):
    """
    Among the points is one that meets a condition and one that misses it, if there are such.
    """
    points = points_for(conditions)

    for one in conditions:
        met = {holds(one, point[one.index]) for point in points}
        impossible = one.operator == model.MASKED_EQUAL and one.value_two & ~one.value
        always = (one.operator, one.value) in (
            (model.GREATER_OR_EQUAL, 0),
            (model.MASKED_EQUAL, 0),
        )
        never = impossible or (one.operator, one.value) == (model.LESS, 0)
        assert (True in met) != bool(never)
        assert (False in met) != bool(always and not impossible)
