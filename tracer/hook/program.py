"""
The program that a runtime starts as root: which it is, and that nobody else can have changed it.

It is Python itself with this package, and not the console script: without the command line's own
packages, and without the module site, it starts in a third of the time, and it starts twice for
every container.
"""

from __future__ import annotations

import os
import stat
import sys
import sysconfig
from pathlib import Path
from typing import Iterator, List, Sequence, Tuple

import tracer
from tracer.errors import HostError

# Isolated: neither the working directory, which is the container's bundle, nor the caller's
# environment say which modules are loaded; nor does site, which reads whatever .pth files say.
_OPTIONS = ("-I", "-S", "-c")
_CODE = "import sys; sys.path += {places}; from tracer.hook.__main__ import run; run()"
_PACKAGES = ("site-packages", "dist-packages")
ROOT = 0


def program() -> Tuple[str, ...]:
    """
    The words that start the hook; raises HostError unless only root can change what they start.
    """
    interpreter = os.path.abspath(sys.executable)
    package = os.path.dirname(os.path.abspath(tracer.__file__))
    refuse_changeable(interpreter, sysconfig.get_path("purelib"), *_below(package))
    return (interpreter, *_OPTIONS, _CODE.format(places=_places(os.path.dirname(package))))


def _places(package: str) -> List[str]:
    """Where modules are looked for besides Python's own place: only where root alone can write."""
    found = [package]
    for place in sys.path:
        if os.path.basename(place) in _PACKAGES and place not in found and os.path.isdir(place):
            if not any(_is_changeable(os.lstat(part)) for part in _on_the_way([place])):
                found.append(place)
    return found


def refuse_changeable(*paths: str) -> None:
    """Raise HostError if another than root could put something else in a path's place."""
    for part in _on_the_way(paths):
        if _is_changeable(os.lstat(part)):
            raise HostError(
                f"{part}: somebody else than root may change it, and so what runs as root for "
                "every container",
                "install seccomp-trace as root, where only root may write",
            )


def _is_changeable(status: os.stat_result) -> bool:
    if status.st_uid != ROOT:
        return True
    if stat.S_ISLNK(status.st_mode):
        return False
    if stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX:
        return False  # what is in it is looked at too
    group = status.st_mode & stat.S_IWGRP and status.st_gid != ROOT
    return bool(status.st_mode & stat.S_IWOTH or group)


def _below(package: str) -> Iterator[str]:
    yield package
    yield from map(str, Path(package).rglob("*"))


# The paths, all directories above them, and the same of what links on the way lead to.
def _on_the_way(paths: Sequence[str]) -> Iterator[str]:
    seen = set()
    waiting = list(paths)
    while waiting:
        part = waiting.pop()
        if part in seen:
            continue
        seen.add(part)
        yield part
        if os.path.islink(part):
            waiting.append(_target(part))
        if part != "/":
            waiting.append(os.path.dirname(part))


def _target(link: str) -> str:
    return os.path.normpath(os.path.join(os.path.dirname(link), os.readlink(link)))
