"""
Tests of the drive: when it is started, what it is told, and what becomes of its container.

The engine is a program that writes down how it was called.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.session.heads import ID, container
from tracer.errors import CommandError
from tracer.session.belonging import Container
from tracer.session.command import Signals
from tracer.session.driving import NO_DRIVE, Drive, Driving

STARTING = Container(7, container(alive=1), "podman", ID, "web", "image", "runc", False, False)
RUNNING = Container(
    7,
    container(alive=1, executables=1),
    *("podman", ID, "web", "image", "runc"),
    late=False,
    infra=False,
)


@pytest.fixture
def signals() -> Iterator[Signals]:
    with Signals() as waiting:
        yield waiting


@pytest.fixture
def engine(tmp_path: Path) -> str:
    path = tmp_path / "podman"
    path.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    path.chmod(0o755)
    return str(path)


def test_without_a_drive_nothing_is_asked(signals: Signals):
    """
    Nobody need look for containers, and there is no exit code.
    """
    driving = Driving(NO_DRIVE, signals)

    driving.look([RUNNING])

    assert not driving.is_wanted
    assert driving.status is None and not driving.stopped


def test_a_drive_is_started_once_its_container_runs(signals: Signals, engine: str, tmp_path: Path):
    """
    Not while only the runtime runs; and it is told which container, and by which engine.
    """
    names = "$SECCOMP_TRACE_CONTAINER $SECCOMP_TRACE_NAME $SECCOMP_TRACE_ENGINE"
    words = ("sh", "-c", f"echo {names} > {tmp_path}/told; exit 3")
    driving = Driving(Drive(words, (engine, "--remote")), signals)

    driving.look([STARTING])
    early = driving.status
    driving.look([RUNNING])
    driving.finish()

    assert early is None and driving.status == 3
    assert (tmp_path / "told").read_text() == f"{ID} web {engine} --remote\n"


def test_a_container_that_outlives_its_drive_is_stopped_once(
    signals: Signals, engine: str, tmp_path: Path
):
    """
    The engine is asked when the drive has ended, and not again.
    """
    driving = Driving(Drive(("true",), (engine,)), signals)

    driving.look([RUNNING])
    driving.finish()
    waits = driving.is_wanted
    driving.look([RUNNING])
    driving.look([RUNNING])
    driving.finish()

    assert waits and driving.stopped and not driving.is_wanted
    assert (tmp_path / "asked").read_text() == f"stop {ID}\n"


def test_a_drive_that_cannot_be_executed_leaves_no_container(
    signals: Signals, engine: str, tmp_path: Path
):
    """
    The error is the caller's; when he leaves, the container is killed and its command has ended.
    """
    (tmp_path / "broken").write_text("no program")
    (tmp_path / "broken").chmod(0o755)
    driving = Driving(Drive((f"{tmp_path}/broken",), (engine,)), signals)
    child = signals.start(["sleep", "0.5"], None)

    with pytest.raises(CommandError, match="cannot be executed"):
        driving.look([RUNNING])
    driving.leave(child, lambda: [RUNNING])

    assert (tmp_path / "asked").read_text() == f"kill {ID}\n"
    assert child.returncode == 0


def test_a_container_whose_command_has_ended_is_left_alone(
    signals: Signals, engine: str, tmp_path: Path
):
    """
    What is left of it ends by itself, and what has started it may be asked for no more.
    """
    driving = Driving(Drive(("true",), (engine,)), signals)
    child = signals.start(["true"], None)
    child.wait()

    driving.leave(child, lambda: [RUNNING])

    assert not (tmp_path / "asked").exists()


def test_a_pending_signal_keeps_neither_the_drive_nor_the_engine_from_being_started(
    signals: Signals, engine: str, tmp_path: Path
):
    """
    A signal is for whoever waits for the command, and is still there for him afterwards.
    """
    driving = Driving(Drive(("true",), (engine,)), signals)
    child = signals.start(["true"], None)
    os.kill(os.getpid(), signal.SIGINT)

    driving.look([RUNNING])
    driving.leave(child, list)
    driving.look([RUNNING])
    driving.leave(child, list)

    pending = iter(lambda: signals.next(0), None)
    assert signal.SIGINT in {one.si_signo for one in pending}
    assert driving.status == 0 and driving.stopped
    assert (tmp_path / "asked").read_text() == f"stop {ID}\n"


def test_a_drive_that_was_killed_has_a_shells_exit_code(signals: Signals, engine: str):
    """
    Its end is waited for, and told as 128 and the signal.
    """
    driving = Driving(Drive(("sh", "-c", "kill -KILL $$"), (engine,)), signals)

    driving.look([RUNNING])
    driving.finish()

    assert driving.is_over() and driving.status == 137


def test_a_drive_that_hangs_is_ended_with_what_it_has_started(
    signals: Signals, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """
    A shell that is ended leaves the command that it waits for, which goes on and on.
    """
    monkeypatch.setattr("tracer.session.driving.GRACE_SECONDS", 0.2)
    os.mkfifo(tmp_path / "told")
    waits = f"sleep 1000 & echo $! > {tmp_path}/told; wait"
    driving = Driving(Drive(("sh", "-c", waits), (engine,)), signals)
    child = signals.start(["true"], None)

    driving.look([RUNNING])
    started = os.pidfd_open(int((tmp_path / "told").read_text()))
    driving.leave(child, list)
    ended, _, _ = select.select([started], [], [], 10)
    os.close(started)

    assert driving.status == 128 + signal.SIGTERM and ended
