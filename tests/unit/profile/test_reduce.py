"""
Tests of a profile that lets fewer calls through.
"""

from __future__ import annotations

from tracer.profile import formats
from tracer.profile.model import ALLOW, ERRNO, KILL_PROCESS, LOG, Condition, Profile, Rule
from tracer.profile.reduce import allowed_names, without

OWN_GROUP = Rule(("clone3",), ERRNO, errno=38, comment="seccomp-trace fallbacks: not recorded")
PROFILE = Profile(
    ERRNO,
    (
        Rule(("read", "statx"), ALLOW),
        Rule(("socket",), ALLOW, (Condition(0, "SCMP_CMP_EQ", 1),)),
        Rule(("sync",), LOG),
        Rule(("mount",), KILL_PROCESS),
    ),
)


def test_what_any_rule_lets_through_is_allowed():
    """
    Calls that are let through for some arguments, or logged, are among them; denied ones are not.
    """
    assert allowed_names(PROFILE) == {"read", "statx", "socket", "sync"}


def test_calls_go_from_every_rule_that_lets_them_through():
    """
    A rule without names goes too; what is denied by a rule stays so.
    """
    less = without(PROFILE, {"statx", "socket", "sync", "mount"})

    assert less.rules == (Rule(("read",), ALLOW), PROFILE.rules[3])


def test_a_profile_without_nothing_is_the_same():
    """
    What was never allowed cannot go: the text stays as it was.
    """
    profile = formats.read(formats.write(PROFILE), "test")

    assert formats.write(without(profile, {"keyctl"})) == formats.write(profile)


def test_what_callers_can_do_without_is_answered_so():
    """
    A call with a fallback moves into our own ENOSYS group, if there is one; others do not.
    """
    profile = Profile(ERRNO, (*PROFILE.rules, OWN_GROUP))

    less = without(profile, {"statx", "sync", "openat2"})

    assert less.rules[-1].names == ("clone3", "statx")
    assert len(less.rules) == 4
