"""
Processes' credentials: what /proc tells of them, and what only the kernel itself does.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Mapping, Tuple

from tracer.capabilities.sets import Status
from tracer.container.process import Process
from tracer.errors import HostError
from tracer.kernel.securebits import securebits


def with_securebits(processes: Tuple[Process, ...]) -> Tuple[Tuple[Process, ...], str]:
    """These processes with their threads' securebits; or as they are, and why."""
    if os.geteuid() != 0:
        return processes, "the kernel tells them to the thread itself, and to root"
    try:
        known = securebits()
    except HostError as error:
        return processes, error.message
    return tuple(_with(process, known) for process in processes), ""


def _with(process: Process, known: Mapping[int, int]) -> Process:
    return replace(process, threads=tuple(_of(thread, known) for thread in process.threads))


def _of(thread: Status, known: Mapping[int, int]) -> Status:
    bits = known.get(thread.numbers[0])
    return replace(thread, credentials=replace(thread.credentials, securebits=bits))
