"""
A container's beginning, for the recorder that stays: somebody has asked for this one.

The recorder records every container by itself; a claim keeps this one until it is fetched
(`fetching`). Every import here delays the container's start, so there is none that is not needed.
"""

from __future__ import annotations

import os
from typing import Mapping, Optional, Sequence

from tracer.errors import HostError
from tracer.kernel.recorder import Recorder
from tracer.kernel.wire import COMMAND, Adopted
from tracer.session import resident

PROC = "/proc"
_COMM_LIMIT = 15
_ROUNDS = 10


def claim(container: str, process: int) -> None:
    """
    Have a container recorded whose first process waits in its runtime for us to end.

    Raises HostError.
    """
    with resident.ensure() as recorder:
        number = _known(recorder, container, process)
        if number is None:
            number = _adopt(recorder, container, process)
        recorder.claim(number)


# Its first process is enough if we see the same numbers as the kernel, its cgroup if not.
def _known(recorder: Recorder, container: str, process: int) -> Optional[int]:
    found = [
        number
        for number, head in recorder.heads().items()
        if head.kind != COMMAND and (head.container == container or head.first_process == process)
    ]
    return max(found, default=None)  # ids are times: an earlier one is an earlier run's


# The recorder was started only now: the runtime's process waits, and its window is not open.
def _adopt(recorder: Recorder, container: str, process: int) -> int:
    scope = Adopted(
        process=process,
        container=container,
        namespace=_namespace(process),
        maker=_comm(os.getppid()),
        filters=_field(process, "Seccomp_filters"),
        no_new_privileges=bool(_field(process, "NoNewPrivs")),
        open=False,
    )
    number = recorder.adopt(scope)
    taken: Mapping[int, str] = {}
    for _ in range(_ROUNDS):
        threads = dict.fromkeys(_threads(process), "")
        if threads == taken:
            return number
        recorder.take(number, scope, threads)
        taken = threads
    raise HostError("the container's runtime does not come to rest")


def _namespace(process: int) -> int:
    inode = os.stat(f"{PROC}/{process}/ns/pid").st_ino
    return 0 if inode == os.stat(f"{PROC}/self/ns/pid").st_ino else inode


def _threads(process: int) -> Sequence[int]:
    return sorted(map(int, os.listdir(f"{PROC}/{process}/task")))


def _comm(process: int) -> str:
    with open(f"{PROC}/{process}/comm", encoding="utf-8", errors="replace") as file:
        return file.read().strip()[:_COMM_LIMIT]


def _field(process: int, name: str) -> int:
    with open(f"{PROC}/{process}/status", encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
    return 0
