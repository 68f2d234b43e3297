"""
The file of an OCI runtime: which runtime of which version it is, and which build.

A path comes from any user's monitor, so the file is taken for hostile: it is opened without doing
or awaiting anything, what is read of it is bounded, and nothing is executed but a file of a known
runtime's name that root alone could have placed, if its version cannot be read from it.
"""

from __future__ import annotations

import os
import stat
import subprocess
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Dict, Iterator, Mapping, Tuple

from tracer.container.elf import Elf
from tracer.container.engines import KNOWN_RUNTIMES
from tracer.container.root_path import Opened, open_path
from tracer.container.runtime_version import Release, release_of
from tracer.errors import InputError

LARGEST = 256 * 1024 * 1024  # bytes; runc has 8 to 15 million
ANSWER_SECONDS = 5
_MOST_KNOWN = 64
_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)

# What was read of files, by what tells one state of a file from another.
_known: Dict[Tuple[int, ...], Tuple[Release, str]] = {}


@dataclass(frozen=True)
class RuntimeFile:
    """
    The file of a runtime. `name` ("runc", "crun", ...) and `version` are empty if the file does not
    tell them, `build_id` (ELF's, hexadecimal digits) if it has none.

    `owned`: root alone could have placed it there. `inode`: its number. `changed`: when the file,
    or a link that leads to it, was last changed or put in its place, ns since the Unix epoch.
    """

    path: str
    name: str
    version: str
    build_id: str
    owned: bool
    inode: int
    changed: int


def read_runtime(path: str, measured: Mapping[str, str] = {}) -> RuntimeFile:
    """
    Read which runtime the file at an absolute path is.

    What the file tells of itself goes first, then `measured`, which has versions by build id.
    Raises InputError for a path that is no program, cannot be read, or is changed meanwhile.
    """
    try:
        with _opened(path) as (opened, descriptor):
            before = os.fstat(descriptor)
            release, build_id = _read(path, descriptor, before)
            release = replace(release, version=release.version or measured.get(build_id, ""))
            if not release.version and opened.owned and os.path.basename(path) in KNOWN_RUNTIMES:
                release = _asked(descriptor)
            if _state(os.fstat(descriptor)) != _state(before):
                raise InputError(f"{path}: was changed while it was read")
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else "") or str(error)
        raise InputError(f"{path}: cannot be read: {reason}") from error
    return RuntimeFile(
        path=path,
        name=release.name,
        version=release.version,
        build_id=build_id,
        owned=opened.owned,
        inode=before.st_ino,
        changed=opened.changed,
    )


@contextmanager
def _opened(path: str) -> Iterator[Tuple[Opened, int]]:
    """What a path leads to, and a descriptor to read it with; a regular file of a sound size."""
    if not path.startswith("/"):
        raise InputError(f"{path}: is no absolute path")
    with ExitStack() as stack:
        opened = open_path(path)
        stack.callback(os.close, opened.descriptor)
        status = os.fstat(opened.descriptor)
        if not stat.S_ISREG(status.st_mode):
            kind = next((kind for is_it, kind in _KINDS if is_it(status.st_mode)), "no file")
            raise InputError(f"{path}: is {kind}, and no program")
        if status.st_size > LARGEST:
            raise InputError(f"{path}: is larger than {LARGEST} bytes, and no runtime")
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        descriptor = os.open(f"/proc/self/fd/{opened.descriptor}", flags)
        stack.callback(os.close, descriptor)
        yield opened, descriptor


def _state(status: os.stat_result) -> Tuple[int, ...]:
    """What differs once a file is another one, or has been changed."""
    return status.st_dev, status.st_ino, status.st_ctime_ns, status.st_mtime_ns, status.st_size


def _read(path: str, descriptor: int, status: os.stat_result) -> Tuple[Release, str]:
    key = _state(status)
    if key not in _known:
        file = Elf(descriptor, path)
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[key] = release_of(file), file.build_id()
    return _known[key]


def _asked(descriptor: int) -> Release:
    """What the open file says itself, executed without input and environment: `NAME version V`."""
    program = f"/proc/self/fd/{descriptor}"
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            ["runtime", "--version"],
            executable=program,
            pass_fds=(descriptor,),
            env={},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=ANSWER_SECONDS,
            check=True,
        )
        words = done.stdout.decode(errors="replace").split("\n")[0].split()
        if len(words) == 3 and words[0] in KNOWN_RUNTIMES and words[1] == "version":
            return Release(words[0], words[2])
    return Release()
