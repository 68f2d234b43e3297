"""
A container's beginning, for the recorder that stays: somebody has asked for this one.

The recorder records every container by itself; a claim keeps this one until it is fetched
(`fetching`). Every import here delays the container's start, so there is none that is not needed.
"""

from __future__ import annotations

import os
from typing import Optional

from tracer.kernel.recorder import Recorder
from tracer.kernel.wire import COMMAND
from tracer.session import resident


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


# The recorder was started only now. The runtime's process waits, and its window is not open yet.
def _adopt(recorder: Recorder, container: str, process: int) -> int:
    from tracer.container.tasks import confinement_of, scope_of
    from tracer.session.adoption import adopt

    scope = scope_of(process, container)
    return adopt(recorder, scope, confinement_of(process), _runtime(), open=False)


def _runtime() -> str:
    with open(f"/proc/{os.getppid()}/comm", encoding="utf-8", errors="replace") as comm:
        return comm.read().strip()
