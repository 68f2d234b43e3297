"""
Which threads belong to a container or a process that runs already, as /proc shows them.

A scope's processes are its first one, all descendants of what is in it, and where it has a cgroup
or a PID namespace of its own, whatever is in there. Processes come and go while /proc is read: one
look tells what was there, and who needs to be certain looks again until nothing is new.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from tracer.errors import HostError, InputError

CONTAINER_ID = re.compile(r"[0-9a-f]{64}")
_ENDED = "ZX"  # proc_pid_stat(5)
_DELETED = " (deleted)"
BE_WHO_MAY = "be root with CAP_SYS_PTRACE, and in no sandbox"  # ptrace(2), access mode checking


@dataclass(frozen=True)
class Scope:
    """
    Whose threads: `process` is the first one, by its number on this host.

    `container`: the id in its cgroup's name, or nothing. `cgroups`: those that have the name, as
    lines of proc_pid_cgroup(5) begin. `namespace`: the inode number of the PID namespace that it is
    the first process of, or 0.
    """

    process: int
    container: str = ""
    namespace: int = 0
    cgroups: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Confinement:
    """How a process is confined by seccomp: how many filters, and whether by no_new_privs."""

    filters: int
    no_new_privileges: bool


def scope_of(process: int, container: str = "") -> Scope:
    """
    The scope of a process; `container` counts if it is an id as engines give them.

    Raises InputError if there is no such process, HostError if it may not be looked at.
    """
    try:
        if _is_there(process):
            own = _status(process).get("NSpid", "").split()
            namespace = _namespace(process)
            first = bool(own) and own[-1] == "1" and namespace != _namespace("self")
            id = container if CONTAINER_ID.fullmatch(container) else ""
            cgroups = cgroups_of(id, _groups(process)) if id else ()
            return Scope(process, id, namespace if first else 0, cgroups)
    except PermissionError as error:
        raise HostError(f"process {process} may not be looked at", BE_WHO_MAY) from error
    except (FileNotFoundError, ProcessLookupError):
        pass
    raise InputError(f"there is no process {process}")


def confinement_of(process: int) -> Confinement:
    """How a process is confined now. Raises InputError if it is no more."""
    try:
        status = _status(process)
        return Confinement(int(status["Seccomp_filters"]), status["NoNewPrivs"].strip() == "1")
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"there is no process {process}") from error


def command_of(process: int) -> Tuple[str, ...]:
    """A process's command line; empty if it has none, or is no more."""
    with suppress(OSError):
        with open(f"/proc/{process}/cmdline", encoding="utf-8", errors="surrogateescape") as line:
            return tuple(line.read().split("\0")[:-1])
    return ()


def threads(scope: Scope) -> Dict[int, str]:
    """The scope's threads now, by number, each with its executable's path ("" if unknown)."""
    found: Dict[int, str] = {}
    for process in _processes(scope):
        path = _executable(process)
        with suppress(OSError):
            found.update((int(name), path) for name in os.listdir(f"/proc/{process}/task"))
    return found


def family(process: int) -> Set[int]:
    """A process and its descendants now, but for those whose parents have ended."""
    return _with_descendants({process}, dict(_parents()))


def _processes(scope: Scope) -> Set[int]:
    parents = dict(_parents())
    members = {one for one in parents if one == scope.process or _is_inside(one, scope)}
    return _with_descendants(members, parents)


def _with_descendants(members: Set[int], parents: Mapping[int, int]) -> Set[int]:
    members = set(members)
    children: Dict[int, List[int]] = {}
    for process, parent in parents.items():
        children.setdefault(parent, []).append(process)
    waiting = list(members)
    while waiting:
        new = [one for one in children.get(waiting.pop(), []) if one not in members]
        members.update(new)
        waiting += new
    return members


def _parents() -> Iterator[Tuple[int, int]]:
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = _stat(int(name))
            if fields is not None:
                yield int(name), int(fields[1])


def _is_inside(process: int, scope: Scope) -> bool:
    with suppress(OSError):
        if scope.namespace and _namespace(process) == scope.namespace:
            return True
        if scope.cgroups:
            return lies_in(scope.cgroups, _groups(process))
    return False


def cgroups_of(container: str, groups: str) -> Tuple[str, ...]:
    """The cgroups of a container that one of its processes is in, as the beginnings of lines."""
    found = (line.partition(container) for line in groups.splitlines() if container in line)
    return tuple(before + id + after.split("/")[0] for before, id, after in found)


def lies_in(cgroups: Sequence[str], groups: str) -> bool:
    """
    Whether a process is in one of these cgroups or below. That its own has the name is not enough:
    whoever was given a part of the tree may make one of any name there.
    """
    return any(f"{line}/".startswith(f"{one}/") for line in groups.splitlines() for one in cgroups)


def _groups(process: int) -> str:
    with open(f"/proc/{process}/cgroup", encoding="utf-8", errors="replace") as groups:
        return groups.read()


def _is_there(process: int) -> bool:
    fields = _stat(process)
    return fields is not None and fields[0] not in _ENDED


def _stat(process: int) -> Optional[List[str]]:
    """The fields of proc_pid_stat(5) from the state on; None if there is no such process."""
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as stat:
            return stat.read().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None


def _status(process: int) -> Dict[str, str]:
    with open(f"/proc/{process}/status", encoding="utf-8", errors="replace") as status:
        return dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)


def _namespace(process: object) -> int:
    return os.stat(f"/proc/{process}/ns/pid").st_ino


def _executable(process: int) -> str:
    """
    The path of a process's program as its own root shows it.

    The link tells it as our root would, for what lies below that, and otherwise from the mount on.
    """
    try:
        path, root = os.readlink(f"/proc/{process}/exe"), os.readlink(f"/proc/{process}/root")
    except OSError:
        return ""
    if path.endswith(_DELETED):
        path = path[: -len(_DELETED)]
    if root != "/" and path.startswith(root + "/"):
        return path[len(root) :]
    return path
