"""
Measuring in a process apart, which alone has the mount namespace of the measurement.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import sys
from typing import NoReturn, Tuple

from tracer.container.runtime_file import RuntimeFile
from tracer.errors import HostError, SeccompTraceError
from tracer.measuring.files import check_unchanged
from tracer.measuring.measurement import Progress, Subject, measure as measured
from tracer.measuring.observing import Target
from tracer.measuring.place import prepare
from tracer.profile.floors import Floor

# It knows no hybrid cgroup hierarchy, and so gets a pure one to see.
UNIFIED = "crun"
PR_SET_PDEATHSIG = 1


def measure(runtime: RuntimeFile, samples: int, progress: Progress) -> Tuple[Floor, ...]:
    """
    Return the floors of a runtime, from at least so many starts and execs of each kind.

    Raises HostError if this host cannot start its containers, or the file is changed meanwhile;
    KeyboardInterrupt.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _measure_and_exit(runtime, samples, progress, writing)
    os.close(writing)
    result = _result(reading, child)
    check_unchanged(runtime)
    if isinstance(result, SeccompTraceError):
        raise result
    return result


def _result(reading: int, child: int) -> "Tuple[Floor, ...] | SeccompTraceError":
    interrupted = False
    while True:
        try:
            with open(reading, "rb", closefd=False) as pipe:
                answer = pipe.read()
            _, status = os.waitpid(child, 0)
            break
        except KeyboardInterrupt:  # the child has it, too, and removes its containers
            interrupted = True
    os.close(reading)
    if interrupted:
        raise KeyboardInterrupt
    if not answer:
        raise HostError(f"the measurement ended with status {os.waitstatus_to_exitcode(status)}")
    result: "Tuple[Floor, ...] | SeccompTraceError" = pickle.loads(answer)  # our own child's
    return result


def _measure_and_exit(
    runtime: RuntimeFile, samples: int, progress: Progress, writing: int
) -> NoReturn:
    status = 1
    try:
        _end_with_parent()
        answer: "Tuple[Floor, ...] | SeccompTraceError"
        try:
            answer = _floors(runtime, samples, progress)
        except SeccompTraceError as error:
            answer = error
        with open(writing, "wb") as pipe:
            pickle.dump(answer, pipe)
        status = 0
    except KeyboardInterrupt:
        pass
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os._exit(status)


def _end_with_parent() -> None:
    """Have whatever ends the parent interrupt this process, which then ends its containers."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _floors(runtime: RuntimeFile, samples: int, progress: Progress) -> Tuple[Floor, ...]:
    place = prepare(unified=runtime.name == UNIFIED)
    target = Target(runtime.name, runtime.path, place, False)
    subject = Subject(runtime.name, runtime.version, runtime.build_id)
    return tuple(measured(subject, target, samples, progress))
