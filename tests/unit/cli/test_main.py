"""
Tests of the one place where errors become lines and exit codes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import NoReturn

import click
import pytest

from tracer import cli, errors
from tracer.errors import CommandError, HostError, InputError, OutputError


def ending_with(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    """
    The exit code and what is said when `run` ends with this error.
    """

    def fail() -> NoReturn:
        raise error

    command = click.Command("run", callback=fail)
    monkeypatch.setattr(cli.Commands, "get_command", lambda self, context, name: command)
    monkeypatch.setattr(sys, "argv", ["seccomp-trace", "run"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert isinstance(end.value.code, int)
    return end.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    "error, status",
    [
        (HostError("no BTF"), 125),
        (InputError("no BTF"), 125),
        (OutputError("no BTF"), 125),
        (CommandError("no BTF", status=126), 126),
        (CommandError("no BTF", status=127), 127),
    ],
)
def test_an_expected_error_is_one_line_and_a_code(
    error: errors.SeccompTraceError,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """
    An expected error of `run` is one line with its message, and 125 or the command's own status.
    """
    assert ending_with(error, monkeypatch, capsys) == (status, "seccomp-trace: no BTF\n")


def test_the_hint_is_said_with_the_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """
    What to do stands beside what is wrong.
    """
    _, said = ending_with(HostError("no BTF", "build it in"), monkeypatch, capsys)

    assert said == "seccomp-trace: no BTF; build it in\n"


def test_a_hostile_message_is_harmless(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """
    A name in a message cannot steer the terminal or add a line.
    """
    _, said = ending_with(InputError("evil\x1b[2J\nname"), monkeypatch, capsys)

    assert said == "seccomp-trace: evil\\x1b[2J\\x0aname\n"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interrupt_is_130(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """
    Ctrl-C ends with 130 and no traceback.
    """
    status, said = ending_with(error, monkeypatch, capsys)

    assert (status, said.strip()) == (130, "")


def test_wrong_usage_is_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """
    What click finds wrong with the arguments is 2.
    """
    status, said = ending_with(click.UsageError("no such option"), monkeypatch, capsys)

    assert status == 2
    assert "no such option" in said


def test_what_is_unexpected_is_not_hidden(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """
    A bug of ours keeps its traceback.
    """
    with pytest.raises(ZeroDivisionError):
        ending_with(ZeroDivisionError(), monkeypatch, capsys)


def test_every_command_is_there_and_named_as_it_is_called():
    """
    Each command that the help lists can be imported, and has help of its own.
    """
    commands = cli.Commands()
    context = click.Context(commands)

    for name in commands.list_commands(context):
        command = commands.get_command(context, name)
        assert command is not None and command.name == name
        assert command.help


def test_an_unknown_command_is_none():
    """
    A command that does not exist is click's to refuse.
    """
    assert cli.Commands().get_command(click.Context(cli.cli), "no-such") is None


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_standard_stream_is_not_taken_by_something_else(closed: str):
    """
    What is opened while a standard stream is closed does not become one.
    """
    code = (
        "import os; from tracer import cli; cli._reserve_standard_streams();"
        "raise SystemExit(os.open('/', os.O_RDONLY) <= 2)"
    )

    done = subprocess.run(["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", code])

    assert done.returncode == 0


def test_what_cannot_be_said_is_no_error():
    """
    Standard error that takes nothing more does not end the tracer.
    """
    code = "from tracer import cli; cli.complain('unheard'); print('went on')"

    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=full)

    assert done.stdout == b"went on\n"


@pytest.mark.parametrize("words", [["caps", "decode", "1"], ["--help"], ["caps", "--help"]])
def test_nobody_reads_what_is_printed(words: list[str]):
    """
    A pipe that is closed (`caps decode ... | true`) ends any command with 141 and not a word.
    """
    reader, writer = os.pipe()
    os.close(reader)

    status, said = printing(words, writer)

    os.close(writer)
    assert (status, said) == (cli.PIPE_CLOSED, "")


@pytest.mark.parametrize("words", [["caps", "decode", "1"], ["--version"], ["caps", "--help"]])
def test_there_is_no_room_for_what_is_printed(words: list[str]):
    """
    A full disk is one line, and no traceback; nor does it look like a finding.
    """
    full = os.open("/dev/full", os.O_WRONLY)

    status, said = printing(words, full)

    os.close(full)
    assert (status, said.count("\n")) == (cli.UNUSABLE, 1)
    assert "standard output: cannot be written: No space left on device" in said


def printing(words: list[str], output: int) -> tuple[int, str]:
    """
    The exit code of a command that prints there, and what it says elsewhere.
    """
    code = "from tracer.cli import main; main()"
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, text=True)
    return done.returncode, done.stderr
