"""
Where a measurement happens: a mount namespace of this process's own, with a tmpfs in it.

It has the root directory of the containers, a bundle for each, and the runtime's state. Nobody else
sees it, and the kernel removes it with the last process that is in it, even if the measurement is
killed. A tmpfs of our own, since /run and /var/tmp may be mounted noexec.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Mapping

from tracer.errors import HostError
from tracer.measuring.programs import MACHINES, elf
from tracer.measuring.variants import DIRECTORY, ENDS, LASTS

PLACE = Path("/run/seccomp-trace/measuring")
CGROUPS = Path("/sys/fs/cgroup")

CLONE_NEWNS = 0x20000
MS_NOSUID, MS_NODEV, MS_REC, MS_PRIVATE = 2, 4, 0x4000, 0x40000
MNT_DETACH = 2

PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/sh\n"
GROUP = "root:x:0:\nuucp:x:10:\ndialout:x:20:\nnogroup:x:65534:\n"


def prepare(unified: bool, place: Path = PLACE) -> Path:
    """
    Move this process into a mount namespace of its own, and return the directory to work in.

    `unified`: where the host has a hybrid cgroup hierarchy, a pure cgroup v2 is mounted in its
    place, for a runtime that knows no hybrid one. Raises HostError.
    """
    machine = MACHINES.get(os.uname().machine)
    if machine is None:
        raise HostError(f"{os.uname().machine}: no programs for the containers of a measurement")
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HostError(f"{place}: cannot be made: {error.strerror}", "run it as root") from error
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.unshare(CLONE_NEWNS), "a mount namespace cannot be made")
    _mount(libc, "none", "/", "", MS_REC | MS_PRIVATE, "")
    # Others may pass, or a container with a user namespace would not reach its root.
    _mount(libc, "tmpfs", str(place), "tmpfs", MS_NOSUID | MS_NODEV, "mode=0711,size=64m")
    if unified and not (CGROUPS / "cgroup.controllers").exists():
        libc.umount2(str(CGROUPS).encode(), MNT_DETACH)
        _mount(libc, "none", str(CGROUPS), "cgroup2", 0, "")
    _make_root(
        place / "rootfs", {ENDS: elf(machine, machine.ends), LASTS: elf(machine, machine.lasts)}
    )
    return place


def _check(result: int, what: str) -> None:
    if result:
        raise HostError(f"{what}: {os.strerror(ctypes.get_errno())}", "run it as root of the host")


def _mount(
    libc: ctypes.CDLL, source: str, target: str, kind: str, flags: int, options: str
) -> None:
    words = [word.encode() for word in (source, target, kind)]
    result = libc.mount(*words, ctypes.c_ulong(flags), options.encode())
    _check(result, f"{target}: cannot be mounted")


def _make_root(root: Path, programs: Mapping[str, bytes]) -> None:
    for name in (DIRECTORY[1:], "dev", "etc", "proc", "run", "sys", "tmp"):
        (root / name).mkdir(parents=True)
        (root / name).chmod(0o755)
    root.chmod(0o755)
    (root / "etc" / "passwd").write_text(PASSWD)
    (root / "etc" / "group").write_text(GROUP)
    for path in (root / "etc" / "passwd", root / "etc" / "group"):
        path.chmod(0o644)
    for name, content in programs.items():
        path = root / DIRECTORY[1:] / name
        path.write_bytes(content)
        path.chmod(0o755)


@contextmanager
def cgroups_removed(name: str) -> Iterator[None]:
    """Remove, afterwards, the cgroups that runtimes left below this name in any hierarchy."""
    try:
        yield
    finally:
        for hierarchy in (CGROUPS, *CGROUPS.glob("*")):
            for directory, _, _ in os.walk(hierarchy / name, topdown=False):
                try:
                    os.rmdir(directory)
                except OSError:
                    pass  # a task in it is still ending; it goes with the next measurement
