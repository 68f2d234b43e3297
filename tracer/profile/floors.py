"""
Runtime floors: what a runtime itself calls after it has loaded the container's filter.

The measured part is data (`data/floors.json`, written by `scripts/measure-floor`): one entry per
runtime, version, no-new-privileges setting and action (start, exec), with how many of its samples
showed each call. The other part is what a Go runtime does now and then, which no number of samples
is sure to show. Which runtimes a profile is meant for is decided by who asks.

The file: {"version": 1, "floors": [{"runtime": "runc", "version": "1.1.5+ds1",
"engine": "podman 4.3.1", "no_new_privileges": false, "action": "start", "samples": 200,
"date": "2026-11-22", "calls": {"openat": 200, "futex": 144}}]}
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Dict, FrozenSet, Iterable, Mapping, Optional, Tuple

from tracer.document import Node, parse
from tracer.errors import InputError

VERSION = 1
ACTIONS = ("start", "exec")

# Written in Go, so that GO_OCCASIONAL belongs to their floor.
GO_RUNTIMES = frozenset({"runc"})

# What Go's scheduler, memory and signal handling may do in the thread that loaded the filter, with
# where that is in Go's src/runtime. runc locks that goroutine to its thread, and Go never starts a
# thread from a locked one (proc.go newm hands it to templateThread): so clone, rt_sigprocmask,
# gettid and the like, which belong to starting threads, are not among these. Read: netpoll_epoll.go
# and os_linux.go; the other places are from memory. Measured in 1,672 samples: futex, rt_sigreturn,
# and sched_yield once.
GO_OCCASIONAL: Mapping[str, str] = {
    "clock_gettime": "sys_linux_amd64.s nanotime1: where the vDSO cannot tell the time",
    "epoll_pwait": "netpoll_epoll.go netpoll, from proc.go startTheWorldWithSema; failing is fatal",
    "futex": "os_linux.go futexsleep, futexwakeup; failing to wake is fatal",
    "getpid": "os_linux.go signalM, beside tgkill",
    "madvise": "mem_linux.go sysUnused, sysHugePage: the heap grows or shrinks",
    "mmap": "mem_linux.go sysReserve, sysMap: the heap grows; failing is fatal",
    "munmap": "mem_linux.go sysFree: a reservation was in the way; failing is fatal",
    "nanosleep": "sys_linux_amd64.s usleep: spinning for a lock or another thread",
    "rt_sigreturn": "sys_linux_amd64.s sigreturn: after a preemption signal; failing is fatal",
    "sched_yield": "sys_linux_amd64.s osyield: spinning for a lock",
    "sigaltstack": "signal_unix.go sigFetchG, adjustSignalStack; failing is fatal",
    "tgkill": "os_linux.go signalM: the collector preempts another thread",
}


@dataclass(frozen=True)
class Floor:
    """One measurement: of `samples` actions under this runtime, how many made each call."""

    runtime: str
    version: str
    engine: str
    no_new_privileges: bool
    action: str
    samples: int
    date: str
    calls: Tuple[Tuple[str, int], ...]


def floor_for(runtime: str, no_new_privileges: Optional[bool]) -> FrozenSet[str]:
    """
    Return what this runtime may call inside the window before the container's own program runs.

    The union over every measured version, start and exec; with `no_new_privileges` None (unknown)
    over both settings. Empty for a runtime that `known_runtimes` does not name.
    """
    return floor_among(measured(), runtime, no_new_privileges)


def floor_among(
    floors: Tuple[Floor, ...], runtime: str, no_new_privileges: Optional[bool]
) -> FrozenSet[str]:
    """Return `floor_for` by these measurements instead of our own."""
    calls = {
        name
        for floor in floors
        if floor.runtime == runtime and no_new_privileges in (None, floor.no_new_privileges)
        for name, _ in floor.calls
    }
    return frozenset(calls | (set(GO_OCCASIONAL) if runtime in GO_RUNTIMES else set()))


def known_runtimes() -> FrozenSet[str]:
    """Return the runtimes that have been measured."""
    return frozenset(floor.runtime for floor in measured())


@lru_cache(maxsize=None)
def measured() -> Tuple[Floor, ...]:
    """Return the measurements that come with this package."""
    return read_floors(_data(), "floors.json")


def read_floors(text: str, source: str) -> Tuple[Floor, ...]:
    """Return the measurements in a data file; raises InputError that says what is wrong where."""
    root = Node(parse(text, source), source)
    root.child("version").integer(VERSION, VERSION)
    return tuple(_floor(one) for one in root.child("floors").items())


def render_floors(floors: Iterable[Floor]) -> str:
    """Return the text of a data file that `read_floors` reads back."""
    entries = [_entry(floor) for floor in floors]
    return json.dumps({"version": VERSION, "floors": entries}, indent=1) + "\n"


def _entry(floor: Floor) -> Dict[str, object]:
    return {**asdict(floor), "calls": dict(floor.calls)}


def _data() -> str:
    # Not by importlib.resources, which takes longer than all else here; nothing of ours is zipped.
    return (Path(__file__).parent / "data" / "floors.json").read_text(encoding="utf-8")


def _floor(node: Node) -> Floor:
    samples = node.child("samples").integer(1, 10**9)
    calls = node.child("calls")
    return Floor(
        runtime=node.child("runtime").text(),
        version=node.child("version").text(),
        engine=node.child("engine").text(""),
        no_new_privileges=node.child("no_new_privileges").boolean(),
        action=_action(node.child("action")),
        samples=samples,
        date=node.child("date").text(),
        calls=tuple((name, calls.child(name).integer(1, samples)) for name in calls.others(())),
    )


def _action(node: Node) -> str:
    if node.text() not in ACTIONS:
        raise InputError(f"{node.source}: {node.path}: expected {' or '.join(ACTIONS)}")
    return node.text()
