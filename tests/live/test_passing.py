"""
Live tests that a command under `run` cannot tell the difference: its arguments, its standard
streams, its terminal, its signals and its exit code are its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.command import PROGRAM, SeccompTrace
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.terminal import on_terminal

ODD_ARGUMENTS = [
    "",
    " ",
    "two words",
    "line\nbreak",
    "$HOME `id` $(id) ${x}",
    "'\"\\",
    "--",
    "-o",
    "--help",
    "*",
    "\x1b[31m",
    "größe",
    os.fsdecode(b"\xff\xfe"),
]
SHOW_ARGUMENTS = "import os, sys; print([os.fsencode(one) for one in sys.argv[1:]])"
SHOW_TERMINAL = (
    "import os, sys; print([os.isatty(n) for n in range(3)], tuple(os.get_terminal_size()))"
)


def traced(*command: str) -> list[str]:
    return [str(PROGRAM), "run", "-o", "p.json", "--", *command]


@pytest.mark.parametrize(
    "script, status", [("exit 0", 0), ("exit 3", 3), ("exit 255", 255), ("kill -9 $$", 137)]
)
def test_the_exit_code_of_a_command_is_the_tracers(
    seccomp_trace: SeccompTrace, script: str, status: int
):
    """
    A plain command's exit code passes through, 128 + N if signal N killed it.
    """
    done = seccomp_trace("run", "-o", "p.json", "--", "sh", "-c", script)

    assert done.returncode == status, done.stderr


@pytest.mark.parametrize("script, status", [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137)])
def test_the_exit_code_of_a_container_is_the_tracers(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, script: str, status: int
):
    """
    A container's exit code passes through the engine and the tracer.
    """
    # Not as process 1, which cannot kill itself.
    inside = ["sh", "-c", f"sh -c '{script}'; exit $?"]
    command = podman.command("run", "--rm", busybox(podman), *inside)

    done = seccomp_trace("run", "-o", "p.json", "--", *command, env=podman.environment)

    assert done.returncode == status, done.stderr


def test_arguments_pass_through_untouched(seccomp_trace: SeccompTrace):
    """
    Empty, quoted, multi-line, option-like and undecodable arguments arrive as they were given.
    """
    command = [sys.executable, "-c", SHOW_ARGUMENTS, *ODD_ARGUMENTS]

    done = seccomp_trace("run", "-o", "p.json", "--", *command)

    assert done.stdout == f"{[os.fsencode(one) for one in ODD_ARGUMENTS]}\n", done.stderr


def test_arguments_of_the_command_are_no_options_of_ours(seccomp_trace: SeccompTrace):
    """
    Without `--` the first word that is no option begins the command, whatever follows.
    """
    done = seccomp_trace("run", "-o", "p.json", "echo", "-o", "--help")

    assert (done.returncode, done.stdout) == (0, "-o --help\n"), done.stderr


def test_standard_streams_pass_through_byte_for_byte(tmp_path: Path):
    """
    Two MiB of every byte value come out as they went in, and nothing of ours is between them.
    """
    data = bytes(range(256)) * 8192

    done = subprocess.run(traced("cat"), cwd=tmp_path, input=data, capture_output=True, timeout=60)

    assert done.stdout == data
    assert done.returncode == 0, done.stderr


def test_streams_of_a_container_pass_through_byte_for_byte(
    podman: Engine, busybox: ImageLoader, tmp_path: Path
):
    """
    A container under `podman run -i` reads our standard input and writes our standard output.
    """
    data = bytes(range(256)) * 256
    command = traced(*podman.command("run", "-i", "--rm", busybox(podman), "cat"))

    done = subprocess.run(
        command, cwd=tmp_path, env=podman.environment, input=data, capture_output=True, timeout=60
    )

    assert done.stdout == data
    assert done.returncode == 0, done.stderr


def test_the_commands_standard_error_is_ours(seccomp_trace: SeccompTrace):
    """
    What the command says on standard error stands there as it is, before the summary.
    """
    done = seccomp_trace("run", "-o", "p.json", "--", "sh", "-c", "echo complaint >&2")

    assert done.stderr.startswith("complaint\n")
    assert done.stdout == ""


def test_other_descriptors_pass_through(tmp_path: Path):
    """
    A descriptor that the tracer inherited is the command's too, as env(1) has it.
    """
    readable, writable = os.pipe()
    os.write(writable, b"through\n")
    os.close(writable)

    done = subprocess.run(
        traced("python3", "-c", f"import os; os.write(1, os.read({readable}, 99))"),
        cwd=tmp_path,
        pass_fds=[readable],
        capture_output=True,
        timeout=60,
    )

    assert done.stdout == b"through\n", done.stderr


def test_nothing_of_the_tracers_is_open_in_the_command(seccomp_trace: SeccompTrace):
    """
    The command has its three standard streams and no descriptor of ours.
    """
    done = seccomp_trace("run", "-o", "p.json", "--", "sh", "-c", "ls /proc/$$/fd")

    assert {int(one) for one in done.stdout.split()} <= {0, 1, 2, 10, 255}, done.stderr


def test_signals_are_neither_blocked_nor_ignored(seccomp_trace: SeccompTrace, tmp_path: Path):
    """
    The command has the signal mask and the ignored signals that it has without the tracer.
    """
    command = ["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]
    alone = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)

    done = seccomp_trace("run", "-o", "p.json", "--", *command)

    assert done.stdout == alone.stdout


def test_a_command_on_a_terminal_has_it(tmp_path: Path):
    """
    On a terminal all three standard streams of the command are it, with its size.
    """
    command = traced(sys.executable, "-c", SHOW_TERMINAL)

    with on_terminal(command, tmp_path, size=(33, 111)) as terminal:
        assert terminal.end() == 0

    assert b"[True, True, True] (111, 33)" in terminal.shown


def test_a_container_with_a_terminal_has_ours(
    podman: Engine, busybox: ImageLoader, tmp_path: Path
):
    """
    `podman run -it` under the tracer: what is typed arrives, and the size of the window is known.
    """
    script = "read line; echo got $line; stty size; test -t 1 && echo terminal"
    container = podman.command("run", "-it", "--rm", busybox(podman), "sh", "-c", script)

    with on_terminal(traced(*container), tmp_path, podman.environment, (33, 111)) as terminal:
        terminal.type(b"typed\n")
        terminal.wait_for(b"terminal")
        assert terminal.end() == 0, terminal.shown

    assert b"got typed" in terminal.shown
    assert b"33 111" in terminal.shown


def test_a_profile_on_standard_output_is_alone_there(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    With `-o -` standard output is the profile and nothing else; the command's own is moved to
    standard error.
    """
    command = podman.command("run", "--rm", busybox(podman), "echo", "said by the command")

    done = seccomp_trace("run", "-o", "-", "--", *command, env=podman.environment)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["defaultAction"] == "SCMP_ACT_ERRNO"
    assert "said by the command" in done.stderr
    assert list(tmp_path.iterdir()) == []
