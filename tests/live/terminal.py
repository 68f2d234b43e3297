"""
A terminal of the tests' own, with a program on it as a shell would start one.

The program leads the session and is the foreground process group, so that the kernel turns what is
typed (Ctrl-C) into signals for it and for everything that it starts.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Optional

CTRL_C = b"\x03"
ANSWERS_WITHIN = 60.0


class Terminal:
    """
    The side of the terminal where a person sits: what is typed, what is shown.
    """

    def __init__(self, descriptor: int, process: subprocess.Popen[Any]) -> None:
        self._descriptor = descriptor
        self.process = process
        self.shown = b""

    def type(self, keys: bytes) -> None:
        """
        Type something.
        """
        os.write(self._descriptor, keys)

    def wait_for(self, text: bytes) -> None:
        """
        Wait until the text is shown.
        """
        deadline = time.monotonic() + ANSWERS_WITHIN
        while text not in self.shown:
            assert self._read(deadline), f"never shown: {text!r}, but {self.shown!r}"

    def hang_up(self) -> None:
        """
        Close the terminal, as when a window is closed or a connection is lost.
        """
        os.close(self._descriptor)
        self._descriptor = -1

    def end(self) -> int:
        """
        Wait until the program has ended; return its exit code.
        """
        deadline = time.monotonic() + ANSWERS_WITHIN
        while self._descriptor >= 0 and self._read(deadline):
            pass
        return self.process.wait(max(deadline - time.monotonic(), 1))

    # False when nobody has the terminal open any more, or the time is up.
    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._descriptor], [], [], max(deadline - time.monotonic(), 0))
        if not ready:
            return False
        try:
            data = os.read(self._descriptor, 65536)
        except OSError:  # EIO: the last one has closed it
            return False
        self.shown += data
        return bool(data)


@contextlib.contextmanager
def on_terminal(
    command: list[str],
    directory: Path,
    env: Optional[Mapping[str, str]] = None,
    size: tuple[int, int] = (24, 80),
) -> Iterator[Terminal]:
    """
    Start a command on a new terminal of so many rows and columns; end it with the context.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=directory,
        env=env,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    terminal = Terminal(ours, process)
    try:
        yield terminal
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if terminal._descriptor >= 0:
            terminal.hang_up()
