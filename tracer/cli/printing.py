"""
The one door to standard output and standard error, for every command.

Messages leave here line by line, and each line passes `tracer.text.harmless`, so that no command
can forget it. A caller escapes only a part that has a width (`printable`). Documents leave byte
for byte. `tracer.text` says which is which.
"""

from __future__ import annotations

import io
import json
import os
import sys
import traceback
from contextlib import suppress
from types import TracebackType
from typing import Optional, Type, Union

import click

from tracer.errors import OutputError
from tracer.text import harmless, printable

LINE_LIMIT = 4000
_TO_LINE_START, _TO_LINE_END = "\r", "\x1b[K"
# Since click 8.2 help that nobody asked for is such an error, of many lines.
_HELP = getattr(click.exceptions, "NoArgsIsHelpError", ())


# --- Messages ---


def print_line(line: str, colour: Optional[str] = None, bold: bool = False) -> None:
    """Print one harmless line of a result; the colour, click's name of it, on a terminal only."""
    shown = harmless(line)
    if colour is not None and is_terminal() and not os.environ.get("NO_COLOR"):  # no-color.org
        shown = click.style(shown, fg=colour, bold=bold)
        click.echo(shown, color=True)
    else:
        click.echo(shown)


def complain(problem: object) -> None:
    """Print one harmless line to standard error."""
    say(f"seccomp-trace: {printable(str(problem), LINE_LIMIT)}\n")


def say(text: str) -> None:
    """Print text to standard error; each of its lines becomes harmless."""
    _to_standard_error(_harmless_lines(text))


def draw(line: str, end: str = "") -> None:
    """Draw a harmless line of progress over the last line of a terminal, on standard error."""
    _to_standard_error(f"{_TO_LINE_START}{harmless(line)}{_TO_LINE_END}{end}")


def is_confirmed(question: str) -> bool:
    """Ask a person, on standard error, for yes or no."""
    return click.confirm(harmless(question), err=True)


def complain_of_usage(error: click.ClickException) -> None:
    """Print what click finds wrong with a command line, which quotes arguments as they are."""
    if not isinstance(error, _HELP):
        vars(error)["message"] = printable(error.message, LINE_LIMIT)
    shown = io.StringIO()
    error.show(shown)
    say(shown.getvalue())


def complain_of_fault(
    kind: Type[BaseException], error: BaseException, trace: Optional[TracebackType]
) -> None:
    """Print the traceback of an error that nobody expected (a `sys.excepthook`)."""
    say("".join(traceback.format_exception(kind, error, trace)))


# --- Documents ---


def print_document(content: Union[str, bytes]) -> None:
    """
    Write a document to standard output, byte for byte; text becomes UTF-8.

    Raises OutputError, or BrokenPipeError if nobody reads it any more.
    """
    if isinstance(content, str):
        content = content.encode("utf-8", "surrogateescape")
    try:
        click.echo(content, nl=False)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"standard output: cannot be written: {error.strerror}") from error


def print_json(value: object, indent: Optional[int] = 1) -> None:
    """Write a value to standard output as JSON of plain ASCII characters."""
    click.echo(json.dumps(value, indent=indent, ensure_ascii=True))


# --- The streams ---


def is_terminal(*, error: bool = False) -> bool:
    """Say whether standard output, or standard error, is a terminal."""
    stream = sys.stderr if error else sys.stdout
    return stream is not None and stream.isatty()


def prepare_streams() -> None:
    """Escape what the locale's encoding lacks instead of failing; documents are not concerned."""
    with suppress(AttributeError):  # no stream, or none of Python's own
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


# A terminal that is gone is no reason to lose a recording.
def _to_standard_error(text: str) -> None:
    with suppress(OSError):
        click.echo(text, err=True, nl=False)


def _harmless_lines(text: str) -> str:
    return "\n".join(map(harmless, text.split("\n")))
