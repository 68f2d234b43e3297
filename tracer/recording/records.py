"""
The records of a recording. All are frozen, hashable and compare by value.

Only data belongs here. How two records of one identity become one is `joining`'s, the recording
that holds them all is `model`'s.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Dict, FrozenSet, Mapping, Optional, Tuple

from tracer.document import canonical

# Who made a call that belongs to no executable of the container: the runtime, inside the window
# but before its final execve; or a process whose executable could not be read.
RUNTIME = "(runtime)"
UNKNOWN = "(unknown)"

# How an observation's calls ended, beside the names of errors (EPERM). INTERRUPTED: by a signal, so
# that it began anew, or the program was told EINTR.
SUCCESS, INTERRUPTED, UNFINISHED = "success", "interrupted", "unfinished"
Outcomes = Tuple[Tuple[str, FrozenSet[str]], ...]

# Fields that a newer version wrote: (name, canonical JSON text) pairs, sorted by name.
Extra = Tuple[Tuple[str, str], ...]


def extra_of(values: Mapping[str, object]) -> Extra:
    """Return plain JSON values in the form that records keep them in."""
    return tuple(sorted((name, canonical(value)) for name, value in values.items()))


def values_of(extra: Extra) -> Dict[str, object]:
    """Return the plain JSON values that `extra_of` was given."""
    return {name: json.loads(text) for name, text in extra}


@dataclass(frozen=True, order=True)
class Sighting:
    """
    When something was seen, and in whom: nanoseconds since the Unix epoch, the thread as its
    container numbers it, and its comm. Ordered, so that the first of several is one and the same.
    """

    time: int
    thread: int
    comm: str
    extra: Extra = ()


@dataclass(frozen=True)
class Observation:
    """
    An executable made a call, in these runs.

    `executable` is a path as the container sees it, or RUNTIME, or UNKNOWN. `number` is the
    kernel's (bit 30 set for x32); `name` is None if nobody can name it. `outcomes`: for some of the
    runs, sorted, how the call ended there: SUCCESS, names of errors, INTERRUPTED, and UNFINISHED if
    it did not always end (which is told of calls that have not succeeded). Of the other runs that
    is unknown. Later fields of the same shape (argument values) survive in `extra`.
    """

    executable: str
    architecture: str
    number: int
    name: Optional[str]
    first: Sighting
    runs: FrozenSet[str]
    extra: Extra = ()
    outcomes: Outcomes = ()

    @property
    def key(self) -> Tuple[str, str, int]:
        """What makes two observations the same one."""
        return (self.executable, self.architecture, self.number)


@dataclass(frozen=True)
class Executable:
    """A program, as the container sees its path, and the runs in which it was executed."""

    path: str
    runs: FrozenSet[str]
    extra: Extra = ()


@dataclass(frozen=True)
class Denial:
    """
    A filter answered a call of an executable instead of the kernel, so often in each of these runs.

    `answer`: the name of an error (EPERM), or "trap", or "kill". `last`: the last time.
    """

    executable: str
    architecture: str
    number: int
    name: Optional[str]
    answer: str
    last: Sighting
    counts: Tuple[Tuple[str, int], ...]
    extra: Extra = ()

    @property
    def key(self) -> Tuple[object, ...]:
        """What makes two denials the same one."""
        return (self.executable, self.architecture, self.number, self.answer)

    @property
    def count(self) -> int:
        """How often, in all runs."""
        return sum(count for _, count in self.counts)


@dataclass(frozen=True)
class Check:
    """
    The kernel asked whether an executable has a capability, in these runs, so often in each.

    `number` and `name` are those of the system call, -1 and None outside of one. `namespace`: whose
    user namespace was asked about, one of NAMESPACES. `idle`: the call's own arguments say that the
    answer makes no difference. `audited`: whether the kernel means it (no CAP_OPT_NOAUDIT); None if
    nothing told. `caller`: the kernel's function that asked, or empty.
    """

    executable: str
    architecture: str
    number: int
    name: Optional[str]
    capability: str
    namespace: str
    granted: bool
    idle: bool
    audited: Optional[bool]
    caller: str
    first: Sighting
    counts: Tuple[Tuple[str, int], ...]
    extra: Extra = ()

    @property
    def key(self) -> Tuple[object, ...]:
        """What makes two checks the same one."""
        what = (self.executable, self.architecture, self.number, self.capability, self.namespace)
        known = -1 if self.audited is None else int(self.audited)
        return (*what, self.granted, self.idle, known, self.caller)

    @property
    def count(self) -> int:
        """How often, in all runs."""
        return sum(count for _, count in self.counts)


@dataclass(frozen=True)
class Circumstances:
    """
    What the outcome of an execve depends on besides the sets, of a run's first program: its real
    user id, its securebits (None: not known), the lines of its uid_map (None: not known).

    `executable`: whose execve gave it the sets, a path as the container sees it; empty if nobody
    saw that, so that they may be what the program made of them.
    """

    executable: str
    real_user: int
    securebits: Optional[int] = None
    uid_map: Optional[Tuple[Tuple[int, int, int], ...]] = None
    extra: Extra = ()


@dataclass(frozen=True, order=True)
class Capabilities:
    """
    What a run's first program held: masks, and the effective user id as the host numbers it.

    `namespace`: the user namespace that it was in, HOST or CONTAINER. `lost`: how many checks there
    was no room for. `confirmed`: what the run's command misses of all that was taken from it in
    turn, so that it does with these alone; None if nobody tried. `circumstances`: None if an older
    version recorded it.
    """

    user: int
    namespace: str
    inheritable: int
    permitted: int
    effective: int
    bounding: int
    ambient: int
    lost: int = 0
    extra: Extra = ()
    confirmed: Optional[int] = None
    circumstances: Optional[Circumstances] = None


@dataclass(frozen=True)
class Reason:
    """
    Why a recording may lack something: a word for programs, a sentence for people, how often.
    """

    code: str
    text: str
    count: int
    extra: Extra = ()


@dataclass(frozen=True)
class Run:
    """
    One container, or command, recorded once. Times are nanoseconds since the Unix epoch.

    `runtime_path` and `runtime_build_id` (ELF's, hexadecimal digits) are of the file that the
    container's monitor executed. What of the runtime is not known is empty.

    `architecture` is the host's, by libseccomp's token. `filter` is whose seccomp filter made the
    window exact: the engine's, our marker, or "none". `no_new_privileges` is None if unknown,
    `capabilities` if no checks of them were recorded.
    """

    id: str
    engine: str = ""
    container_id: str = ""
    container_name: str = ""
    image: str = ""
    command: Tuple[str, ...] = ()
    runtime: str = ""
    runtime_version: str = ""
    kernel: str = ""
    architecture: str = ""
    no_new_privileges: Optional[bool] = None
    filter: str = "none"
    started: Optional[int] = None
    ended: Optional[int] = None
    integrity: Tuple[Reason, ...] = ()
    notes: Tuple[str, ...] = ()
    extra: Extra = ()
    capabilities: Optional[Capabilities] = None
    runtime_path: str = ""
    runtime_build_id: str = ""


FILTERS = ("engine", "marker", "none")

# Whose user namespace a check was about: the host's; the container's own, where it has one; another
# one, which was made inside, or lies between the two.
HOST, CONTAINER, INNER = "host", "container", "inner"
NAMESPACES = (HOST, CONTAINER, INNER)
