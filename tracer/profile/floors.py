"""
Runtime floors: what a runtime itself calls after it has loaded the container's filter.

A floor is a measurement of a runtime, its version, an architecture, a no-new-privileges setting and
an action (start, exec). It counts how many samples made each call. Trials refuse calls on purpose,
and count how many starts saw the refusal and how many of these failed. So a call has a class:

- required: refused, and a start that saw the refusal failed;
- survivable: refused with EPERM and with ENOSYS, and every start that saw a refusal worked;
- unknown: too rare to be seen refused often enough. It stays allowed, and nothing claims that a
  start fails without it.

A start in which the call did not happen proves nothing, so no trial counts it. A trial of several
calls says whether they can stand in for each other (`faccessat2`, else `faccessat`).

The measurements are data (`data/floors.json`, written by `scripts/measure-floor`). What a Go
runtime does now and then, which no number of samples is sure to show, is a table here. Which floors
a profile gets is `floor_choice`'s to decide; where this host keeps its own measurements is
`tracer.host_floors`'.

The file: {"version": 2, "floors": [{"runtime": "runc", "version": "1.3.6+ds1",
"architecture": "SCMP_ARCH_X86_64", "no_new_privileges": false, "action": "start", "samples": 200,
"date": "2026-12-01", "engine": "", "build_ids": ["8f1c..."],
"calls": {"openat": 200, "futex": 144},
"trials": [{"calls": ["statx"], "answer": "ENOSYS", "refused": 20, "failed": 20}]}]}
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import FrozenSet, Iterable, Mapping, Tuple

from tracer.document import Node, parse
from tracer.errors import InputError
from tracer.profile.risks import risk_of

VERSION = 2
ACTIONS = ("start", "exec")
EPERM, ENOSYS = "EPERM", "ENOSYS"
ANSWERS = (EPERM, ENOSYS)
REQUIRED, SURVIVABLE, UNKNOWN = "required", "survivable", "unknown"
# So many starts must see a call refused before it counts as survivable.
LEAST_REFUSED = 10

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

# No floor ever allows these. runc from 1.2.8 on tries the mount calls and goes on without
# (github.com/cyphar/filepath-securejoin, pathrs-lite/internal/procfs: newPrivateProcMount).
NEVER = frozenset(
    "fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree open_tree_attr "
    "pivot_root umount umount2".split()
)


@dataclass(frozen=True)
class RefusalTrial:
    """
    These calls got this answer, together: in `refused` starts at least one of them was seen to be
    refused, and so many of these starts `failed`. `answer` is EPERM or ENOSYS; `calls` are sorted.
    """

    calls: Tuple[str, ...]
    answer: str
    refused: int
    failed: int


@dataclass(frozen=True)
class Floor:
    """
    One measurement: of `samples` actions under this runtime, how many made each call.

    `architecture` is libseccomp's token; `version` is what the runtime calls itself. `engine` says
    how it was measured, if by an engine. `build_ids` are the ELF build ids of the measured files.
    """

    runtime: str
    version: str
    architecture: str
    no_new_privileges: bool
    action: str
    samples: int
    date: str
    engine: str
    build_ids: Tuple[str, ...]
    calls: Tuple[Tuple[str, int], ...]
    trials: Tuple[RefusalTrial, ...] = ()

    @property
    def key(self) -> Tuple[str, str, str, bool, str]:
        """What makes two measurements be of the same thing."""
        return (
            self.runtime,
            upstream(self.version),
            self.architecture,
            self.no_new_privileges,
            self.action,
        )

    @property
    def names(self) -> FrozenSet[str]:
        """The calls that any sample made."""
        return frozenset(name for name, _ in self.calls)

    def class_of(self, name: str) -> str:
        """Return REQUIRED, SURVIVABLE or UNKNOWN for a call."""
        alone = [trial for trial in self.trials if trial.calls == (name,)]
        if any(trial.failed for trial in alone):
            return REQUIRED
        survived = {trial.answer for trial in alone if trial.refused >= LEAST_REFUSED}
        return SURVIVABLE if survived.issuperset(ANSWERS) else UNKNOWN


def upstream(version: str) -> str:
    """
    Return a version without what a distribution has added: "1.3.6" of "1.3.6+ds1".

    The distribution's part names its packaging; the sources of the runtime are the same.
    """
    return version.partition("+")[0]


def version_order(version: str) -> Tuple[Tuple[int, ...], bool, str]:
    """Return a key that sorts as people count: 1.1.15 after 1.1.5, 1.3.0-rc.1 before 1.3.0."""
    plain = upstream(version)
    release = re.split(r"[-~]", plain)[0]
    numbers = tuple(int(digits) for digits in re.findall(r"[0-9]{1,9}", release))
    return numbers, plain == release, version


def permitted(floors: Iterable[Floor]) -> FrozenSet[str]:
    """
    Return what a profile allows for the sake of these floors.

    Required and unknown calls, survivable ones that open no risk class, and for a Go runtime what
    Go does now and then. Nothing of NEVER. A call is survivable here only if no floor requires it.
    """
    found = list(floors)
    names = {name for floor in found for name in floor.names if not is_spared(floor, name)}
    if any(floor.runtime in GO_RUNTIMES for floor in found):
        names |= set(GO_OCCASIONAL)
    return frozenset(names - NEVER)


def is_spared(floor: Floor, name: str) -> bool:
    """Say whether this floor's runtime does without a call whose permission opens a risk class."""
    return name in NEVER or (risk_of(name) is not None and floor.class_of(name) == SURVIVABLE)


