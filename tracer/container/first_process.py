"""
The running container of a name, and so its first process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from tracer.container.engines import Ask, Named, ask, registry
from tracer.errors import InputError


ANY_PROCESS = "--pid takes any process"


@dataclass(frozen=True)
class Running:
    """A running container: its engine, and what that says of it."""

    engine: str
    named: Named


def find_running(
    reference: str, engine: Optional[str] = None, ask: Ask = ask, *, otherwise: str = ANY_PROCESS
) -> Running:
    """
    The running container of a name or id, of this engine or of the only one that knows it.

    Raises InputError if there is none, or several; `otherwise` says what else there is to do.
    """
    engines = tuple(registry()) if engine is None else (engine,)
    found = [
        Running(name, named)
        for name in engines
        for named in registry()[name].inspect([name], [reference], ask)[:1]
    ]
    running = [one for one in found if one.named.process > 0]
    if len(running) > 1:
        raise InputError(f"{reference!r}: {' and '.join(engines)} have one", "--engine says which")
    if running:
        return running[0]
    if found:
        raise InputError(f"{reference!r}: {found[0].engine} has it, but it is not running")
    raise InputError(f"{reference!r}: no container of {' or '.join(engines)}", otherwise)
