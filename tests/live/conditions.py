"""
Waiting for what a test needs to be so, instead of for time to pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable

BETWEEN_LOOKS = 0.02


def eventually(holds: Callable[[], object], *, within: float = 30, what: str = "") -> None:
    """
    Return once the condition holds; an OSError or AssertionError in it means not yet.

    Raises AssertionError, with what it was waited for, if that takes more than `within` seconds.
    """
    deadline = time.monotonic() + within
    problem: object = what or "a condition"
    while True:
        try:
            if holds():
                return
        except (OSError, AssertionError) as error:
            problem = f"{what}: {error!r}"
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {problem}")
        time.sleep(BETWEEN_LOOKS)
