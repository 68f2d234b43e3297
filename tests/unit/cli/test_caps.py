"""
The command `caps`: masks and names, what it shows of a process, and what it says where it cannot.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracer.capabilities.names import names_in
from tracer.capabilities.sets import KINDS, read_status
from tracer.container.process import last_capability

PROGRAM = str(Path(sys.executable).parent / "seccomp-trace")


def caps(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAM, "caps", *arguments], capture_output=True, text=True)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[str]]:
    """
    A process that waits for its standard input to end.
    """
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, text=True)
    yield process
    process.communicate()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["0000000000000401"], "0x0000000000000401=cap_chown,cap_net_bind_service"),
        (["0x401"], "0x0000000000000401=cap_chown,cap_net_bind_service"),
        (["0"], "0x0000000000000000="),
        (["8000000000000000"], "0x8000000000000000=63"),
        (["chown", "CAP_NET_BIND_SERVICE"], "0x0000000000000401=cap_chown,cap_net_bind_service"),
        (["chown,Net_Bind_Service"], "0x0000000000000401=cap_chown,cap_net_bind_service"),
        (["cap_63"], "0x8000000000000000=63"),
        (["cap_chown,63"], "0x8000000000000001=cap_chown,63"),
    ],
)
def test_masks_become_names_and_names_a_mask(words: list[str], line: str):
    """
    Either is written as capsh writes it.
    """
    done = caps("decode", *words)

    assert (done.returncode, done.stdout, done.stderr) == (0, f"{line}\n", "")


def test_each_mask_is_a_line_and_all_names_are_one():
    """
    Several masks are decoded one by one; names together make one mask.
    """
    done = caps("decode", "1", "chown", "2", "dac_override")

    assert [line.split("=")[0] for line in done.stdout.splitlines()] == [
        f"0x{mask:016x}" for mask in (1, 2, 3)
    ]


def test_all_ends_with_the_kernels_last():
    """
    `all` is what this kernel has.
    """
    assert caps("decode", "all").stdout.startswith(f"0x{(1 << last_capability() + 1) - 1:016x}=")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["decode", "0xfg"], "'0xfg' is no hexadecimal mask"),
        (["decode", "12z"], "'12z' is no hexadecimal mask"),
        (["decode", "1" * 17], "too long a mask"),
        (["decode", "sys_everything"], "'sys_everything' is no capability"),
        (["decode", "chown,"], "'' is no capability"),
        (["decode", "chown\x1b[2J"], r"chown\x1b[2J' is no capability"),
        (["show", "--pid", "4194305"], "there is no process 4194305"),
        (["show", "--pid", "9" * 30], "there is no process"),
        (["show", "no\nsuch\x1b", "--engine", "podman"], "no container of podman"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(arguments: list[str], problem: str):
    """
    Words that mean nothing, processes and containers that are not there end with 2.
    """
    done = caps(*arguments)

    assert done.returncode == 2
    assert done.stdout == ""
    assert problem.replace("\\\\", "\\") in done.stderr.replace("\\\\", "\\")
    assert len(done.stderr.splitlines()) == 1 and "\x1b" not in done.stderr


@pytest.mark.parametrize("arguments", [[], ["web", "--pid", "1"], ["--pid", "0"], ["--pid", "x"]])
def test_show_wants_a_container_or_a_process(arguments: list[str]):
    """
    Neither, both, and what is no number are wrong usage.
    """
    assert caps("show", *arguments).returncode == 2


def test_a_process_that_has_ended_is_told_from_one_that_never_was():
    """
    A process that only waits to be reaped has no capabilities to show.
    """
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)

    done = caps("show", "--pid", str(child))

    os.waitpid(child, 0)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"process {child} has ended" in done.stderr


def test_the_sets_are_those_of_the_status(sleeper: subprocess.Popen[str]):
    """
    Each set of the document is the mask that /proc/PID/status has, and its names.
    """
    status = read_status(Path(f"/proc/{sleeper.pid}/status").read_text())

    (held,) = json.loads(caps("show", "--pid", str(sleeper.pid), "--format", "json").stdout)["held"]

    for kind in KINDS:
        mask = status.credentials.sets.of(kind)
        assert held["sets"][kind] == {
            "mask": f"0x{mask:016x}",
            "names": list(names_in(mask, last_capability())),
        }
    assert held["securebits"] in (0, None)  # only root is told
    assert held["differences"] is None


def test_the_table_says_who_what_and_why(sleeper: subprocess.Popen[str]):
    """
    The table has the process, its ids, its executable, its sets and what an execve would give.
    """
    done = caps("show", "--pid", str(sleeper.pid), "--engine", "docker")

    labels = [line[:18].strip() for line in done.stdout.splitlines() if not line.startswith("  ")]
    assert labels == ["process", "user", "no_new_privs", "securebits", "user namespace"] + [
        "executable",
        "an execve gives",
        "docker's default",
    ]
    assert f"cat {sleeper.pid}" in done.stdout


def test_a_name_that_steers_terminals_is_escaped(tmp_path: Path):
    """
    What a process calls itself is shown as text.
    """
    program = tmp_path / "evil\x1b]0;x\x07"
    program.symlink_to("/bin/cat")
    process = subprocess.Popen([program], stdin=subprocess.PIPE, text=True)

    done = caps("show", "--pid", str(process.pid))

    process.communicate()
    assert done.returncode == 0
    assert "\x1b" not in done.stdout and "evil" in done.stdout


def test_decoding_loads_no_more_than_it_needs():
    """
    Neither bcc, nor what reads profiles, is imported for capabilities.
    """
    script = "import sys, tracer.cli.caps; print({'bcc', 'jinja2', 'yaml'} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert done.stdout == "set()\n"
