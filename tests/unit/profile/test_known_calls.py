"""
What another libseccomp than this host's makes of a profile.
"""

from __future__ import annotations

from typing import Optional, Tuple

import pytest

from tests.unit.profile.floor_data import floor, trials
from tests.unit.recordings import recording
from tracer import syscalls
from tracer.profile import known_calls, libseccomp, model
from tracer.profile.check import denials
from tracer.profile.check_starts import starts
from tracer.profile.floor_choice import FloorChoice
from tracer.profile.known_calls import as_known_to, ignored
from tracer.profile.model import Condition, Profile, Rule
from tracer.profile.releases import Release
from tracer.recording import Run

OLD, NEW = (2, 5, 1), (2, 6, 0)
ALWAYS = Condition(1, model.GREATER_OR_EQUAL, 0)


def allowing(*names: str, condition: Optional[Condition] = None) -> Profile:
    conditions = (condition,) if condition else ()
    rule = Rule(names, model.ALLOW, conditions)
    return Profile(model.ERRNO, (rule,), architectures=(syscalls.X86_64,))


def refused(
    profile: Profile, names: Tuple[str, ...], release: Release, runtime: str = "crun"
) -> dict[str, Optional[int]]:
    """
    Each of these calls that is denied under a libseccomp of this release, with its error number.
    """
    run = Run("run", runtime=runtime, runtime_version="1.8.1", architecture=syscalls.X86_64)
    found = denials(profile, recording(*names, run=run), release=release)
    return {denial.observations[0].name or "": denial.answer.errno for denial in found}


@pytest.mark.parametrize(
    "release, runtime, expected",
    [
        (OLD, "crun", {"close_range": 1, "mseal": 1}),
        (OLD, "runc", {"close_range": 38, "mseal": 38}),
        ((2, 5, 4), "crun", {"mseal": 1}),
        ((2, 5, 4), "runc", {"mseal": 38}),
        (NEW, "crun", {}),
        (NEW, "runc", {}),
    ],
)
def test_the_default_or_runc_answers_what_libseccomp_does_not_know(
    release: Release, runtime: str, expected: dict[str, int]
):
    """
    runc answers ENOSYS beyond the newest call that its libseccomp knows, crun the default.
    """
    names = ("write", "close_range", "mseal")

    assert refused(allowing(*names), names, release, runtime) == expected


def test_runc_answers_by_the_default_below_the_newest_known_call():
    """
    libseccomp 2.5.1 knows openat2, which is newer than close_range; runc's own answer is for calls
    beyond.
    """
    profile = allowing("write", "close_range", "openat2")

    assert refused(profile, ("close_range",), OLD, "runc") == {"close_range": 1}


@pytest.mark.parametrize("condition", [None, ALWAYS])
def test_a_newer_libseccomp_is_judged_where_an_older_one_is(
    monkeypatch: pytest.MonkeyPatch, condition: Optional[Condition]
):
    """
    A call that this host's libseccomp does not know is allowed on a host that knows it.
    """
    monkeypatch.setattr(libseccomp, "knows", lambda name: name != "mseal")
    names = ("write", "mseal", "fchmodat2")
    profile = allowing("write", "mseal", condition=condition)

    assert "mseal" not in refused(profile, names, NEW, "runc")
    # fchmodat2 is older than mseal, which the prologue lets pass.
    assert refused(profile, names, NEW, "runc")["fchmodat2"] == 1


def test_a_condition_on_a_call_that_only_the_other_libseccomp_knows_depends():
    """
    The rules for such a call are judged with their conditions.
    """
    profile = allowing("mseal", condition=Condition(0, model.EQUAL, 7))

    (denial,) = denials(profile, recording("mseal"), release=NEW)

    assert denial.depends


def test_a_start_fails_for_a_call_that_the_old_libseccomp_does_not_know():
    """
    The profile allows faccessat2, and libseccomp 2.4.3 ignores that.
    """
    own = floor("runc-1.1.5", "faccessat2", trials=trials("faccessat2", failed=(20, 20)))
    run = Run("run", runtime="runc", runtime_version="1.1.5", architecture=syscalls.X86_64)
    profile, whole = allowing("write", "faccessat2"), recording("write", run=run)

    old = starts(profile, whole, FloorChoice(), [own], release=(2, 4, 3))
    new = starts(profile, whole, FloorChoice(), [own], release=(2, 4, 4))

    assert [denial.calls for denial in old.denials] == [("faccessat2",)]
    assert new.denials == ()


def test_rules_lose_the_calls_that_are_not_known():
    """
    A rule without any other call is gone.
    """
    profile = Profile(
        model.ERRNO, (Rule(("write", "mseal"), model.ALLOW), Rule(("mseal",), model.LOG))
    )

    assert as_known_to(profile, OLD).rules == (Rule(("write",), model.ALLOW),)


def test_ignored_are_calls_that_the_profile_allows():
    """
    The reason names the libseccomp, and only calls that a rule allows.
    """
    rules = (Rule(("mseal", "write"), model.ALLOW), Rule(("setxattrat",), model.ERRNO, errno=38))

    found = ignored(Profile(model.ERRNO, rules), (2, 5, 4))

    assert found.names == {"mseal"}
    assert found.reason(["write", "mseal"]) == "; libseccomp 2.5.4 does not know mseal"
    assert found.reason(["write", "setxattrat"]) == ""


def test_the_release_of_this_hosts_libseccomp_is_read():
    """
    It is at least the oldest that we support; without a libseccomp it is unknown.
    """
    found = libseccomp.version()

    assert found is not None and (2, 4, 0) < found < (4, 0, 0)


def test_no_libseccomp_has_no_release(monkeypatch: pytest.MonkeyPatch):
    """
    A file that is not there is no error.
    """
    monkeypatch.setattr(libseccomp, "_FILE", "libnosuch.so.9")

    assert libseccomp.version() is None
    assert known_calls.library_text(None) == "libseccomp"
