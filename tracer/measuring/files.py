"""
Which runtime files are measured: root's own, that do not change meanwhile.

`container.runtime_file` says what a file is. A runtime is executed as root here, so the file must
be one that root alone could have placed.
"""

from __future__ import annotations

import os
from typing import List, Sequence

from tracer.container.runtime_file import RuntimeFile, read_runtime
from tracer.errors import HostError, InputError
from tracer.profile.floor_choice import is_measured
from tracer.profile.floors import Floor
from tracer.session.assembly import this_host

MEASURABLE = ("runc", "crun")
SYSTEM_DIRECTORIES = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def runtime_at(path: str) -> RuntimeFile:
    """
    Return what the file of a runtime is; raises InputError for a path that is no runtime's, or a
    file that others than root could have placed.
    """
    if not os.path.lexists(path):
        raise InputError(f"{path}: there is no such file")
    found = read_runtime(os.path.abspath(path))
    if not found.owned:
        raise InputError(
            f"{path}: others than root could have placed this file, so it is not executed",
            "the file and every directory above must be root's, and others must not write to them",
        )
    if found.name not in MEASURABLE or not found.version:
        raise InputError(f"{path}: is no runtime that can be measured", "runc and crun can be")
    return found


def installed() -> List[RuntimeFile]:
    """Return the measurable runtimes in the system's directories; those that cannot be read not."""
    found: List[RuntimeFile] = []
    for name in MEASURABLE:
        for directory in SYSTEM_DIRECTORIES.split(":"):
            path = os.path.join(directory, name)
            if os.path.lexists(path):
                found.append(runtime_at(path))
                break
    return found


def unmeasured(runtimes: Sequence[RuntimeFile], floors: Sequence[Floor]) -> List[RuntimeFile]:
    """Return the runtimes whose version has no measurement for this architecture."""
    architecture = this_host().architecture
    return [
        runtime
        for runtime in runtimes
        if not is_measured(runtime.name, runtime.version, architecture, floors)
    ]


def check_unchanged(before: RuntimeFile) -> None:
    """Raise HostError if the file is not the one any more that it was."""
    try:
        unchanged = read_runtime(before.path) == before
    except InputError:
        unchanged = False
    if not unchanged:
        raise HostError(
            f"{before.path}: was changed while it was measured, and nothing is kept",
            "measure it again once its upgrade is over",
        )
