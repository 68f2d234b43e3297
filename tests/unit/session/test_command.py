"""
Tests of starting, signalling and waiting for a command, with real processes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import pytest

from tracer.errors import CommandError
from tracer.session.command import Ending, Pace, Signals, wait_for_command, wait_until

OFTEN = Pace(0.02, None)


@pytest.fixture
def signals() -> Iterator[Signals]:
    with Signals() as waiting:
        yield waiting
        while waiting.next(0) is not None:  # nothing is left for pytest itself
            pass


def run(signals: Signals, *command: str, pace: Pace = OFTEN) -> Optional[int]:
    child = signals.start(command, None)
    return wait_for_command(child, signals, pace, lambda: None)


@pytest.mark.parametrize("script, status", [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137)])
def test_the_status_is_a_shells(signals: Signals, script: str, status: int):
    """
    An exit code is passed on; death by signal N is 128 + N.
    """
    assert run(signals, "sh", "-c", script) == status


@pytest.mark.parametrize(
    "content, mode, status, words",
    [
        (None, 0, 127, "not found"),
        (b"#!/bin/sh\n", 0o644, 126, "not executable"),
        (b"#!/no/such/interpreter\n", 0o755, 126, "interpreter"),
        (b"text\n", 0o755, 126, "#!"),
        (b"\x7fELF" + bytes(60), 0o755, 126, "cannot be executed"),
    ],
)
def test_what_does_not_start_has_a_status_and_a_reason(
    signals: Signals, tmp_path: Path, content: bytes, mode: int, status: int, words: str
):
    """
    127 for what is not there, 126 for what is but cannot be executed.
    """
    program = tmp_path / "program"
    if content is not None:
        program.write_bytes(content)
        program.chmod(mode)

    with pytest.raises(CommandError, match=words) as caught:
        signals.start([str(program)], None)

    assert caught.value.status == status


def test_a_name_with_a_nul_byte_is_an_expected_error(signals: Signals):
    """
    A NUL byte in the command is no traceback.
    """
    with pytest.raises(CommandError):
        signals.start(["a\0b"], None)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_sent_to_us_goes_to_the_command(signals: Signals, number: signal.Signals):
    """
    A signal that somebody sends is handed on, and does not end us.
    """
    trap = f"trap 'kill $!; exit 9' {number.name[3:]}"
    script = f"{trap}; sleep 30 & kill -{int(number)} {os.getpid()}; wait"

    assert run(signals, "sh", "-c", script) == 9


def test_the_command_has_the_mask_from_before():
    """
    What is blocked while we wait is not blocked in the command.
    """
    status = ["grep", "SigBlk", "/proc/self/status"]
    alone = subprocess.run(status, stdout=subprocess.PIPE).stdout
    readable, writable = os.pipe()

    with Signals() as signals:
        child = signals.start(status, writable)
        wait_for_command(child, signals, OFTEN, lambda: None)

    os.close(writable)
    with open(readable, "rb") as output:
        assert output.read() == alone


def test_afterwards_our_own_mask_is_as_before():
    """
    Leaving the context restores the signal mask.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])

    with Signals():
        assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])

    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


def test_when_the_time_is_up_the_command_is_asked_once_to_end(signals: Signals):
    """
    SIGTERM comes when the time is up, and the command may take its own time after it.
    """
    script = """
        n=0; looks=0; trap "n=$((n+1))" TERM
        until [ $n = 1 ] || [ $looks = 200 ]; do sleep 0.02; looks=$((looks+1)); done
        sleep 0.2; exit 4$n
    """
    pace = Pace(0.02, time.monotonic() + 0.3)

    assert run(signals, "sh", "-c", script, pace=pace) == 41


def test_we_look_while_we_wait(signals: Signals):
    """
    Between signals there are looks at what is being recorded.
    """
    looks: list[float] = []
    child = signals.start(["sleep", "30"], None)

    def look() -> None:
        looks.append(time.monotonic())
        if len(looks) == 3:
            child.terminate()

    assert wait_for_command(child, signals, OFTEN, look) == 128 + signal.SIGTERM
    assert len(looks) >= 3


def test_waiting_ends_when_it_is_done(signals: Signals):
    """
    Waiting goes on until the condition holds.
    """
    answers = iter([False, False, True])

    assert wait_until(lambda: next(answers), signals, OFTEN) == Ending.DONE


def test_waiting_ends_with_the_time(signals: Signals):
    """
    Waiting gives up when the time is up.
    """
    assert wait_until(lambda: False, signals, Pace(0.02, time.monotonic() + 0.1)) == Ending.TIME


def test_waiting_ends_with_a_signal_but_not_with_a_childs_end(signals: Signals):
    """
    A signal ends the waiting; that a child has ended does not.
    """
    with subprocess.Popen(["true"]) as child:
        child.wait()  # SIGCHLD is pending now
        looks = iter([False, False, True])
        assert wait_until(lambda: next(looks), signals, OFTEN) == Ending.DONE
    os.kill(os.getpid(), signal.SIGINT)

    assert wait_until(lambda: False, signals, OFTEN) == Ending.SIGNAL


def test_a_signal_that_came_early_keeps_the_command_from_being_started(signals: Signals):
    """
    Whoever wanted an end before there was anything to end has it, with a shell's exit code.
    """
    os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(CommandError, match="SIGTERM before the command was started") as caught:
        signals.start(["true"], None)

    assert caught.value.status == 128 + signal.SIGTERM


def test_the_end_of_another_child_does_not_keep_one_from_starting(signals: Signals):
    """
    The second is started though the first one's end has not been asked for.
    """
    first = signals.start(["true"], None)
    first.wait()

    assert run(signals, "sh", "-c", "exit 3") == 3


def test_what_helps_gets_what_it_is_given(signals: Signals, tmp_path: Path):
    """
    An input and variables of its own.
    """
    place = tmp_path / "place"
    command = ["sh", "-c", 'cat >"$PLACE"']
    nothing, variables = subprocess.DEVNULL, {"PLACE": str(place)}

    helper = signals.start_beside(command, None, input=nothing, variables=variables)

    assert wait_for_command(helper, signals, OFTEN, lambda: None) == 0
    assert place.read_text() == ""
