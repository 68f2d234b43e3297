"""
Tests of telling a rule's answer from that of the default.
"""

from __future__ import annotations

import errno
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Optional

import pytest

from tracer import syscalls
from tracer.profile import formats, model
from tracer.profile.answering import is_by_rule, is_let_through
from tracer.profile.decide import Answer
from tracer.profile.model import Circumstances

PROFILE = formats.read(
    """{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
        {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
        {"names": ["keyctl"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1},
        {"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 97,
         "args": [{"index": 0, "value": 16, "op": "SCMP_CMP_EQ"}]},
        {"names": ["mount"], "action": "SCMP_ACT_KILL_PROCESS"}]}""",
    "test",
)


@pytest.mark.parametrize(
    "name, arguments, answer, by_rule",
    [
        ("clone3", (), Answer(model.ERRNO, errno.ENOSYS), True),
        ("keyctl", (), Answer(model.ERRNO, errno.EPERM), True),
        ("sync", (), Answer(model.ERRNO, errno.EPERM), False),
        ("socket", (16, 0, 0), Answer(model.ERRNO, errno.EAFNOSUPPORT), True),
        ("socket", (2, 0, 0), Answer(model.ERRNO, errno.EPERM), False),
        ("clone3", (), Answer(model.ERRNO, errno.EPERM), False),
        ("mount", (), Answer(model.KILL_PROCESS), False),
    ],
)
def test_a_rule_that_says_an_error_is_told_from_the_default(
    name: str, arguments: "tuple[int, ...]", answer: Answer, by_rule: bool
):
    """
    An error is a rule's if the rule gives it for these arguments, though the default says the same.
    """
    number = syscalls.number_of(syscalls.X86_64, name)
    assert number is not None

    assert is_by_rule(PROFILE, syscalls.X86_64, number, arguments, answer) is by_rule


@pytest.mark.parametrize("held, by_rule", [({"CAP_SYS_ADMIN"}, False), (set(), True), (None, True)])
def test_a_rule_for_other_containers_is_no_rule(held: Optional[AbstractSet[str]], by_rule: bool):
    """
    Where a container has what the rule excludes, it was the default that answered.
    """
    rule = replace(PROFILE.rules[2], excludes=Circumstances(capabilities=("CAP_SYS_ADMIN",)))
    profile = replace(PROFILE, rules=(rule,))
    number = syscalls.number_of(syscalls.X86_64, "keyctl")
    assert number is not None
    eperm = Answer(model.ERRNO, errno.EPERM)

    found = is_by_rule(profile, syscalls.X86_64, number, (), eperm, capabilities=held)

    assert found is by_rule


def test_what_cannot_be_loaded_answers_by_no_rule():
    """
    A profile that no runtime takes vouches for nothing.
    """
    profile = model.Profile(model.ERRNO, (model.Rule(("sync",), model.ERRNO, errno=5),), base="x")

    assert not is_by_rule(profile, syscalls.X86_64, 162, (), Answer(model.ERRNO, 5))


FOR_SOME = formats.read(
    """{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
    "syscalls": [
        {"names": ["read", "socketcall"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["sync"], "action": "SCMP_ACT_LOG"},
        {"names": ["personality"], "action": "SCMP_ACT_ALLOW",
         "args": [{"index": 0, "value": 0, "op": "SCMP_CMP_EQ"}]},
        {"names": ["mount"], "action": "SCMP_ACT_ALLOW",
         "includes": {"caps": ["CAP_SYS_ADMIN"]}}]}""",
    "test",
)


@pytest.mark.parametrize(
    "architecture, name, held, certain",
    [
        (syscalls.X86_64, "read", None, True),
        (syscalls.X86_64, "sync", None, True),
        (syscalls.X86_64, "write", None, False),
        (syscalls.X86_64, "personality", None, False),
        (syscalls.X86_64, "mount", None, False),
        (syscalls.X86_64, "mount", {"CAP_SYS_ADMIN"}, True),
        (syscalls.X86_64, "mount", set(), False),
        (syscalls.X86, "read", None, True),
        (syscalls.X86, "socketcall", None, False),
    ],
)
def test_what_a_profile_lets_through_for_certain(
    architecture: str, name: str, held: Optional[AbstractSet[str]], certain: bool
):
    """
    A call is let through for certain if that depends on no argument, and on no capability that may
    be missing.
    """
    number = syscalls.number_of(architecture, name)
    assert number is not None

    found = is_let_through(FOR_SOME, architecture, number, name, capabilities=held)

    assert found is certain
