"""
Which engines and runtimes this host has: what `doctor` says of them.
"""

from __future__ import annotations

import os
import shutil
from typing import Callable, List

from tracer.container.engines import Ask, ask
from tracer.container.runtime_file import read_runtime
from tracer.errors import InputError
from tracer.finding import Finding, good, note

RUNTIMES = ("runc", "crun")
IsMeasured = Callable[[str, str], bool]
PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:/sbin"


def findings(is_measured: IsMeasured, ask: Ask = ask) -> List[Finding]:
    """
    Engines, then runtimes. None of them is needed to record a plain command.

    `is_measured` tells whether the calls of a runtime, by name and version, were measured.
    """
    return [_podman(ask), _docker(ask), *(_runtime(name, is_measured) for name in RUNTIMES)]


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


def _runtime(name: str, is_measured: IsMeasured) -> Finding:
    path = shutil.which(name, path=PLACES)
    if not path:
        return note(name, "not found", "install it to record containers that run under it")
    try:
        version = read_runtime(path).version
    except InputError as error:
        return note(name, str(error), "recordings name the runtime that it executes")
    if not is_measured(name, version):
        hint = f"its own calls were never measured: seccomp-trace floor measure {path}"
        return note(name, f"{version or 'version unknown'} ({path})", hint)
    return good(name, f"{version} ({path}), measured")
