"""
Errors that people read.
"""

from __future__ import annotations

from tracer.errors import CommandError, InputError, SeccompTraceError


def test_an_error_is_one_line_with_its_hint():
    """
    Message and hint are one harmless line, whatever they were made of.
    """
    error = InputError("a\nb\x1b[2J: missing", "create it")

    assert str(error) == "a\\x0ab\\x1b[2J: missing; create it"
    assert (error.message, error.hint) == ("a\nb\x1b[2J: missing", "create it")
    assert isinstance(error, SeccompTraceError)


def test_a_command_error_knows_what_a_shell_would_end_with():
    """
    Not found and not executable are told apart by the status.
    """
    assert CommandError("nope: not found", status=127).status == 127
    assert str(CommandError("nope: not found", status=127)) == "nope: not found"
