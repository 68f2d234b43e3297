"""
The command `lint` beside capabilities: from a recording, from an option, and neither.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.recordings import check
from tracer.capabilities.names import mask_of
from tracer.recording import HOST, Capabilities, Reason, Recording, Run, to_json

CASES = Path(__file__).parents[2] / "cases"
PROGRAM = str(Path(sys.executable).parent / "seccomp-trace")
PROFILE = (
    '{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": '
    '[{"names": ["acct", "ioctl"], "action": "SCMP_ACT_ALLOW"}]}'
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """
    A profile, a recording of a program that sets a hardware clock by ioctl, one that has lost
    some, and one without checks.
    """
    mask = mask_of(["sys_time", "sys_pacct"])
    run = Run("run", capabilities=Capabilities(0, HOST, 0, mask, mask, mask, 0))
    whole = Recording({"run": run}, checks=(check("CAP_SYS_TIME", "ioctl"),))
    (tmp_path / "profile.json").write_text(PROFILE)
    (tmp_path / "clock.rec").write_text(to_json(whole))
    doubted = replace(
        run,
        capabilities=Capabilities(0, HOST, 0, mask, mask, mask, 0, 3),
        integrity=(Reason("tasks-lost", "threads could not be followed", 2),),
    )
    (tmp_path / "lost.rec").write_text(to_json(replace(whole, runs={"run": doubted})))
    (tmp_path / "old.rec").write_text(to_json(Recording({"run": Run("run")})))
    return tmp_path


def linted(place: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, "lint", "--fail-on", "error", *options, "profile.json"],
        cwd=place,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    "options, codes",
    [
        ([], []),
        (["--recording", "clock.rec"], ["never-succeeds"]),
        (["--recording", "clock.rec", "--caps", "sys_pacct"], []),
        (["--caps", "sys_time"], ["never-succeeds", "serves-nothing"]),
        (["--recording", "clock.rec", "--caps", "sys_time"], ["never-succeeds"]),
        (["--caps", "sys_pacct", "--caps", "0x1"], ["serves-nothing"]),
    ],
)
def test_capabilities_are_those_recorded_as_needed_or_named(
    place: Path, options: list[str], codes: list[str]
):
    """
    A recording says what is needed and for which calls; an option says what there is instead.
    """
    done = linted(place, *options)

    assert done.stderr == ""
    found = {code for code in ("never-succeeds", "serves-nothing") if f"[{code}]" in done.stdout}
    assert sorted(found) == codes


def test_what_may_lack_something_is_said(place: Path):
    """
    A set that more may belong to is judged by, and it is said why.
    """
    done = linted(place, "--recording", "lost.rec")

    assert "[never-succeeds]" in done.stdout
    for line in ("threads could not be followed (2)", "3 capability checks could not be kept"):
        assert line in done.stderr
    assert done.stderr.count("not complete: ") == 2


@pytest.mark.parametrize(
    "options, problem",
    [
        (["--caps", "sys_everything"], "'sys_everything' is no capability"),
        (["--caps", "12z"], "'12z' is no hexadecimal mask"),
        (["--recording", "old.rec"], "not all runs have capability checks"),
        (["--recording", "none.rec"], "none.rec: cannot be read: No such file"),
        (["--recording", "-", "--recording", "-"], "can be read only once"),
    ],
)
def test_what_says_nothing_of_capabilities_is_told_in_a_line(
    place: Path, options: list[str], problem: str
):
    """
    Words that mean nothing, and recordings that do not know, end with 2.
    """
    done = linted(place, *options)

    assert (done.returncode, done.stdout) == (2, "")
    assert problem in done.stderr and len(done.stderr.splitlines()) == 1


OLD_HOST = ["--libseccomp", "2.4.3"]


@pytest.mark.parametrize(
    "options, severities",
    [
        ([], {"note"}),
        (["--runtime-floor", "all"], {"note"}),
        (["--runtime-floor", "none"], set()),
        (["--runtime-floor", "runc-1.1.5,runc-1.3.6"], {"error"}),
        (["--runtime-floor", "runc-1.1.5"], set()),
        (["--runtime-floor", "runc-1.1.5", *OLD_HOST], {"error"}),
    ],
)
def test_runtimes_that_are_named_have_to_start(
    tmp_path: Path, options: list[str], severities: set[str]
):
    """
    Every measured runtime is looked at, and is worth a note; what a person names is an error.
    """
    profile = CASES / "lint-old-host" / "given-profile.json"

    done = subprocess.run(
        [PROGRAM, "lint", "--format", "json", "--fail-on", "error", *options, str(profile)],
        capture_output=True,
        text=True,
    )

    found = {
        remark["severity"]
        for remark in json.loads(done.stdout)["remarks"]
        if remark["code"] == "floor-missing"
    }
    assert found == severities
    assert done.returncode == ("error" in severities)


@pytest.mark.parametrize("word", ["auto", "exact"])
def test_a_runtime_that_ran_is_known_to_check_alone(place: Path, word: str):
    """
    lint has no recording to take the runtime from.
    """
    done = linted(place, "--runtime-floor", word)

    assert (done.returncode, done.stdout) == (2, "")
    assert "the runtime that ran" in done.stderr
