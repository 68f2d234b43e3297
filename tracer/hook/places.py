"""
Where root writes and reads because an annotation says so: nowhere that its author could misuse.

The rule, of which `hook install --help` has the short form. Whoever sets the annotation is taken to
be a user of this host who is not root and would like to use root's hands.

- The path is absolute and has no `..`. It is opened directory by directory, and no symbolic link is
  followed, not even root's own: what is checked is what is open, so swapping a directory between a
  check and a write leads nowhere else. All is checked anew when the profile is written.
- A directory that others than its owner may write to is passed only if it is root's and sticky
  (/tmp), and what is in it only if that is root's too. So nobody can lay out a directory there for
  root to walk into. A directory that only its owner may write to may be anybody's: what the owner
  could put in its place is the owner's own.
- An existing file is replaced only if it is root's, a regular file with no second hard link, and
  empty (people make it with mktemp) or a profile. "Another user" is everybody but root, which is
  who the runtime runs as: who set the annotation cannot be known (sudo's variables do not reach a
  hook), so a file of the user who seems to ask may as well be the file of the one who is attacked.
- No file is made in / itself or in the system's own directories (`_SYSTEM`), where a new file can
  do harm by being there (/etc/cron.d, /run/nologin), nor is a profile replaced there, which may be
  every container's default (/usr/share/containers/seccomp.json).
- `hook install --output-dir DIR` replaces the last point by a stricter one: everything that is
  written lies below DIR. Which directories have been passed is compared, not how paths are spelled.
- A baseline is read by the same rule, from anywhere but /dev, /proc and /sys. As reading destroys
  nothing, it may be another user's file if everybody may read that, in a directory that is not
  shared; and it may have a second hard link where only root can have made that (on ostree hosts
  every file has). It is no longer than BASELINE_LIMIT. What is wrong in it is said without quoting
  it: it may be a file that the annotation's author cannot read.

What the files mean is the caller's; writing whole or not at all is `tracer.files`'.
"""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Callable, FrozenSet, Iterator, NamedTuple, Optional, Sequence, Tuple

from tracer.errors import InputError
from tracer.files import Destination
from tracer.text import printable

BASELINE_LIMIT = 1024 * 1024  # Docker's default profile has 16 kB
REPLACED_LIMIT = 16 * BASELINE_LIMIT  # of a file that is read to see whether it is a profile

_KERNEL = ("/dev", "/proc", "/sys")
_SYSTEM = (
    *_KERNEL,
    "/bin",
    "/boot",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/run",
    "/sbin",
    "/usr",
    "/var/spool",
)
_DIRECTORY = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
ROOT = 0


class Identity(NamedTuple):
    """Which directory it is, by whatever name."""

    device: int
    inode: int


@dataclass(frozen=True)
class _Place:
    """
    An open directory at a path's end. `passed` are the directories on the way and itself; `shared`:
    others than its owner may put things there; `owned`: it is root's.
    """

    descriptor: int
    passed: Tuple[Identity, ...]
    shared: bool
    owned: bool


def output(
    path: str, is_replaceable: Callable[[str], bool], below: Optional[str] = None
) -> Destination:
    """
    Return the open destination of a file to be written; raises InputError.

    `is_replaceable` as in `files.prepare`; `below` is the directory of --output-dir. What is there
    already is judged when it is written, or checked.
    """
    with ExitStack() as opened, _explained(path):
        place = _descend(path)
        opened.callback(os.close, place.descriptor)
        if below is None:
            _refuse_system(path, place)
        else:
            _confine(path, place, below)
        destination = Destination(
            path, place.descriptor, os.path.basename(path), is_replaceable, _objection
        )
        opened.pop_all()
    return destination


def baseline(path: str) -> str:
    """Return the text of a file to be read as a baseline; raises InputError."""
    with ExitStack() as opened, _explained(path):
        place = _descend(path)
        opened.callback(os.close, place.descriptor)
        if _identities(_KERNEL).intersection(place.passed[1:]):
            raise InputError(f"{path}: no file of the kernel's is read as a baseline")
        file = os.open(
            os.path.basename(path),
            os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC,
            dir_fd=place.descriptor,
        )
        opened.callback(os.close, file)
        _refuse_unreadable(path, place, os.fstat(file))
        return _text_of(path, file)


def directory(path: str) -> None:
    """Raise InputError unless this directory can be one that outputs are confined to."""
    with _explained(path):
        os.close(_descend(os.path.join(path, "file")).descriptor)


