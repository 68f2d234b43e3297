"""
`verify` as a person types it: what is wrong is said in a line before anything runs.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.session.trials import allowing, refusal, trial
from tracer.cli.verify import trial_line, verdict_lines
from tracer.session.verification import Asked, verdict_on

PROGRAM = str(Path(sys.executable).parent / "seccomp-trace")
PROFILE = '{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}'


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """
    A directory with a profile, and with a podman that must not be called.
    """
    (tmp_path / "p.json").write_text(PROFILE)
    (tmp_path / "podman").write_text("#!/bin/sh\ntouch called\n")
    (tmp_path / "podman").chmod(0o755)
    return tmp_path


def typed(place: Path, line: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [PROGRAM, *shlex.split(line)],
        cwd=place,
        env={**os.environ, "PATH": f"{place}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    "line, words",
    [
        ("missing.json -- podman run image", "missing.json: cannot be read"),
        ("podman -- podman run image", "podman:"),
        ("p.json -- ls /", "ls: no podman run or docker run"),
        ("p.json -- podman ps", "no podman run or docker run"),
        ("p.json -- ./elsewhere/podman run image", "no such program"),
        ("--drive nosuchprogram p.json -- podman run image", "nosuchprogram: no such program"),
        ("--drive '\"' p.json -- podman run image", "No closing quotation"),
        ("--drive '' p.json -- podman run image", "--drive: no command"),
    ],
)
def test_what_cannot_be_tried_is_said_before_anything_runs(place: Path, line: str, words: str):
    """
    A profile, command or drive that is not there is one line and exit code 2, and nothing was run.
    """
    done = typed(place, f"verify {line}")

    assert done.returncode == 2
    assert words in done.stderr and len(done.stderr.splitlines()) == 1
    assert not done.stdout and not (place / "called").exists()


def test_a_good_run_is_told_with_its_exit_codes():
    """
    The command's exit code and the drive's are said, and that it had to be stopped.
    """
    line = trial_line(trial("read", drive=0, stopped=True, status=143), ())

    assert line == "good: exit code 143 when it was stopped, the drive's 0"


def test_hostile_names_stay_on_their_line():
    """
    A program, a thread and a container with control characters in their names are harmless.
    """
    hostile = refusal("sync", executable="/a\nb", comm="\x1b[2J", container="c\rd")
    denied = trial("read", refusals=(hostile,), tried=("podman with runc 1",))
    verdict = verdict_on([denied], [("denied: sync",)], Asked(allowing("read"), ""), "podman")

    lines = list(verdict_lines(verdict, 1))

    assert "denied: sync -> EPERM on x86_64 by /a\\x0ab [\\x1b[2J 1] in c\\x0dd, once" in lines[0]
    assert lines[-1] == (
        "does not work: 0 of 1 runs were good, under podman with runc 1; denied: sync"
    )
    assert all(line.isprintable() for line in lines)
