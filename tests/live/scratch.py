"""
A directory for the engines of one test session: image stores, sockets, configuration.

Not pytest's own temporary directories: pytest keeps those of the last three sessions, and these
hold hundreds of megabytes. In /var/tmp because /tmp is in memory on many hosts. What is still
mounted below it when the session ends is unmounted before it is removed. A session that is killed
leaves its directory to the next one: whose owner lives no more is seen from the lock in it.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

PLACE = Path("/var/tmp")
PREFIX = "seccomp-trace-tests-"
LOCK = "owner.lock"


@contextlib.contextmanager
def scratch_directory() -> Iterator[Path]:
    """
    Make the directory, with a path short enough for sockets; remove it in any case.
    """
    for stale in PLACE.glob(f"{PREFIX}*"):
        with contextlib.suppress(FileNotFoundError, BlockingIOError), _owned(stale, create=False):
            _remove(stale)
    directory = Path(tempfile.mkdtemp(prefix=PREFIX, dir=PLACE))
    with _owned(directory, create=True):
        try:
            yield directory
        finally:
            _remove(directory)


@contextlib.contextmanager
def _owned(directory: Path, *, create: bool) -> Iterator[None]:
    with (directory / LOCK).open("w" if create else "r") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _remove(directory: Path) -> None:
    unmount_below(directory)
    shutil.rmtree(directory)


def unmount_below(directory: Path) -> None:
    """
    Unmount every file system mounted below a directory, the innermost first.
    """
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    mount_points = [line.split(" ")[4] for line in lines]
    for mount_point in reversed(mount_points):
        if mount_point.startswith(f"{directory}/"):
            subprocess.run(["umount", "--lazy", mount_point], check=False)
