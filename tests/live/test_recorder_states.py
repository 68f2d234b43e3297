"""
Tests of what a recorder that stays finds where it is to be pinned, and of its beginning and end.
"""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.live.command import PROGRAM
from tests.live.conditions import eventually
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.kernel_objects import NONE, objects_of
from tests.live.recorded import PROFILE, RECORDING, calls_of, read_complete
from tests.live.recorder import BPFFS, OWN_BPFFS, OWN_LOCK, PINNED, RUN, Place, place_with, program
from tracer.kernel.checks import SOURCE
from tracer.kernel.program import RECORDER

# Where no BPF filesystem is mounted, and /run is empty.
NOWHERE = [f"umount --all-targets {BPFFS} 2>&- || :", "mount -t tmpfs -o mode=0755 none /run"]
# Holds the pinned recorder open, and says so.
LOOKING_ON = """
from tracer.kernel import pinned
held = pinned.opened()
print("ready", flush=True)
input()
"""
# Makes the pinned recorder another version's.
OLDER_STAMP = """
import json
from tracer.kernel import bpf, pinned
path = str(pinned.PLACE / "recorder" / "stamp")
value = json.dumps({"version": "0.0.9", "layout": 1}).encode().ljust(pinned.STAMP_SIZE, b"\\0")
bpf.update(bpf.pinned(path), bytes(4), value)
"""
INTERRUPTED_WHILE_PINNING = """
import os, sys
from tracer.kernel import bpf
from tracer.session import resident
number, left, pin = int(sys.argv[1]), int(sys.argv[2]), bpf.pin
def counted(*arguments):
    global left
    pin(*arguments)
    left -= 1
    if not left:
        os.kill(os.getpid(), number)
bpf.pin = counted
resident.start()
"""
MEMORY = """
import re
from tracer.kernel import pinned
total = 0
for descriptor in pinned.opened().maps.values():
    with open(f"/proc/self/fdinfo/{descriptor}") as details:
        total += int(re.search(r"memlock:\\s*(\\d+)", details.read())[1])
print(total)
"""


def test_two_starts_at_once_make_one(place: Place):
    """
    Of two that start the recorder at the same time one does, and the other finds it running;
    afterwards `stop` leaves nothing of it, here or in the kernel.
    """
    starting = [place.seccomp_trace.start("recorder", "start") for _ in range(2)]
    said = sorted(one.communicate(timeout=60)[0] for one in starting)

    assert [one.returncode for one in starting] == [0, 0]
    assert said == ["every container that starts from now on is recorded\n", "running already\n"]
    assert place.pinned() == {"recorder"}
    looking_on = subprocess.Popen(
        place.entering(*program(LOOKING_ON)), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with looking_on:
        assert looking_on.stdout and looking_on.stdout.readline() == b"ready\n"
        in_kernel = objects_of(looking_on.pid)
        assert place.seccomp_trace("recorder", "stop").returncode == 0
        looking_on.communicate(b"go\n")
    assert len(in_kernel.programs) == len({*RECORDER.programs, *SOURCE.programs})
    assert len(in_kernel.maps) > 20
    eventually(lambda: in_kernel.remaining() == NONE, what="programs and maps are gone")
    assert not place.seen(PINNED).exists()


def test_nothing_is_left_where_nothing_was(tmp_path: Path):
    """
    Where no BPF filesystem is mounted each command says in one line that nothing is running;
    `start` mounts what it needs, and `stop` takes that away too.
    """
    with place_with(NOWHERE, tmp_path) as place:
        for command in ("ps", "collect --all -o ."):
            refused(place, command, "no recorder is running", status=2)
        refused(place, "stop", "nothing to stop", status=0)
        assert (place.seccomp_trace("recorder", "status").stdout) == "not running\n"

        place.run(str(PROGRAM), "recorder", "start")
        mounted = place.pinned()
        place.run(str(PROGRAM), "recorder", "stop")

        assert mounted == {"recorder"}
        assert list(place.seen(BPFFS).iterdir()) == list(place.seen(Path("/run")).iterdir()) == []


def refused(place: Place, command: str, what: str, *, status: int = 2) -> None:
    """
    Expect one line, and this exit code.
    """
    done = place.seccomp_trace("recorder", *command.split())
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    assert done.stderr.count("\n") == 1 and what in done.stderr, done.stderr


UNUSABLE = {
    "read-only": ([f"mount -o remount,ro {BPFFS}"], "Read-only file system"),
    "another file system": ([f"mount -t tmpfs none {BPFFS}"], "no BPF filesystem"),
    "another user's": ([f"mkdir {PINNED}", f"chown 65534 {PINNED}"], "others can write there"),
    "everybody's": ([f"mkdir -m 0777 {PINNED}"], "others can write there"),
    "a link": ([f"ln -s /run/elsewhere {PINNED}"], "others can write there"),
    "a lock of another user's": ([f"chown 65534 {RUN}"], "others can write there"),
    "no lock": ([f"mount -o remount,ro {RUN}"], "Read-only file system"),
}


@pytest.mark.parametrize("preparations, what", UNUSABLE.values(), ids=UNUSABLE)
def test_where_it_cannot_be_pinned_it_is_not(
    tmp_path: Path, preparations: Sequence[str], what: str
):
    """
    A place in the BPF filesystem that cannot be used, or is not root's alone, is refused in one
    line that says why, and nothing is changed there.
    """
    with place_with([OWN_BPFFS, OWN_LOCK, *preparations], tmp_path) as place:
        before = place.run("find", str(BPFFS), "-ls")

        refused(place, "start", what)

        assert place.run("find", str(BPFFS), "-ls") == before


def test_on_a_file_system_that_has_become_read_only_nothing_is_lost(resident: Place):
    """
    When the BPF filesystem has become read-only each command says how to make it writable, `run`
    records by itself, and afterwards the recorder is there as before.
    """
    resident.run("mount", "-o", "remount,ro", str(BPFFS))

    for command in ("start", "stop", "status", "ps", "collect --all -o ."):
        refused(resident, command, f"mount -o remount,rw {BPFFS}")
    done = resident.seccomp_trace("run", "-o", PROFILE, "--", "true")
    resident.run("mount", "-o", "remount,rw", str(BPFFS))

    assert done.returncode == 0 and done.stderr.count("recording without it") == 1
    assert resident.status()["running"]


def test_without_privilege_it_is_refused(resident: Place):
    """
    A user without privilege is told so in one line, and has neither read nor changed anything.
    """
    anybody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(PROGRAM)]
    for arguments in ("start", "start --replace", "status", "ps", "collect --all -o /", "stop"):
        command = resident.entering(*anybody, "recorder", *arguments.split())
        done = subprocess.run(command, capture_output=True, text=True)

        assert done.returncode == 2 and done.stdout == "", done.stdout
        assert done.stderr.count("\n") == 1, done.stderr
    assert resident.pinned() == {"recorder"}


