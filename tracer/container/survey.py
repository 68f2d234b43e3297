"""
Which engines and runtimes this host has: what `doctor` says of them.
"""

from __future__ import annotations

import os
import shutil
from typing import FrozenSet, List

from tracer.container.engines import Ask, ask
from tracer.container.runtime_file import read_runtime
from tracer.errors import InputError
from tracer.finding import Finding, good, note

RUNTIMES = ("runc", "crun")
PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:/sbin"


def findings(measured: FrozenSet[str], ask: Ask = ask) -> List[Finding]:
    """
    Engines, then runtimes. None of them is needed to record a plain command.

    `measured`: the runtimes whose floor is known.
    """
    return [_podman(ask), _docker(ask), *(_runtime(name, measured) for name in RUNTIMES)]


def _podman(ask: Ask) -> Finding:
    version = ask(["podman", "--version"]).strip()
    if not version and shutil.which("podman"):
        return note("podman", "does not run here", "see what `podman --version` says")
    if not version:
        return note("podman", "not found", "install it to record podman's containers")
    return good("podman", version.replace("podman version ", ""))


def _docker(ask: Ask) -> Finding:
    if not shutil.which("docker"):
        return note("docker", "not found", "install it to record docker's containers")
    server = ask(["docker", "version", "--format", "{{.Server.Version}}"]).strip()
    if not server:
        return note("docker", "the daemon does not answer", "start it: systemctl start docker")
    return good("docker", server)


def _runtime(name: str, measured: FrozenSet[str]) -> Finding:
    path = shutil.which(name, path=PLACES)
    if not path:
        return note(name, "not found", "install it to record containers that run under it")
    try:
        version = read_runtime(path).version or "version unknown"
    except InputError as error:
        return note(name, str(error), "recordings name the runtime that it executes")
    if name not in measured:
        hint = "its own calls were never measured: seccomp-trace floor measure"
        return note(name, f"{version} ({path})", hint)
    return good(name, f"{version} ({path}), measured")
