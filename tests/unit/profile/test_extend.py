"""
Extending a baseline: what it says stays, what is new comes at the end.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Tuple

import pytest

from tests.unit.profile.defaults import DEFAULTS, default_text
from tests.unit.recordings import observation, recording
from tracer import syscalls
from tracer.profile import documents, formats, values
from tracer.profile.extend import Extended
from tracer.profile.extend import extend as extend_profile
from tracer.profile.generate import FALLBACK_COMMENT, KERNEL_MARK, render
from tracer.profile.generate import generate as generate_whole
from tracer.recording import Recording, Run


def baseline(*rules: Dict[str, object], **fields: object) -> Dict[str, object]:
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": [syscalls.X86_64],
        **fields,
        "syscalls": list(rules),
    }


def rule(action: str, *names: str, **fields: object) -> Dict[str, object]:
    return {"names": list(names), "action": f"SCMP_ACT_{action}", **fields}


def generate(recorded: Recording) -> Dict[str, object]:
    """
    What `generate` makes, but for the group that every profile has (test_kernel_calls).
    """
    whole: Dict[str, Any] = generate_whole(recorded)
    rules = [group for group in whole["syscalls"] if not group["comment"].startswith(KERNEL_MARK)]
    return {**whole, "syscalls": rules}


@dataclass(frozen=True)
class Result:
    """
    What `extend` returns, with the profile as a JSON value.
    """

    profile: Dict[str, object]
    messages: Tuple[str, ...]
    denied: Tuple[str, ...]


def extend(
    base: Mapping[str, object], addition: Mapping[str, object], *circumstances: Tuple[str, ...]
) -> Result:
    first, second = (documents.profile_from(one, "p.json") for one in (base, addition))
    result: Extended = extend_profile(first, second, frozenset(map(frozenset, circumstances)))
    return Result(values.document_of(result.profile), result.messages, result.denied)


def extended(base: Mapping[str, object], *names: str) -> Result:
    before = copy.deepcopy(base)
    result = extend(base, generate(recording(*names)))
    assert base == before
    return result


def rules_of(result: Result) -> List[Dict[str, Any]]:
    rules: Any = result.profile["syscalls"]
    return list(rules)


@pytest.mark.parametrize("others", [[], [syscalls.X86]])
def test_the_native_architecture_of_a_baseline_is_left_out(others: List[str]):
    """
    No runtime takes it, so that the extended profile would not start anything.
    """
    base = baseline(rule("ALLOW", "read"), architectures=["SCMP_ARCH_NATIVE", *others])

    result = extended(base, "read")

    assert result.profile["architectures"] == (others or [syscalls.X86_64])
    assert any("SCMP_ARCH_NATIVE is left out" in message for message in result.messages)


def test_new_calls_come_in_one_group_at_the_end():
    """
    The baseline is unchanged but for one more group, whose comment says where it came from.
    """
    base = baseline(rule("ALLOW", "read", unknown=[1]), comment="mine")

    result = extended(base, "read", "write", "openat")

    assert rules_of(result)[:-1] == base["syscalls"]
    assert rules_of(result)[-1]["names"] == ["openat", "write"]
    assert rules_of(result)[-1]["comment"].startswith("recorded by seccomp-trace")
    assert {**result.profile, "syscalls": 0} == {**base, "syscalls": 0}
    assert (result.messages, result.denied) == ((), ())


def test_nothing_new_leaves_the_baseline_as_it_is():
    """
    A recording that the baseline covers changes no byte.
    """
    base = baseline(rule("ALLOW", "read", "write"))

    assert render(extended(base, "read").profile) == render(base)


@pytest.mark.parametrize("names", [("read",), ("clone3", "read"), ("mount", "statx")])
def test_extending_twice_changes_nothing_more(names: List[str]):
    """
    Extending is idempotent.
    """
    base = baseline(rule("ALLOW", "openat"), rule("ERRNO", "mount"))
    once = extended(base, *names)

    twice = extended(once.profile, *names)

    assert twice.profile == once.profile


CONDITIONS: Dict[str, object] = {
    "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}],
    "includes": {"caps": ["CAP_SYS_ADMIN"]},
    "excludes": {"arches": ["arm64"]},
}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_conditional_permission_covers_nothing(condition: str):
    """
    What is allowed only for some arguments or capabilities is allowed again, unconditionally.
    """
    base = baseline(rule("ALLOW", "read", **{condition: CONDITIONS[condition]}))

    assert rules_of(extended(base, "read"))[-1]["names"] == ["read"]


ADMIN, PLAIN = ("CAP_SYS_ADMIN", "CAP_CHOWN"), ("CAP_CHOWN",)
FOR_ADMINS = {"caps": ["CAP_SYS_ADMIN"]}


@pytest.mark.parametrize(
    "fields, circumstances, covered",
    [
        ({"includes": FOR_ADMINS}, [ADMIN], True),
        ({"includes": FOR_ADMINS}, [ADMIN, PLAIN], False),
        ({"includes": FOR_ADMINS}, [PLAIN], False),
        ({"includes": FOR_ADMINS}, [], False),
        ({"excludes": FOR_ADMINS}, [PLAIN, ()], True),
        ({"excludes": FOR_ADMINS}, [PLAIN, ADMIN], False),
        ({"includes": {**FOR_ADMINS, "arches": ["amd64"]}}, [ADMIN], False),
        (
            {"includes": FOR_ADMINS, "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]},
            [ADMIN],
            False,
        ),
    ],
)
def test_what_containers_with_such_capabilities_are_allowed_is_covered_for_them(
    fields: Dict[str, object], circumstances: List[Tuple[str, ...]], covered: bool
):
    """
    If the rule holds under all circumstances that the result has to do with, and needs no more.
    """
    base = baseline(rule("ALLOW", "mount", **fields))

    result = extend(base, generate(recording("mount")), *circumstances)

    assert (result.profile == base) is covered
    assert any("left to it: mount" in one for one in result.messages) is covered


def test_a_denial_for_other_containers_is_none_where_the_call_is_allowed():
    """
    As engines' profiles have it of clone3: ENOSYS for containers without a capability.
    """
    denial = rule("ERRNO", "clone3", errnoRet=38, excludes=FOR_ADMINS)
    base = baseline(denial, rule("ALLOW", "clone3", includes=FOR_ADMINS))
    addition = generate(recording("clone3"))

    admins, plain = (extend(base, addition, one) for one in (ADMIN, PLAIN))

    assert (admins.profile, admins.denied) == (base, ())
    assert (plain.profile, plain.denied) == (base, ("clone3",))


def test_empty_conditions_are_none():
    """
    Docker writes empty args, includes and excludes: they do not make a rule conditional.
    """
    base = baseline(rule("ALLOW", "read", args=[], includes={}, excludes={}))

    assert extended(base, "read").profile == base


@pytest.mark.parametrize(
    "denial",
    [
        rule("ERRNO", "mount"),
        rule("ERRNO", "mount", errnoRet=38),
        rule("KILL_PROCESS", "mount"),
        rule("TRAP", "mount"),
        rule("ERRNO", "mount", args=[{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]),
        {"name": "mount", "action": "SCMP_ACT_KILL"},
    ],
)
def test_what_the_baseline_denies_stays_denied_and_is_reported(denial: Dict[str, object]):
    """
    An explicit denial wins over the recording, and the person is told.
    """
    base = baseline(rule("ALLOW", "read"), denial)

    result = extended(base, "read", "mount")

    assert result.profile == base
    assert result.denied == ("mount",)
    assert f"({denial['action']}), and so left: mount" in result.messages[0]


def test_our_own_fallbacks_give_up_what_is_recorded_now():
    """
    The ENOSYS group that we generated is no denial: a call recorded later becomes allowed.
    """
    base = generate(recording("read"))

    result = extended(base, "read", "clone3")

    assert "clone3" not in rules_of(result)[1]["names"]
    assert "statx" in rules_of(result)[1]["names"]
    assert rules_of(result)[-1]["names"] == ["clone3"]
    assert result.denied == ()


def test_our_fallback_group_goes_when_nothing_is_left_of_it():
    """
    An empty group is not kept.
    """
    ours = rule("ERRNO", "clone3", errnoRet=38, comment=FALLBACK_COMMENT)

    result = extended(baseline(ours), "clone3")

    assert [one["names"] for one in rules_of(result)] == [["clone3"]]


def test_somebody_elses_fallbacks_are_denials():
    """
    An ENOSYS rule without our comment stays, as any other denial.
    """
    base = baseline(rule("ERRNO", "clone3", errnoRet=38, comment="theirs"))

    result = extended(base, "clone3")

    assert result.profile == base
    assert result.denied == ("clone3",)


@pytest.mark.parametrize("action", ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"])
def test_a_permissive_default_is_turned_and_said(action: str):
    """
    An allowlist under a default that lets through is none, so the default becomes a denial.
    """
    result = extended(baseline(defaultAction=action), "read")

    assert result.profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert action in result.messages[0]


@pytest.mark.parametrize("action", ["SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP"])
def test_a_forbidding_default_stays(action: str):
    """
    Whatever else the default does to a call that is not named, it goes on doing.
    """
    result = extended(baseline(defaultAction=action, defaultErrnoRet=38), "read")

    assert result.profile["defaultAction"] == action
    assert result.profile["defaultErrnoRet"] == 38
    assert result.messages == ()


def test_a_baseline_without_architectures_gains_the_observed():
    """
    Without any, the profile would hold for the runtime's own architecture only by luck.
    """
    base = {"defaultAction": "SCMP_ACT_ERRNO"}

    assert extended(base, "read").profile["architectures"] == [syscalls.X86_64]


def test_an_architecture_that_the_baseline_leaves_out_is_reported():
    """
    Which architectures a baseline names is its own to say.
    """
    run = Run("run", architecture=syscalls.X86_64)
    seen = observation("read", architecture=syscalls.X86)
    base = baseline(rule("ALLOW", "read"))

    result = extend(base, generate(Recording({"run": run}, (), (seen,))))

    assert result.profile == base
    assert syscalls.X86 in result.messages[0]


def test_dockers_architecture_map_counts_as_architectures():
    """
    A profile with archMap gets no second list, which Docker would refuse.
    """
    mapped = {"architecture": syscalls.X86_64, "subArchitectures": [syscalls.X86]}
    base = {"defaultAction": "SCMP_ACT_ERRNO", "archMap": [mapped], "syscalls": []}

    result = extended(base, "read")

    assert "architectures" not in result.profile
    assert result.messages == ()


@pytest.mark.parametrize("engine", DEFAULTS)
def test_a_default_profile_gains_one_group_byte_for_byte(engine: str):
    """
    Of an engine's default profile every byte stays, and one group comes after its last rule.
    """
    text = default_text(engine)
    base = formats.read(text, engine)
    new = recording("read", "arch_prctl", "chroot", "vmsplice")

    written = formats.write(
        extend_profile(base, documents.profile_from(generate(new), "generated")).profile
    )
    end = text.rindex("}", 0, text.rindex("]")) + 1

    group = json.loads(written[end : -len(text[end:])].strip().lstrip(","))
    assert written.startswith(text[:end] + ",")
    assert written.endswith(text[end:])
    assert group["names"] == {"docker": ["arch_prctl", "chroot"], "podman": ["arch_prctl"]}[engine]