def test_another_versions_recorder_is_replaced_knowingly(resident: Place):
    """
    Beside the recorder of another version `start`, `ps` and `collect` refuse in one line, `run`
    says one and records by itself, --replace replaces it and `stop` stops it.
    """
    resident.python(OLDER_STAMP)
    command = ("run", "-o", PROFILE, "--recording", RECORDING, "--", "true")

    for arguments in ("start", "ps", "status", "collect --all -o ."):
        refused(resident, arguments, "another version's (0.0.9, ")
    done = resident.seccomp_trace(*command)
    assert done.returncode == 0 and done.stderr.count("recording without it") == 1
    assert "exit_group" in calls_of(read_complete(resident.seccomp_trace.directory / RECORDING))
    assert resident.seccomp_trace("recorder", "start", "--replace").returncode == 0
    assert resident.status()["containers"]["dropped"] == 0
    resident.python(OLDER_STAMP)
    assert resident.seccomp_trace("recorder", "stop").returncode == 0
    assert resident.pinned() == set()


def test_stop_while_recording(podman: Engine, busybox: ImageLoader, resident: Place):
    """
    `stop` counts the running containers that it forgets, which go on; a `run` in progress goes on
    too, with the recorder that it has open, and its recording is complete.
    """
    run = resident.seccomp_trace.start(
        *("run", "-o", PROFILE, "--recording", RECORDING, "--"),
        *("sh", "-c", "echo ready; read line; umask"),
    )
    assert run.stdout and run.stdout.readline() == "ready\n"
    image = busybox(podman)
    podman.run("run", "-d", "--stop-signal", "KILL", "--name", "on", image, "sleep", "1000")

    done = resident.seccomp_trace("recorder", "stop")
    again = resident.seccomp_trace("recorder", "start")
    _, said = run.communicate("go on\n", timeout=60)

    assert (done.returncode, again.returncode, run.returncode) == (0, 0, 0), said
    assert re.search("are gone: [0-9]+, of running containers: [1-9]", done.stderr)
    assert "umask" in calls_of(read_complete(resident.seccomp_trace.directory / RECORDING))
    assert podman.run("exec", "on", "echo", "alive").stdout == "alive\n"


def test_the_memory_that_is_shown_is_what_the_kernel_says(resident: Place):
    """
    The memory of `status` is the sum of what the kernel says of each map.
    """
    assert resident.status()["memory"] == int(resident.python(MEMORY)) > 1 << 20


def interrupted(place: Place, number: signal.Signals, pins: int) -> tuple[int, set[str]]:
    """
    Send a starting recorder a signal after so many pins: how it ended, and what is pinned then.
    """
    start = program(INTERRUPTED_WHILE_PINNING, str(int(number)), str(pins))
    done = subprocess.run(place.entering(*start), stderr=subprocess.DEVNULL)
    return done.returncode, place.pinned()


@pytest.mark.parametrize("pins", [1, 12, 30])
def test_a_start_that_is_killed_is_begun_again(place: Place, pins: int):
    """
    After SIGKILL between one pin and the next nothing is running, and the next `start` starts it.
    """
    left = interrupted(place, signal.SIGKILL, pins)
    status = place.seccomp_trace("recorder", "status")
    done = place.seccomp_trace("recorder", "start")

    assert left == (-9, {"starting"})
    assert (status.returncode, status.stdout) == (1, "not running\n")
    assert done.returncode == 0, done.stderr
    assert place.pinned() == {"recorder"} and place.status()["running"]


def test_an_interrupted_start_leaves_nothing(tmp_path: Path):
    """
    After Ctrl-C between one pin and the next nothing is pinned, and nothing is mounted.
    """
    with place_with(NOWHERE, tmp_path) as place:
        status, _ = interrupted(place, signal.SIGINT, 12)

        assert status == -2
        assert list(place.seen(BPFFS).iterdir()) == []
