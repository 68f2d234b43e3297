"""
A container's beginning, for the recorder that stays: somebody has asked for this one.

The recorder records every container by itself; a claim keeps this one until it is fetched
(`fetching`). Every import here delays the container's start, so there is none that is not needed.
"""

from __future__ import annotations

import os
from typing import Mapping, Optional

from tracer.kernel.recorder import Recorder
from tracer.kernel.wire import COMMAND, Head
from tracer.session import resident


def claim(container: str, process: int) -> None:
    """
    Have a container recorded whose first process waits in its runtime for us to end.

    Raises HostError.
    """
    with resident.ensure() as recorder:
        number = known(recorder.heads(), container, process)
        if number is None:
            number = _adopt(recorder, container, process)
        recorder.claim(number)


def known(heads: Mapping[int, Head], container: str, process: int) -> Optional[int]:
    """
    The recording that the kernel has begun of a container, if it has.

    By its cgroup, or its first process, if we number processes as the kernel does. What is left of
    an earlier run, or of an earlier process of that number, is none.
    """
    found = [
        number
        for number, head in heads.items()
        if head.kind != COMMAND
        and (
            (head.container == container and head.alive > 0)
            or (head.first_process == process and resident.is_there(head))
        )
    ]
    return max(found, default=None)  # ids are times: the newest


# The recorder was started only now. The runtime's process waits, and its window is not open yet.
def _adopt(recorder: Recorder, container: str, process: int) -> int:
    from tracer.container.tasks import confinement_of, scope_of
    from tracer.session.adoption import adopt

    scope = scope_of(process, container)
    return adopt(recorder, scope, confinement_of(process), _runtime(), open=False)


def _runtime() -> str:
    with open(f"/proc/{os.getppid()}/comm", encoding="utf-8", errors="replace") as comm:
        return comm.read().strip()
