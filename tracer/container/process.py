"""
A container's processes as /proc shows them: credentials, user namespace, executable.

Nothing of this trusts the process. A process is held by its directory in /proc, which a later one
of the same number cannot take over; its executable is reached by the kernel's own link, which leads
to the very file, whatever the container's root or links are, and which is not opened for reading.
What the kernel makes of it all is `capabilities`'.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Iterator, Optional, Set, Tuple

from tracer.capabilities.attribute import ATTRIBUTE, FileCapabilities, decode
from tracer.capabilities.execution import Program
from tracer.capabilities.names import LAST_NAMED, MOST
from tracer.capabilities.namespace import UserNamespace, read_map
from tracer.capabilities.sets import Status, read_status
from tracer.container.tasks import BE_WHO_MAY, scope_of, threads
from tracer.errors import HostError, InputError

PROC = "/proc"
_ENDED = "Z", "X"  # proc_pid_stat(5)
_PF_EXITING, _PF_KTHREAD = 0x00000004, 0x00200000  # include/linux/sched.h
_NO_ATTRIBUTE = errno.ENODATA, errno.EOPNOTSUPP
# cap_inode_getsecurity hands out neither what is no version 2 or 3, nor what holds for no uid here.
_NOT_HANDED_OUT = {
    errno.EINVAL: "the kernel hands it to nobody (version 1, or damaged)",
    errno.EOVERFLOW: "it is of a user namespace that has no numbers here",
}


@dataclass(frozen=True)
class Executable:
    """
    The file that a process executes; its path as the process's own root has it.

    `problem` says why its capabilities cannot be told.
    """

    path: str
    program: Program
    problem: str = ""


@dataclass(frozen=True)
class Process:
    """A process with all its threads, the main one first; a kernel thread has no executable."""

    number: int
    threads: Tuple[Status, ...]
    namespace: UserNamespace
    executable: Optional[Executable]


def read_process(number: int, proc: str = PROC) -> Process:
    """
    The process of a number.

    Raises InputError if there is none, or it ends meanwhile; HostError if it may not be looked at.
    """
    with _directory(number, proc) as directory, _reading(number, directory):
        status = read_status(_text("status", directory))
        if status.state in _ENDED:
            raise InputError(f"process {number} has ended, and only waits to be reaped")
        return Process(
            status.process,
            _threads(directory, status),
            UserNamespace(
                _namespace("user", directory),
                read_map(_text("uid_map", directory)),
                read_map(_text("gid_map", directory)),
            ),
            _executable(directory, proc),
        )


def read_members(number: int, container: str = "") -> Tuple[Process, ...]:
    """
    A container's processes, its first one first, which is named; `tasks` says which they are.

    Raises InputError and HostError for the first one; others may end unseen.
    """
    found = [read_process(number)]
    seen = _numbers_of(found[0])
    for thread in sorted(threads(scope_of(number, container))):
        if thread in seen:
            continue
        with suppress(HostError, InputError):
            found.append(read_process(thread))
            seen |= _numbers_of(found[-1])
    return tuple(found)


def _numbers_of(process: Process) -> Set[int]:
    return {thread.numbers[0] for thread in process.threads}


def last_capability(proc: str = PROC) -> int:
    """The number of the running kernel's last capability."""
    try:
        with open(f"{proc}/sys/kernel/cap_last_cap", encoding="ascii") as file:
            return min(int(file.read(16)), MOST - 1)
    except (OSError, ValueError):
        return LAST_NAMED


@contextmanager
def _directory(number: int, proc: str) -> Iterator[int]:
    try:
        directory = os.open(f"{proc}/{number}", os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _absence(number, proc, error) from error
    try:
        yield directory
    finally:
        os.close(directory)


# hidepid=1 forbids to look, 2 and 4 deny that there is anything: proc(5).
def _absence(number: int, proc: str, error: OSError) -> Exception:
    if not os.path.exists(f"{proc}/self/status"):
        return HostError(f"{proc} is not mounted here", f"mount -t proc proc {proc}")
    if isinstance(error, PermissionError) or _exists(number):
        return HostError(f"{proc} hides process {number} (mounted with hidepid)", BE_WHO_MAY)
    return InputError(f"there is no process {number}")


def _exists(number: int) -> bool:
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _reading(number: int, directory: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if _is_gone(directory):
            raise InputError(f"process {number} ended while it was read") from error
        if isinstance(error, PermissionError):
            raise HostError(f"process {number} may not be looked at", BE_WHO_MAY) from error
        raise InputError(f"process {number} cannot be read: {error.strerror}") from error


def _is_gone(directory: int) -> bool:
    try:
        return bool(_flags(directory) & _PF_EXITING)
    except (FileNotFoundError, ProcessLookupError):
        return True
    except OSError:
        return False


# The ninth field is the task's flags; the second, its name, may have anything in it: proc(5).
def _flags(directory: int) -> int:
    return int(_text("stat", directory).rpartition(")")[2].split()[6])


def _text(name: str, directory: int) -> str:
    descriptor = os.open(name, os.O_RDONLY, dir_fd=directory)
    with open(descriptor, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def _threads(directory: int, main: Status) -> Tuple[Status, ...]:
    found = []
    tasks = os.open("task", os.O_RDONLY | os.O_DIRECTORY, dir_fd=directory)
    try:
        for name in sorted(os.listdir(tasks), key=int):
            try:
                found.append(read_status(_text(f"{name}/status", tasks)))
            except (FileNotFoundError, ProcessLookupError):
                continue  # a thread that has ended meanwhile
    finally:
        os.close(tasks)
    return tuple(sorted(found, key=lambda one: one.numbers[0] != main.process)) or (main,)


def _namespace(kind: str, directory: int) -> int:
    return os.stat(f"ns/{kind}", dir_fd=directory).st_ino


def _executable(directory: int, proc: str) -> Optional[Executable]:
    try:
        path = os.readlink("exe", dir_fd=directory)
    except FileNotFoundError:
        if _flags(directory) & _PF_KTHREAD:
            return None
        raise
    file = os.open("exe", os.O_PATH, dir_fd=directory)
    try:
        about = os.fstat(file)
        capabilities, problem = _attribute(f"{proc}/self/fd/{file}")
        nosuid = bool(os.fstatvfs(file).f_flag & os.ST_NOSUID)
    finally:
        os.close(file)
    program = Program(about.st_mode, about.st_uid, about.st_gid, capabilities, nosuid)
    return Executable(path, program, problem)


def _attribute(path: str) -> Tuple[Optional[FileCapabilities], str]:
    try:
        return decode(os.getxattr(path, ATTRIBUTE)), ""
    except InputError as error:
        return None, str(error)
    except OSError as error:
        if error.errno in _NO_ATTRIBUTE:
            return None, ""
        return None, _NOT_HANDED_OUT.get(error.errno or 0, str(error.strerror))
