"""
The command line: one file per command, each parses, calls, prints and gives an exit code.

Here, and nowhere else, an expected error becomes a line on standard error and an exit code.
Commands are imported when they are called, so that `--help` is fast and needs no bcc.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from typing import Any, List, Optional

import click

from tracer import __version__
from tracer.cli import printing
from tracer.cli.printing import complain as complain, say as say  # noqa: F401
from tracer.errors import CommandError, DocumentError, InputError, SeccompTraceError

NAME = "seccomp-trace"

# command: what `seccomp-trace --help` says of it. Its file is tracer/cli/NAME.py.
COMMANDS = {
    "run": "Run a command, record what its containers need, write the profile.",
    "attach": "Record a container or a process that runs already.",
    "recorder": "Keep a recorder in the kernel: start, stop, status, ps, collect.",
    "hook": "Have podman and CRI-O record each container that an annotation asks for.",
    "watch": "Tell what seccomp filters deny, as it happens, and to whom.",
    "verify": "Run a command under a profile, and tell what was denied.",
    "refine": "Add to a profile what a command under it turns out to need.",
    "generate": "Make a profile from recordings.",
    "merge": "Unite profiles: what any lets through, but for what the first denies.",
    "diff": "Show what a new profile decides differently from an old one.",
    "check": "Name what a profile would deny of what was recorded, and of its runtime.",
    "lint": "Say what is suspicious about a profile by itself.",
    "convert": "Say a profile in another form: OCI, Docker, podman, Kubernetes, systemd, BPF.",
    "caps": "Capabilities: decode masks, show what a container holds, name what it needs.",
    "floor": "What runtimes call themselves: list, measure and forget measurements.",
    "doctor": "Check whether this host can record, and say what to do if not.",
}

# The commands whose exit code also says how a recording went.
RECORDING = ("run", "attach", "generate")

TRACER_FAILED = 125  # as env(1), timeout(1) and podman-run(1) have it
UNUSABLE = 2
INTERRUPTED = 130
PIPE_CLOSED = 141

# What write(2) says of a full disk, a full quota, a limit on files' size or a broken device.
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class Commands(click.Group):
    """A group that knows its commands' names, and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> List[str]:
        """The commands in the order in which a person meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> Optional[click.Command]:
        """The command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(f"tracer.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; an expected error of it is said, and has an exit code."""
        try:
            return super().invoke(ctx)
        except OSError as error:
            return _unprinted(error, _failure(ctx))
        except CommandError as error:
            complain(error)
            return error.status
        except SeccompTraceError as error:
            for line in error.lines:
                complain(line)
            return UNUSABLE if _is_about_a_file(error, ctx) else _failure(ctx)

    def make_context(self, *given: Any, **more: Any) -> click.Context:
        """What is asked for; --help and --version are printed here, and by nobody else."""
        try:
            return super().make_context(*given, **more)
        except OSError as error:
            raise click.exceptions.Exit(_unprinted(error, UNUSABLE)) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in the help, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name=NAME)
def cli() -> None:
    """Record what a container asks of the kernel, and write the profile that starts it again."""


def main() -> None:
    """
    The entry point `seccomp-trace`.

    Exit codes: those of the command that `run` runs; 125 if `run`, `attach` or `generate` failed or
    a recording is not complete, 126 or 127 if the command could not be started or found; 1 for
    findings of a judging command, 2 for wrong usage and for everything that other commands than
    those three cannot read, write or do, 130 if interrupted, 141 if nobody
    reads what is printed any more.
    """
    _reserve_standard_streams()
    printing.prepare_streams()
    sys.excepthook = printing.complain_of_fault
    try:
        status = cli(prog_name=NAME, standalone_mode=False)
    except click.exceptions.Exit as end:
        status = end.exit_code
    except click.ClickException as error:
        printing.complain_of_usage(error)
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        status = INTERRUPTED
    sys.exit(status)


def _reserve_standard_streams() -> None:
    """Keep what is opened later from becoming a standard stream that is closed."""
    while True:
        descriptor = os.open(os.devnull, os.O_RDONLY)
        if descriptor > 2:
            os.close(descriptor)
            return


# A file that cannot be used has the same exit code everywhere; generate is given nothing but files.
def _is_about_a_file(error: SeccompTraceError, ctx: click.Context) -> bool:
    generating = ctx.invoked_subcommand == "generate"
    return isinstance(error, InputError if generating else DocumentError)


def _failure(ctx: click.Context) -> int:
    return TRACER_FAILED if ctx.invoked_subcommand in RECORDING else UNUSABLE


def _unprinted(error: OSError, status: int) -> int:
    """
    The exit code if standard output takes nothing more: of a closed pipe click itself would make 1,
    which means something else here. Raises whatever else it was.
    """
    if error.filename is not None or error.errno not in (errno.EPIPE, *UNWRITABLE):
        raise error
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes it when it ends
    if error.errno == errno.EPIPE:
        return PIPE_CLOSED
    complain(f"standard output: cannot be written: {error.strerror}")
    return status