@lru_cache(maxsize=None)
def shipped() -> Tuple[Floor, ...]:
    """Return the measurements that come with this package."""
    return read_floors(_data(), "floors.json")


def read_floors(text: str, source: str) -> Tuple[Floor, ...]:
    """Return the measurements in a data file; raises InputError that says what is wrong where."""
    root = Node(parse(text, source), source)
    root.child("version").integer(VERSION, VERSION)
    return tuple(_floor(entry) for entry in root.child("floors").items())


def render_floors(floors: Iterable[Floor]) -> str:
    """Return the text of a data file that `read_floors` reads back: a line for each trial."""
    entries = ",\n".join(_entry(floor) for floor in floors)
    return f'{{"version": {VERSION}, "floors": [\n{entries}\n]}}\n'


def _entry(floor: Floor) -> str:
    fields = {**asdict(floor), "calls": dict(floor.calls)}
    del fields["trials"]
    head = json.dumps(fields)[:-1].replace(', "calls"', ',\n  "calls"')
    trials = ",\n".join(f"   {json.dumps(asdict(trial))}" for trial in floor.trials)
    return f' {head},\n  "trials": [\n{trials}]}}' if trials else f' {head},\n  "trials": []}}'


def _data() -> str:
    # Not by importlib.resources, which takes longer than all else here; nothing of ours is zipped.
    return (Path(__file__).parent / "data" / "floors.json").read_text(encoding="utf-8")


def _floor(node: Node) -> Floor:
    samples = node.child("samples").integer(1, 10**9)
    calls = node.child("calls")
    return Floor(
        runtime=node.child("runtime").text(),
        version=node.child("version").text(),
        architecture=node.child("architecture").text(),
        no_new_privileges=node.child("no_new_privileges").boolean(),
        action=_known(node.child("action"), ACTIONS),
        samples=samples,
        date=node.child("date").text(),
        engine=node.child("engine").text(""),
        build_ids=tuple(item.text() for item in node.child("build_ids").items()),
        calls=tuple((name, calls.child(name).integer(1, samples)) for name in calls.others(())),
        trials=tuple(_trial(item) for item in node.child("trials").items()),
    )


def _trial(node: Node) -> RefusalTrial:
    refused = node.child("refused").integer(1, 10**9)
    return RefusalTrial(
        calls=tuple(sorted(item.text() for item in node.child("calls").items())),
        answer=_known(node.child("answer"), ANSWERS),
        refused=refused,
        failed=node.child("failed").integer(0, refused),
    )


def _known(node: Node, words: Tuple[str, ...]) -> str:
    if node.text() not in words:
        raise InputError(f"{node.source}: {node.path}: expected {' or '.join(words)}")
    return node.text()
