"""
The command `check` and capabilities: whose containers a profile's rules are judged for.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.recordings import check, recording
from tracer.capabilities.names import mask_of
from tracer.recording import HOST, Capabilities, Recording, Run, merge, to_json

PROGRAM = str(Path(sys.executable).parent / "seccomp-trace")
PROFILE = json.dumps(
    {
        "defaultAction": "SCMP_ACT_ERRNO",
        "syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
            {
                "names": ["mount"],
                "action": "SCMP_ACT_ALLOW",
                "includes": {"caps": ["CAP_SYS_ADMIN"]},
            },
        ],
    }
)


def run(id: str, *words: str) -> Run:
    mask = mask_of(words)
    return Run(id, capabilities=Capabilities(0, HOST, 0, mask, mask, mask, 0))


def checked(place: Path, whole: Recording, *options: str) -> subprocess.CompletedProcess[str]:
    (place / "profile.json").write_text(PROFILE)
    (place / "r.json").write_text(to_json(whole))
    return subprocess.run(
        [PROGRAM, "check", "--runtime-floor", "none", *options, "profile.json", "r.json"],
        cwd=place,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    "words, options, status",
    [
        (["sys_admin"], [], 0),
        (["chown"], [], 1),
        (["chown"], ["--cap-add", "sys_admin"], 0),
        (["chown"], ["--engine", "docker"], 1),
        (["chown"], ["--engine", "podman"], 1),
        (["chown"], ["--engine", "containerd"], 0),
        (["chown"], ["--caps", "chown,SYS_ADMIN"], 0),
        (["chown"], ["--caps", "200000"], 0),
        (["sys_admin"], ["--caps", "docker"], 1),
        (["sys_admin"], ["--caps", "docker", "--caps", "sys_admin"], 0),
        (["sys_admin"], ["--caps", "required"], 1),
        (["sys_admin"], ["--caps", "required,sys_admin"], 0),
    ],
)
def test_rules_are_those_for_the_container(
    tmp_path: Path, words: list[str], options: list[str], status: int
):
    """
    It had what was recorded, unless options say otherwise; `required` is what it has shown to need.
    """
    done = checked(tmp_path, recording("read", "mount", run=run("run", *words)), *options)

    assert (done.returncode, done.stderr) == (status, "")
    assert ("denied   mount" in done.stdout) == bool(status)


def test_what_a_recording_needs_may_be_asked_about(tmp_path: Path):
    """
    With the required set a call is let through for which the capability was needed.
    """
    whole = recording("mount", run=run("run", "sys_admin"))
    needing = Recording(whole.runs, checks=(check("CAP_SYS_ADMIN", "mount"),))

    done = checked(tmp_path, merge(whole, needing), "--caps", "required")

    assert done.returncode == 0


def test_what_the_required_set_may_lack_is_said(tmp_path: Path):
    """
    Of checks that were lost nobody knows what they were for; other sets do not depend on them.
    """
    mask = mask_of(["sys_admin"])
    lossy = Run("run", capabilities=Capabilities(0, HOST, 0, mask, mask, mask, 0, 3))
    whole = recording("read", run=lossy)

    required, named = (checked(tmp_path, whole, "--caps", caps) for caps in ("required", "none"))

    assert "not complete: 3 capability checks could not be kept" in required.stderr
    assert named.stderr == ""


def test_a_call_that_is_denied_in_some_runs_counts_once(tmp_path: Path):
    """
    Two containers made it, and one of them could not under this profile.
    """
    runs = [run("admin", "sys_admin"), run("plain")]

    done = checked(tmp_path, merge(*(recording("read", "mount", run=one) for one in runs)))

    assert done.stdout.splitlines()[-1] == "2 calls recorded: 1 would be let through, 1 denied"


@pytest.mark.parametrize(
    "options, problem",
    [
        (["--caps", "sys_everything"], "'sys_everything' is no capability"),
        (["--caps", "0xfg"], "'0xfg' is no hexadecimal mask"),
        (["--cap-add", "41"], "'41' is no capability"),
        (["--caps", "required"], "--caps required: not all runs have capability checks"),
    ],
)
def test_what_cannot_be_a_set_is_told_in_a_line(tmp_path: Path, options: list[str], problem: str):
    """
    Words that mean nothing, and a set that was not recorded, end with 2.
    """
    done = checked(tmp_path, recording("read"), *options)

    assert (done.returncode, done.stdout) == (2, "")
    assert problem in done.stderr and len(done.stderr.splitlines()) == 1
