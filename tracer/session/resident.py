"""
The recorder that stays: who may start it, find it, use it and take it away.

It is no daemon: `start` pins it and ends, and everybody else looks into its maps. What a killed
`run` has left there is let go by whoever comes next.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, AbstractSet, List, Mapping, Optional

from tracer import __version__
from tracer.errors import HostError
from tracer.kernel import pinned, program
from tracer.kernel.pinned import Stamp
from tracer.kernel.recorder import Recorder, full, own
from tracer.kernel.wire import ADOPTED, COMMAND, Head

if TYPE_CHECKING:  # imports half of the session, which would delay what only opens a recorder
    from tracer.session.looking import Tell

START = "seccomp-trace recorder start"
REPLACE = "seccomp-trace recorder start --replace"
LEFT_NS = 60_000_000_000  # how long an `attach` has to read what it recorded, after the end
MEMORY_CGROUPS = ("/sys/fs/cgroup", "/sys/fs/cgroup/memory")  # cgroups(7), versions 2 and 1


@dataclass(frozen=True)
class Left:
    """What went with a recorder: how many recordings of containers nobody had collected."""

    recordings: int
    running: int


def start(
    replace: bool = False,
    capacity: Mapping[str, int] = program.CAPACITY,
    with_denials: bool = False,
) -> bool:
    """
    Load a recorder and pin it; False if there is one of this version already.

    `with_denials`: count what filters deny to containers, too, which costs every call on the host.

    The calling process leaves its memory cgroup for the root of them.

    Raises HostError if that cannot be done, or one of another version is there and `replace` does
    not say that its recordings may go.
    """
    with pinned.lock():
        mounted = pinned.mount()
        present = pinned.stamp()
        if present is not None:
            if present.sources == program.identity():
                return False
            if not replace:
                raise _foreign(present, "replace it, with all that it holds: " + REPLACE)
            mounted = mounted or present.mounted
        try:
            _start(mounted, capacity, with_denials)
        except BaseException:
            if mounted:
                pinned.unmount()
            raise
        return True


def _start(mounted: bool, capacity: Mapping[str, int], with_denials: bool) -> None:
    _leave_memory_cgroup()
    with own(capacity) as recorder, ExitStack() as opened:
        recorder.make_resident()
        _make_own_container_known(recorder)
        beside = _beside(recorder, with_denials)
        for part in beside:
            opened.callback(part.close)
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        stamp = Stamp(__version__, program.identity(), now, mounted, _namespace())
        pinned.keep(program.united(recorder.loaded, *beside), stamp)


def _beside(recorder: Recorder, with_denials: bool) -> List[program.Loaded]:
    """What notes capability checks, where the kernel tells of them, and denials."""
    from tracer.kernel import checks, denials  # not for a hook that finds a recorder: 10 ms

    found: List[program.Loaded] = []
    with suppress(HostError):  # recordings, `status` and `doctor` say so
        found.append(checks.load_to_stay(recorder.threads, recorder.recordings))
    if with_denials:
        found.append(denials.load_to_stay(recorder.threads, recorder.recordings))
    return found


def _leave_memory_cgroup() -> None:
    """
    Go to the root of the memory cgroups: what a map takes is charged to whoever creates it, for as
    long as it exists (kernel/bpf/syscall.c, since 5.11), and a hook may be in a pod's.
    """
    for hierarchy in MEMORY_CGROUPS:
        with suppress(OSError):  # never made: where both versions are, the first is but a tmpfs
            root = os.open(f"{hierarchy}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(root, b"0")
            finally:
                os.close(root)


def _make_own_container_known(recorder: Recorder) -> None:
    """Where a cgroup namespace hides the container that we are in, the kernel side finds it."""
    with recorder.command() as recording:
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
    recorder.release({recording})


def stop() -> Optional[Left]:
    """
    Take the recorder away, whatever its version, and all that it holds; None if there is none.

    Raises HostError.
    """
    with pinned.lock():
        present = pinned.stamp()
        left = None if present is None else _left(present)
        pinned.leave()
        if present is not None and present.mounted:
            pinned.unmount()
        pinned.forget_lock()
        return left


def _left(present: Stamp) -> Left:
    if present.sources != program.identity():
        return Left(0, 0)  # nobody here can read what it holds
    try:
        with find() as recorder:
            held = [head for head in recorder.heads().values() if head.container]
    except HostError:  # it counts processes otherwise than we do
        return Left(0, 0)
    return Left(len(held), sum(head.alive > 0 for head in held))


def find() -> Recorder:
    """The recorder that stays. Raises HostError if there is none, or none that we can read."""
    present = pinned.stamp()
    if present is None:
        raise HostError("no recorder is running here", START)
    if present.sources != program.identity():
        raise _foreign(present, REPLACE)
    if present.namespace not in (0, _namespace()):
        raise HostError(
            "the recorder that is running here numbers processes as another PID namespace does",
            "go where it was started: on the host, or in a container with --pid=host",
        )
    loaded = pinned.opened()
    if loaded is None:
        raise HostError("the recorder is being stopped right now", START)
    recorder = Recorder(loaded)
    tidy(recorder)
    return recorder


def _namespace() -> int:
    return os.stat("/proc/self/ns/pid").st_ino


def ensure() -> Recorder:
    """The recorder that stays, started if there is none. Raises HostError."""
    with suppress(HostError):
        return find()
    start()
    return find()


def for_session(tell: Tell) -> Recorder:
    """
    The recorder that stays, or else one of our own; `tell` hears of one that cannot be used.

    Raises HostError.
    """
    try:
        present = pinned.stamp()
        if present is not None:
            return _with_room(find())
    except HostError as error:
        tell(f"{error}; recording without it")
    return own()


def _with_room(recorder: Recorder) -> Recorder:
    if recorder.is_full():
        with recorder:
            raise full("recordings")
    return recorder


def tidy(recorder: Recorder) -> None:
    """
    Let go of the recordings of commands whose `run` was killed, and of processes whose `attach`
    was: nobody will ask for them.
    """
    heads = recorder.heads()
    dead = {number for number, head in heads.items() if _is_left(head) and not is_there(head)}
    if dead:
        recorder.release(dead | {one for one in heads if _is_part(heads[one], dead)})


def _is_left(head: Head) -> bool:
    """Whether nobody but the one who made it, and should have let it go by now, knows of it."""
    if head.kind == ADOPTED and not head.container and not head.maker:
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        return now - max(head.last_exit, head.born) > LEFT_NS
    return head.kind == COMMAND


def _is_part(head: Head, dead: AbstractSet[int]) -> bool:
    """Whether a recording is a piece of such a command's own tree, and no container."""
    return head.outer in dead and not head.container and not head.launcher


def is_there(head: Head) -> bool:
    """Whether the process still exists that user space named when it made this recording."""
    try:
        with open(f"/proc/{head.first_process}/stat", encoding="utf-8", errors="replace") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
    except OSError:
        return False
    started = int(fields[19]) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")  # proc_pid_stat(5)
    return started <= head.born and fields[0] not in "ZX"


def is_running(head: Head) -> bool:
    """Whether a recording's container has not come to its end."""
    return is_there(head) if head.kind == ADOPTED else head.alive > 0


def _foreign(present: Stamp, hint: str) -> HostError:
    differs = present.version != __version__
    this = f"this is {__version__}" if differs else "this one's sources differ"
    return HostError(
        f"the recorder that is running here is another version's ({present.version}, and {this})",
        hint,
    )
