"""
The runtimes that live tests run containers under: the host's, and newer ones of Debian's archive.

`scripts/get-runtimes` fetches those of the releases once and keeps them below /var/cache, since a
runtime that root executes must be in no place of another user. The archive moves on: what a release
holds today may be a version that nobody has measured. Then an older one stands in for it.
"""

from __future__ import annotations

import dataclasses
import functools
import subprocess
from pathlib import Path

import pytest

from tests.live.policy import require_command
from tracer.profile.floor_choice import is_measured
from tracer.profile.floors import shipped
from tracer.session.assembly import this_host

GET_RUNTIMES = Path(__file__).parents[2] / "scripts/get-runtimes"
HOST = "host"
# From the oldest to the newest. A release may lack a runtime for a while, experimental above all.
RELEASES = (HOST, "trixie", "sid", "experimental")
OLDEST = (("runc", HOST), ("crun", HOST))
NEWER = (
    *(("runc", "trixie"), ("runc", "sid"), ("runc", "experimental")),
    *(("crun", "trixie"), ("crun", "sid")),
)


@dataclasses.dataclass(frozen=True)
class Runtime:
    """
    One runtime: its name, the version that it prints, and the file to execute.
    """

    name: str
    version: str
    path: str

    @property
    def is_measured(self) -> bool:
        """
        Tell whether the floors that come with the package have this version.
        """
        architecture = this_host().architecture
        return is_measured(self.name, self.version, architecture, shipped())

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def measured_runtime(name: str, release: str) -> Runtime:
    """
    Return the runtime of a release; where its version is not measured, that of an older release.

    Skip the test for want of a measured one that is newer than the host's.
    """
    known = runtimes()
    releases = [HOST] if release == HOST else RELEASES[1 : RELEASES.index(release) + 1]
    found = [known[name, place] for place in reversed(releases) if (name, place) in known]
    for runtime in found:
        if runtime.is_measured:
            return runtime
    pytest.skip(f"not measured: {', '.join(map(str, found))}")


@functools.lru_cache(maxsize=None)
def runtimes() -> dict[tuple[str, str], Runtime]:
    """
    Return every runtime that is to be had, by its name and its release.
    """
    found = {(name, HOST): _of_host(name) for name, _ in OLDEST}
    require_command("apt-get")
    done = subprocess.run(
        [str(GET_RUNTIMES)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        name, release, version, _, path = line.split("\t")
        found[name, release] = Runtime(name, version, path)
    return found


def _of_host(name: str) -> Runtime:
    path = require_command(name)
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
    # "runc version 1.1.5+ds1", "crun version 1.8.1"
    return Runtime(name, done.stdout.split()[2], path)
