"""
Tests of audit messages: what a record says, and what a hostile or broken one cannot do.
"""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from tracer.kernel.audit import HEADER, KILL_PROCESS, LOG, SECCOMP, Message, parse, read

RECORD = (
    "audit(1795331255.587:90): auid=4294967295 uid=0 gid=0 ses=4294967295 subj=unconfined pid=77"
    ' comm="mkdir" exe="/bin/busybox" sig=0 arch=c000003e syscall=83 compat=0 ip=0x4ad5f7'
    " code=0x7ffc0000"
)
MEANT = Message(1795331255.587, 77, "mkdir", "/bin/busybox", 0xC000003E, 83, LOG)
EVIL = b"a b\n\x1b[2J\xff\"'"


def datagram(text: str, kind: int = SECCOMP, length: int = 0) -> bytes:
    body = text.encode() + b"\0"
    return HEADER.pack(length or HEADER.size + len(body), kind, 0, 0, 0) + body


def test_a_record_is_understood():
    """
    A record gives time, process, names, architecture, number and action.
    """
    assert list(read(datagram(RECORD))) == [MEANT]


@pytest.mark.parametrize("length", [len(RECORD), len(RECORD) + 1, 16, 3, 1 << 31])
def test_the_length_that_a_header_states_is_not_heeded(length: int):
    """
    A kernel that leaves the header out of the length, or states nonsense, is understood.
    """
    assert list(read(datagram(RECORD, length=length))) == [MEANT]


@pytest.mark.parametrize("kind", [0, 2, 1300, 1305, SECCOMP + 1])
def test_other_messages_are_passed_over(kind: int):
    """
    A message of another type is none of ours, whatever its text.
    """
    assert list(read(datagram(RECORD, kind=kind))) == []


def test_a_cut_datagram_is_no_message():
    """
    A datagram that is cut anywhere gives nothing, or what it still says; it raises nothing.
    """
    whole = datagram(RECORD)

    for end in range(len(whole) - len(" code=0x7ffc0000")):
        assert list(read(whole[:end])) == []


def test_a_name_in_hexadecimal_digits_is_as_it_was():
    """
    A name that could deceive comes in hexadecimal digits; each of its bytes is kept.
    """
    text = RECORD.replace('"mkdir"', EVIL.hex().upper()).replace('"/bin/busybox"', EVIL.hex())

    message = parse(text)

    assert message is not None
    assert message.comm == message.executable == EVIL.decode(errors="surrogateescape")


@pytest.mark.parametrize("name", ["pid=1", "x syscall=1", "code=0x80000000", "deadbeef"])
def test_a_name_in_quotes_is_no_field(name: str):
    """
    What looks like a field, or like digits, within quotes is a name.
    """
    message = parse(RECORD.replace('"mkdir"', f'"{name}"'))

    assert message == replace(MEANT, comm=name)


def test_a_program_without_a_path_has_none():
    """
    A task that has no program any more has no name for it.
    """
    message = parse(RECORD.replace('"/bin/busybox"', "(null)").replace("0x7ffc0000", "0x80000000"))

    assert message is not None and message.executable == "" and message.action == KILL_PROCESS


@pytest.mark.parametrize(
    "broken",
    ["", "\0", "pid=", RECORD.replace("pid=77", "pid=x"), RECORD.replace("c000003e", "zz")]
    + [RECORD.replace(field, "") for field in ("pid=77", "arch=c000003e", "syscall=83")]
    + ["=" * 5000, '"' * 5000, RECORD.replace("0x7ffc0000", "")],
)
def test_a_broken_record_is_no_message(broken: str):
    """
    A record that lacks a field, or has nonsense in it, is passed over.
    """
    assert parse(broken) is None


def test_the_data_of_an_action_does_not_matter():
    """
    An action is told from the 16 bits of data that come with it.
    """
    message = parse(RECORD.replace("0x7ffc0000", "0x7ffc002a"))

    assert message is not None and message.action == LOG


def test_the_header_is_netlinks():
    """
    The header is that of struct nlmsghdr: 16 bytes, the type in its fifth and sixth.
    """
    assert HEADER.size == 16
    assert HEADER.unpack(struct.pack("=IHHII", 1, 2, 3, 4, 5)) == (1, 2, 3, 4, 5)
