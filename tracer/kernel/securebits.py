"""
The securebits of every thread on the host, which no file of /proc tells: `bpf/credentials.c`.

What belongs here: the bytes of `bpf/credentials.h`, and how they are read. What securebits mean is
`tracer.capabilities`'.
"""

from __future__ import annotations

import os
import struct
from types import MappingProxyType
from typing import Dict

from tracer.errors import HostError
from tracer.kernel import bpf, btf, layout, program

THREAD = struct.Struct("=II")

# The inode number of the host's own PID namespace: PROC_PID_INIT_INO, include/linux/proc_ns.h.
INITIAL = 0xEFFFFFFC

SOURCE = program.Source(
    "credentials.c", MappingProxyType({"on_task": "task"}), (), iterators=frozenset({"on_task"})
)
MEMBERS = {
    "TASK_REAL_CRED": ("task_struct", "real_cred"),
    "CRED_SECUREBITS": ("cred", "securebits"),
}


def securebits() -> Dict[int, int]:
    """
    Of each thread on the host, by its number there, as prctl(2) has them: PR_GET_SECUREBITS.

    Raises HostError: see `program.load`; or if we number processes otherwise than the host does.
    """
    if os.stat("/proc/self/ns/pid").st_ino != INITIAL:
        raise HostError("they are told by the host's numbers of processes", "ask on the host")
    with program.load(layout.offsets(btf.read(), MEMBERS), SOURCE) as loaded:
        try:
            return dict(THREAD.iter_unpack(bpf.iterated(loaded.links["on_task"])))
        except OSError as error:
            raise HostError(f"the kernel does not tell securebits: {error.strerror}") from error
