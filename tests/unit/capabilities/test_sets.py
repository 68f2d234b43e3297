"""
Tests of reading a thread's credentials from its /proc/PID/status.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tracer.capabilities.sets import Ids, Sets, read_status, securebit_names
from tracer.errors import InputError

STATUS = """Name:\tsle\\nCapEff:\\tep
State:\tS (sleeping)
Tgid:\t4107
Pid:\t4109
PPid:\t4079
Uid:\t1024\t0\t1\t2
Gid:\t5\t6\t7\t8
Groups:\t4 27\x20
NSpid:\t4109\t3
CapInh:\t0000000000000001
CapPrm:\t0000000000000002
CapEff:\t0000000000000004
CapBnd:\t00000000a80425fb
CapAmb:\t0000000000000010
NoNewPrivs:\t1
"""


def test_every_field_is_read():
    """
    Ids, groups, the five sets, no_new_privs, and which threads it is in which namespaces.
    """
    status = read_status(STATUS)

    assert (status.process, status.parent, status.numbers) == (4107, 4079, (4109, 3))
    assert (status.comm, status.state) == ("sle\\nCapEff:\\tep", "S")
    assert status.credentials.uids == Ids(1024, 0, 1, 2)
    assert status.credentials.gids == Ids(5, 6, 7, 8)
    assert status.credentials.groups == (4, 27)
    assert status.credentials.sets == Sets(1, 2, 4, 0xA80425FB, 16)
    assert status.credentials.no_new_privileges is True


def test_securebits_are_not_there():
    """
    No file of /proc tells securebits.
    """
    assert read_status(STATUS).credentials.securebits is None


def test_a_kernel_that_says_nothing_of_no_new_privs_leaves_it_unknown():
    """
    A missing line is no answer.
    """
    without = STATUS.replace("NoNewPrivs:\t1\n", "")

    assert read_status(without).credentials.no_new_privileges is None


def test_our_own_status_is_what_we_are():
    """
    The running kernel's format is read: the ids are those that the kernel gives us elsewhere.
    """
    status = read_status(Path("/proc/self/status").read_text())

    assert status.numbers[0] == status.process == os.getpid()
    assert (status.credentials.uids.real, status.credentials.uids.effective) == (
        os.getuid(),
        os.geteuid(),
    )
    assert sorted(status.credentials.groups) == sorted(os.getgroups())


@pytest.mark.parametrize(
    "text",
    ["", "Name:\tx\n", STATUS.replace("1024\t0", "1024"), STATUS.replace("a80425fb", "junk")],
    ids=["empty", "cut short", "three ids", "no mask"],
)
def test_what_is_no_status_is_refused(text: str):
    """
    Anything else than a status is an error that is expected.
    """
    with pytest.raises(InputError, match="no status"):
        read_status(text)


@pytest.mark.parametrize(
    "bits, names",
    [
        (0, ()),
        (1, ("noroot",)),
        (0xC, ("no-setuid-fixup", "no-setuid-fixup-locked")),
        (0x50, ("keep-caps", "no-cap-ambient-raise")),
        (0x301, ("noroot", "0x300")),
    ],
)
def test_securebits_have_names(bits: int, names: tuple[str, ...]):
    """
    Each has its own name, and what has none is a number.
    """
    assert securebit_names(bits) == names
