"""
Uniting profiles: the laws, on any profiles, and what becomes of each kind of disagreement.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, Tuple

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.unit.profile import strategies
from tests.unit.profile.strategies import Asked, outcome
from tracer import syscalls
from tracer.errors import InputError
from tracer.profile import calls, combine, hosts, model, probed
from tracer.profile.combine import Conflict, denied_by, merge
from tracer.profile.decide import Answer
from tracer.profile.fallbacks import ENOSYS
from tracer.profile.generate import FALLBACK_COMMENT, answer_comment
from tracer.profile.model import Circumstances, Condition, Family, Profile, Rule

SOME = settings(max_examples=50, deadline=None)
ARCHITECTURES = (syscalls.X86_64, syscalls.X86)
FIRST_IS_1 = Condition(0, model.EQUAL, 1)
FIRST_IS_2 = Condition(0, model.EQUAL, 2)
ADMIN = Circumstances(capabilities=("CAP_SYS_ADMIN",))


def allow(*names: str, **fields: object) -> Rule:
    return Rule(names, model.ALLOW, **fields)  # type: ignore[arg-type]


def deny(*names: str, action: str = model.ERRNO, **fields: object) -> Rule:
    return Rule(names, action, **fields)  # type: ignore[arg-type]


def profile(*rules: Rule, default: str = model.ERRNO, **fields: object) -> Profile:
    return Profile(default, rules, architectures=(syscalls.X86_64,), **fields)  # type: ignore


def answers(asked: Asked, *profiles: Profile) -> Tuple[Answer, ...]:
    """
    What each profile answers; a profile that no runtime loads is none for these tests.
    """
    results = [outcome(one, asked, "none") for one in profiles]
    assume(not any(isinstance(one, str) for one in results))
    return tuple(one for one in results if isinstance(one, Answer))


def called(name: str, *arguments: int) -> Asked:
    return Asked(syscalls.X86_64, name, arguments)


@given(strategies.profiles())
@SOME
def test_merging_a_profile_with_itself_changes_nothing(one: Profile):
    """
    Merge is idempotent, to the record.
    """
    assert merge(one).profile == one
    assert merge(one, one).profile == one


@given(strategies.profiles(), strategies.profiles())
@SOME
def test_merging_again_changes_nothing(first: Profile, other: Profile):
    """
    What is merged in already is not merged in twice.
    """
    once = merge(first, other).profile

    assert merge(once, other).profile == once


@given(st.tuples(*[strategies.profiles()] * 3), strategies.calls())
@SOME
def test_the_order_of_later_profiles_makes_no_difference(
    profiles: Tuple[Profile, Profile, Profile], asked: Asked
):
    """
    Only which profile comes first matters.
    """
    first, second, third = profiles

    one, other = answers(
        asked, merge(first, second, third).profile, merge(first, third, second).profile
    )

    assert one == other


@given(st.tuples(*[strategies.profiles()] * 3), strategies.calls())
@SOME
def test_merging_one_by_one_is_merging_all_at_once(
    profiles: Tuple[Profile, Profile, Profile], asked: Asked
):
    """
    Merge is associative as far as the baseline stays the same: what it lets through is the same.
    """
    first, second, third = profiles
    at_once = merge(first, second, third)
    assume(not any(one.kind == combine.CROSSED for one in at_once.conflicts))

    one, other = answers(asked, at_once.profile, merge(merge(first, second).profile, third).profile)

    assert one.lets_through == other.lets_through


@given(st.tuples(*[strategies.profiles()] * 3), strategies.calls())
@SOME
def test_merge_is_associative_where_later_profiles_deny_nothing_by_rule(
    profiles: Tuple[Profile, Profile, Profile], asked: Asked
):
    """
    A denial by rule counts in the first profile of a merge alone; without those, grouping is free.
    """
    first, *others = profiles
    second, third = (
        Profile(
            model.ERRNO,
            tuple(rule for rule in one.rules if rule.action == model.ALLOW),
            architectures=ARCHITECTURES,
            dialect=one.dialect,
        )
        for one in others
    )

    one, other = answers(
        asked,
        merge(merge(first, second).profile, third).profile,
        merge(first, merge(second, third).profile).profile,
    )

    assert one == other


@given(st.tuples(strategies.profiles(), strategies.profiles()), strategies.calls())
@SOME
def test_a_merge_is_never_looser_than_its_inputs_together(
    profiles: Tuple[Profile, Profile], asked: Asked
):
    """
    What the merged profile lets through, at least one input lets through.
    """
    widened = [hosts.with_architectures(one, profiles) for one in profiles]

    merged, *inputs = answers(asked, merge(*profiles).profile, *widened)

    assert not merged.lets_through or any(one.lets_through for one in inputs)


def test_a_call_that_another_denies_to_some_only_is_reported():
    """
    What the first profile denies, and another's default lets through but for some, stands, is said.
    """
    first = profile(Rule(("read",), model.KILL_PROCESS), default=model.KILL_PROCESS)
    some = Rule(("read",), model.KILL_PROCESS, includes=ADMIN)

    conflicts = merge(first, profile(some, default=model.LOG)).conflicts

    denied = Conflict(combine.DENIED_BY_FIRST, 1, ("read",), model.KILL_PROCESS)
    assert denied in conflicts


@given(st.tuples(strategies.profiles(), strategies.profiles()), strategies.calls())
@SOME
def test_a_merge_is_never_stricter_than_an_input_but_for_what_is_reported(
    profiles: Tuple[Profile, Profile], asked: Asked
):
    """
    What an input lets through, the merged profile does, unless the baseline denies it by a rule.
    """
    result = merge(*profiles)
    kinds = (combine.DENIED_BY_FIRST, combine.MIXED, combine.CROSSED)
    reported = {name for one in result.conflicts if one.kind in kinds for name in one.names}
    assume(asked.syscall not in reported)

    merged, *inputs = answers(asked, result.profile, *profiles)

    assert merged.lets_through or not any(one.lets_through for one in inputs)


def begins_without_number(profile: Profile) -> bool:
    """
    Tell whether libseccomp 2.5.4 may make a wrong filter.

    Where the first call that it writes for an architecture does not exist there (socketcall on
    x86-64), it leaves out that call and, with it, the instruction that loads the call's number. So
    the next call is compared with the architecture instead.
    """
    whole = {name for rule in profile.rules if not rule.conditions for name in rule.names}
    return any(
        not whole <= syscalls.names(architecture) for architecture in hosts.named_by(profile)
    )


@given(strategies.profiles(), strategies.profiles(), strategies.calls(), st.data())
@SOME
def test_what_the_baseline_denies_by_a_rule_is_answered_as_before(
    first: Profile, other: Profile, asked: Asked, data: st.DataObject
):
    """
    Whatever others allow, the baseline's answer to such a call stands.
    """
    names = sorted(denied_by(first).keys() & syscalls.names(syscalls.X86_64))
    assume(names)
    name = data.draw(st.sampled_from(names))
    denied = replace(asked, architecture=syscalls.X86_64, syscall=name)
    merged = merge(first, replace(other, default_action=first.default_action)).profile
    assume(not begins_without_number(merged))

    before, after = answers(denied, hosts.with_architectures(first, [other]), merged)

    assert after == before


def test_conditions_of_one_call_are_united():
    """
    Each input's condition holds, and nothing beyond.
    """
    merged = merge(
        profile(allow("personality", conditions=(FIRST_IS_1,))),
        profile(allow("personality", conditions=(FIRST_IS_2,))),
    ).profile

    allowed = [
        argument
        for argument in range(4)
        if outcome(merged, called("personality", argument)) == Answer(model.ALLOW)
    ]

    assert allowed == [1, 2]


def test_a_condition_gives_way_to_an_unconditional_permission():
    """
    What one input allows for every argument is allowed for every argument.
    """
    merged = merge(
        profile(allow("personality", conditions=(FIRST_IS_1,))), profile(allow("personality"))
    )

    assert outcome(merged.profile, called("personality", 7)) == Answer(model.ALLOW)
    assert merged.conflicts == ()


def test_a_permission_for_some_containers_stays_one_for_those():
    """
    A rule under `includes` is taken over with its circumstances.
    """
    merged = merge(profile(allow("read")), profile(allow("mount", includes=ADMIN))).profile

    assert outcome(merged, called("mount")) == Answer(model.ERRNO, 1)
    assert merged.rules[-1].includes == ADMIN


@pytest.mark.parametrize(
    "denial",
    [
        deny("mount"),
        deny("mount", action=model.KILL_PROCESS),
        deny("mount", action=model.NOTIFY),
        deny("mount", errno=ENOSYS),
        deny("mount", conditions=(FIRST_IS_1,)),
        deny("mount", excludes=ADMIN),
    ],
)
def test_an_explicit_denial_of_the_baseline_stands_and_is_reported(denial: Rule):
    """
    Even one for some uses only: the baseline's word on a call is not mixed with another's.
    """
    first = profile(allow("read"), denial)

    merged = merge(first, profile(allow("mount")))

    assert merged.profile == first
    assert merged.conflicts == (
        Conflict(combine.DENIED_BY_FIRST, 1, ("mount",), denial.action),
    )


def test_the_strictest_of_several_denials_is_the_one_reported():
    """
    A baseline that denies a call twice is reported with the stricter action.
    """
    first = profile(deny("mount"), deny("mount", action=model.KILL, conditions=(FIRST_IS_1,)))

    merged = merge(first, profile(allow("mount")))

    assert [one.stands for one in merged.conflicts] == [model.KILL]


def test_a_denial_of_a_later_profile_is_reported_and_left():
    """
    Only the first profile is a baseline.
    """
    merged = merge(profile(allow("mount")), profile(deny("mount", action=model.KILL)))

    assert merged.profile == profile(allow("mount"))
    assert merged.conflicts == (Conflict(combine.DENIAL_LEFT, 1, ("mount",)),)


def test_socketcall_stays_shut_where_the_baseline_denies_a_call_that_it_makes():
    """
    i386 programs could otherwise make the denied call through it.
    """
    first = profile(deny("socket"))

    merged = merge(first, profile(allow("socketcall")))

    assert merged.profile == first


def test_enosys_groups_of_ours_are_united_and_give_way():
    """
    A call that any input allows leaves the group; one that nobody allows stays in it.
    """
    ours: Dict[str, Any] = {"errno": ENOSYS, "comment": FALLBACK_COMMENT}

    merged = merge(
        profile(allow("read"), deny("clone3", "statx", **ours)),
        profile(allow("read", "clone3"), deny("rseq", "statx", **ours)),
    )

    assert [rule.names for rule in merged.profile.rules] == [
        ("read",),
        ("rseq", "statx"),
        ("clone3",),
    ]
    assert merged.conflicts == ()


@pytest.mark.parametrize("errno", [model.EPERM, ENOSYS])
@pytest.mark.parametrize(
    "default", [model.KILL_PROCESS, model.TRAP, model.ERRNO], ids=["kill", "trap", "errno"]
)
def test_what_another_was_seen_to_be_answered_it_is_answered(errno: int, default: str):
    """
    A call that another profile was made to answer is answered so, unless somebody allows it, and
    whatever the first one's default is: a program that was told EPERM is not killed for it.
    """
    group = deny("rt_sigqueueinfo", "statx", errno=errno, comment=answer_comment(errno))
    first = profile(allow("read"), default=default)

    merged = merge(first, profile(allow("read"), group), profile(allow("statx"))).profile

    assert outcome(merged, called("rt_sigqueueinfo")) == Answer(model.ERRNO, errno)
    assert outcome(merged, called("statx")) == Answer(model.ALLOW)
    needless = default == model.ERRNO and errno == model.EPERM
    assert ("rt_sigqueueinfo" in {name for rule in merged.rules for name in rule.names}) is (
        not needless
    )


def test_of_two_answers_to_a_call_enosys_stands_whoever_comes_first():
    """
    The order of later profiles makes no difference, and a program may know another way.
    """
    first = profile(allow("read"), default=model.KILL_PROCESS)
    others = [
        profile(deny("statx", errno=errno, comment=answer_comment(errno)))
        for errno in (model.EPERM, ENOSYS)
    ]

    for profiles in (others, others[::-1]):
        merged = merge(first, *profiles).profile
        in_turn = merge(merge(first, profiles[0]).profile, profiles[1]).profile
        for one in (merged, in_turn):
            assert outcome(one, called("statx")) == Answer(model.ERRNO, ENOSYS)


@given(*[strategies.profiles()] * 3, strategies.calls())
@SOME
def test_answers_of_ours_keep_the_laws(
    first: Profile, second: Profile, third: Profile, asked: Asked
):
    """
    Groups of ours in later profiles are merged but once, in any order, and let nothing through.
    """
    second, third = (
        replace(one, rules=(*one.rules, deny(*names, errno=errno, comment=answer_comment(errno))))
        for one, names, errno in (
            (second, ("statx", "ptrace"), model.EPERM),
            (third, ("statx", "mount"), ENOSYS),
        )
    )
    merged = merge(first, second, third).profile

    one, other, *inputs = answers(
        asked,
        merged,
        merge(first, third, second).profile,
        *(hosts.with_architectures(one, [first, second, third]) for one in (first, second, third)),
    )

    assert one == other
    assert merge(merged, second, third).profile == merged
    assert not one.lets_through or any(each.lets_through for each in inputs)


MISSING = Answer(model.ERRNO, ENOSYS)
EPERM = Answer(model.ERRNO, model.EPERM)


@pytest.mark.parametrize(
    "other",
    [
        profile(deny("clone3", errno=ENOSYS)),
        profile(deny("clone3", errno=ENOSYS, excludes=ADMIN)),
        profile(allow("clone3", includes=ADMIN), deny("clone3", errno=ENOSYS, excludes=ADMIN)),
        profile(default_errno=ENOSYS),
    ],
    ids=["rule", "rule-for-some", "allowed-to-others", "default"],
)
def test_enosys_of_a_later_profile_goes_before_the_default_errno_of_the_first(other: Profile):
    """
    A merged profile answers ENOSYS to clone3 if an input does, so that C libraries use clone.
    """
    merged = merge(profile(allow("read")), other)

    assert outcome(merged.profile, called("clone3")) == MISSING
    taken = [conflict for conflict in merged.conflicts if conflict.kind == combine.ENOSYS_TAKEN]
    assert [conflict.source for conflict in taken] == [1] and "clone3" in taken[0].names
    assert combine.DENIAL_LEFT not in {conflict.kind for conflict in merged.conflicts}
    assert merge(merged.profile, other) == combine.Merged(merged.profile)


@pytest.mark.parametrize("default", [model.KILL, model.KILL_PROCESS, model.TRAP, model.TRACE])
@pytest.mark.parametrize(
    "other",
    [
        profile(deny("clone3", errno=ENOSYS)),
        profile(default_errno=ENOSYS),
    ],
    ids=["rule", "default"],
)
def test_a_default_that_is_no_errno_stands(other: Profile, default: str):
    """
    What the first profile kills or traps is never answered with an errno instead.
    """
    first = profile(allow("read"), default=default)

    merged = merge(first, other)

    assert merged.profile == first
    assert combine.ENOSYS_TAKEN not in {conflict.kind for conflict in merged.conflicts}


def test_an_errno_of_ours_gives_way_under_a_default_that_kills():
    """
    The errno of a generated group changes from EPERM to ENOSYS; other calls are killed as before.
    """
    group = deny("statx", comment=answer_comment(model.EPERM))
    first = profile(allow("read"), group, default=model.KILL_PROCESS)

    merged = merge(first, profile(default_errno=ENOSYS)).profile

    assert outcome(merged, called("statx"), "none") == MISSING
    assert outcome(merged, called("clone3"), "none") == Answer(model.KILL_PROCESS)


@pytest.mark.parametrize(
    "other",
    [
        profile(deny("clone3", errno=ENOSYS, conditions=(FIRST_IS_1,))),
        profile(deny("clone3", errno=13, conditions=(FIRST_IS_1,)), default_errno=ENOSYS),
    ],
    ids=["rule", "default"],
)
def test_enosys_for_some_arguments_is_not_taken_over(other: Profile):
    """
    Only an ENOSYS for all arguments is taken over, and the one that is left is reported.
    """
    first = profile(allow("read"))

    merged = merge(first, other)

    assert outcome(merged.profile, called("clone3", 1)) == EPERM
    left = [each for each in merged.conflicts if each.kind == combine.ENOSYS_LEFT]
    assert [(each.source, each.names) for each in left] == [(1, ("clone3",))]


def test_enosys_taken_over_leaves_the_call_to_containers_that_are_allowed_to():
    """
    The answer stands behind the permission for some containers, whichever profile brings it.
    """
    first, admin = profile(allow("read")), profile(allow("clone3", includes=ADMIN))
    other = profile(deny("clone3", errno=ENOSYS))

    for profiles in ((first, admin, other), (first, other, admin), (admin, other)):
        step_by_step = profiles[0]
        for following in profiles[1:]:
            step_by_step = merge(step_by_step, following).profile
        for merged in (merge(*profiles).profile, step_by_step):
            asked = called("clone3")
            assert outcome(merged, asked) == MISSING
            assert outcome(merged, replace(asked, capabilities=frozenset(["CAP_SYS_ADMIN"]))) == (
                Answer(model.ALLOW)
            )


def test_enosys_taken_over_gives_way_to_a_permission():
    """
    Merging one after the other allows what merging all at once allows.
    """
    merged = merge(profile(allow("read")), profile(deny("clone3", errno=ENOSYS))).profile

    again = merge(merged, profile(allow("clone3"))).profile

    assert outcome(again, called("clone3")) == Answer(model.ALLOW)


def test_a_denial_of_the_first_profile_keeps_its_errno_and_the_loss_is_reported():
    """
    A rule of the baseline is never rewritten, not even from EPERM to ENOSYS.
    """
    first = profile(allow("read"), deny("clone3"))

    merged = merge(first, profile(deny("clone3", "statx", errno=ENOSYS)))

    assert outcome(merged.profile, called("clone3")) == EPERM
    assert outcome(merged.profile, called("statx")) == MISSING
    assert merged.conflicts == (
        Conflict(combine.ENOSYS_TAKEN, 1, ("statx",)),
        Conflict(combine.ENOSYS_LEFT, 1, ("clone3",)),
    )


def test_enosys_is_not_taken_over_beside_a_permission_for_some_arguments():
    """
    An unconditional answer would undo that permission, so the default decides, and that is said.
    """
    first = profile(allow("statx", conditions=(FIRST_IS_1,)))

    merged = merge(first, profile(deny("statx", errno=ENOSYS)))

    assert merged.profile == first
    assert merged.conflicts == (Conflict(combine.ENOSYS_LEFT, 1, ("statx",)),)


def test_enosys_for_a_call_that_libraries_need_is_a_denial_like_any_other():
    """
    Only calls that C libraries can do without get the answer of a later profile.
    """
    merged = merge(profile(allow("read")), profile(deny("mount", errno=ENOSYS)))

    assert merged.profile == profile(allow("read"))
    assert merged.conflicts == (Conflict(combine.DENIAL_LEFT, 1, ("mount",)),)


@given(*[strategies.profiles() | strategies.answering_missing()] * 3, strategies.calls())
@SOME
def test_enosys_of_others_keeps_the_laws(
    first: Profile, second: Profile, third: Profile, asked: Asked
):
    """
    Whose ENOSYS it is makes no difference to the order, to a second merge and to what is allowed.
    """
    merged = merge(first, second, third).profile
    in_turn = merge(merge(first, second).profile, third)

    at_once, other, step_by_step = answers(
        asked, merged, merge(first, third, second).profile, in_turn.profile
    )

    assert at_once == other
    assert merge(merged, second, third).profile == merged
    crossed = {conflict.kind for conflict in in_turn.conflicts} & {combine.CROSSED}
    assert crossed or at_once.lets_through == step_by_step.lets_through


@given(strategies.profiles(), strategies.answering_missing(), strategies.calls())
@SOME
def test_enosys_of_others_allows_nothing_and_forbids_nothing(
    first: Profile, other: Profile, asked: Asked
):
    """
    Only the errno of a denial changes: never whether the call is made.
    """
    without = replace(
        other,
        default_errno=None,
        rules=tuple(
            replace(rule, errno=13) if calls.said_by(rule) == probed.MISSING else rule
            for rule in other.rules
        ),
    )

    whole, plain = answers(asked, merge(first, other).profile, merge(first, without).profile)

    assert whole.lets_through == plain.lets_through


def test_a_default_that_lets_through_opens_the_result_but_for_what_all_deny():
    """
    A list of denials keeps those that no other input undoes, and the change is reported.
    """
    first = profile(allow("reboot"), deny("mount"))
    open_one = profile(deny("reboot", "bpf", "mount"), default=model.ALLOW)

    merged = merge(first, open_one)

    got = {
        name: outcome(merged.profile, called(name))
        for name in ("reboot", "bpf", "mount", "read")
    }
    assert got == {
        "reboot": Answer(model.ALLOW),
        "bpf": Answer(model.ERRNO, 1),
        "mount": Answer(model.ERRNO, 1),
        "read": Answer(model.ALLOW),
    }
    assert merged.conflicts[0].kind == combine.DEFAULT_OPENED


@pytest.mark.parametrize(
    ("some", "others", "stands"),
    [
        (deny("statx"), deny("statx", errno=ENOSYS), MISSING),
        (deny("mount"), deny("mount", errno=ENOSYS), EPERM),
        (deny("statx", errno=ENOSYS), deny("statx", action=model.TRAP), Answer(model.TRAP)),
    ],
)
def test_of_two_denials_under_an_open_default_one_stands_whoever_comes_first(
    some: Rule, others: Rule, stands: Answer
):
    """
    The stricter action stands, and ENOSYS before another errno for a call that libraries probe.
    """
    later = [profile(rule, default=model.ALLOW) for rule in (some, others)]

    for order in (later, later[::-1]):
        merged = merge(profile(), *order).profile
        assert outcome(merged, called(some.names[0])) == stands


def test_architectures_are_united_and_the_new_ones_reported():
    """
    A program of an architecture that one input names can run under the result.
    """
    first = profile(allow("read"))
    other = Profile(model.ERRNO, (), families=(Family(syscalls.X86_64, (syscalls.X86,)),))

    merged = merge(first, other)

    assert merged.profile.families == other.families
    assert merged.profile.architectures == ()
    assert merged.conflicts == (
        Conflict(combine.ARCHITECTURE_ADDED, 1, (syscalls.X86,)),
    )


def test_an_architecture_beside_the_hosts_is_new_to_a_profile_that_names_none():
    """
    Without a name the host's own is filtered alone, so that i386 programs were killed.
    """
    first = Profile(model.ERRNO, (allow("read"),))
    other = Profile(model.ERRNO, architectures=(*ARCHITECTURES, "SCMP_ARCH_NATIVE"))

    merged = merge(first, other)

    assert merged.profile.architectures == ARCHITECTURES
    assert merged.conflicts == (
        Conflict(combine.ARCHITECTURE_ADDED, 1, (syscalls.X86,)),
    )


def test_what_the_first_dialect_cannot_say_is_refused():
    """
    A flat profile has no place for rules of some containers only.
    """
    first = profile(allow("read"), dialect=model.OCI)

    with pytest.raises(InputError, match="convert --to oci"):
        merge(first, profile(allow("mount", includes=ADMIN)))


@pytest.mark.parametrize("kind", combine.PRECEDENCE)
def test_every_line_of_the_precedence_table_is_in_the_readme_of_the_command(kind: str):
    """
    The command has a sentence for every kind of disagreement.
    """
    from tracer.cli.merge import sentence

    assert "b.json" in sentence(Conflict(kind, 1, ("read",), model.ERRNO), ("a.json", "b.json"))
