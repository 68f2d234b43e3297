"""
A command run in this process, as `main` runs it, and what it printed.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from unittest import mock

from tests.printed.hostile import harm_in
from tracer import cli

# The commands whose standard output is a profile, which may hold anything.
DOCUMENTS = ("convert", "generate", "merge")


@dataclass(frozen=True)
class Printed:
    """What a command printed; `trace` of an exception that nobody expected, or nothing."""

    output: bytes
    error: bytes
    trace: str

    def problem(self, *, document: bool) -> str:
        """Return what is wrong with it, or nothing; a document may hold anything."""
        return self.trace or harm_in(self.error) or ("" if document else harm_in(self.output))


def printed_by(arguments: "Callable[[], Sequence[str]]") -> Printed:
    """
    Run `seccomp-trace` with the arguments that are returned, if there are any; what the function
    itself prints counts too.
    """
    output, error, trace = _stream(), _stream(), ""
    with _streams(output, error):
        try:
            words = arguments()
            with mock.patch.object(sys, "argv", ["seccomp-trace", *words]):
                cli.main() if words else None
        except SystemExit:
            pass
        except Exception:
            trace = traceback.format_exc()
    return Printed(_content(output), _content(error), trace)


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="strict")


def _content(stream: io.TextIOWrapper) -> bytes:
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue()


# Where a profile is printed it goes to the descriptor itself.
@contextmanager
def _streams(output: io.TextIOWrapper, error: io.TextIOWrapper) -> Iterator[None]:
    hook, kept = sys.excepthook, os.dup(1)
    with tempfile.TemporaryFile() as unseen:
        os.dup2(unseen.fileno(), 1)
        try:
            with mock.patch.object(sys, "stdout", output), mock.patch.object(sys, "stderr", error):
                yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)
            sys.excepthook = hook
