"""
Tests of what trials say that a profile lacks, and of the profile that has it.
"""

from __future__ import annotations

from dataclasses import replace

from tests.unit.session.trials import EPERM, ENOSYS, allowing, refusal, trial
from tracer import syscalls
from tracer.profile import model
from tracer.profile.decide import Answer
from tracer.profile.model import Condition, Profile, Rule
from tracer.session.refinement import (
    Addition,
    Asker,
    denied,
    left_denied,
    loosened,
    origin_of,
    probed,
    refined,
    unnamed,
)

LOGGED = Answer(model.LOG)
ENOSYS_GROUP = Rule(("clone3", "statx"), model.ERRNO, errno=38, comment="seccomp-trace fallbacks")
SYNC = Addition("sync", frozenset({syscalls.X86_64}), (Asker("/bin/app", "app", 1),))


def names(additions: "tuple[Addition, ...]") -> "list[str]":
    return [one.name for one in additions]


def test_a_loosened_profile_logs_instead_of_denying():
    """
    The default becomes LOG, without an error number; the rules stay.
    """
    profile = Profile(model.ERRNO, (ENOSYS_GROUP,), default_errno=1, default_errno_name="EPERM")

    assert loosened(profile) == Profile(model.LOG, (ENOSYS_GROUP,))


def test_a_probe_finds_what_was_logged_with_who_asked_and_how_often():
    """
    Each call that met the default is an addition, once, with every program that made it.
    """
    seen = (
        refusal("sync", LOGGED, count=3),
        refusal("sync", LOGGED, executable="/bin/other"),
        refusal("clone3", ENOSYS),
    )

    found = probed(trial("read", refusals=seen), allowing("read", rules=(ENOSYS_GROUP,)))

    assert names(found) == ["sync"]
    assert found[0].askers == (Asker("/bin/app", "app", 3), Asker("/bin/other", "app", 1))


def test_a_probe_finds_what_was_recorded_though_its_message_was_lost():
    """
    A call that was made and that no rule lets through is an addition without a message, too.
    """
    found = probed(trial("read", "keyctl"), allowing("read"))

    assert names(found) == ["keyctl"]
    assert [one.count for one in found[0].askers] == [0]


def test_what_is_let_through_for_some_arguments_counts_only_if_it_was_logged():
    """
    Of a call with conditions a recording does not say whether they held; a message does.
    """
    some = Rule(("socket",), model.ALLOW, (Condition(0, model.EQUAL, 1),))
    profile = allowing("read", rules=(some,))

    assert probed(trial("read", "socket"), profile) == ()
    logged = trial("read", "socket", refusals=(refusal("socket", LOGGED),))
    assert names(probed(logged, profile)) == ["socket"]


def test_what_a_rule_of_the_profile_logs_is_no_addition():
    """
    A call that the profile itself lets through with a message lacks nothing.
    """
    profile = allowing("read", rules=(Rule(("sync",), model.LOG),))

    assert probed(trial("sync", refusals=(refusal("sync", LOGGED),)), profile) == ()


def test_what_was_denied_is_an_addition_but_for_what_a_rule_answers():
    """
    Under the profile as it is, an error by its default is found, and one by a rule is not.
    """
    seen = (refusal("sync", EPERM), refusal("clone3", ENOSYS))

    found = denied(trial("read", refusals=seen), allowing("read", rules=(ENOSYS_GROUP,)))

    assert names(found) == ["sync"]


def test_what_rules_deny_is_left_so_however_they_do():
    """
    By an error, a trap or a kill; but what only the default denied is no rule's.
    """
    killing = Rule(("sync",), model.KILL_PROCESS)
    profile = allowing("read", rules=(Rule(("clone3",), model.ERRNO, errno=38), killing))
    killed = refusal("sync", Answer(model.KILL_PROCESS))
    seen = (refusal("clone3", Answer(model.ERRNO, 38)), killed, refusal("brk"))

    assert left_denied(trial(refusals=seen), profile) == ("clone3", "sync")


def test_an_architecture_that_the_profile_does_not_name_is_named():
    """
    No call that is added lets a program of another architecture run.
    """
    seen = (refusal("sync"), refusal("brk", Answer(model.KILL_THREAD), architecture=syscalls.X86))
    both = (syscalls.X86_64, syscalls.X86)

    found = unnamed(trial(refusals=seen), allowing("read"))

    assert found == (
        "calls were denied under SCMP_ARCH_X86, an architecture that the profile does not name",
    )
    assert unnamed(trial(refusals=seen), replace(allowing("read"), architectures=both)) == ()


def test_the_result_is_the_profile_and_one_group():
    """
    What the profile says stays as it is, what is new is allowed by a rule at its end.
    """
    profile = allowing("read", rules=(ENOSYS_GROUP,))
    keyctl = Addition("keyctl", frozenset({syscalls.X86_64}), ())

    extended = refined(profile, [SYNC, keyctl], "an image under podman")

    assert extended.profile.rules[:-1] == profile.rules
    last = extended.profile.rules[-1]
    assert (last.names, last.action) == (("keyctl", "sync"), model.ALLOW)
    assert last.comment == "added by seccomp-trace refine: an image under podman"


def test_what_the_profile_denies_by_a_rule_stays_denied():
    """
    A call that somebody has forbidden is not allowed for being asked for, and that is said.
    """
    profile = allowing("read", rules=(Rule(("sync",), model.KILL_PROCESS),))

    extended = refined(profile, [SYNC], "")

    assert extended.profile.rules == profile.rules
    assert extended.denied == ("sync",)


def test_without_additions_the_profile_is_as_it_was():
    """
    Nothing lacks, nothing changes.
    """
    profile = Profile(model.ERRNO, (ENOSYS_GROUP,), architectures=(syscalls.X86_64,))

    assert refined(profile, [], "").profile == profile


def test_the_origin_names_nothing_that_differs_from_run_to_run():
    """
    Two trials of one command have one origin.
    """
    assert origin_of([trial("read"), trial("write")]) == origin_of([trial("read")])
