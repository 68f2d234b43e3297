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
from enum import Enum
from types import MappingProxyType
from typing import Callable, Dict, Mapping, Optional, Sequence

from tracer.errors import CommandError

PASSED_ON = frozenset(
    {
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
        signal.SIGQUIT,
        signal.SIGUSR1,
        signal.SIGUSR2,
    }
)

SENT_BY_KERNEL = 0x80  # siginfo_t.si_code SI_KERNEL: from the terminal
GRACE_SECONDS = 10  # between SIGTERM and giving up, as docker stop and podman stop wait


class Signals:
    """
    A context in which signals wait to be asked for, instead of interrupting.

    The command itself gets back what was there before. A signal that is ignored stays ignored.
    """

    def __enter__(self) -> "Signals":
        ignored = {one for one in PASSED_ON if signal.getsignal(one) == signal.SIG_IGN}
        self._waited_for = {*PASSED_ON - ignored, signal.SIGCHLD}
        # Were a child's end ignored, its status would be lost: wait(2).
        self._children = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, self._waited_for)
        return self

    def __exit__(self, *_: object) -> None:
        while self.next(0):
            pass  # what came while the results were written changes nothing any more
        self._restore()

    def _restore(self) -> None:
        signal.signal(signal.SIGCHLD, self._children or signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def start(self, command: Sequence[str], output: Optional[int]) -> "subprocess.Popen[bytes]":
        """
        Start the command that is to be recorded, as `start_beside`.

        Raises CommandError, too, if a signal came before: 128 + N for signal N.
        """
        early = self.next(0)
        while early is not None and early.si_signo == signal.SIGCHLD:  # of another child
            early = self.next(0)
        if early is not None:
            name = signal.Signals(early.si_signo).name
            problem = f"ended by {name} before the command was started"
            raise CommandError(problem, status=128 + early.si_signo)
        return self.start_beside(command, output)

    def start_beside(
        self,
        command: Sequence[str],
        output: Optional[int],
        *,
        input: Optional[int] = None,
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> "subprocess.Popen[bytes]":
        """
        Start what helps the command, with our standard streams; `output` replaces its standard
        output, `input` its standard input. `variables` come on top of its environment. Signals that
        wait go on waiting: they are the command's.

        Raises CommandError: 127 if there is no such command, 126 if it cannot be executed.
        """
        try:
            return subprocess.Popen(
                list(command),
                stdin=input,
                stdout=output,
                close_fds=False,
                env=_environment(variables),
                preexec_fn=self._restore,
            )
        except (OSError, ValueError) as error:
            raise _not_started(command[0], error) from error

    def next(self, seconds: float) -> Optional["signal.struct_siginfo"]:
        """The next signal that arrives within this time, or None."""
        found = signal.sigtimedwait(self._waited_for, max(seconds, 0))
        # CPython gives what it has not filled in if the time is up after SIGCONT (EINTR).
        return found if found is not None and found.si_signo in self._waited_for else None


def _environment(variables: Mapping[str, str]) -> Dict[bytes, bytes]:
    """The environment that we were given, and more: Python adds LC_CTYPE to its own (PEP 538)."""
    with open("/proc/self/environ", "rb") as environment:
        pairs = environment.read().split(b"\0")
    parts = (one.partition(b"=") for one in pairs)
    given = {name: value for name, equals, value in parts if equals}
    return {**given, **{os.fsencode(name): os.fsencode(variables[name]) for name in variables}}


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
) -> Optional[int]:
    """
    Wait until the command ends; its status as a shell gives it (128 + N if signal N killed it).

    A signal sent to us goes to the command; one from the terminal has reached it already. When
    the time is up the command is asked to end, by SIGTERM. None if it has not done so after
    GRACE_SECONDS: the first process of a container ignores SIGTERM unless it says otherwise.
    """
    end, asked = pace.end, False
    while child.poll() is None:
        information = signals.next(pace.look)
        if information is None:
            look()
        elif information.si_signo != signal.SIGCHLD and not _has_reached(child, information):
            child.send_signal(information.si_signo)
        if end is not None and time.monotonic() >= end:
            if asked:
                return None
            end, asked = time.monotonic() + GRACE_SECONDS, True
            child.send_signal(signal.SIGTERM)
    status = child.returncode
    return 128 - status if status < 0 else status


def _has_reached(child: "subprocess.Popen[bytes]", information: "signal.struct_siginfo") -> bool:
    """
    Whether the command had this signal from the terminal, as we had: it is in our process group.

    A session's leader alone is told that its terminal is gone: tty_signal_session_leader.
    """
    leads = os.getsid(0) == os.getpid()
    hung_up = information.si_signo == signal.SIGHUP
    try:
        together = os.getpgid(child.pid) == os.getpgrp()
    except ProcessLookupError:
        return True
    return information.si_code == SENT_BY_KERNEL and together and not (hung_up and leads)


class Ending(Enum):
    """Why waiting ended."""

    DONE = "done"
    TIME = "time"
    SIGNAL = "signal"


def wait_until(done: Callable[[], bool], signals: Signals, pace: Pace) -> Ending:
    """
    Wait until something is done, a signal comes or the time is up.

    `done` is asked every `pace.look` seconds.
    """
    while not done():
        if pace.end is not None and time.monotonic() >= pace.end:
            return Ending.TIME
        information = signals.next(pace.look)
        if information is not None and information.si_signo != signal.SIGCHLD:
            return Ending.SIGNAL
    return Ending.DONE
