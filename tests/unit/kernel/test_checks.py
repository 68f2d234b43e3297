"""
Tests of capability checks as the kernel side notes them: who asked.
"""

from __future__ import annotations

import pytest

from tracer.kernel import checks

# The functions on a stack, innermost first: (meant, who asked).
STACKS = {
    "cap_capable security_capable capable_wrt_inode_uidgid generic_permission": (
        True,
        "generic_permission",
    ),
    "cap_capable security_capable ns_capable_noaudit simple_xattr_list": (
        False,
        "simple_xattr_list",
    ),
    "cap_capable security_vm_enough_memory_mm do_brk_flags": (False, "do_brk_flags"),
    "cap_capable security_capable ns_capable_noaudit do_seccomp": (False, "do_seccomp"),
    "security_capable capable setattr_prepare": (True, "setattr_prepare"),
    "cap_capable": (True, ""),
    "": (None, ""),
}


@pytest.mark.parametrize("stack", STACKS)
def test_who_asked_and_whether_it_was_meant_is_on_the_stack(stack: str):
    """
    Who asked is the first function that is no part of asking; a noaudit one on the way tells.
    """
    assert checks.asker(stack.split()) == STACKS[stack]


def test_memory_accounting_needs_no_stack():
    """
    What the kernel side knows by the call alone is never meant.
    """
    assert checks.asker([], checks.OVERCOMMIT) == (False, checks.ACCOUNTING)


@pytest.mark.parametrize("audit, meant", [(checks.AUDITED, True), (checks.UNAUDITED, False)])
def test_what_the_kernel_tells_counts_whatever_is_on_the_stack(audit: int, meant: bool):
    """
    Where the options of the check are known, they say whether it was meant; the stack, who asked.
    """
    for stack in (
        "",
        "cap_capable ns_capable do_seccomp",
        "cap_capable ns_capable_noaudit do_seccomp",
    ):
        asked = stack.rpartition(" ")[2]
        assert checks.asker(stack.split(), audit=audit) == (meant, asked)


def test_functions_without_a_name_tell_nothing():
    """
    Where the kernel hides its symbols nobody knows whether a check was meant.
    """
    assert checks.asker(["", "", ""]) == (None, "")
