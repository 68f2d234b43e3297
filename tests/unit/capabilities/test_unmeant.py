"""
Tests of which checks the kernel makes without needing the answer.
"""

from __future__ import annotations

from typing import Optional

import pytest

from tests.unit.recordings import check
from tracer import syscalls
from tracer.capabilities.names import NAMES
from tracer.capabilities.unmeant import ASKED_ALL_THE_SAME, MARKED, Unmeant, unmeant

TABLE = ASKED_ALL_THE_SAME + MARKED


@pytest.mark.parametrize("entry", TABLE, ids=lambda one: f"{one.capability} {one.source}")
def test_every_entry_is_documented(entry: Unmeant):
    """
    An entry names a capability that there is, calls that there are, a reason and a source file.
    """
    assert entry.capability in NAMES
    assert all(
        any(syscalls.number_of(one, call) is not None for one in (syscalls.X86_64, syscalls.X86))
        for call in entry.calls
    )
    assert entry.why and ".c" in entry.source
    assert entry.calls or entry.callers


def test_what_the_kernel_marks_is_not_meant():
    """
    A check without audit is none, whoever asked.
    """
    assert unmeant(check("CAP_SYS_ADMIN", audited=False, caller="somebody")) is not None
    assert unmeant(check("CAP_SYS_ADMIN", audited=True, caller="somebody")) is None


@pytest.mark.parametrize("caller", ["do_seccomp", "__do_sys_landlock_restrict_self"])
def test_what_needs_sys_admin_without_no_new_privs_is_meant(caller: str):
    """
    A filter or a ruleset is asked for without audit, and refused all the same.
    """
    assert unmeant(check("CAP_SYS_ADMIN", "seccomp", audited=False, caller=caller)) is None


@pytest.mark.parametrize("call", ["seccomp", "prctl", "landlock_restrict_self"])
def test_that_is_known_by_the_call_where_functions_have_no_names(call: str):
    """
    Where the kernel tells its marks and hides its symbols, the call tells, of that capability.
    """
    assert unmeant(check("CAP_SYS_ADMIN", call, audited=False, caller="")) is None
    assert unmeant(check("CAP_NET_ADMIN", call, audited=False, caller="")) is not None
    assert unmeant(check("CAP_SYS_ADMIN", "openat", audited=False, caller="")) is not None


# call, capability, caller, audited: meant?
CHECKS = [
    ("capset", "CAP_SETPCAP", "cap_capset", True, False),
    ("prctl", "CAP_SETPCAP", "cap_prctl_drop", True, True),
    ("read", "CAP_SYS_PTRACE", "cap_ptrace_access_check", True, False),
    ("ptrace", "CAP_SYS_PTRACE", "cap_ptrace_access_check", True, True),
    ("setsockopt", "CAP_NET_ADMIN", "do_tcp_setsockopt", True, False),
    ("setsockopt", "CAP_NET_ADMIN", "sk_setsockopt", True, True),
    ("setsockopt", "CAP_NET_ADMIN", "", None, False),
    ("mmap", "CAP_SYS_ADMIN", "", None, False),
    ("mount", "CAP_SYS_ADMIN", "", None, True),
    ("openat", "CAP_DAC_OVERRIDE", "", None, True),
    ("openat", "CAP_NET_ADMIN", "", None, False),
    ("openat", "CAP_NET_ADMIN", "another", True, True),
]


@pytest.mark.parametrize("call, capability, caller, audited, meant", CHECKS)
def test_the_function_decides_where_it_is_known(
    call: str, capability: str, caller: str, audited: Optional[bool], meant: bool
):
    """
    An entry covers the functions that it names, and the whole call where none is known.
    """
    one = check(capability, call, caller=caller, audited=audited)

    assert (unmeant(one) is None) == meant


@pytest.mark.parametrize("capability", ["CAP_FSETID", "CAP_SETUID", "CAP_SETGID"])
def test_what_the_arguments_make_idle_is_not_meant(capability: str):
    """
    A check whose answer makes no difference to the call does not count, and says why.
    """
    assert unmeant(check(capability, idle=True)) is not None
    assert unmeant(check(capability, idle=False)) is None
