"""
What the kernel says of seccomp to its auditors: calls that were logged, and tasks that were killed.

The messages of type AUDIT_SECCOMP are read from the multicast group, which needs no auditd and
disturbs none: netlink(7), kernel/audit.c. The one door to pyroute2.
"""

from __future__ import annotations

import errno
import re
import select
import struct
from dataclasses import dataclass
from typing import Iterator, Optional

from tracer.errors import HostError

SECCOMP = 1326  # AUDIT_SECCOMP, include/uapi/linux/audit.h
READERS = 1  # AUDIT_NLGRP_READLOG, as a bit
HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
MESSAGE_LIMIT = 65536
ROOM = 8 << 20  # bytes of messages that may wait for us

# Actions, include/uapi/linux/seccomp.h, without their data.
LOG, KILL_THREAD, KILL_PROCESS = 0x7FFC0000, 0x00000000, 0x80000000
ACTIONS = 0xFFFF0000

FIELD = re.compile(r'(\w+)=("[^"]*"|\S+)')
STAMP = re.compile(r"audit\((\d+\.\d+):\d+\):")


@dataclass(frozen=True)
class Message:
    """
    One message about a system call. `time`: seconds since the epoch. `process` as the host numbers
    it. `architecture`: AUDIT_ARCH_*. `action`: one of the above, or another.
    """

    time: float
    process: int
    comm: str
    executable: str
    architecture: int
    number: int
    action: int


class Audit:
    """
    The messages from now on. A context manager.

    Raises HostError when made if they cannot be read here.
    """

    def __init__(self) -> None:
        from pyroute2.netlink import NETLINK_AUDIT
        from pyroute2.netlink.nlsocket import NetlinkSocket

        self._socket = NetlinkSocket(family=NETLINK_AUDIT, rcvbuf=ROOM)
        try:
            self._socket.bind(groups=READERS)
        except OSError as error:
            self._socket.close()
            raise HostError(
                "the kernel's audit messages, which tell of LOG and KILL, cannot be read",
                "be root with CAP_AUDIT_READ, in the host's own network namespace",
            ) from error
        self.overruns = 0

    def __enter__(self) -> "Audit":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def waiting(self) -> Iterator[Message]:
        """Those that have come since; `overruns` counts how often some were lost."""
        while select.select([self._socket.fileno()], [], [], 0)[0]:
            try:
                data = self._socket.recv(MESSAGE_LIMIT)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.overruns += 1
                continue
            yield from read(data)


def read(data: bytes) -> Iterator[Message]:
    """The messages of a datagram that are about seccomp."""
    while len(data) >= HEADER.size:
        length, kind, *_ = HEADER.unpack_from(data)
        if length < HEADER.size:
            return  # the kernel's audit leaves its own header out of a length in old versions
        body = data[HEADER.size : length]
        if kind == SECCOMP:
            message = parse(body.decode("utf-8", "surrogateescape"))
            if message is not None:
                yield message
        data = data[(length + 3) & ~3 :]


def parse(text: str) -> Optional[Message]:
    """
    The message in a record's text; None if it is none.

    A name from user space stands in quotes, or in hexadecimal digits if it could deceive:
    audit_log_untrustedstring.
    """
    stamp, fields = STAMP.match(text), dict(FIELD.findall(text))
    try:
        return Message(
            time=float(stamp[1]) if stamp else 0.0,
            process=int(fields["pid"]),
            comm=_name(fields["comm"]),
            executable=_name(fields.get("exe", "")),
            architecture=int(fields["arch"], 16),
            number=int(fields["syscall"]),
            action=int(fields["code"], 16) & ACTIONS,
        )
    except (KeyError, ValueError):
        return None


def _name(value: str) -> str:
    if value.startswith('"'):
        return value.strip('"')
    try:
        return bytes.fromhex(value).rstrip(b"\0").decode("utf-8", "surrogateescape")
    except ValueError:
        return ""  # (null)
