"""
Tests of the line of life: what it says, when it is drawn, and that it never stands in the way.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
import pty
import struct
import termios
import tty
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

import pytest

from tracer import syscalls
from tracer.report.life import ERASE, Life, age, line_of


@dataclass(frozen=True)
class Seen:
    name: str = "web"
    calls: int = 12
    architecture: str = syscalls.X86_64
    newest: int = 1
    age: float = 2.5


@pytest.fixture
def terminal() -> Iterator[tuple[int, TextIO]]:
    """
    The two ends of a terminal: what a person sees, and the stream to write to.
    """
    ours, theirs = pty.openpty()
    with open(theirs, "w", encoding="utf-8") as stream:
        yield ours, stream
    os.close(ours)


def test_a_line_names_calls_newest_and_age():
    """
    The line says who, how many calls, which is the newest and how long ago.
    """
    assert line_of((Seen(),)) == "recording web: 12 observations, newest write 2.5 s ago"


def test_a_container_without_calls_is_waited_for():
    """
    Before its first call a container is said to be waited for.
    """
    assert "waiting for its first call" in line_of((Seen(calls=0),))


def test_nothing_to_see_is_said():
    """
    While nothing is recorded yet the line says what is waited for.
    """
    assert line_of(()) == "waiting for a container to start"


def test_a_number_without_a_name_is_its_number():
    """
    A call that nobody can name is shown by its number.
    """
    assert "newest 9999 " in line_of((Seen(newest=9999),))


def test_many_containers_fit_in_one_line():
    """
    Of many containers the ones that learnt last are named, the others counted.
    """
    line = line_of(tuple(Seen(name=f"c{number}", age=float(number)) for number in range(9)))

    assert [f"c{number}:" in line for number in range(4)] == [True, True, True, False]
    assert line.endswith("and 6 more")


def test_a_hostile_name_is_harmless():
    """
    A name with escapes and line breaks stays on one line and steers nothing.
    """
    line = line_of((Seen(name="\x1b[2J\n\u202e" + "x" * 500),))

    assert line.isprintable() and len(line) < 200


@pytest.mark.parametrize(
    "seconds, text",
    [(-1, "0.0 s"), (0.44, "0.4 s"), (12.4, "12 s"), (180, "3 min"), (7200, "2 h")],
)
def test_an_age_is_said_as_a_person_says_it(seconds: float, text: str):
    """
    Seconds, minutes and hours, no more exactly than it matters.
    """
    assert age(seconds) == text


def test_what_is_no_terminal_gets_only_what_is_said():
    """
    A file or pipe never sees the line of life, only lines that stay.
    """
    stream = io.StringIO()

    with Life(stream) as life:
        life.show((Seen(),))
        life.say("a line")

    assert stream.getvalue() == "a line\n"


def all_of(terminal: tuple[int, TextIO]) -> str:
    """
    Return all that has been written to the terminal, which passes it on in pieces, a little later.
    """
    ours, stream = terminal
    stream.write("end")
    stream.flush()
    shown = b""
    while not shown.endswith(b"end"):
        shown += os.read(ours, 65536)
    return shown[: -len(b"end")].decode()


def test_a_terminal_sees_the_line_and_loses_it(terminal: tuple[int, TextIO]):
    """
    The line is drawn over itself, taken away before something is said, and gone at the end.
    """
    _, stream = terminal

    with Life(stream) as life:
        life.show((Seen(),))
        life.say("a line")
        life.show((Seen(),))

    line = line_of((Seen(),))
    shown = all_of(terminal)
    assert shown == f"{ERASE}{line}{ERASE}a line\r\n{ERASE}{line}{ERASE}"


def test_a_line_is_no_wider_than_the_terminal(terminal: tuple[int, TextIO]):
    """
    A line that is too long is cut, because a wrapped one could not be taken away.
    """
    _, stream = terminal
    fcntl.ioctl(stream.fileno(), termios.TIOCSWINSZ, struct.pack("HHHH", 10, 20, 0, 0))

    with Life(stream) as life:
        life.show((Seen(),))

    assert all_of(terminal) == f"{ERASE}{line_of((Seen(),))[:19]}{ERASE}"


def test_a_terminal_in_raw_mode_belongs_to_somebody_else(terminal: tuple[int, TextIO]):
    """
    While a container has the terminal in raw mode nothing is drawn.
    """
    ours, stream = terminal
    tty.setraw(stream.fileno(), termios.TCSANOW)

    with Life(stream) as life:
        life.show((Seen(),))

    os.set_blocking(ours, False)
    with pytest.raises(BlockingIOError):
        os.read(ours, 1)


class Gone(io.StringIO):
    """
    A terminal that has been closed.
    """

    def write(self, text: str) -> int:
        raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("stream", [Gone(), None])
def test_a_terminal_that_is_gone_stops_nothing(stream: TextIO):
    """
    Without anybody to read it, what is said is lost, and nothing else.
    """
    with Life(stream) as life:
        life.show((Seen(),))
        life.say("a line")
