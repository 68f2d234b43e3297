"""
Life while it records: one line on a terminal, drawn over itself, and nothing anywhere else.

The command shares the terminal. The line is taken away before anything else is said, and is not
drawn while the terminal is in raw mode, when it belongs to somebody in the container.
"""

from __future__ import annotations

import os
import termios
from contextlib import suppress
from typing import Optional, Protocol, TextIO, Tuple

from tracer import syscalls
from tracer.text import printable

ERASE = "\r\x1b[K"
NAMED_AT_MOST = 3


class Seen(Protocol):
    """What one line of life says; `session.looking.Seen` is one."""

    @property
    def name(self) -> str: ...  # noqa: E704

    @property
    def calls(self) -> int: ...  # noqa: E704

    @property
    def architecture(self) -> str: ...  # noqa: E704

    @property
    def newest(self) -> int: ...  # noqa: E704

    @property
    def age(self) -> float: ...  # noqa: E704


class Life:
    """A context in which lines of life are drawn on a stream; leaving it takes the line away."""

    def __init__(self, stream: Optional[TextIO]) -> None:
        self._stream = stream
        self._terminal = stream is not None and stream.isatty()
        self._drawn = False

    def __enter__(self) -> "Life":
        return self

    def __exit__(self, *_: object) -> None:
        self._erase()

    def show(self, seen: "Tuple[Seen, ...]") -> None:
        """Draw what there is to see now, on a terminal."""
        if not self._terminal or not self._is_ours():
            return
        width = self._columns() - 1
        self._write(ERASE + line_of(seen)[:width])
        self._drawn = True

    def say(self, line: str) -> None:
        """A line that stays."""
        self._erase()
        self._write(line + "\n")

    def _erase(self) -> None:
        if self._drawn:
            self._write(ERASE)
            self._drawn = False

    def _write(self, text: str) -> None:
        """A terminal that is gone, or no standard error at all, stops no recording."""
        if self._stream is not None:
            with suppress(OSError):
                self._stream.write(text)
                self._stream.flush()

    def _is_ours(self) -> bool:
        """Whether we are in the foreground, and nobody has put the terminal into raw mode."""
        assert self._stream is not None
        terminal = self._stream.fileno()
        try:
            local_modes = termios.tcgetattr(terminal)[3]
        except (termios.error, OSError):
            return False
        return bool(local_modes & termios.ICANON) and _is_in_front(terminal)

    def _columns(self) -> int:
        assert self._stream is not None
        with suppress(OSError):
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        return 80


def _is_in_front(terminal: int) -> bool:
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:  # not the terminal that controls us: nobody else is in front there
        return True


def line_of(seen: "Tuple[Seen, ...]") -> str:
    """What is being recorded, in one line: names, calls by program so far, the newest, its age."""
    if not seen:
        return "waiting for a container to start"
    parts = [_part(one) for one in sorted(seen, key=lambda one: one.age)[:NAMED_AT_MOST]]
    more = len(seen) - len(parts)
    return "recording " + "; ".join(parts) + (f"; and {more} more" if more > 0 else "")


def _part(seen: Seen) -> str:
    name = printable(seen.name, 40)
    if not seen.calls:
        return f"{name}: waiting for its first call"
    newest = syscalls.shown_name_of(seen.architecture, seen.newest)
    return f"{name}: {seen.calls} observations, newest {newest} {age(seen.age)} ago"


def age(seconds: float) -> str:
    """A duration as a person says it: 0.4 s, 12 s, 3 min, 2 h."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
