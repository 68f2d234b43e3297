"""
Tests of the recorder against an oracle: what strace prints is what was recorded, both ways.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.command import SeccompTrace
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.oracle import calls_by_program
from tests.live.recorded import record

# Programs by their real paths: the recorder follows symbolic links, strace prints what was asked.
PROGRAMS = [
    ["/usr/bin/ls", "-l", "/"],
    ["/usr/bin/cp", "-a", "/etc", "/tmp"],
    ["/usr/bin/sort", "/etc/passwd"],
    ["/usr/bin/sha256sum", "/etc/passwd"],
    ["/usr/bin/python3.11", "-c", "import json, ssl, socket"],
    ["/usr/local/bin/hello32"],
]
# A shell, a pipe, threads that work at once, a child by vfork, a signal.
COMPANY = """
/usr/bin/sort /etc/passwd | /usr/bin/sha256sum
/usr/bin/python3.11 -c '
import hashlib, os, signal, subprocess, threading
signal.signal(signal.SIGUSR1, lambda *_: None)
threads = [threading.Thread(target=hashlib.sha256, args=(bytes(5000000),)) for _ in range(8)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
subprocess.run(["/usr/bin/ls", "-l", "/"]), os.kill(os.getpid(), signal.SIGUSR1)
'
"""
COMPANIONS = ["dash", "sort", "sha256sum", "python3.11", "ls"]


@pytest.mark.parametrize("command", PROGRAMS, ids=lambda command: Path(command[0]).name)
def test_a_program_was_recorded_as_strace_sees_it(
    podman: Engine, servers: ImageLoader, seccomp_trace: SeccompTrace, command: list[str]
):
    """
    A program is recorded with the calls that strace prints for it in the same image, and no other.
    """
    image = servers(podman)
    program = command[0]
    # The container's own name would be another length each time, and is in the environment.
    container = ["run", "--rm", "--hostname", "oracle"]
    volume = ["--volume", f"{seccomp_trace.directory}:/trace"]
    podman.run(*container, *volume, image, *strace(*command))

    recorded = record(seccomp_trace, podman, *container, *volume, image, *command)

    assert recorded.calls(program) == calls_traced_in(seccomp_trace.directory)[program]


def test_what_happens_under_strace_is_recorded_as_strace_sees_it(
    podman: Engine, servers: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    For one and the same execution of five programs, threads and all, both say the same of each.
    """
    volume = ["--volume", f"{seccomp_trace.directory}:/trace"]
    container = ["--rm", *volume, servers(podman), *strace("/usr/bin/dash", "-c", COMPANY)]

    recorded = record(seccomp_trace, podman, "run", *container, options=["--unconfined"])

    traced = calls_traced_in(seccomp_trace.directory)
    for name in COMPANIONS:
        assert recorded.calls(f"/usr/bin/{name}") == traced[f"/usr/bin/{name}"], name


def strace(*command: str) -> list[str]:
    return ["strace", "-f", "-o", "/trace/calls", *command]


def calls_traced_in(directory: Path) -> dict[str, set[str]]:
    return calls_by_program((directory / "calls").read_text().splitlines())
