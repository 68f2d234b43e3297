"""
The marker filter: a rule that changes nothing, so that a runtime loads a filter and the window is
exact even for a container that is meant to be recorded unconfined.

Its file is always the same one with the same content, so that nothing has to be cleaned up, not
even by a tracer that is killed. In /run, where a rootless engine reads it too and only root writes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Mapping

from tracer import files
from tracer.errors import OutputError

FILE = Path("/run/seccomp-trace/marker.json")

# No descriptor has this number, and EBADF is what the kernel itself would answer. Every
# architecture is named, since libseccomp kills what calls under another one.
MARKER: Mapping[str, object] = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "architectures": [
        "SCMP_ARCH_X86_64",
        "SCMP_ARCH_X86",
        "SCMP_ARCH_X32",
        "SCMP_ARCH_AARCH64",
        "SCMP_ARCH_ARM",
    ],
    "syscalls": [
        {
            "names": ["close"],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": 9,
            "args": [{"index": 0, "value": 0xDEADBEEFDEADBEEF, "op": "SCMP_CMP_EQ"}],
        }
    ],
}


def file(path: Path = FILE) -> str:
    """
    The path of the marker filter, written anew in case something happened to it.

    Raises OutputError.
    """
    try:
        path.parent.mkdir(exist_ok=True)
        with files.prepare(str(path), lambda text: True) as destination:
            destination.write(json.dumps(MARKER))
        path.parent.chmod(0o755)  # whatever the umask: engines without root read it
        path.chmod(0o644)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
    return str(path)
