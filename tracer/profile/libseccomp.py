"""
The one door to libseccomp, through PyPI's pyseccomp: names to numbers, rules to a filter program.

Imported on first use. What a profile's rules are is the caller's to say, in libseccomp's own
words; nothing here loads a filter. Another libseccomp may know other names: the one on this host
answers, and the runtimes of distributions use the same one.
"""

from __future__ import annotations

import ctypes
import errno
import importlib
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, Optional, Tuple, Union

from tracer.errors import HostError, InputError, SeccompTraceError
from tracer.profile import model
from tracer.profile.architectures import ARCHITECTURES
from tracer.profile.model import Condition

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_FILE = "libseccomp.so.2"
_NO_SUCH_CALL = -1  # __NR_SCMP_ERROR; other negative numbers are calls of other architectures
_PATIENCE = 5  # seconds; Docker's default profile takes 0.05
_MANY = 3000  # rules, beyond which a filter is hardly one that the kernel loads
_NEWEST_API = 6  # libseccomp 2.5: every action, whatever this host's kernel could do

# SECCOMP_RET_... of linux/seccomp.h.
_RETURNED = {
    model.KILL_PROCESS: 0x80000000,
    model.KILL_THREAD: 0x00000000,
    model.KILL: 0x00000000,
    model.TRAP: 0x00030000,
    model.ERRNO: 0x00050000,
    model.NOTIFY: 0x7FC00000,
    model.TRACE: 0x7FF00000,
    model.LOG: 0x7FFC0000,
    model.ALLOW: 0x7FFF0000,
}
_ACTION_OF = {number: action for action, number in _RETURNED.items() if action != model.KILL}
_MOST_ERRNO = 4095


@dataclass(frozen=True)
class Addition:
    """One call of seccomp_rule_add_array: a name that `knows`, a returned value, conditions."""

    name: str
    returned: int
    conditions: Tuple[Condition, ...]


def returned(action: str, number: Optional[int]) -> int:
    """Return the 32 bits by which a filter says an action; without an errno it is EPERM."""
    if action not in model.WITH_ERRNO:
        return _RETURNED[action]
    return _RETURNED[action] | ((model.EPERM if number is None else number) & 0xFFFF)


def said(value: int) -> Tuple[str, Optional[int]]:
    """Return the action that the 32 bits of a filter mean to the kernel, and its errno if any."""
    action = _ACTION_OF.get(value & 0xFFFF0000, model.KILL_PROCESS)
    if action == model.ERRNO:
        return action, min(value & 0xFFFF, _MOST_ERRNO)
    return action, value & 0xFFFF if action == model.TRACE else None


def version() -> Optional[Tuple[int, int, int]]:
    """
    Return the release of this host's libseccomp; None if it cannot be read.

    Its names say more than its release: distributions add calls to old releases.
    """
    try:
        function = ctypes.CDLL(_FILE).seccomp_version
    except (OSError, AttributeError):
        return None
    function.restype = ctypes.POINTER(ctypes.c_uint * 3)
    major, minor, micro = function().contents
    return major, minor, micro


def knows(name: str) -> bool:
    """Say whether libseccomp has the name, under any architecture; runtimes ignore others."""
    return _native_number(name) != _NO_SUCH_CALL


def number_of(architecture: str, name: str) -> Optional[int]:
    """
    Return libseccomp's number of a call, None for a name that it does not know.

    Negative for a call that the architecture does not have, or has in socketcall or ipc alone.
    """
    number = _number(ARCHITECTURES[architecture].number, name)
    return None if number == _NO_SUCH_CALL else number


def compile_filter(
    default: int, host: str, architectures: Iterable[str], additions: Iterable[Addition]
) -> bytes:
    """
    Return the filter program of these rules on a host.

    The host's own architecture is always among the architectures. Raises InputError for what
    libseccomp refuses, HostError if there is no libseccomp, or for a host of the other byte order:
    libseccomp 2.5.4 leaves some constants of such a program unswapped.
    """
    if ARCHITECTURES[host].byteorder != sys.byteorder:
        raise HostError(f"libseccomp cannot make filters for {host} here", "ask on such a host")
    built = _built(default, host, tuple(architectures), tuple(additions))
    if isinstance(built, InputError):
        raise built
    return built


# `lint` and `check` ask for the same filter several times; a refusal may take seconds, too.
@lru_cache(maxsize=4)
def _built(
    default: int, host: str, architectures: Tuple[str, ...], additions: Tuple[Addition, ...]
) -> Union[bytes, InputError]:
    build = partial(_build, default, host, architectures, additions)
    try:
        return _apart(build) if _may_take_long(additions) else build()
    except InputError as error:
        return error


