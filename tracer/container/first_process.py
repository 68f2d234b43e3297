"""
The running container of a name, and so its first process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

from tracer.container.engines import Ask, Named, answer, registry
from tracer.errors import HostError, InputError

ANY_PROCESS = "--pid takes any process"


@dataclass(frozen=True)
class Running:
    """A running container: its engine, and what that says of it."""

    engine: str
    named: Named


class NotRunning(InputError):
    """No engine runs a container of that name; `stopped` are those that have one all the same."""

    def __init__(self, message: str, hint: str = "", stopped: Tuple[Running, ...] = ()) -> None:
        super().__init__(message, hint)
        self.stopped = stopped


def find_running(
    reference: str,
    engine: Optional[str] = None,
    ask: Ask = answer,
    *,
    otherwise: str = ANY_PROCESS,
) -> Running:
    """
    The running container of a name or id, of this engine or of the only one that knows it.

    Raises NotRunning if there is none, InputError if there are several, HostError if an engine that
    may have it is silent; `otherwise` says what else there is to do.
    """
    engines = tuple(registry()) if engine is None else (engine,)
    found, silent = _known(reference, engines, ask)
    running = [one for one in found if one.named.process > 0]
    if len(running) > 1:
        raise InputError(f"{reference!r}: {' and '.join(engines)} have one", "--engine says which")
    if running:
        return running[0]
    if silent:
        raise silent[0]
    if found:
        problem = f"{reference!r}: {found[0].engine} has it, but it is not running"
        raise NotRunning(problem, stopped=tuple(found))
    raise NotRunning(f"{reference!r}: no container of {' or '.join(engines)}", otherwise)


def _known(
    reference: str, engines: Sequence[str], ask: Ask
) -> Tuple[List[Running], List[HostError]]:
    """What engines say of a container, running or not; and why some say nothing."""
    found: List[Running] = []
    silent: List[HostError] = []
    for name in engines:
        try:
            said = registry()[name].inspect([name], [reference], ask)
        except HostError as error:
            silent.append(error)
        else:
            found += (Running(name, named) for named in said[:1])
    return found, silent
