"""
Tests of the recorder that stays when what is ours is killed, held up or doubled: it loses nothing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.live.apart import apart
from tests.live.command import PROGRAM
from tests.live.conditions import eventually
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.kernel_objects import NONE, objects_of
from tests.live.recorded import PROFILE, calls_of, making, read_complete
from tests.live.recorder import RESULTS, Place, program

COMMAND = 1  # struct recording.kind
# A container that makes the calls it is told, one for each line, and says when it has.
OBEDIENT = 'while read -r number; do calls "$number"; echo done >/gate/done; done </gate/go'
# What it is told at each point of its life: calls that nothing in it makes of itself.
TOLD = ("times", "getpriority", "getitimer", "inotify_init", "epoll_create", "getpgid", "getsid")
# The end of `collect`, when everything is written and nothing released yet.
KILLED_BEFORE_RELEASE = """
import os, signal, sys
from tracer.__main__ import main
from tracer.kernel.recorder import Recorder
Recorder.release = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
sys.argv = ["seccomp-trace", *sys.argv[1:]]
main()
"""
# What holds up those who ask podman, until they are told to go on.
HOLDING_UP = """#!/bin/sh
echo asked >{directory}/asked
read -r line <{directory}/go
exec {podman} "$@"
"""


@contextlib.contextmanager
def said(fifo: Path) -> Iterator[Callable[[str], None]]:
    """
    Give what waits until a text was written to a FIFO, but not for ever.
    """
    descriptor = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield lambda text: eventually(
            lambda: os.read(descriptor, len(text)) == text.encode(), what=f"{fifo.name}: {text}"
        )
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def listening(fifo: Path) -> Iterator[Callable[[str], object]]:
    """
    Give what writes to a FIFO, once somebody reads from it.
    """
    opened: list[int] = []

    def is_read() -> bool:
        opened.append(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        return True

    eventually(is_read, what=f"somebody reads from {fifo.name}")
    try:
        yield lambda text: os.write(opened[0], text.encode())
    finally:
        os.close(opened[0])


@dataclasses.dataclass(frozen=True)
class HoldUp:
    """
    A podman in front of the real one, that answers when it is allowed to.
    """

    directory: Path
    environment: Mapping[str, str]

    def until_asked(self) -> None:
        """
        Wait until somebody asks, who then has the recorder's maps open.
        """
        with said(self.directory / "asked") as until:
            until("asked\n")

    def go_on(self) -> None:
        """
        Let the answer come.
        """
        with listening(self.directory / "go") as tell:
            tell("go on\n")


@pytest.fixture
def hold_up(podman: Engine, tmp_path: Path) -> HoldUp:
    directory = tmp_path / "holding-up"
    directory.mkdir()
    os.mkfifo(directory / "asked")
    os.mkfifo(directory / "go")
    path = podman.environment["PATH"]
    client = directory / "podman"
    client.write_text(
        HOLDING_UP.format(directory=directory, podman=shutil.which("podman", path=path))
    )
    client.chmod(0o755)
    return HoldUp(directory, {**podman.environment, "PATH": f"{directory}:{path}"})


@dataclasses.dataclass(frozen=True)
class Gate:
    """
    A directory through which an obedient container is told what to do.
    """

    directory: Path

    def container(self, name: str, image: str) -> list[str]:
        """
        Return what follows `run` or `create` for such a container.
        """
        mount = f"{self.directory}:/gate"
        return ["--name", name, "-v", mount, image, "sh", "-c", OBEDIENT]

    @contextlib.contextmanager
    def opened(self) -> Iterator[Callable[[str], None]]:
        """
        Give what makes the container make a call; it ends when the context is left.
        """
        with said(self.directory / "done") as until, listening(self.directory / "go") as write:

            def tell(name: str) -> None:
                write(f"{making(name)[0]}\n")
                until("done\n")

            yield tell


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    directory = tmp_path / "gate"
    directory.mkdir()
    os.mkfifo(directory / "go")
    os.mkfifo(directory / "done")
    return Gate(directory)


def kill_asking(place: Place, hold_up: HoldUp, *arguments: str) -> None:
    """
    Kill one of ours when it is in the middle: it has the maps open and waits for an engine.
    """
    process = place.seccomp_trace.start(*arguments, env=hold_up.environment)
    hold_up.until_asked()
    assert objects_of(process.pid) != NONE
    process.kill()
    process.wait()
    hold_up.go_on()
    process.communicate()


def kill_before_release(place: Place, env: Mapping[str, str], *arguments: str) -> None:
    """
    Kill `collect` when it has written everything and let go of nothing.
    """
    command = place.entering(*program(KILLED_BEFORE_RELEASE, *arguments))
    done = subprocess.run(command, env=env)
    assert done.returncode == -9


def test_killing_what_is_ours_costs_no_recording(
    podman: Engine,
    busybox: ImageLoader,
    resident: Place,
    hold_up: HoldUp,
    gate: Gate,
    tmp_path: Path,
):
    """
    SIGKILL of `ps`, `status` and `collect` at ten points of a container's life: it goes on, its
    recording is complete, and `collect` writes it in the end.
    """
    env, image = podman.environment, busybox(podman)
    collect = ("recorder", "collect", "-o", ".", "--name", "kept")
    each = itertools.cycle([("recorder", "ps"), ("recorder", "status"), collect])

    def kill() -> None:
        kill_asking(resident, hold_up, *next(each))

    podman.run("run", "--name", "other", image, "true")  # something to ask an engine about
    kill()  # before it is there
    podman.run("create", *gate.container("kept", image))
    kill()  # created
    podman.run("start", "kept")
    kill()  # started
    with gate.opened() as tell:
        for name in TOLD[:4]:
            tell(name)
            kill()  # while it runs
        podman.run("exec", "kept", "calls", *making(TOLD[4]))
        kill()  # entered
        tell(TOLD[5])
    podman.run("wait", "kept")
    kill()  # ended
    podman.run("rm", "kept")
    kill_before_release(resident, env, "recorder", "collect", "-o", str(tmp_path), "kept")
    assert "times" in calls_of(read_complete(tmp_path / "kept.recording.json"))

    (found,) = resident.collected("kept", env=env).values()

    assert set(TOLD[:6]) <= found.calls() and TOLD[6] not in found.calls()
    assert "kept" not in resident.ps(env)


@pytest.mark.parametrize("engine", ["podman", "docker"], indirect=True)
def test_a_killed_run_leaves_its_container_to_collect(
    engine: Engine, busybox: ImageLoader, resident: Place, gate: Gate
):
    """
    While a `run` records a container, `collect` leaves it alone; when that was killed, the
    container goes on, its recording is collected whole, and nothing of the command is kept.
    """
    env = engine.environment
    command = engine.command("run", *gate.container("mine", busybox(engine)))
    run = resident.seccomp_trace.start("run", "-o", PROFILE, "--", *command, env=env)

    with gate.opened() as tell:
        tell(TOLD[0])
        left = resident.collect("mine", env=env)
        run.kill()
        run.wait()
        tell(TOLD[1])
    engine.run("wait", "mine")

    assert (left.returncode, "left to" in left.stderr) == (0, True), left.stderr
    assert not list((resident.seccomp_trace.directory / RESULTS).iterdir())
    (found,) = resident.collected("mine", env=env).values()
    assert {TOLD[0], TOLD[1]} <= found.calls()
    assert not any(one["kind"] == COMMAND for one in resident.heads())


def test_who_collects_second_writes_no_part_of_a_recording(
    podman: Engine, busybox: ImageLoader, resident: Place, hold_up: HoldUp
):
    """
    Of two that collect a container at the same time, one writes it, and the other says that it is
    gone and writes nothing: what is left of a recording while it is released is not one.
    """
    env = podman.environment
    podman.run("run", "--name", "one", busybox(podman), "calls", *making("times"))
    slow = resident.seccomp_trace.start(
        *("recorder", "collect", "-o", ".", "one"), env=hold_up.environment
    )
    hold_up.until_asked()

    (found,) = resident.collected("one", env=env).values()
    hold_up.go_on()
    _, said = slow.communicate(timeout=60)

    assert "times" in found.calls()
    assert (slow.returncode, said.count("\n")) == (1, 1) and "one" in said, said
    assert not list(resident.seccomp_trace.directory.glob("one.*"))


def test_a_container_started_again_while_it_is_collected_is_kept(
    podman: Engine, busybox: ImageLoader, resident: Place, hold_up: HoldUp, gate: Gate
):
    """
    A container that is started again between the look at it and its release goes on being recorded.
    """
    env = podman.environment
    podman.run("create", *gate.container("again", busybox(podman)))
    podman.run("start", "again")
    with gate.opened() as tell:
        tell(TOLD[0])
    podman.run("wait", "again")
    collecting = resident.seccomp_trace.start(
        *("recorder", "collect", "-o", ".", "again"), env=hold_up.environment
    )
    hold_up.until_asked()

    podman.run("start", "again")
    hold_up.go_on()
    collecting.communicate()
    with gate.opened() as tell:
        tell(TOLD[1])
    podman.run("wait", "again")

    (found,) = resident.collected("again", env=env).values()
    assert {TOLD[0], TOLD[1]} <= found.calls()


def test_what_cannot_be_written_is_kept(podman: Engine, busybox: ImageLoader, resident: Place):
    """
    `collect` to a full disk saves elsewhere and says where; if there is no room anywhere, it lets
    go of nothing.
    """
    env = podman.environment
    podman.run("run", "--name", "big", busybox(podman), "calls", *making("times"))
    full = "mount -t tmpfs -o size=64k none /mnt && head -c 64k /dev/zero >/mnt/full && cd /mnt"
    elsewhere = " && ".join(  # read-only, and still there: the checkout may be below one of them
        f"mount --rbind {place} {place} && mount -o remount,bind,ro {place}"
        for place in ("/var/tmp", "/tmp", "/run", "/dev/shm")
    )
    collect = [str(PROGRAM), "recorder", "collect", "-o", "/mnt", "big"]

    def collected(*preparations: str) -> subprocess.CompletedProcess[str]:
        command = resident.entering(*apart(preparations, collect))
        return subprocess.run(command, env=env, capture_output=True, text=True)

    nowhere = collected(full, elsewhere)
    assert nowhere.returncode == 1 and "could not be saved anywhere" in nowhere.stderr
    assert "big" in resident.ps(env)
    saved = collected(full)

    assert saved.returncode == 1
    places = re.findall(r"saved as (\S+) instead", saved.stderr)
    recording = next(Path(one) for one in places if one.endswith(".recording.json"))
    assert "times" in calls_of(read_complete(recording))
    assert "big" not in resident.ps(env)
    for one in places:
        shutil.rmtree(Path(one).parent)
