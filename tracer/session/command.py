"""
The command that is being recorded: started, left alone, signalled and waited for.

What belongs here: processes and signals. It is given what to do while it waits, and knows nothing
of recordings.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import Callable, Optional, Sequence

from tracer.errors import CommandError

PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
WAITED_FOR = frozenset({*PASSED_ON, signal.SIGCHLD})

SENT_BY_KERNEL = 0x80  # siginfo_t.si_code SI_KERNEL: from the terminal, so the command has it too


class Signals:
    """
    A context in which signals wait to be asked for, instead of interrupting.

    The command itself gets back the mask that was there before.
    """

    def __enter__(self) -> "Signals":
        self.before = signal.pthread_sigmask(signal.SIG_BLOCK, WAITED_FOR)
        return self

    def __exit__(self, *_: object) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self.before)

    def start(self, command: Sequence[str], output: Optional[int]) -> "subprocess.Popen[bytes]":
        """
        Start the command with our standard streams; `output` replaces its standard output.

        Raises CommandError: 127 if there is no such command, 126 if it cannot be executed.
        """
        try:
            return subprocess.Popen(
                list(command),
                stdout=output,
                close_fds=False,
                preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, self.before),
            )
        except (OSError, ValueError) as error:
            raise _not_started(command[0], error) from error

    def next(self, seconds: float) -> Optional["signal.struct_siginfo"]:
        """The next signal that arrives within this time, or None."""
        return signal.sigtimedwait(WAITED_FOR, max(seconds, 0))


def _not_started(name: str, error: Exception) -> CommandError:
    if isinstance(error, ValueError):  # an embedded NUL byte
        return CommandError(f"{name!r}: {error}", status=127)
    if isinstance(error, FileNotFoundError):
        if "/" in name and os.path.exists(name):
            hint = "its interpreter is missing (after #!, or its dynamic linker)"
            return CommandError(f"{name}: cannot be executed", hint, status=126)
        return CommandError(f"{name}: command not found", "check the name and PATH", status=127)
    if isinstance(error, PermissionError):
        return CommandError(f"{name}: not executable", "chmod +x, or check its path", status=126)
    number = getattr(error, "errno", None)
    reason = os.strerror(number) if isinstance(number, int) else str(error)
    hint = "a script needs a line that begins with #!" if number == errno.ENOEXEC else ""
    return CommandError(f"{name}: cannot be executed: {reason}", hint, status=126)


@dataclass(frozen=True)
class Pace:
    """Seconds between looks, and when to stop at the latest (time.monotonic)."""

    look: float
    end: Optional[float]


def wait_for_command(
    child: "subprocess.Popen[bytes]", signals: Signals, pace: Pace, look: Callable[[], None]
) -> int:
    """
    Wait until the command ends; its status as a shell gives it (128 + N if signal N killed it).

    A signal sent to us goes to the command; one from the terminal has reached it already. When
    the time is up the command is asked to end, as by SIGTERM.
    """
    asked = False
    while child.poll() is None:
        information = signals.next(pace.look)
        if information is None:
            look()
        elif information.si_signo != signal.SIGCHLD and not _has_reached(information):
            child.send_signal(information.si_signo)
        if pace.end is not None and time.monotonic() >= pace.end and not asked:
            asked = True
            child.send_signal(signal.SIGTERM)
    status = child.returncode
    return 128 - status if status < 0 else status


def _has_reached(information: "signal.struct_siginfo") -> bool:
    """
    Whether the command had this signal from the terminal, as we had.

    A session's leader alone is told that its terminal is gone: tty_signal_session_leader.
    """
    leads = os.getsid(0) == os.getpid()
    hung_up = information.si_signo == signal.SIGHUP
    return information.si_code == SENT_BY_KERNEL and not (hung_up and leads)


def wait_until(done: Callable[[], bool], signals: Signals, pace: Pace) -> bool:
    """
    Wait until something is done; False if a signal, or the end of the time, came first.

    `done` is asked every `pace.look` seconds.
    """
    while not done():
        if pace.end is not None and time.monotonic() >= pace.end:
            return False
        information = signals.next(pace.look)
        if information is not None and information.si_signo != signal.SIGCHLD:
            return False
    return True
