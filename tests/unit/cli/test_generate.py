"""
The command `generate` with a baseline that has rules for containers with certain capabilities.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.profile.defaults import default_text
from tests.unit.recordings import check, recording
from tracer.capabilities.names import mask_of
from tracer.recording import HOST, Capabilities, Recording, Run, merge, to_json

PROGRAM = str(Path(sys.executable).parent / "seccomp-trace")


def generated(place: Path, whole: Recording, *options: str) -> subprocess.CompletedProcess[str]:
    (place / "baseline.json").write_text(default_text("docker"))
    (place / "r.rec").write_text(to_json(whole))
    words = ["generate", "--runtime-floor", "none", *options, "r.rec"]
    return subprocess.run([PROGRAM, *words], cwd=place, capture_output=True, text=True)


def mounting(held: str, needed: str) -> Recording:
    """
    A recording of a program that mounted something, with what it had and what it was seen to need.
    """
    mask = mask_of([held])
    capabilities = Capabilities(0, HOST, 0, mask, mask, mask, 0)
    run = Run("run", architecture="SCMP_ARCH_X86_64", capabilities=capabilities)
    made = recording("mount", "clone3", run=run)
    return merge(made, Recording(made.runs, checks=(check(f"CAP_{needed.upper()}", "mount"),)))


@pytest.mark.parametrize(
    "held, needed, options, added",
    [
        ("sys_admin", "sys_admin", [], []),
        ("sys_admin", "chown", [], ["mount"]),
        ("chown", "chown", [], ["mount"]),
        ("chown", "chown", ["--caps", "docker,sys_admin"], []),
        ("sys_admin", "sys_admin", ["--caps", "docker"], ["mount"]),
    ],
)
def test_what_the_baseline_allows_to_such_containers_is_left_to_it(
    tmp_path: Path, held: str, needed: str, options: list[str], added: list[str]
):
    """
    docker's profile allows mount with CAP_SYS_ADMIN: a container that had it and needs it gets no
    rule for everybody.
    """
    whole = mounting(held, needed)

    done = generated(tmp_path, whole, "--baseline", "baseline.json", *options)

    rules = json.loads(done.stdout)["syscalls"]
    known = len(json.loads(default_text("docker"))["syscalls"])
    assert [name for rule in rules[known:] for name in rule["names"]] == added
    assert ("left to it: clone3, mount" in done.stderr) == (not added)


@pytest.mark.parametrize(
    "options, status, problem",
    [
        (["--caps", "docker"], 2, "--caps chooses among a --baseline's rules"),
        (["--baseline", "baseline.json", "--caps", "0xfg"], 2, "'0xfg' is no hexadecimal mask"),
        (["--baseline", "baseline.json", "--caps", "sys"], 2, "'sys' is no capability"),
    ],
)
def test_what_cannot_be_a_set_is_told(
    tmp_path: Path, options: list[str], status: int, problem: str
):
    """
    Words that mean nothing, and a set for nothing, make no profile.
    """
    done = generated(tmp_path, recording("read"), *options)

    assert (done.returncode, done.stdout) == (status, "")
    assert problem in done.stderr
