"""
Reading and writing files on behalf of a program that runs as root.

Reading never blocks and never takes more than it should. Writing is all or nothing, decided early
(`prepare` before anything is recorded) and kept safe from whoever else may write where the path
leads: directories are opened one by one, no link that somebody else could have planted is
followed, nothing but an empty file or one of the kind being written is replaced. Standard streams
("-"), and what a document means, are the caller's.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack, contextmanager, suppress
from types import TracebackType
from typing import Callable, Dict, Iterator, List, Optional, Tuple, Type

from tracer.errors import InputError, OutputError

# Larger than any recording: 1,000 merged containers of 300 observations are about 70 MB.
READ_LIMIT = 256 * 1024 * 1024

_MODE = 0o644
_DIRECTORY = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LINK_LIMIT = 40
# open(2) with O_TMPFILE: EOPNOTSUPP where the file system has none, EISDIR and ENOENT where the
# kernel or a layer in between does not know the flag.
_NO_TMPFILE = (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL)
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK)
_HINTS: Dict[int, str] = {
    errno.EACCES: "choose a directory that you may write to",
    errno.EPERM: "the directory is immutable or the file system forbids it; choose another place",
    errno.ENOENT: "create the directory first",
    errno.ENOTDIR: "a part of the path is no directory",
    errno.EROFS: "the file system is read-only; choose another place",
    errno.ENOSPC: "free some space, or choose another place",
    errno.EDQUOT: "the disk quota is used up; free some space, or choose another place",
    errno.EIO: "the disk reports errors; choose another place",
}
_KINDS: Tuple[Tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)


def read_text(path: str, limit: int = READ_LIMIT) -> str:
    """Return the text of a regular file; raises InputError for whatever else it may be."""
    try:
        return _read_regular(path, limit).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {_reason(error)}") from error


def prepare(path: str, is_replaceable: Callable[[str], bool]) -> Destination:
    """
    Return the open destination of a file to be written later; raises OutputError if it cannot be.

    `is_replaceable` is given the text of a file that is already there and says whether it is of
    the kind to be written, and so may be replaced; an empty file always may. Bytes that are no
    text are in it as in `write`: by surrogateescape.
    """
    with _explained(path):
        directory, name = _split(path)
        with ExitStack() as opened:
            destination = Destination(path, _walk(directory), name, is_replaceable)
            opened.callback(destination.close)
            destination.check()
            opened.pop_all()
    return destination


def write_somewhere(text: str, name: str) -> str:
    """
    Return where a text was saved whose own destination failed, in a new private directory.

    The last resort, so that nothing recorded is lost: the current directory, TMPDIR and the usual
    temporary places, also those in memory. Raises OutputError if none of them takes it.
    """
    places = [os.curdir, os.environ.get("TMPDIR", ""), "/var/tmp", "/tmp", "/run", "/dev/shm"]
    for place in filter(None, places):
        with suppress(OSError, OutputError):
            return _save_privately(text, os.path.abspath(place), os.path.basename(name) or "saved")
    raise OutputError(f"{name}: could not be saved anywhere", "free some space")


class Destination:
    """
    A file to be written, whole or not at all, in a directory that is held open.

    `objection` says what else than its content speaks against replacing a file, if anything does.
    """

    def __init__(
        self,
        path: str,
        directory: int,
        name: str,
        is_replaceable: Callable[[str], bool],
        objection: Callable[[os.stat_result], str] = lambda status: "",
    ) -> None:
        self.path = path
        self._directory = directory
        self._name = name
        self._is_replaceable = is_replaceable
        self._objection = objection

    def __enter__(self) -> Destination:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the directory go; closing twice is harmless."""
        if self._directory >= 0:
            os.close(self._directory)
            self._directory = -1

    def beside(
        self, suffix: str, is_replaceable: Optional[Callable[[str], bool]] = None
    ) -> Destination:
        """
        Return, unchecked, the destination of the same name plus suffix in this directory.

        It is of the same kind unless it is said what else may be replaced there.
        """
        again = os.dup(self._directory)
        replaceable = is_replaceable or self._is_replaceable
        path, name = self.path + suffix, self._name + suffix
        return Destination(path, again, name, replaceable, self._objection)

    def check(self) -> None:
        """Raise OutputError unless this can, and may, be written now."""
        with _explained(self.path):
            self._mode_of_replaced()
            with ExitStack() as temporary:
                _open_temporary(self._directory, self._name, _MODE, temporary)

    def read(self) -> Optional[str]:
        """Return the text of the file that would be replaced, None if none is; or OutputError."""
        with _explained(self.path):
            if self._mode_of_replaced() is None:
                return None
            data = _read_regular(self._name, READ_LIMIT, self._directory)
            return data.decode("utf-8", "surrogateescape")

    def remove(self) -> None:
        """Remove the file if it might be replaced, and is there; raises OutputError."""
        with _explained(self.path):
            if self._mode_of_replaced() is not None:
                os.unlink(self._name, dir_fd=self._directory)

    def write(self, text: str) -> None:
        """
        Write the text: afterwards the file holds either all of it or what it held before.

        It is on the disk when this returns. Raises OutputError.
        """
        with _explained(self.path), ExitStack() as temporary:
            mode = self._mode_of_replaced()
            least = _MODE if mode is None else mode & _MODE
            file, linked = _open_temporary(self._directory, self._name, least, temporary)
            _write_all(file, text.encode("utf-8", "surrogateescape"))
            if mode is not None:
                os.fchmod(file, mode)
            os.fsync(file)
            self._publish(file, linked, replace=mode is not None, temporary=temporary)
            os.fsync(self._directory)

    # None if nothing is there; raises OutputError if what is there must not be replaced.
    def _mode_of_replaced(self) -> Optional[int]:
        try:
            status = os.stat(self._name, dir_fd=self._directory, follow_symlinks=False)
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(status.st_mode):
            raise OutputError(f"{self.path}: is {_kind(status.st_mode)}", "name a file")
        objection = self._objection(status)
        if objection:
            raise OutputError(f"{self.path}: {objection}", "choose another name, or remove it")
        if status.st_size and not self._may_replace():
            raise OutputError(
                f"{self.path}: is there already, and nothing that this command writes",
                "choose another name, or remove it",
            )
        return stat.S_IMODE(status.st_mode) & 0o777

    def _may_replace(self) -> bool:
        try:
            data = _read_regular(self._name, READ_LIMIT, self._directory)
        except InputError:
            return False
        return self._is_replaceable(data.decode("utf-8", "surrogateescape"))

    def _publish(
        self, file: int, linked: Optional[str], *, replace: bool, temporary: ExitStack
    ) -> None:
        if not replace and self._link(file, linked):
            return
        if linked is None:
            linked = _temporary_name(self._name)
            temporary.callback(_remove, linked, self._directory)
            _link_open_file(file, linked, self._directory)
        os.rename(linked, self._name, src_dir_fd=self._directory, dst_dir_fd=self._directory)

    # A link, unlike a rename, never replaces what somebody has put there in the meantime.
    def _link(self, file: int, linked: Optional[str]) -> bool:
        here = self._directory
        try:
            if linked is None:
                _link_open_file(file, self._name, here)
            else:
                os.link(linked, self._name, src_dir_fd=here, dst_dir_fd=here)
        except OSError as error:
            if linked is None or error.errno not in _NO_LINKS:
                raise
            return False
        return True


