"""
The first process of a running container, as its engine knows it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Optional, Sequence, Tuple

from tracer.container.engines import Ask, Named, ask, registry
from tracer.errors import InputError

_TEMPLATE = "{{.State.Pid}}"


@dataclass(frozen=True)
class Running:
    """A running container: its engine, what that says of it, its first process."""

    engine: str
    named: Named
    process: int


def find_running(reference: str, engine: Optional[str] = None, ask: Ask = ask) -> Running:
    """
    The running container of a name or id, of this engine or of the only one that knows it.

    Raises InputError if there is none, or several.
    """
    names = tuple(registry()) if engine is None else (engine,)
    found = [one for one in (_known(name, reference, ask) for name in names) if one is not None]
    running = [one for one in found if one.process]
    if len(running) > 1:
        raise InputError(f"{reference!r}: {' and '.join(names)} have one", "--engine says which")
    if running:
        return running[0]
    if found:
        raise InputError(f"{reference!r} of {found[0].engine} is not running")
    raise InputError(f"{reference!r}: no container of {_or(names)}", "--pid takes any process")


def _known(name: str, reference: str, ask: Ask) -> Optional[Running]:
    named = registry()[name].look_up([name], reference, int(time.time()), ask)
    if named is None:
        return None
    answer = ask([name, "container", "inspect", "--format", _TEMPLATE, "--", named.id]).strip()
    return Running(name, named, int(answer) if answer.isascii() and answer.isdigit() else 0)


def _or(names: Sequence[str]) -> str:
    head: Tuple[str, ...] = tuple(names[:-1])
    return " or ".join((*head, names[-1]))
