"""
The command `check` and runtimes: what it prints of those under which nothing starts, and what
counts. The measurements are the tests' own.
"""

from __future__ import annotations

from pathlib import Path
from typing import List, Tuple

import pytest
from click.testing import CliRunner

from tests.unit.profile.floor_data import floor, trials
from tests.unit.recordings import observation
from tracer import syscalls
from tracer.cli import options
from tracer.cli.check import check
from tracer.host_floors import Measured
from tracer.profile import formats, model
from tracer.profile.model import Profile, Rule
from tracer.recording import RUNTIME, Recording, Run, to_json

STATX = trials("statx", failed=(20, 20))
FSTAT = trials("fstat", failed=(20, 20))
MEASURED = (
    floor("runc-1.1.5+ds1", "faccessat2", "epoll_ctl", trials=trials("faccessat2")),
    floor("runc-1.3.6+ds1", "statx", trials=STATX),
    floor("runc-1.4.3+ds1", "statx", trials=STATX),
    floor("crun-1.28", calls=(("fstat", 150),), trials=FSTAT, action="exec"),
)
ALLOWED = ("read", "execve", "epoll_ctl", "landlock_restrict_self")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """
    A directory for the files, and our own measurements in place of the package's.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(options, "measured", lambda: Measured(MEASURED))
    return tmp_path


def checked(
    place: Path,
    runtime: str,
    *arguments: str,
    allowed: Tuple[str, ...] = ALLOWED,
    host: str = syscalls.X86_64,
) -> Tuple[int, List[str]]:
    """
    The exit code, and the lines about a container that was recorded under this runtime.
    """
    name, _, version = runtime.partition("-")
    run = Run(
        "run",
        runtime=name,
        runtime_version=version,
        container_id="c" * 64,
        architecture=host,
        no_new_privileges=False,
        filter="engine",
    )
    seen = (observation("read"), observation("faccessat2", executable=RUNTIME))
    rules = (Rule(allowed, model.ALLOW),)
    profile = Profile(model.ERRNO, rules, architectures=(syscalls.X86_64,))
    (place / "p.json").write_text(formats.write(profile))
    (place / "r.json").write_text(to_json(Recording({"run": run}, (), seen)))
    done = CliRunner().invoke(
        check, [*arguments, "p.json", "r.json"], standalone_mode=False, catch_exceptions=False
    )
    return done.return_value, done.output.splitlines()


def test_later_versions_and_other_runtimes_are_notes(place: Path):
    """
    The container starts under the version that ran, and not after an upgrade to these.
    """
    status, lines = checked(place, "runc-1.1.5+ds1")

    assert status == 0
    assert lines[1:] == [
        "note     crun                 exec would sometimes fail under crun 1.28: it needs fstat",
        "note     runc                 would not start under runc 1.3.6 and 1.4.3: it needs statx",
        "2 calls recorded: 1 would be let through, 0 denied, 1 that the runtime does without",
    ]


def test_the_runtime_does_without_a_call_that_it_alone_made(place: Path):
    """
    A denial that starts nothing and stops nothing is a note.
    """
    _, (first, *_) = checked(place, "runc-1.1.5+ds1", "--runtime-floor", "exact")

    assert first.startswith(
        "note     faccessat2           ERRNO(1), which the runtime does without"
    )


def test_the_version_that_ran_counts(place: Path):
    """
    Exit code 1, and the verdict names the version.
    """
    status, lines = checked(
        place, "runc-1.3.6+ds1", "--runtime-floor", "exact", allowed=(*ALLOWED, "faccessat2")
    )

    assert status == 1
    assert lines == [
        "denied   runc                 would not start under runc 1.3.6: it needs statx",
        "2 calls recorded: 2 would be let through, 0 denied; would not work under runc 1.3.6",
    ]


def test_a_runtime_that_is_named_counts(place: Path):
    """
    `--runtime-floor` asks about versions that did not run.
    """
    status, lines = checked(place, "runc-1.1.5+ds1", "--runtime-floor", "runc-1.4.3,crun")

    assert status == 1
    assert lines[-1].endswith("; would not work under crun 1.28, runc 1.4.3")


def test_a_version_that_nobody_has_measured_is_a_note(place: Path):
    """
    It says so, and how to measure it.
    """
    status, lines = checked(place, "runc-1.2.9", allowed=(*ALLOWED, "faccessat2", "statx"))

    assert status == 0
    assert any("version 1.2.9 was never measured" in line for line in lines)
    assert any("seccomp-trace floor measure" in line for line in lines)


def test_a_call_that_nobody_has_tried_to_refuse_is_a_note(place: Path):
    """
    Whoever reads it can allow the call.
    """
    status, lines = checked(
        place, "runc-1.1.5+ds1", "--runtime-floor", "exact", allowed=("read", "futex_waitv")
    )

    assert status == 0
    assert lines[1] == (
        "note     runc                 runc 1.1.5 was seen to call epoll_ctl; whether it starts "
        "without was never measured: allow it to be sure"
    )


def test_a_newer_call_is_denied_as_runc_answers_it(place: Path):
    """
    runc says ENOSYS to a call that is newer than the profile; crun what the profile says.
    """
    answers = [
        checked(place, runtime, "--runtime-floor", "none", allowed=("read", "close"))[1][0]
        for runtime in ("runc-1.4.3+ds1", "crun-1.28")
    ]

    assert "faccessat2           ERRNO(38)" in answers[0]
    assert "faccessat2           ERRNO(1)" in answers[1]


def test_each_architecture_is_named_where_there_are_several(
    place: Path, monkeypatch: pytest.MonkeyPatch
):
    """
    A recording of an unknown host is judged by the floors of all.
    """
    arm = floor("runc-1.3.6", "statx", trials=STATX, architecture=syscalls.AARCH64)
    monkeypatch.setattr(options, "measured", lambda: Measured((*MEASURED, arm)))

    _, lines = checked(place, "runc-1.3.6", "--runtime-floor", "exact", host="")

    assert [line for line in lines if " on aarch64: it needs statx" in line]