def _split(path: str) -> Tuple[str, str]:
    directory, name = os.path.split(path)
    if name in ("", os.curdir, os.pardir):
        raise OutputError(f"{path or 'an empty path'}: names no file", "add a file name")
    if "\0" in path:
        raise OutputError(f"{path}: a path cannot hold a NUL character")
    return directory, name


# Opens a directory component by component, so that every link on the way is seen and judged.
def _walk(directory: str) -> int:
    waiting = _components(directory)
    links = 0
    here = os.open("/" if directory.startswith("/") else ".", os.O_PATH | _DIRECTORY)
    try:
        while waiting:
            name = waiting.pop(0)
            target = _link_target(here, name)
            if target is not None:
                links += 1
                if links > _LINK_LIMIT:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                waiting = _components(target) + waiting
                name = "/" if target.startswith("/") else "."
            here = _step(here, name)
        return os.open(".", os.O_RDONLY | _DIRECTORY, dir_fd=here)
    finally:
        os.close(here)


def _components(path: str) -> List[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _step(here: int, name: str) -> int:
    there = os.open(name, os.O_PATH | _DIRECTORY, dir_fd=here)
    os.close(here)
    return there


def _link_target(here: int, name: str) -> Optional[str]:
    link = os.stat(name, dir_fd=here, follow_symlinks=False)
    if not stat.S_ISLNK(link.st_mode):
        return None
    if not _is_trusted(os.fstat(here)) or link.st_uid not in (0, os.geteuid()):
        raise OutputError(
            f"{name}: a symbolic link in a directory that others may write to is not followed",
            "give the path that it leads to",
        )
    return os.readlink(name, dir_fd=here)


# Whether nobody but root and ourselves can have put something into this directory.
def _is_trusted(directory: os.stat_result) -> bool:
    if directory.st_uid not in (0, os.geteuid()) or directory.st_mode & stat.S_IWOTH:
        return False
    return not directory.st_mode & stat.S_IWGRP or directory.st_gid in (0, os.getegid())


# Returns the open file and the name it has, None for one without a name (which a kill leaves no
# trace of). Whatever is left of it when `temporary` closes goes away. The umask applies to mode.
def _open_temporary(
    directory: int, name: str, mode: int, temporary: ExitStack
) -> Tuple[int, Optional[str]]:
    flags = os.O_RDWR | os.O_CLOEXEC
    linked: Optional[str] = None
    try:
        file = os.open(".", flags | os.O_TMPFILE, mode, dir_fd=directory)
    except OSError as error:
        if error.errno not in _NO_TMPFILE:
            raise
        linked = _temporary_name(name)
        new = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        file = os.open(linked, flags | new, mode, dir_fd=directory)
        temporary.callback(_remove, linked, directory)
    temporary.callback(os.close, file)
    return file, linked


def _temporary_name(name: str) -> str:
    return f".{name[:100]}.{os.urandom(8).hex()}.tmp"


def _link_open_file(file: int, name: str, directory: int) -> None:
    os.link(f"/proc/self/fd/{file}", name, dst_dir_fd=directory, follow_symlinks=True)


def _remove(name: str, directory: int) -> None:
    with suppress(OSError):
        os.unlink(name, dir_fd=directory)


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _save_privately(text: str, place: str, name: str) -> str:
    directory = os.path.join(place, f"seccomp-trace-{os.urandom(8).hex()}")
    os.mkdir(directory, 0o700)
    try:
        path = os.path.join(directory, name)
        with Destination(path, os.open(directory, _DIRECTORY), name, lambda _: False) as saved:
            saved.write(text)
        return path
    except BaseException:
        with suppress(OSError):
            os.rmdir(directory)
        raise


# Judged before it is opened, because opening a device can already do something.
def _read_regular(path: str, limit: int, directory: Optional[int] = None) -> bytes:
    _refuse_irregular(path, os.stat(path, dir_fd=directory).st_mode)
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    flags |= os.O_NOFOLLOW if directory is not None else 0
    with open(os.open(path, flags, dir_fd=directory), "rb") as file:
        _refuse_irregular(path, os.fstat(file.fileno()).st_mode)
        data = file.read(limit + 1)
    if len(data) > limit:
        raise InputError(f"{path}: larger than {limit} bytes")
    return data


def _refuse_irregular(path: str, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise InputError(
            f"{path}: is {_kind(mode)}", "name a regular file, or - for standard input"
        )


def _kind(mode: int) -> str:
    return next((kind for matches, kind in _KINDS if matches(mode)), "a device")


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


@contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written: {_reason(error)}", _HINTS.get(error.errno or 0, "")
        ) from error
