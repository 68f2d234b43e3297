"""
Turns: live tests run beside each other, in several processes, but for those marked `alone`.

A recorder has room for every container of the host. A test that fills a small one, or judges
what is recorded on the whole host, is marked so: no other live test runs while it does, of this
session or another.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator

from tests.live.cache import cache_directory


@contextlib.contextmanager
def turn(*, alone: bool) -> Iterator[None]:
    """
    Wait until this test may run, and hold that for as long as it does.
    """
    directory = cache_directory()
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "turn.lock").open("w") as held, (directory / "queue.lock").open("w") as queue:
        # In a queue: else those who run beside each other would never leave the lock free.
        fcntl.flock(queue, fcntl.LOCK_EX)
        fcntl.flock(held, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(queue, fcntl.LOCK_UN)
        yield