def _build(
    default: int, host: str, architectures: Tuple[str, ...], additions: Tuple[Addition, ...]
) -> bytes:
    library = _library()
    try:
        filter_ = library.SyscallFilter(default)
        _set_architectures(library, filter_, host, architectures)
    except OSError as error:
        raise InputError(f"libseccomp refuses the profile: {error.strerror}") from error
    for one in additions:
        try:
            filter_.add_rule(one.returned, _native_number(one.name), *_arguments(library, one))
        except OSError as error:
            raise _refused(one, error) from error
    return _exported(filter_)


# libseccomp 2.5.4 loops for ever over some pairs of argument chains: two rules for one call with
# two conditions each (of 10,000 random profiles with such pairs 5, without them 0 of 12,000). And
# its time grows with the square of the rules for one call: 5,000 take half a second.
def _may_take_long(additions: Tuple[Addition, ...]) -> bool:
    chains = Counter(one.name for one in additions if len(one.conditions) > 1)
    return len(additions) > _MANY or any(count > 1 for count in chains.values())


# In a process of its own, since nothing else ends a loop in a library.
def _apart(build: Callable[[], bytes]) -> bytes:
    import multiprocessing

    forking = multiprocessing.get_context("fork")
    receiver, sender = forking.Pipe(duplex=False)
    process = forking.Process(target=_send, args=(sender, build), daemon=True)
    process.start()
    sender.close()
    try:
        result = receiver.recv() if receiver.poll(_PATIENCE) else None
    except EOFError:
        result = None
    finally:
        process.kill()
        process.join()
        receiver.close()
    if isinstance(result, bytes):
        return result
    raise result or InputError(
        f"libseccomp does not come to an end with this profile (not in {_PATIENCE} s)",
        "there are too many rules with conditions, or two for one call with several conditions "
        "each; no runtime starts a container so",
    )


def _send(sender: Connection, build: Callable[[], bytes]) -> None:
    try:
        sender.send(build())
    except SeccompTraceError as error:
        sender.send(error)


def _refused(addition: Addition, error: OSError) -> InputError:
    reason = error.strerror
    if error.errno == errno.EEXIST:
        reason = "another rule answers the same call differently under the same conditions"
    return InputError(
        f"libseccomp refuses the rule for {addition.name}: {reason}",
        "no runtime starts a container with this profile",
    )


def _set_architectures(
    library: Any, filter_: Any, host: str, architectures: Iterable[str]
) -> None:
    own = library.system_arch()
    wanted: Dict[int, str] = {}
    for token in (host, *architectures):
        wanted.setdefault(ARCHITECTURES[token].number, token)
    if own not in wanted:
        filter_.remove_arch(own)
    for number, token in wanted.items():
        if number == own:
            continue
        try:
            filter_.add_arch(number)
        except OSError as error:
            raise _refused_architecture(token, host, error) from error


# seccomp_arch_add(3): EDOM for another byte order, EINVAL for what it does not know.
def _refused_architecture(token: str, host: str, error: OSError) -> InputError:
    reasons: Dict[Optional[int], str] = {
        errno.EDOM: f"its byte order differs from that of {host}",
        errno.EINVAL: "this version does not know it",
    }
    return InputError(
        f"libseccomp refuses the architecture {token}: {reasons.get(error.errno, error.strerror)}",
        f"remove it; no runtime on {host} starts a container with this profile",
    )


def _arguments(library: Any, addition: Addition) -> Iterable[Any]:
    return [
        library.Arg(
            one.index, 1 + model.OPERATORS.index(one.operator), one.value, one.value_two
        )
        for one in addition.conditions
    ]


def _exported(filter_: Any) -> bytes:
    with tempfile.TemporaryFile() as file:
        filter_.export_bpf(file)
        file.seek(0)
        return file.read()


@lru_cache(maxsize=None)
def _native_number(name: str) -> int:
    return _number(0, name)


@lru_cache(maxsize=None)
def _number(architecture: int, name: str) -> int:
    try:
        text = name.encode()
    except UnicodeEncodeError:
        return _NO_SUCH_CALL
    if b"\0" in text:
        return _NO_SUCH_CALL
    number = _library().resolve_syscall(architecture, name)
    assert isinstance(number, int)
    return number


@lru_cache(maxsize=None)
def _library() -> Any:
    try:
        library = importlib.import_module("pyseccomp")
    except (ImportError, RuntimeError, OSError) as error:
        raise HostError(
            f"libseccomp cannot be used ({error})",
            "install it (libseccomp2, libseccomp) and the Python package pyseccomp",
        ) from error
    with suppress(OSError, NotImplementedError):
        library.set_api(_NEWEST_API)
    return library
