"""
The floors that this host has measured itself, beside those that come with the package.

They lie in one file of root's, below a directory that root alone may write to. A file that is
damaged, or that another user could have written, is not used: the measurements of the package are,
and `measured` reports why. Who measures is `tracer.measuring`; what a floor means is
`profile.floors`'.
"""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Dict, Iterable, Iterator, Tuple

from tracer import files
from tracer.errors import HostError, InputError
from tracer.profile.floors import Floor, read_floors, render_floors, shipped

DIRECTORY = "/var/lib/seccomp-trace"
FILE = "floors.json"
LIMIT = 16 * 1024 * 1024


@dataclass(frozen=True)
class Measured:
    """All measurements there are, this host's own in place of the package's; and what is wrong."""

    floors: Tuple[Floor, ...]
    problem: str = ""


def measured(directory: str = DIRECTORY) -> Measured:
    """Return the package's measurements and this host's; `problem`: why the latter are not used."""
    try:
        return Measured(united(shipped(), own(directory)))
    except InputError as error:
        return Measured(shipped(), f"{error}; only the floors of the package are used")


def own(directory: str = DIRECTORY) -> Tuple[Floor, ...]:
    """Return what this host has measured; none without a file. Raises InputError for a bad file."""
    path = os.path.join(directory, FILE)
    if not os.path.lexists(path):
        return ()
    for place in (directory, path):
        _check_owner(place)
    try:
        return read_floors(files.read_text(path, LIMIT), path)
    except InputError as error:
        hint = f"remove {path}: 'seccomp-trace floor measure' makes it again"
        raise InputError(error.message, hint) from error


def united(*groups: Iterable[Floor]) -> Tuple[Floor, ...]:
    """Return the floors of all groups; of two with the same key the later group's stays."""
    found: Dict[object, Floor] = {floor.key: floor for group in groups for floor in group}
    return tuple(found.values())


def keep(new: Iterable[Floor], directory: str = DIRECTORY) -> str:
    """
    Add measurements to this host's; return the file's path.

    Raises InputError for a file that is there and cannot be used, HostError or OutputError if it
    cannot be written.
    """
    with _locked(directory):
        return _write(united(own(directory), new), directory)


def forget(unwanted: Iterable[Floor], directory: str = DIRECTORY) -> str:
    """Remove measurements from this host's; return the file's path. Raises as `keep`."""
    keys = {floor.key for floor in unwanted}
    with _locked(directory):
        return _write((floor for floor in own(directory) if floor.key not in keys), directory)


def _write(floors: Iterable[Floor], directory: str) -> str:
    path = os.path.join(directory, FILE)
    with files.prepare(path, lambda text: True) as destination:
        destination.write(render_floors(floors))
    return path


@contextmanager
def _locked(directory: str) -> Iterator[None]:
    """Hold the directory, which is made if need be, so that no other measurement is lost."""
    _make(directory)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make(directory: str) -> None:
    try:
        os.makedirs(directory, mode=0o755, exist_ok=True)
    except OSError as error:
        raise HostError(
            f"{directory}: cannot be made: {error.strerror}", "run it as root"
        ) from error
    _check_owner(directory)


def _check_owner(path: str) -> None:
    try:
        status = os.lstat(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    if stat.S_ISLNK(status.st_mode):
        raise InputError(f"{path}: is a symbolic link, not root's own file")
    if status.st_uid != 0 or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise InputError(f"{path}: others than root may write to it", "check it, then remove it")
