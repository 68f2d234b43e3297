"""
Heads of recordings for tests: as the kernel side would have left them.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from tracer.kernel import wire

ID = "ab" * 32
OTHER = "cd" * 32


def head(kind: int, **fields: Any) -> wire.Head:
    """
    A head of this kind; every field that is not given is zero or empty.
    """
    blank = wire.head(bytes(wire.HEAD.size))
    return dataclasses.replace(blank, kind=kind, **fields)


def command(**fields: Any) -> wire.Head:
    return head(wire.COMMAND, **fields)


def container(**fields: Any) -> wire.Head:
    """
    A container of the recording 1, made by runc.
    """
    given = {"outer": 1, "maker": "runc:[1:CHILD]", "container": ID, "born": 5, **fields}
    return head(wire.CGROUP, **given)


def namespace(**fields: Any) -> wire.Head:
    """
    A PID namespace born in recording 1, by nobody that is a runtime.
    """
    return head(wire.NAMESPACE, **{"outer": 1, "maker": "unshare", **fields})
