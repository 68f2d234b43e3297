"""
`run --confirm-caps` as a person types it, and what it says of what was found.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Optional

import pytest

from tracer.capabilities.names import flags
from tracer.cli.confirming import ambient_lines, confirmed_lines
from tracer.session.confirmation import Confirmed

PROGRAM = str(Path(sys.executable).parent / "seccomp-trace")


@pytest.mark.parametrize(
    "line, status, words",
    [
        ("--confirm-caps -- ls /", 125, "ls: no podman run or docker run"),
        ("--confirm-caps -- podman create image", 125, "nothing to give capabilities to"),
        ("--confirm-caps -- podman run --privileged image", 125, "--privileged gives every"),
        ("--confirm-caps --drive nosuch -- podman run image", 125, "nosuch: no such program"),
        ("--confirm-caps --duration 3 -- podman run image", 2, "--duration cuts one short"),
        ("--drive true -- podman run image", 2, "--drive goes with --confirm-caps"),
    ],
)
def test_what_cannot_be_confirmed_is_said_before_anything_runs(
    tmp_path: Path, line: str, status: int, words: str
):
    """
    A command or options that trials can make nothing of are refused, and no engine is called.
    """
    (tmp_path / "podman").write_text("#!/bin/sh\ntouch called\n")
    (tmp_path / "podman").chmod(0o755)

    done = subprocess.run(
        [PROGRAM, "run", "-o", "p.json", *shlex.split(line)],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )

    assert done.returncode == status
    assert words in done.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["podman"]


def test_what_was_found_is_told_with_what_it_proves():
    """
    What was missed, what was not, what nothing recorded, what is called besides, how many runs, and
    what that proves.
    """
    found = Confirmed(
        ("CAP_CHOWN", "CAP_SETFCAP"), ("CAP_KILL",), ("CAP_SETFCAP",), 7, added=("mkdir", "sync")
    )

    lines = list(confirmed_lines(found))

    assert lines[:4] == [
        "confirmed, for each was missed: CHOWN, SETFCAP",
        "recorded as needed, but not missed: KILL",
        "missed, although nothing recorded asked for them: SETFCAP",
        "called with these alone, and so in the profile, too: mkdir, sync",
    ]
    assert lines[4].startswith("by 7 runs besides the recorded one, the last of them under the new")
    assert "this proves only that" in lines[4] and len(lines) == 5
    assert flags(found.needed) == ("--cap-drop=all", "--cap-add=CHOWN", "--cap-add=SETFCAP")


def test_that_the_profile_does_not_go_with_them_is_told():
    """
    What was confirmed without it is told all the same.
    """
    found = Confirmed(("CAP_CHOWN",), (), (), 3, apart=("exit code 1", "more"))

    assert list(confirmed_lines(found))[:2] == [
        "confirmed, for each was missed: CHOWN",
        "under the new profile it does not do with these: exit code 1; more",
    ]


def test_that_nothing_is_missed_is_said_in_two_lines():
    """
    There is nothing to list, and everything is dropped.
    """
    found = Confirmed((), (), (), 1)

    assert [line.partition(";")[0] for line in confirmed_lines(found)] == [
        "confirmed: no capability was missed",
        "by 1 run besides the recorded one, the last of them under the new profile",
    ]
    assert flags(found.needed) == ("--cap-drop=all",)


@pytest.mark.parametrize(
    "user, engine, words",
    [
        (None, "docker", None),
        (1024, "docker", "docker gives them to user 1024 in the bounding set only"),
        (1024, "podman", "podman gives them to user 1024 in the ambient set"),
    ],
)
def test_what_an_engine_makes_of_them_for_others_than_root_is_said(
    user: Optional[int], engine: str, words: Optional[str]
):
    """
    One line for a user who is not root, by engine; none for root.
    """
    lines = list(ambient_lines(Confirmed(("CAP_CHOWN",), (), (), 2), user, engine))

    assert [words in line for line in lines if words] == [True] * bool(words)
    assert len(lines) == bool(words)
