"""
Options that several commands have, and what their values mean.
"""

from __future__ import annotations

from typing import Callable, FrozenSet, TypeVar

import click

from tracer.errors import InputError
from tracer.profile import floors

Decorated = TypeVar("Decorated", bound=Callable[..., object])

AUTO, NONE = "auto", "none"


def runtime_floor(command: Decorated) -> Decorated:
    """--runtime-floor."""
    return click.option(
        "--runtime-floor",
        default=AUTO,
        show_default=True,
        metavar="auto|none|NAME,...",
        help="Runtimes whose own calls are allowed too: the one used, none, or these.",
    )(command)


def baseline(command: Decorated) -> Decorated:
    """--baseline."""
    return click.option(
        "--baseline", metavar="PROFILE", help="A profile to extend; what it says stays as it is."
    )(command)


def floor_names(value: str) -> FrozenSet[str]:
    """
    The runtimes that --runtime-floor names; empty for auto and none.

    Raises InputError for one that has not been measured.
    """
    if value in (AUTO, NONE):
        return frozenset()
    chosen = frozenset(name.strip() for name in value.split(","))
    unknown = sorted(chosen - floors.known_runtimes())
    if unknown:
        known = ", ".join(sorted(floors.known_runtimes())) or "none"
        raise InputError(
            f"--runtime-floor: no measurements of {', '.join(unknown)!r}", f"there are: {known}"
        )
    return chosen