# Opens the directory that a path's file is in, from the root on and without following any link.
def _descend(path: str) -> _Place:
    parts = [part for part in os.path.dirname(path).split("/") if part not in ("", ".")]
    if not path.startswith("/") or ".." in parts:
        raise InputError(f"{printable(path)}: no absolute path without ..")
    with ExitStack() as opened:
        here = os.open("/", os.O_PATH | _DIRECTORY)
        opened.callback(lambda: os.close(here))
        way = "/"
        passed = [_judged(way, os.fstat(here), shared=False)]
        for part in parts:
            way = os.path.join(way, part)
            there = _enter(here, part, way)
            os.close(here)
            here = there
            passed.append(_judged(way, os.fstat(here), shared=passed[-1].shared))
        readable = os.open(".", os.O_RDONLY | _DIRECTORY, dir_fd=here)
    last = passed[-1]
    identities = tuple(one.identity for one in passed)
    return _Place(readable, identities, last.shared, last.owned)


class _Judged(NamedTuple):
    identity: Identity
    shared: bool
    owned: bool


def _enter(here: int, part: str, way: str) -> int:
    try:
        return os.open(part, os.O_PATH | _DIRECTORY, dir_fd=here)
    except NotADirectoryError:
        found = os.stat(part, dir_fd=here, follow_symlinks=False)
        if stat.S_ISLNK(found.st_mode):
            raise InputError(
                f"{way}: is a symbolic link, and none is followed",
                "give the path that it leads to",
            ) from None
        raise


# `shared` is whether others may write to the directory that this one is in.
def _judged(way: str, status: os.stat_result, *, shared: bool) -> _Judged:
    if shared and status.st_uid != ROOT:
        raise InputError(
            f"{way}: belongs to another user, in a directory that everybody may write to",
            "choose another directory",
        )
    open_to_others = _is_open_to_others(status)
    if open_to_others and (status.st_uid != ROOT or not status.st_mode & stat.S_ISVTX):
        raise InputError(
            f"{way}: others may write to this directory, and change what is in it",
            "choose another directory, or take their write permission away",
        )
    identity = Identity(status.st_dev, status.st_ino)
    return _Judged(identity, open_to_others, status.st_uid == ROOT)


# An access control list that lets somebody write shows as the group's permission.
def _is_open_to_others(status: os.stat_result) -> bool:
    group = status.st_mode & stat.S_IWGRP and status.st_gid != ROOT
    return bool(status.st_mode & stat.S_IWOTH or group)


def _refuse_system(path: str, place: _Place) -> None:
    system = _identities(_SYSTEM).intersection(place.passed[1:])
    if system or len(place.passed) == 1:
        raise InputError(
            f"{path}: nothing is written into the system's own directories",
            "choose another directory, or name this one with hook install --output-dir",
        )


def _confine(path: str, place: _Place, below: str) -> None:
    with _explained(below):
        confines = _descend(os.path.join(below, "file"))
        os.close(confines.descriptor)
    if confines.passed[-1] not in place.passed:
        raise InputError(
            f"{path}: is not below {below}", "hook install --output-dir allows nothing else"
        )


def _identities(paths: Sequence[str]) -> FrozenSet[Identity]:
    found = []
    for path in paths:
        with suppress(OSError):
            status = os.stat(path)
            found.append(Identity(status.st_dev, status.st_ino))
    return frozenset(found)


def _objection(status: os.stat_result) -> str:
    if status.st_uid != ROOT:
        return "belongs to another user"
    if status.st_nlink > 1:
        return "has another name (a hard link)"
    if status.st_size > REPLACED_LIMIT:
        return f"is larger than {REPLACED_LIMIT} bytes"
    return ""


def _refuse_unreadable(path: str, place: _Place, status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise InputError(f"{path}: is a symbolic link", "give the path that it leads to")
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path}: is no regular file")
    if status.st_uid != ROOT and (place.shared or not status.st_mode & stat.S_IROTH):
        raise InputError(f"{path}: belongs to another user", "make a copy of your own")
    if status.st_nlink > 1 and (place.shared or not place.owned):
        raise InputError(f"{path}: has another name (a hard link)", "make a copy of it")


# What was judged is what is read: the descriptor is opened anew, and not the name.
def _text_of(path: str, file: int) -> str:
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    with open(os.open(f"/proc/self/fd/{file}", flags), "rb") as stream:
        data = stream.read(BASELINE_LIMIT + 1)
    if len(data) > BASELINE_LIMIT:
        raise InputError(f"{path}: larger than {BASELINE_LIMIT} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text") from None


@contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        # Not in the system's words, which podman would take for the container's command's.
        raise InputError(f"{path}: does not exist, or a directory of it does not") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
