"""
The recorder that stays: its maps, programs and links pinned in bpffs, where they outlive us all.

bpffs has what is in `PLACE/recorder`: a directory each for maps, programs and links, and a map with
the stamp, which says whose they are. All of it comes and goes at once, by renaming the directory,
so that nobody ever sees a part; what a killed process left half done is removed by the next one.

What belongs here: the names in bpffs, the stamp, and the lock under which they change. What does
not: what the maps hold (`recorder`), and who may start and stop (`tracer.session.resident`).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import stat
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Dict, Iterator, Optional, Union

from tracer.errors import HostError
from tracer.kernel import bpf, preemption, program
from tracer.kernel.program import Loaded

BPFFS = Path("/sys/fs/bpf")
PLACE = BPFFS / "seccomp-trace"
LOCK = Path("/run/seccomp-trace/recorder.lock")
KINDS = ("maps", "programs", "links")

MAGIC = 0xCAFE4A11  # BPF_FS_MAGIC, include/uapi/linux/magic.h
_MOUNT_FLAGS = 2 | 4 | 8  # MS_NOSUID, MS_NODEV, MS_NOEXEC
_DETACH = 2  # MNT_DETACH

STAMP_SIZE = 1024  # of its map's one value: JSON, and zeros. Every version keeps to that.
_ARRAY = 2  # BPF_MAP_TYPE_ARRAY

OWN_FILES = frozenset(("maps.debug", "progs.debug"))  # kernel/bpf/preload, since 5.10

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Stamp:
    """
    Whose recorder it is.

    `sources`: hash of what was compiled, without which its maps' layout is unknown. `started`: ns,
    CLOCK_BOOTTIME. `mounted`: bpffs was mounted for it. `namespace`: the inode number of the PID
    namespace whose numbers of processes it holds, 0 if unknown.
    """

    version: str
    sources: str
    started: int
    mounted: bool
    namespace: int = 0


@contextmanager
def lock() -> Iterator[None]:
    """
    Be the only one who changes what is pinned. The lock goes with its process.

    Raises HostError.
    """
    if os.geteuid() != 0:
        raise program.unprivileged()
    with ExitStack() as opened:
        try:
            opened.callback(os.close, _locked())
        except OSError as error:
            raise _explained(error, LOCK) from error
        yield


def _locked() -> int:
    """The locked file's descriptor. It may have been removed, by `forget_lock`, while we waited."""
    while True:
        with suppress(FileExistsError):
            os.mkdir(LOCK.parent, 0o755)
        with suppress(FileNotFoundError):  # the directory goes with it
            descriptor = _lock_file()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                return descriptor
            os.close(descriptor)


