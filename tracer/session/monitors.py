"""
The runtime file of a container that runs already, by what is above its first process in /proc.

An option of conmon names the runtime. containerd's shim runs in the container's bundle, where the
file `runtime` names it, and searches its own PATH for a name without a directory (containerd's
runtime/v2/shim, go-runc's command). While a hook runs, the runtime itself is still there.

A monitor says what it was told to execute: nobody saw the exec. So `runtimes` believes it only if
the file has not been changed since the container's start.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from typing import Optional

from tracer.container.engines import KNOWN_RUNTIMES
from tracer.errors import InputError
from tracer.files import read_text
from tracer.kernel.wire import RuntimeExecuted
from tracer.session.naming import launch_of, parent, started

MOST_ABOVE = 3  # processes: a first process's runtime, what that has forked, its monitor
SHIM = "containerd-shim"
_PATH = b"PATH="
_LIMIT = 4096  # bytes of a shim's file


def executed_above(process: int) -> RuntimeExecuted:
    """Find the runtime file of the container of this first process; one of inode 0 if it cannot."""
    with suppress(OSError, ValueError, IndexError, InputError):
        since, above = started(process), process
        for _ in range(MOST_ABOVE):
            above = parent(above)
            path = _named_by(above)
            if path:
                return RuntimeExecuted(os.stat(path).st_ino, since, path)
    return RuntimeExecuted()


def _named_by(process: int) -> Optional[str]:
    """The runtime's path, if a process is a monitor, or a runtime executed from its own file."""
    launch = launch_of(process)
    if launch is not None:
        return launch.runtime
    executable = os.readlink(f"/proc/{process}/exe")
    if os.path.basename(executable).startswith(SHIM):
        return _told_to_shim(process)
    return executable if os.path.basename(executable) in KNOWN_RUNTIMES else None


def _told_to_shim(process: int) -> Optional[str]:
    name = read_text(f"/proc/{process}/cwd/runtime", _LIMIT).strip()
    with open(f"/proc/{process}/environ", "rb") as environment:
        words = environment.read().split(b"\0")
    path = next((word[len(_PATH) :] for word in words if word.startswith(_PATH)), b"")
    return name if name.startswith("/") else shutil.which(name, path=os.fsdecode(path))
