"""
Which runtime ran a container: the file that its monitor executed, read now.

The kernel side notes the file at the exec (bpf/runtime.c). If the path leads to another inode now,
or the file was changed since, it is not the file that ran, and the version is unknown. Device
numbers are not compared, for stat(2) and the kernel have different ones on btrfs.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Mapping, Optional

from tracer import host_floors
from tracer.container.runtime_file import RuntimeFile, read_runtime
from tracer.errors import InputError
from tracer.session.belonging import Container

UNKNOWN = "the runtime's version is unknown"
NOT_SEEN = f"{UNKNOWN}: nobody saw which file was executed"


@dataclass(frozen=True)
class Runtime:
    """
    The runtime of a container, as far as it is known. `note` says why its version is not.

    `name`: "runc", "crun", or the file's name. `path` and `build_id` are of the file that ran.
    """

    name: str = ""
    path: str = ""
    version: str = ""
    build_id: str = ""
    note: str = ""


def identify(
    container: Container, boot: int, measured: Optional[Mapping[str, str]] = None
) -> Runtime:
    """
    Tell which runtime ran a container.

    `boot`: ns to add to CLOCK_BOOTTIME for the Unix epoch. `measured`: versions by build id, by
    default those of all measurements there are.
    """
    executed, name = container.head.runtime, os.path.basename(container.runtime)
    if not executed.inode:
        return Runtime(name, note=NOT_SEEN if name else "")
    name = name or os.path.basename(executed.path)
    try:
        file = read_runtime(executed.path, measured_builds() if measured is None else measured)
    except InputError as error:
        return Runtime(name, executed.path, note=f"{UNKNOWN}: {error}")
    if file.inode != executed.inode or file.changed > executed.time + boot:
        note = f"{UNKNOWN}: {executed.path} was replaced or changed since the container started"
        return Runtime(name, executed.path, note=note)
    return _of_file(file, name)


@lru_cache(maxsize=None)
def measured_builds() -> Mapping[str, str]:
    """Return the version of each measured runtime, by its ELF build id."""
    return {
        build: floor.version for floor in host_floors.measured().floors for build in floor.build_ids
    }


def _of_file(file: RuntimeFile, name: str) -> Runtime:
    if not file.name and os.path.basename(file.path) != name:
        return Runtime(name, note=NOT_SEEN)  # the monitor's own: the runtime was not noted
    note = "" if file.version else f"{UNKNOWN}: {file.path} does not tell it"
    return Runtime(file.name or name, file.path, file.version, file.build_id, note)
