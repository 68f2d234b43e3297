"""
Opening what a path leads to, and whether root alone could have placed it there.

What is judged is what is open: each directory and link is opened before it is looked at, so that
nobody can swap it in between. Nothing is opened for reading, which could already do something (a
device) or wait (a FIFO).
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from typing import List

LINK_LIMIT = 40  # as many as the kernel follows: MAXSYMLINKS, include/linux/namei.h
_ROOT = 0


@dataclass(frozen=True)
class Opened:
    """
    What a path leads to, open with O_PATH; the descriptor is the caller's to close.

    `owned`: it, and every directory and link on the way, is root's, and nobody else may write to
    it. `changed`: when it, or a link on the way, was last changed or put in its place: ns since the
    Unix epoch.
    """

    descriptor: int
    owned: bool
    changed: int


def open_path(path: str) -> Opened:
    """Open what an absolute path leads to. Raises OSError, ValueError for a path with a NUL."""
    here = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        owned, changed, links = is_roots(os.fstat(here)), 0, 0
        waiting = _components(path)
        while waiting:
            there = os.open(waiting.pop(0), os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
            here, before = there, here
            status = os.fstat(here)
            if not stat.S_ISLNK(status.st_mode):
                os.close(before)
                owned = owned and is_roots(status)
                continue
            links += 1
            owned, changed = owned and status.st_uid == _ROOT, max(changed, status.st_ctime_ns)
            target = os.readlink("", dir_fd=here)
            os.close(here)
            here = before
            if links > LINK_LIMIT:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            waiting = _components(target) + waiting
        return Opened(here, owned, max(changed, os.fstat(here).st_ctime_ns))
    except BaseException:
        os.close(here)
        raise


def is_roots(status: os.stat_result) -> bool:
    """
    Whether a file or directory is root's, and only root may write to it.

    An access control list that lets somebody write shows as the group's permission.
    """
    group = status.st_mode & stat.S_IWGRP and status.st_gid != _ROOT
    return status.st_uid == _ROOT and not status.st_mode & stat.S_IWOTH and not group


# An absolute path begins at the root: the first component of such a path is "/".
def _components(path: str) -> List[str]:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return ["/", *parts] if path.startswith("/") else parts
