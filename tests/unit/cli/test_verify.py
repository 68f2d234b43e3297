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

from tests.unit.profile.floor_data import RAN, floor, trials
from tests.unit.recordings import recording
from tests.unit.session.trials import allowing, refusal, trial
from tracer.cli.trials import for_engine, shelf
from tracer.cli.verify import later_lines, trial_line, verdict_lines
from tracer.profile import model
from tracer.profile.floor_choice import FloorChoice
from tracer.profile.model import Profile
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


def test_an_interrupted_verdict_says_how_far_it_came():
    """
    Fewer runs than were asked for are no verdict on the rest.
    """
    verdict = verdict_on([trial("read")], [("interrupted",)], Asked(allowing("read"), ""), "podman")

    assert "interrupted after 1 of 3 runs" in list(verdict_lines(verdict, 3))


def test_a_profile_is_put_where_an_engine_reads_it_and_taken_away(tmp_path: Path):
    """
    The file is there for everybody while it is tried; afterwards, and after a kill, nothing is.
    """
    killed = subprocess.Popen(["true"])
    killed.wait()
    left = tmp_path / f"trial-{killed.pid}-left"
    left.mkdir()

    with shelf(tmp_path) as files:
        path = Path(files.put(allowing("read")))
        assert path.read_text() == for_engine(allowing("read"))
        assert path.stat().st_mode & 0o777 == 0o644
        assert path.parent.stat().st_mode & 0o777 == 0o755
        assert not left.exists()

    assert not list(tmp_path.iterdir())


def test_a_profile_for_a_runtime_is_given_to_engines_in_their_dialect():
    """
    What was written for OCI or Kubernetes is tried as the Docker profile that says the same.
    """
    text = for_engine(
        Profile(model.ERRNO, (model.Rule(("read",), model.ALLOW),), dialect=model.OCI)
    )

    assert '"defaultAction": "SCMP_ACT_ERRNO"' in text and '"read"' in text


def test_later_versions_that_a_profile_fails_under_are_named():
    """
    A note names the later version of the runtime that ran, not the version that was tried.
    """
    recorded = recording("read", run=RAN)
    measured = (
        floor("crun-1.8.1", "statx", trials=trials("statx", failed=(20, 20))),
        floor("crun-1.21", "statx", trials=trials("statx", failed=(20, 20))),
        floor("runc-1.1.5", "getcwd", trials=trials("getcwd", failed=(20, 20))),
    )

    lines = list(later_lines(allowing("read"), recorded, FloorChoice(), measured))
    named = FloorChoice("", (("crun", "1.21"),))

    assert list(later_lines(allowing("read"), recorded, named, measured)) == [
        "denied: would not start under crun 1.21: it needs statx"
    ]
    assert lines == ["note: would not start under crun 1.21: it needs statx"]
