"""
A thread's credentials, as far as capabilities depend on them, and what /proc/PID/status says.

What becomes of them in an execve is `execution`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Mapping, Optional, Tuple

from tracer.errors import InputError

KINDS = ("inheritable", "permitted", "effective", "bounding", "ambient")

# Where the sets are in /proc/PID/status: proc_pid_status(5).
_FIELDS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")

SECURE_NOROOT = 1 << 0  # include/uapi/linux/securebits.h
SECURE_KEEP_CAPS = 1 << 4
# The bits by their numbers, each with its lock, as systemd.exec(5) and setpriv(1) name them.
_SECUREBITS = ("noroot", "no-setuid-fixup", "keep-caps", "no-cap-ambient-raise")


@dataclass(frozen=True)
class Sets:
    """The five sets of a thread, each a mask."""

    inheritable: int = 0
    permitted: int = 0
    effective: int = 0
    bounding: int = 0
    ambient: int = 0

    def of(self, kind: str) -> int:
        """The set of this kind, one of KINDS."""
        value = getattr(self, kind)
        assert isinstance(value, int)
        return value


def securebit_names(bits: int) -> Tuple[str, ...]:
    """The names of securebits; what has none is a number."""
    names = [name for bit in _SECUREBITS for name in (bit, f"{bit}-locked")]
    known = [name for number, name in enumerate(names) if bits >> number & 1]
    unknown = bits >> len(names) << len(names)
    return (*known, *((f"{unknown:#x}",) if unknown else ()))


@dataclass(frozen=True)
class Ids:
    """A thread's user or group ids, as the reader's user namespace numbers them."""

    real: int
    effective: int
    saved: int
    filesystem: int


@dataclass(frozen=True)
class Credentials:
    """
    What the kernel's rules for capabilities ask of a thread.

    `no_new_privileges`: None where the kernel does not tell. `securebits`: None where nobody told;
    /proc does not.
    """

    uids: Ids
    gids: Ids
    sets: Sets
    groups: Tuple[int, ...] = ()
    no_new_privileges: Optional[bool] = False
    securebits: Optional[int] = None


@dataclass(frozen=True)
class Status:
    """
    What /proc/PID/status says of a thread.

    `numbers` are its ids in the PID namespaces that it is in, the reader's first; `comm` has what
    the kernel has escaped in it. `state` is one letter: Z has ended.
    """

    comm: str
    state: str
    process: int
    parent: int
    numbers: Tuple[int, ...]
    credentials: Credentials


def read_status(text: str) -> Status:
    """The thread that a /proc/PID/status is of; raises InputError for what is none."""
    fields = _fields(text)
    try:
        return Status(
            fields["Name"],
            fields["State"][:1],
            int(fields["Tgid"]),
            int(fields["PPid"]),
            _numbers(fields.get("NSpid", fields["Pid"])),
            Credentials(
                _ids(fields["Uid"]),
                _ids(fields["Gid"]),
                Sets(*(int(fields.get(name, "0"), 16) for name in _FIELDS)),
                _numbers(fields.get("Groups", "")),
                _flag(fields.get("NoNewPrivs")),
            ),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise InputError("no status of a process, as /proc has it") from error


# The kernel escapes line breaks in the one field that a process chooses, its name.
def _fields(text: str) -> Mapping[str, str]:
    fields: Dict[str, str] = {}
    for line in text.split("\n"):
        name, _, value = line.partition(":")
        fields.setdefault(name, value.strip("\t "))
    return fields


def _numbers(text: str) -> Tuple[int, ...]:
    return tuple(int(word) for word in text.split())


def _ids(text: str) -> Ids:
    return Ids(*_numbers(text))


def _flag(value: Optional[str]) -> Optional[bool]:
    return None if value is None else value != "0"
