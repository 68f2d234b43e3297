"""
A directory for the engines of one test session: image stores, sockets, configuration.

Not pytest's own temporary directories: pytest keeps those of the last three sessions, and these
hold hundreds of megabytes. In /var/tmp because /tmp is in memory on many hosts. What is still
mounted below it when the session ends is unmounted before it is removed.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def scratch_directory() -> Iterator[Path]:
    """
    Make the directory, with a path short enough for sockets; remove it in any case.
    """
    directory = Path(tempfile.mkdtemp(prefix="seccomp-trace-", dir="/var/tmp"))
    try:
        yield directory
    finally:
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
