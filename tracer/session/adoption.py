"""
Recording what runs already: its threads are found in /proc and handed to the kernel side.

A thread that was handed over passes its recording on to whatever it forks, so looking and handing
over until nothing is new leaves nobody out.
"""

from __future__ import annotations

import errno
import os
from typing import Set

from tracer.container import tasks
from tracer.container.tasks import Confinement, Scope
from tracer.errors import HostError
from tracer.kernel.recorder import Recorder
from tracer.kernel.securebits import INITIAL
from tracer.kernel.wire import Adopted, RuntimeExecuted
from tracer.session.monitors import executed_above


def adopt(
    recorder: Recorder, scope: Scope, confinement: Confinement, maker: str, open: bool
) -> int:
    """
    Record what runs in a scope from now on; the recording's id.

    `maker` is the runtime's name; `open` says whether the window is, or opens with one filter more.
    Raises InputError if it ends meanwhile, HostError if there are too many threads, or if we number
    them otherwise than the host does: there they would be other ones.
    """
    if os.stat("/proc/self/ns/pid").st_ino != INITIAL:
        raise HostError("what runs already is found by the host's numbers", "attach on the host")
    adopted = Adopted(
        process=scope.process,
        container=scope.container,
        namespace=scope.namespace,
        maker=maker,
        filters=confinement.filters,
        no_new_privileges=confinement.no_new_privileges,
        open=open,
        runtime=executed_above(scope.process) if maker else RuntimeExecuted(),
    )
    recording = recorder.adopt(adopted)
    try:
        taken = _take(recorder, recording, adopted, scope, set())
        recorder.enrol(recording, adopted)
        taken = _take(recorder, recording, adopted, scope, taken)
        tasks.scope_of(scope.process)
    except BaseException:
        recorder.release({recording})
        raise
    recorder.spare(taken - tasks.threads(scope).keys())
    return recording


def _take(
    recorder: Recorder, recording: int, adopted: Adopted, scope: Scope, taken: Set[int]
) -> Set[int]:
    """Hand over threads until there are no new ones; all that were handed over."""
    while True:
        found = tasks.threads(scope)
        new = {thread: path for thread, path in found.items() if thread not in taken}
        if not new:
            return taken
        try:
            recorder.take(recording, adopted, new)
        except OSError as error:
            if error.errno != errno.E2BIG:
                raise
            raise HostError(
                f"process {scope.process}: {len(found)} threads are more than can be attached to",
                "record it from its start",
            ) from error
        taken = taken | new.keys()
