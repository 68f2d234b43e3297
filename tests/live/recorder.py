"""
A recorder that stays, for tests: in a mount namespace that has a BPF filesystem of its own.

So there may be several beside each other, and nothing of them is the host's; what is pinned goes
with the namespace, whatever becomes of the test. But each of them records every container that
starts on the host, those of other tests too: a test looks for its own by their names.

What belongs here: the place, the command line in it, and what tests ask of it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

import pytest

from tests.live.command import PROGRAM, SeccompTrace
from tests.live.recorded import Recorded, read_complete
from tracer.recording import RUNTIME, Recording

CHECKOUT = Path(__file__).parents[2]
BPFFS = Path("/sys/fs/bpf")
RUN = Path("/run/seccomp-trace")
PINNED = BPFFS / "seccomp-trace"
OWN_BPFFS = f"mount -t bpf -o mode=0700 bpf {BPFFS}"
OWN_LOCK = f"mkdir -p {RUN} && mount -t tmpfs -o mode=0755 none {RUN}"
RESULTS = "results"

START = """
import json, sys
from tracer.session import resident
resident.start(capacity={**resident.program.CAPACITY, **json.loads(sys.argv[1])})
"""
HEADS = """
import dataclasses, json
from tracer.kernel import pinned, recorder
with recorder.Recorder(pinned.opened()) as found:
    print(json.dumps([dataclasses.asdict(head) for head in found.heads().values()]))
"""


@dataclasses.dataclass(frozen=True)
class Place:
    """
    Where a recorder may stay: `holder` is a process in there, `seccomp_trace` runs in there.
    """

    holder: int
    seccomp_trace: SeccompTrace

    def entering(self, *command: str) -> list[str]:
        """
        Return the command line that runs a command in there, in the directory that it is run from.
        """
        return ["nsenter", f"--mount=/proc/{self.holder}/ns/mnt", f"--wdns={Path.cwd()}", *command]

    def run(self, *command: str) -> str:
        """
        Run a command in there, which must not fail; return what it prints.
        """
        done = subprocess.run(self.entering(*command), capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def python(self, code: str, *arguments: str) -> str:
        """
        Run a program that imports the checkout; return what it prints.
        """
        return self.run(*program(code, *arguments))

    def seen(self, path: Path) -> Path:
        """
        Return a path by which a path of that place can be looked at from outside of it.
        """
        return Path(f"/proc/{self.holder}/root") / path.relative_to("/")

    def pinned(self) -> set[str]:
        """
        Return what is in our directory of the BPF filesystem.
        """
        with contextlib.suppress(FileNotFoundError):
            return {one.name for one in self.seen(PINNED).iterdir()}
        return set()

    def start(self, **capacity: int) -> None:
        """
        Start a recorder with room for so much.
        """
        self.python(START, json.dumps(capacity))

    def heads(self) -> list[dict[str, Any]]:
        """
        Return what the kernel knows of each recording, those that are no container's too.
        """
        found = json.loads(self.python(HEADS))
        assert isinstance(found, list)
        return found

    def status(self) -> Any:
        """
        Return what `recorder status` says.
        """
        done = self.seccomp_trace("recorder", "status", "--format", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def ps(self, env: Optional[Mapping[str, str]] = None) -> dict[str, Any]:
        """
        Return what `recorder ps` lists, by name, or by id where there is no name.
        """
        done = self.seccomp_trace("recorder", "ps", "--format", "json", env=env)
        assert done.returncode == 0, done.stderr
        return {one["name"] or one["id"]: one for one in json.loads(done.stdout)}

    def collect(
        self, *arguments: str, env: Optional[Mapping[str, str]] = None
    ) -> subprocess.CompletedProcess[str]:
        """
        Collect into the directory of results.
        """
        results = self.seccomp_trace.directory / RESULTS
        results.mkdir(exist_ok=True)
        return self.seccomp_trace("recorder", "collect", "-o", RESULTS, *arguments, env=env)

    def collected(
        self, *names: str, env: Optional[Mapping[str, str]] = None
    ) -> dict[str, Recorded]:
        """
        Collect these containers, which must be complete; return the recordings by name.
        """
        done = self.collect(*names, env=env)
        assert done.returncode == 0, done.stdout + done.stderr
        results = self.seccomp_trace.directory / RESULTS
        found = {}
        for name in names:
            file = name[:12] if len(name) == 64 else name
            recording = read_complete(results / f"{file}.recording.json")
            found[name] = Recorded(recording, results / f"{file}.seccomp.json", done)
        return found


def program(code: str, *arguments: str) -> list[str]:
    """
    Return the command line of a program that imports the checkout.
    """
    return ["env", f"PYTHONPATH={CHECKOUT}", sys.executable, "-c", code, *arguments]


def own_calls(recording: Recording) -> set[tuple[str, str, str]]:
    """
    Return executable, architecture and name of each call but for the runtime's, which vary.
    """
    return {
        (one.executable, one.architecture, one.name or str(one.number))
        for one in recording.observations
        if one.executable != RUNTIME
    }


@contextlib.contextmanager
def place_with(preparations: Sequence[str], directory: Path) -> Iterator[Place]:
    """
    Give a mount namespace in which these shell commands have been run, and nothing is started.
    """
    script = " && ".join([*preparations, "echo ready", "exec cat"])
    holder = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the tests
    )
    with holder:
        assert holder.stdin and holder.stdout
        assert holder.stdout.readline() == b"ready\n", "no mount namespace"
        wrapper = directory / "seccomp-trace-apart"
        enter = f'nsenter --mount=/proc/{holder.pid}/ns/mnt --wdns="$PWD"'
        wrapper.write_text(f'#!/bin/sh\nexec {enter} {PROGRAM} "$@"\n')
        wrapper.chmod(0o755)
        command = SeccompTrace(directory, wrapper)
        try:
            yield Place(holder.pid, command)
        finally:
            command.end()
            holder.stdin.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """
    Where a recorder can be started that stays, and none is.
    """
    with place_with([OWN_BPFFS, OWN_LOCK], tmp_path) as apart:
        yield apart


@pytest.fixture
def resident(place: Place) -> Place:
    """
    Where a recorder is running.
    """
    done = place.seccomp_trace("recorder", "start")
    assert done.returncode == 0, done.stderr
    return place
