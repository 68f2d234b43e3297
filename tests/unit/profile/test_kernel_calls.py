"""
Calls that the kernel makes in a program's place: every profile allows them, whoever made it.
"""

from __future__ import annotations

import json
from typing import Any, Dict, List, Mapping

import pytest

from tests.unit.recordings import observation, recording
from tracer import syscalls
from tracer.profile import documents, formats
from tracer.profile.combine import merge
from tracer.profile.extend import extend
from tracer.profile.failing import left_out
from tracer.profile.fallbacks import FALLBACKS
from tracer.profile.generate import KERNEL_COMMENT, KERNEL_MARK, generate
from tracer.profile.kernel_calls import KERNEL_CALLS, kernel_calls_of
from tracer.profile.making import Wanted, make
from tracer.profile.model import Profile
from tracer.profile.reduce import allowed_names
from tracer.recording import Recording, Run

NATIVE = "clock_getres clock_gettime getcpu gettimeofday restart_syscall time".split()
SMALL = {"clock_getres_time64", "clock_gettime64"}
RUNS = {"run": Run("run", architecture=syscalls.X86_64)}


def group_of(profile: Mapping[str, object]) -> List[str]:
    """
    Return the names of the kernel's group; it allows them, and there is no other.
    """
    rules: Any = profile["syscalls"]
    (group,) = [rule for rule in rules if rule["comment"].startswith(KERNEL_MARK)]
    assert group["action"] == "SCMP_ACT_ALLOW"
    return list(group["names"])


def read(profile: Mapping[str, object]) -> Profile:
    return documents.profile_from(profile, "p.json")


def small(*names: str) -> Recording:
    """
    A recording of an i386 program on x86-64.
    """
    seen = (observation(name, architecture=syscalls.X86) for name in names)
    return Recording(RUNS, (), tuple(seen))


def test_every_profile_has_them_in_a_group_that_says_why():
    """
    A profile of whatever was recorded allows the architecture's calls that the kernel makes.
    """
    assert group_of(generate(recording("read"))) == NATIVE


def test_what_was_recorded_or_belongs_to_a_floor_is_not_in_the_group():
    """
    A call that is allowed anyway is named once.
    """
    profile = generate(recording("time"), frozenset({"clock_gettime"}))

    assert group_of(profile) == [name for name in NATIVE if name not in ("time", "clock_gettime")]


@pytest.mark.parametrize(
    "architectures, names",
    [
        ([syscalls.AARCH64], set(NATIVE) - {"time"}),
        ([syscalls.AARCH64, syscalls.ARM], (set(NATIVE) | SMALL) - {"time"}),
        ([syscalls.X86_64, syscalls.X86], set(NATIVE) | SMALL),
        ([syscalls.X32], set(NATIVE)),
        ([], set()),
    ],
)
def test_only_calls_of_these_architectures_are_named(architectures: List[str], names: "set[str]"):
    """
    No architecture gets a call that it does not have.
    """
    assert kernel_calls_of(architectures) == sorted(names)


def test_a_fallback_that_the_kernel_makes_is_allowed_and_not_missing():
    """
    The 64-bit clocks of 32-bit programs leave the ENOSYS group.
    """
    profile = read(generate(small("read")))

    assert SMALL <= FALLBACKS.keys()
    assert SMALL <= allowed_names(profile)
    assert not [rule for rule in profile.rules if rule.errno and SMALL & set(rule.names)]
    assert any("futex_time64" in rule.names for rule in profile.rules)


def test_each_has_a_source_in_the_kernel():
    """
    The table names calls that exist, and the kernel's file that makes each.
    """
    known = syscalls.names(syscalls.X86_64) | syscalls.names(syscalls.X86)

    assert KERNEL_CALLS.keys() <= known
    assert all(".c" in source or ".h" in source for source in KERNEL_CALLS.values())


def test_the_comment_outlives_a_merge():
    """
    Merging takes the comments of permissions apart at "; ", and leaves this one whole.
    """
    native, other = read(generate(recording("read"))), read(generate(small("write")))

    merged = merge(native, other).profile

    groups = [rule for rule in merged.rules if rule.comment.startswith(KERNEL_MARK)]
    assert [rule.comment for rule in groups] == [KERNEL_COMMENT] * 2
    assert {name for rule in groups for name in rule.names} == {*NATIVE, *SMALL}
    assert merge(merged, native, other).profile == merged


def test_a_baseline_gains_what_it_lacks_of_them_in_a_group_of_their_own():
    """
    What was recorded and what the kernel makes stay apart; what the baseline allows is covered.
    """
    base = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [allow(*NATIVE[1:])]}

    extended = extend(read(base), read(generate(recording("read"))))

    last, kernels = (rule.names for rule in extended.profile.rules[-2:])
    assert (last, kernels) == (("read",), (NATIVE[0],))
    assert extended.messages == ()


def test_a_baseline_that_denies_one_says_so_and_calls_it_not_recorded():
    """
    The denial stays, and the message does not claim that the program made the call.
    """
    denial = {"names": ["restart_syscall", "sync"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5}
    base = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [denial]}

    extended = extend(read(base), read(generate(recording("read", "sync"))))

    assert not {"restart_syscall", "sync"} & allowed_names(extended.profile)
    assert extended.messages == (
        "recorded, but denied by the baseline (SCMP_ACT_ERRNO), and so left: sync",
        "made by the kernel at times, but denied by the baseline (SCMP_ACT_ERRNO), and so left: "
        "restart_syscall",
    )


def test_an_enosys_group_of_ours_in_a_baseline_gives_way():
    """
    A profile that we made before this group existed gains it whole.
    """
    document: Dict[str, Any] = json.loads(json.dumps(generate(small("read"))))
    kept = [rule for rule in document["syscalls"] if not rule["comment"].startswith(KERNEL_MARK)]
    for rule in kept:
        if rule["action"] == "SCMP_ACT_ERRNO":
            rule["names"] += sorted(SMALL)

    extended = extend(read({**document, "syscalls": kept}), read(generate(small("read"))))

    assert allowed_names(extended.profile) == {"read", *NATIVE, *SMALL}


def test_one_that_only_failed_is_not_left_out():
    """
    That the kernel refused it each time says nothing of the next time.
    """
    names = ("time", "mount")
    failed = tuple(observation(name, outcomes={"run": ["EPERM"]}) for name in names)

    chosen = left_out(Recording(RUNS, (), failed), frozenset())

    assert chosen.answers == {"mount": 1}


def test_what_a_profile_owes_to_the_kernel_alone_is_counted():
    """
    Neither what was recorded nor what a floor has is counted for the kernel.
    """
    made = make(recording("read", "time"), Wanted())

    assert "restart_syscall" in made.kernel_only
    assert not {"time", "read"} & made.kernel_only
    assert not made.kernel_only & made.floor_only
    assert made.kernel_only <= allowed_names(formats.read(made.text, "p.json"))


def allow(*names: str) -> Dict[str, object]:
    return {"names": list(names), "action": "SCMP_ACT_ALLOW"}