def _lock_file() -> int:
    directory = os.open(LOCK.parent, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        _check_owner(directory, LOCK.parent)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        return os.open(LOCK.name, flags, 0o600, dir_fd=directory)
    finally:
        os.close(directory)


def forget_lock() -> None:
    """Remove the lock's file, and its directory if nothing else is in it. Hold the lock."""
    with suppress(OSError):
        LOCK.unlink()
        LOCK.parent.rmdir()


def mount() -> bool:
    """
    Mount bpffs unless it is; whether that was necessary. Hold the lock.

    Raises HostError if it cannot be, or if something else is mounted there.
    """
    if _is_bpffs():
        return False
    if BPFFS.is_dir() and os.path.ismount(BPFFS):
        raise HostError(f"{BPFFS}: what is mounted there is no BPF filesystem", f"umount {BPFFS}")
    arguments = (b"bpf", os.fsencode(BPFFS), b"bpf", _MOUNT_FLAGS, b"mode=0700")
    if _libc.mount(*arguments):
        code = ctypes.get_errno()
        raise HostError(f"{BPFFS}: the BPF filesystem cannot be mounted: {os.strerror(code)}")
    return True


def unmount() -> None:
    """Undo `mount`, unless others have put something there since. Hold the lock."""
    with suppress(OSError):
        if OWN_FILES.issuperset(os.listdir(BPFFS)):
            _libc.umount2(os.fsencode(BPFFS), _DETACH)


def keep(loaded: Loaded, stamp: Stamp) -> None:
    """
    Pin a loaded recorder. Hold the lock, and have nothing pinned.

    Raises HostError; then nothing is.
    """
    try:
        with suppress(FileExistsError):
            os.mkdir(PLACE, 0o700)
        _check_owner(PLACE, PLACE)
        remove()
        with _all_or_nothing():
            _pin_all(loaded, stamp, PLACE / "starting")
            os.rename(PLACE / "starting", PLACE / "recorder")
    except OSError as error:
        raise _explained(error, PLACE) from error


@contextmanager
def _all_or_nothing() -> Iterator[None]:
    """Whatever ends the context early, Ctrl-C too, leaves nothing of ours."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            remove()
            os.rmdir(PLACE)
        raise


def _pin_all(loaded: Loaded, stamp: Stamp, place: Path) -> None:
    os.mkdir(place, 0o700)
    for kind in KINDS:
        os.mkdir(place / kind, 0o700)
        for name, descriptor in getattr(loaded, kind).items():
            bpf.pin(descriptor, str(place / kind / name))
    value = json.dumps(asdict(stamp)).encode().ljust(STAMP_SIZE, b"\0")
    descriptor = bpf.create_map("stamp", _ARRAY, 4, STAMP_SIZE, 1, 0)
    try:
        bpf.update(descriptor, bytes(4), value)
        bpf.pin(descriptor, str(place / "stamp"))
    finally:
        os.close(descriptor)


def stamp() -> Optional[Stamp]:
    """
    The stamp of what is pinned, or None if nothing is.

    Raises HostError if there is something else in its place, or no privilege to look.
    """
    try:
        if not _is_bpffs() or not PLACE.exists():
            return None
        _check_owner(PLACE, PLACE)
        descriptor = bpf.pinned(str(PLACE / "recorder" / "stamp"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _explained(error, PLACE) from error
    try:
        return _read(descriptor)
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> Stamp:
    """A stamp of whatever version: what it lacks is empty."""
    try:
        value = bpf.lookup(descriptor, bytes(4), STAMP_SIZE) or b""
        fields = json.loads(value.rstrip(b"\0"))
        return Stamp(
            version=str(fields.get("version", "")),
            sources=str(fields.get("sources", "")),
            started=int(fields.get("started", 0)),
            mounted=bool(fields.get("mounted", False)),
            namespace=int(fields.get("namespace", 0)),
        )
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return Stamp("of an unknown version", "", 0, False)


def opened() -> Optional[Loaded]:
    """
    Descriptors of what is pinned; None if nothing is, or if it is being removed right now.

    Whoever holds them keeps it alive. Raises HostError.
    """
    if preemption.is_classic():
        bpf.hold_processor()
    groups: Dict[str, Dict[str, int]] = {kind: {} for kind in KINDS}
    loaded = Loaded(**groups)
    try:
        for kind in KINDS:
            for entry in sorted(os.listdir(PLACE / "recorder" / kind)):
                groups[kind][entry] = bpf.pinned(str(PLACE / "recorder" / kind / entry))
    except FileNotFoundError:
        loaded.close()
        return None
    except OSError as error:
        loaded.close()
        raise _explained(error, PLACE) from error
    return loaded


def remove() -> None:
    """
    Take away all that is pinned, and what others left half done. Hold the lock.

    Raises OSError.
    """
    with suppress(FileNotFoundError):
        os.rename(PLACE / "recorder", PLACE / "stopping")
    for name in ("starting", "stopping"):
        _remove_tree(PLACE / name)


def leave() -> None:
    """Remove our directory, too. Hold the lock. Raises HostError."""
    try:
        remove()
        with suppress(FileNotFoundError):
            os.rmdir(PLACE)
    except OSError as error:
        raise _explained(error, PLACE) from error


def _remove_tree(place: Path) -> None:
    """
    Links first: what is detached no longer writes to maps that go.

    Another version may have more in there than we know.
    """
    if not place.exists():
        return
    for entry in sorted(os.scandir(place), key=lambda entry: entry.name != "links"):
        if entry.is_dir(follow_symlinks=False):
            _remove_tree(place / entry.name)
        else:
            os.unlink(place / entry.name)
    os.rmdir(place)


def _is_bpffs() -> bool:
    """statfs(2): the type is the first word of struct statfs."""
    answer = ctypes.create_string_buffer(256)
    if _libc.statfs(os.fsencode(BPFFS), answer):
        return False
    return int.from_bytes(answer.raw[:8], "little") == MAGIC


def _check_owner(place: Union[Path, int], named: Path) -> None:
    """Raise HostError unless only root can write in a directory."""
    status = os.stat(place) if isinstance(place, int) else os.lstat(place)
    others = stat.S_IWGRP | stat.S_IWOTH
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & others:
        raise HostError(
            f"{named}: others can write there", "remove it, after a look at whose it is"
        )


def _explained(error: OSError, place: Path) -> HostError:
    if error.errno in (errno.EPERM, errno.EACCES):
        return program.unprivileged()
    hint = "mount -o remount,rw " + str(BPFFS) if error.errno == errno.EROFS else "run doctor"
    return HostError(f"{place}: {os.strerror(error.errno or 0)}", hint)
