"""
The errors that are expected, one family, divided by whose fault they are.

Every error says in one line what is wrong and, in its hint, what to do about it. Exit codes do
not belong here: `cli` alone maps an error to one. Raised everywhere, caught in `cli`.
"""

from __future__ import annotations

from typing import Tuple

from tracer.text import printable

_LINE_LIMIT = 2000
_MOST_LINES = 100


class SeccompTraceError(Exception):
    """Anything that is expected to go wrong; `str()` of it is one harmless line."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        whole = f"{self.message}; {self.hint}" if self.hint else self.message
        return printable(whole, _LINE_LIMIT)

    @property
    def lines(self) -> Tuple[str, ...]:
        """What to tell a person: one line, unless there are several problems."""
        return (str(self),)


class HostError(SeccompTraceError):
    """This host cannot do it: privilege, kernel, BTF, bcc or an engine is missing."""


class InputError(SeccompTraceError):
    """What we were given is wrong: a document, or the value of an argument."""


class DocumentError(InputError):
    """
    A document is wrong in one or several places.

    `problems` has a line for each, with the file, the JSON path and what was expected there.
    """

    def __init__(self, problems: Tuple[str, ...], hint: str = "") -> None:
        super().__init__("; ".join(problems), hint)
        self.problems = problems

    @property
    def lines(self) -> Tuple[str, ...]:
        """A line for each problem, the first hundred of them, and the hint."""
        shown = self.problems[:_MOST_LINES]
        left = len(self.problems) - len(shown)
        more = (f"and {left} more like these",) if left else ()
        hint = (self.hint,) if self.hint else ()
        return tuple(printable(line, _LINE_LIMIT) for line in (*shown, *more, *hint))


class OutputError(SeccompTraceError):
    """Where we were asked to write cannot, or must not, be written."""


class CommandError(SeccompTraceError):
    """
    The command to record could not be started.

    `status` is what a shell would end with: 126 if it was found but cannot be executed, 127 if it
    was not found.
    """

    def __init__(self, message: str, hint: str = "", *, status: int) -> None:
        super().__init__(message, hint)
        self.status = status
