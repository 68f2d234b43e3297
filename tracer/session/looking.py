"""
What there is to see of a recording while it lasts, and who is told.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Callable, Tuple

from tracer.kernel.wire import Head
from tracer.session import assembly


@dataclass(frozen=True)
class Seen:
    """One line of life: what is being recorded, how many calls so far, the newest and its age."""

    name: str
    calls: int
    architecture: str
    newest: int
    age: float
    alive: int


Watch = Callable[[Tuple[Seen, ...]], None]
Tell = Callable[[str], None]


def seen_of(name: str, head: Head) -> Seen:
    """What there is to see of one recording now."""
    now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    age = (now - head.newest) / 1e9 if head.newest else 0.0
    architecture = ""
    if head.newest:
        architecture = assembly.architecture_of(head.newest_architecture, head.newest_number)
    return Seen(name, head.observations, architecture, head.newest_number, age, head.alive)
