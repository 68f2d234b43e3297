"""
Where hook files lie: which directories podman really reads, and what is in them.

podman is asked, since what its documentation names (/etc/containers/oci/hooks.d) is not what it
reads: the default of containers.conf is /usr/share/containers/oci/hooks.d alone, in podman 4 and 5.
A hook in a directory that nobody reads is no error to anybody, and no file comes of it.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import Dict, Optional, Sequence, Tuple

from tracer import files
from tracer.container.engines import Ask, ask
from tracer.errors import InputError

# containers/common pkg/hooks: hooks.go.
OVERRIDE = "/etc/containers/oci/hooks.d"
READ_LIMIT = 1024 * 1024
# The default that the help shows is what the configuration says: "(default [/a,/b])".
_SHOWN = re.compile(r"--hooks-dir\s.*\(default \[(.*)\]\)")


def read_by_podman(ask: Ask = ask) -> Optional[Tuple[str, ...]]:
    """The directories that podman reads hooks from by itself; None if it does not say."""
    shown = _SHOWN.search(ask(["podman", "--help"]))
    if shown is None:
        return None
    return tuple(os.path.normpath(one) for one in shown[1].split(",") if one)


def default(read: Optional[Sequence[str]]) -> str:
    """Where to install: /etc's if that is read, or if nobody knows; else the last that is read."""
    if not read or OVERRIDE in read:
        return OVERRIDE
    return read[-1]


def hooks_in(directory: str) -> Dict[str, str]:
    """The texts of a directory's hook files by path; none for a directory that is not there."""
    found: Dict[str, str] = {}
    with suppress(OSError):
        for name in sorted(os.listdir(directory)):
            path = os.path.join(directory, name)
            if name.endswith(".json"):
                with suppress(InputError):
                    found[path] = files.read_text(path, READ_LIMIT)
    return found
