"""
What the kernel says of seccomp to its auditors: calls that were logged, and tasks that were killed.

The messages of type AUDIT_SECCOMP are read from the multicast group, which needs no auditd and
disturbs none: netlink(7), kernel/audit.c. The one door to pyroute2.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import struct
from dataclasses import dataclass
from typing import Iterator, List, Optional

from tracer.errors import HostError

SECCOMP = 1326  # AUDIT_SECCOMP, include/uapi/linux/audit.h
READERS = 1  # AUDIT_NLGRP_READLOG, as a bit
HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
MESSAGE_LIMIT = 65536
ROOM = 16 << 20  # bytes of messages that may wait for us
AT_ONCE = 5000  # messages that are read in one look, so that a flood does not stop the telling
DROPPED_AT_MOST = 200_000

# Of a socket, include/uapi/asm-generic/socket.h and linux/sock_diag.h: SK_MEMINFO_DROPS.
SO_RCVBUFFORCE, SO_MEMINFO = 33, 55
MEMORY = struct.Struct("=9I")

# A setting that only the initial network namespace has: net_core_table, net/core/sysctl_net_core.c.
INITIAL_ONLY = "/proc/sys/net/core/netdev_budget"

# What is logged at all: Documentation/userspace-api/seccomp_filter.rst, "Sysctls".
ACTIONS_LOGGED = "/proc/sys/kernel/seccomp/actions_logged"
NEEDED = ("kill_process", "kill_thread", "log")

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
    The messages from now on. A context manager. `are_waiting`: whether the last look left some.

    Raises HostError when made if they cannot be read here.
    """

    def __init__(self) -> None:
        from pyroute2.netlink import NETLINK_AUDIT
        from pyroute2.netlink.nlsocket import NetlinkSocket

        if not _is_hosts_network():
            raise _unreadable()
        try:
            joined = NetlinkSocket(family=NETLINK_AUDIT)
        except OSError as error:
            raise _unreadable() from error
        try:
            joined.bind(groups=READERS)
            self._socket = socket.socket(fileno=os.dup(joined.fileno()))
        except (OSError, KeyError) as error:  # pyroute2 tries other addresses, until it has none
            raise _unreadable() from error
        finally:
            joined.close()
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOM)

        self.are_waiting = False

    def __enter__(self) -> "Audit":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def waiting(self) -> Iterator[Message]:
        """Those that have come since, AT_ONCE at most: the rest waits."""
        self.are_waiting = False
        for _ in range(AT_ONCE):
            try:
                data = self._socket.recv(MESSAGE_LIMIT, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                continue  # some were lost meanwhile
            yield from read(data)
        self.are_waiting = True

    def drop(self) -> int:
        """Read what is waiting for nobody, DROPPED_AT_MOST messages; how many those were."""
        for count in range(DROPPED_AT_MOST):
            try:
                self._socket.recv(1, socket.MSG_DONTWAIT)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    return count
        return DROPPED_AT_MOST

    def lost(self) -> int:
        """How many messages, about seccomp or not, found no room while others waited for us."""
        memory = self._socket.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, MEMORY.size)
        return int(MEMORY.unpack(memory)[-1])


def _is_hosts_network() -> bool:
    """
    Whether this is the network namespace that messages are sent to, the initial one: in another
    one can join the group, and hears nothing (kauditd_send_multicast_skb).
    """
    return os.path.exists(INITIAL_ONLY) or not os.path.exists(os.path.dirname(INITIAL_ONLY))


def _unreadable() -> HostError:
    return HostError(
        "the kernel's audit messages, which tell of LOG and KILL, cannot be read",
        "be root with CAP_AUDIT_READ, in the host's own user and network namespace",
    )


def unlogged() -> List[str]:
    """Which actions this host has been told to log nothing of, of those that are needed."""
    try:
        with open(ACTIONS_LOGGED, encoding="ascii") as logged:
            words = logged.read().split()
    except OSError:
        return []
    return [one for one in NEEDED if one not in words]


def read(data: bytes) -> Iterator[Message]:
    """
    The messages in a datagram that are about seccomp: audit sends one in each.

    Not all of its kernels count the header in the length that it states, so that is not heeded.
    """
    if len(data) < HEADER.size or HEADER.unpack_from(data)[1] != SECCOMP:
        return
    message = parse(data[HEADER.size :].rstrip(b"\0\n").decode("utf-8", "surrogateescape"))
    if message is not None:
        yield message


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
