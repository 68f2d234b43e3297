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
SYSTEM_DIRECTORIES = "/usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin".split()


def runtime_at(word: str) -> RuntimeFile:
    """
    Return what the file of a runtime is. `word`: its path or, without a slash, its name in the
    system's directories.

    Raises InputError for what is no runtime, or a file that others than root could have placed.
    """
    path = word if "/" in word or not word else _in_system(word)
    if not path or not os.path.lexists(path):
        raise InputError(f"{word}: there is no such file")
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
    """Return the runtimes in the system's directories; raises InputError as `runtime_at`."""
    return [runtime_at(name) for name in MEASURABLE if _in_system(name)]


def _in_system(name: str) -> str:
    paths = (os.path.join(directory, name) for directory in SYSTEM_DIRECTORIES)
    return next((path for path in paths if os.path.lexists(path)), "")


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
