"""
What lint says of a profile under which measured runtimes start no container.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, List, Optional, Sequence, Tuple

import pytest

from tests.unit.profile.floor_data import floor, trials
from tracer import syscalls
from tracer.profile import model
from tracer.profile.floors import Floor
from tracer.profile.lint import lint
from tracer.profile.model import Circumstances, Profile, Rule
from tracer.profile.remarks import ERROR, NOTE, Needs
from tracer.profile.releases import OLDEST

STATX = trials("statx", failed=(20, 20))
FSTAT = trials("fstat", failed=(20, 20))
EXECVE = trials("execve", failed=(20, 20))


def both(name: str, *calls: str, **fields: Any) -> Tuple[Floor, Floor]:
    """
    A floor with and without no-new-privileges.
    """
    first = floor(name, *calls, **fields)
    return first, replace(first, no_new_privileges=True)


MEASURED = (
    *both("runc-1.1.5", "execve", trials=EXECVE),
    *both("runc-1.3.6+ds1", "execve", "statx", trials=(*EXECVE, *STATX)),
    *both("runc-1.4.3", "execve", "statx", trials=(*EXECVE, *STATX)),
    *both("crun-1.28", "execve", trials=EXECVE),
    *both("crun-1.28", calls=(("execve", 200), ("fstat", 150)), action="exec", trials=FSTAT),
)


def allow(*names: str, **fields: object) -> Rule:
    return Rule(names, model.ALLOW, **fields)  # type: ignore[arg-type]


def said(
    *rules: Rule,
    measured: Sequence[Floor] = MEASURED,
    needs: Optional[Needs] = None,
    **fields: object,
) -> List[Tuple[str, str]]:
    profile = Profile(model.ERRNO, rules, **fields)  # type: ignore[arg-type]
    found = lint(profile, OLDEST, needs, measured)
    return [(remark.severity, remark.message) for remark in found if remark.code == "floor-missing"]


def test_versions_that_start_nothing_are_named():
    """
    ENOSYS for statx keeps runc 1.3.6 and 1.4.3 from starting, and no other.
    """
    found = said(allow("execve", "fstat"), Rule(("statx",), model.ERRNO, errno=38))

    assert found == [(NOTE, "no container starts under runc 1.3.6 and 1.4.3: it needs statx")]


def test_an_exec_that_fails_now_and_then_is_named():
    """
    Containers start under crun 1.28, and some execs fail.
    """
    found = said(allow("execve", "statx"))

    assert found == [(NOTE, "not every exec works under crun 1.28: it needs fstat")]


def test_a_profile_that_starts_nowhere_is_an_error():
    """
    A call that every runtime needs is worth more than a note; nothing is said of execs then.
    """
    found = said(allow("read"))

    assert {severity for severity, _ in found} == {ERROR}
    assert sorted(message for _, message in found) == [
        "no container starts under crun 1.28: it needs execve",
        "no container starts under runc 1.1.5: it needs execve",
        "no container starts under runc 1.3.6 and 1.4.3: it needs execve, statx",
    ]


def test_a_call_that_nobody_has_tried_to_refuse_is_passed_over():
    """
    lint says that nothing starts only where that was seen.
    """
    assert said(allow("read"), measured=[floor("runc-1.1.5", "execve", "epoll_ctl")]) == []


@pytest.mark.parametrize(
    ("privileges", "words"),
    [(True, "with no-new-privileges"), (False, "without no-new-privileges")],
)
def test_the_setting_is_named_if_only_one_fails(privileges: bool, words: str):
    """
    A profile that starts containers with the other setting says which one fails.
    """
    measured = [
        floor("crun-1.28", "execve", trials=EXECVE, no_new_privileges=privileges),
        floor("crun-1.28", "close", no_new_privileges=not privileges),
    ]

    assert said(allow("read"), measured=measured) == [
        (NOTE, f"no container starts under crun 1.28 {words}: it needs execve")
    ]


@pytest.mark.parametrize(
    ("architectures", "found"),
    [
        ((syscalls.X86_64, syscalls.X86), ["runc 1.1.5"]),
        ((syscalls.X86,), ["runc 1.1.5"]),
        ((syscalls.AARCH64,), ["runc 1.3.6"]),
        (("SCMP_ARCH_S390X",), []),
        (
            (syscalls.X86_64, syscalls.AARCH64),
            ["runc 1.3.6 on SCMP_ARCH_AARCH64", "runc 1.1.5 on SCMP_ARCH_X86_64"],
        ),
    ],
)
def test_floors_are_those_of_the_hosts_that_the_profile_names(
    architectures: Tuple[str, ...], found: List[str]
):
    """
    A profile is judged by the hosts whose architectures it names, 32-bit ones by their host's.
    """
    measured = (
        *both("runc-1.1.5", "execve", trials=EXECVE),
        *both("runc-1.3.6", "execve", trials=EXECVE, architecture=syscalls.AARCH64),
    )

    messages = said(allow("read"), measured=measured, architectures=architectures)

    assert [message for _, message in messages] == [
        f"no container starts under {under}: it needs execve" for under in found
    ]


def test_capabilities_that_are_known_decide():
    """
    A rule for containers with a capability lets a runtime start those.
    """
    rule = allow("execve", includes=Circumstances(capabilities=("CAP_SYS_ADMIN",)))
    measured = MEASURED[:2]

    assert len(said(rule, measured=measured)) == 1
    assert said(rule, measured=measured, needs=Needs(frozenset({"CAP_SYS_ADMIN"}))) == []


def test_what_a_runtime_refuses_to_load_is_named():
    """
    crun loads no profile with an errno beside a kill; runc does.
    """
    profile = Profile(model.KILL, (allow("execve"),), default_errno=38)

    found = [
        remark.message
        for remark in lint(profile, floors=MEASURED)
        if remark.code == "floor-missing"
    ]

    assert found == [
        "no container starts under crun 1.28: crun refuses the profile: an errno beside "
        "SCMP_ACT_KILL",
        "no container starts under runc 1.3.6 and 1.4.3: it needs statx",
    ]


def test_a_profile_that_nobody_can_load_is_left_to_another_check():
    """
    What libseccomp refuses is told once, as `unloadable`.
    """
    both = (Rule(("read",), model.TRAP), Rule(("read",), model.LOG))
    condition = (model.Condition(0, model.EQUAL, 1),)
    rules = tuple(Rule(rule.names, rule.action, condition) for rule in both)

    assert "unloadable" in [remark.code for remark in lint(Profile(model.ERRNO, rules))]
    assert said(*rules) == []
