"""
What diff finds: every difference that a call can notice, and nothing else.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Callable, Dict, List, Tuple

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.unit.profile import strategies
from tests.unit.profile.defaults import DEFAULTS, default_text
from tests.unit.profile.strategies import Asked, is_sound, outcome
from tracer import syscalls
from tracer.profile import compare as comparing
from tracer.profile import formats, model
from tracer.profile.compare import CALL, CHANGED, LOOSER, NOT_BROKEN_DOWN, STRICTER, Change, compare
from tracer.profile.decide import Answer
from tracer.profile.hosts import named_by
from tracer.profile.model import Circumstances, Condition, Profile, Rule
from tracer.profile.points import points_for
from tracer.profile.settings import FLAGS, LISTENER, METADATA

SOME = settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
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
    assume(is_sound(old, asked) and is_sound(new, asked))

    assert answers[0] == answers[1] or compare(old, new)


def without_x32(profile: Profile) -> Profile:
    """
    The same for no x32 programs, whose filters libseccomp may write wrongly (`is_sound`).
    """
    return replace(
        profile,
        architectures=tuple(each for each in profile.architectures if each != syscalls.X32),
        families=tuple(
            replace(
                family, members=tuple(each for each in family.members if each != syscalls.X32)
            )
            for family in profile.families
        ),
    )


@given(
    strategies.profiles().map(without_x32),
    strategies.profiles().map(without_x32),
    strategies.calls(),
    st.data(),
)
@SOME
def test_a_call_is_reported_exactly_if_it_is_answered_differently(
    old: Profile, new: Profile, asked: Asked, data: st.DataObject
):
    """
    The change that holds for a call has its answers before and after; else there is none.
    """
    named = {name for side in (old, new) for rule in side.rules for name in rule.names}
    assume(named - {"socketcall"})
    name = data.draw(st.sampled_from(sorted(named - {"socketcall"})))
    both = {syscalls.X86_64} | named_by(old) & named_by(new)
    architecture = data.draw(st.sampled_from(sorted(both)))
    asked = replace(asked, syscall=name, architecture=architecture)
    answers = [outcome(side, asked, "none") for side in (old, new)]
    assume(not any(isinstance(answer, str) for answer in answers))
    assume(is_sound(old, asked) and is_sound(new, asked))

    said = [change for change in compare(old, new) if is_about(change, asked)]

    expected = {tuple(answers)} if answers[0] != answers[1] else set()
    assert {(change.before, change.after) for change in said} == expected


def is_about(change: Change, asked: Asked) -> bool:
    """
    Whether a change is of this call, on its architecture, with its arguments and container.
    """
    bits = 64 if asked.architecture == syscalls.X86_64 else 32
    return (
        change.syscall == asked.syscall
        and asked.architecture in change.architectures
        and all(term.holds(asked.arguments[term.index], bits) for term in change.region)
        and (not change.container or any(map(asked_in(asked), change.container.split(" or "))))
    )


def asked_in(asked: Asked) -> Callable[[str], bool]:
    """
    Whether words about containers are about the one that makes the call.
    """

    def is_it(words: str) -> bool:
        for word in words.split(", "):
            kind, _, value = word.partition(" ")
            if kind in ("with", "without"):
                if (value in asked.capabilities) != (kind == "with"):
                    return False
            else:
                sign, _, version = value.partition(" ")
                least = tuple(map(int, version.split(".")))
                if (asked.kernel >= least) != (sign == ">="):
                    return False
        return True

    return is_it


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
    assume(all(is_sound(one, asked) for asked in every_call_of(one.rules[index])[:8]))

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


# --- Whichever host ---


def test_a_name_that_nobody_knows_is_a_difference():
    """
    A newer libseccomp may know the call: it is reported, and said to be unknown.
    """
    (change,) = compare(profile(allow("read")), profile(allow("read", "no_such_call")))

    assert (change.syscall, change.is_known, change.direction) == ("no_such_call", False, LOOSER)


def test_the_hosts_own_architecture_needs_no_name():
    """
    Profiles that name one 64-bit architecture each filter alike, on the hosts of both.
    """
    old, new = profile(allow("read")), profile(allow("read"))

    assert compare(old, replace(new, architectures=(syscalls.AARCH64,))) == ()


def test_a_profile_that_names_no_architecture_is_for_all_hosts():
    """
    What only s390x has is compared there.
    """
    nowhere = replace(profile(), architectures=())

    (change,) = compare(nowhere, replace(nowhere, rules=(allow("s390_pci_mmio_read"),)))

    assert change.architectures == ("SCMP_ARCH_S390X",)


def test_x32_compares_32_bits():
    """
    libseccomp sees the lower half of an argument on x32, as on i386.
    """
    both = replace(profile(), architectures=(syscalls.X86_64, syscalls.X32))
    high = allow("personality", conditions=(argument(0, model.EQUAL, 1 << 32 | 5),))
    asked = Asked(syscalls.X32, "personality", (5, 0, 0))

    changes = compare(both, replace(both, rules=(high,)))

    assert outcome(replace(both, rules=(high,)), asked, "none") == ALLOWED
    assert [change.condition for change in changes if syscalls.X32 in change.architectures] == [
        "arg0 == 5"
    ]


def test_a_socket_call_that_only_socketcall_makes_is_named_itself():
    """
    i386 has no number for recv: it changes by its name, and socketcall is not named beside it.
    """
    old = replace(profile(), architectures=(syscalls.X86_64, syscalls.X86))

    changes = compare(old, replace(old, rules=(allow("recv", "socket"),)))

    assert [(change.syscall, change.condition) for change in changes] == [
        ("recv", ""),
        ("socket", ""),
    ]
    assert changes[0].architectures == (syscalls.X86,)


def test_socketcall_is_named_where_the_call_itself_did_not_change():
    """
    A condition of socket's first argument is none of socketcall's: the rule is open there.
    """
    old = replace(profile(), architectures=(syscalls.X86_64, syscalls.X86))
    rule = allow("socket", conditions=(argument(0, model.EQUAL, 2),))

    changes = compare(old, replace(old, rules=(rule,)))

    assert [(change.syscall, change.condition) for change in changes] == [
        ("socket", "arg0 == 2"),
        ("socketcall", "arg0 == 1"),
    ]


# --- What a profile says beside its rules ---

LOG, SPEC_ALLOW = "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ({"listener_path": "/a"}, {"listener_path": "/b"}, LISTENER),
        ({}, {"listener_path": "/b"}, LISTENER),
        ({"listener_metadata": "a"}, {"listener_metadata": "b"}, METADATA),
    ],
)
def test_another_listener_is_a_difference(old: Dict[str, str], new: Dict[str, str], kind: str):
    """
    Another agent decides, or learns something else, though the rules are the same.
    """
    asking = profile(Rule(("read",), model.NOTIFY))

    (change,) = compare(replace(asking, **old), replace(asking, **new))  # type: ignore[arg-type]

    assert (change.kind, change.direction) == (kind, CHANGED)
    assert change.words == (tuple(old.values()), tuple(new.values()))


def test_a_listener_that_no_rule_asks_is_no_difference():
    """
    Without NOTIFY the agent never gets a call.
    """
    silent = profile(allow("read"))

    assert compare(replace(silent, listener_path="/a"), replace(silent, listener_path="/b")) == ()


def test_a_default_action_of_notify_asks_the_listener():
    """
    The listener matters where NOTIFY is the answer to every other call.
    """
    asking = replace(profile(allow("read")), default_action=model.NOTIFY)

    (change,) = compare(asking, replace(asking, listener_path="/b"))

    assert change.words == ((), ("/b",))


@pytest.mark.parametrize(
    ("old", "new", "direction"),
    [
        ((LOG,), (LOG, SPEC_ALLOW), LOOSER),
        ((SPEC_ALLOW, LOG), (LOG,), STRICTER),
        # Without flags the runtimes set SPEC_ALLOW.
        ((), (SPEC_ALLOW,), CHANGED),
        ((), (LOG,), STRICTER),
        ((LOG,), (), LOOSER),
        ((LOG,), ("SECCOMP_FILTER_FLAG_TSYNC",), CHANGED),
    ],
)
def test_other_flags_are_a_difference(old: Tuple[str, ...], new: Tuple[str, ...], direction: str):
    """
    Flags that switch off the mitigation of speculative store bypass are looser.
    """
    (change,) = compare(replace(profile(), flags=old), replace(profile(), flags=new))

    assert (change.kind, change.direction) == (FLAGS, direction)


def test_the_order_of_flags_is_no_difference():
    """
    Flags are a set.
    """
    old, new = (replace(profile(), flags=flags) for flags in ((LOG, SPEC_ALLOW), (SPEC_ALLOW, LOG)))

    assert compare(old, new) == ()


# --- What is too large ---


def test_what_is_not_computed_is_never_alike():
    """
    A call with more kinds of containers than are looked at differs, without answers.
    """
    many = [
        allow("read", includes=Circumstances(capabilities=(f"CAP_{number}",)))
        for number in range(40)
    ]

    (change,) = compare(profile(*many), profile(*reversed(many)))

    assert (change.kind, change.before, change.after) == (NOT_BROKEN_DOWN, None, None)
    assert change.direction == CHANGED
