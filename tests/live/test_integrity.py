"""
Live tests that a recording which may lack something says so, and is never taken for a whole one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.live.apart import apart
from tests.live.command import PROGRAM, SeccompTrace
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.recorded import calls_of, read_complete
from tracer.kernel.program import CAPACITY

# The command line under test, with maps of other sizes than usual.
CRAMPED = """#!{python}
import functools
from tracer import cli
from tracer.session import resident
resident.own = functools.partial(resident.own, {capacity})
cli.main()
"""
# Without PWD, which is not the same for both: dash asks for it then, and always so.
PROGRAMS = (
    *("env", "-u", "PWD", "sh", "-c"),
    "/bin/cat /dev/null; /bin/id -u; /bin/uname; /bin/ls /; exit 0",
)
# What stands for every number that no kernel has: bpf/recorder.h.
IMPOSSIBLE = 0xFFFFFFFF
OUTPUT = ("-o", "p.json", "--recording", "r.json")


def with_room_for(directory: Path, **capacity: int) -> SeccompTrace:
    """
    Return the command line under test with maps of these sizes.

    Apart from the host, whose compiled recorder would have to give way.
    """
    program = directory / "cramped"
    python = PROGRAM.with_name("python")
    program.write_text(CRAMPED.format(python=python, capacity={**CAPACITY, **capacity}))
    program.chmod(0o755)
    wrapper = directory / "wrapper"
    words = apart(["mount -t tmpfs none /var/cache"], [str(program)])
    wrapper.write_text("#!/bin/sh\nexec " + " ".join(f"'{word}'" for word in words) + ' "$@"\n')
    wrapper.chmod(0o755)
    place = directory / "results"
    place.mkdir()
    return SeccompTrace(place, wrapper)


def incomplete(place: Path) -> dict[str, Any]:
    """
    Return the recording that was kept as incomplete; nothing has the names that were asked for.
    """
    assert {one.name for one in place.iterdir()} == {"p.json.incomplete", "r.json.incomplete"}
    assert json.loads((place / "p.json.incomplete").read_text())["defaultAction"]
    document: dict[str, Any] = json.loads((place / "r.json.incomplete").read_text())
    return document


def codes(document: dict[str, Any]) -> set[str]:
    return {reason["code"] for run in document["runs"] for reason in run["integrity"]}


@pytest.mark.alone
def test_calls_that_no_map_has_room_for_make_a_recording_incomplete(tmp_path: Path):
    """
    When a command makes more calls than fit, nothing gets the name asked for, and 125 says so.
    """
    cramped = with_room_for(tmp_path, MAX_OBSERVATIONS=5)

    done = cramped("run", *OUTPUT, "--", "sh", "-c", "exit 3")

    document = incomplete(cramped.directory)
    assert done.returncode == 125
    assert codes(document) == {"calls-lost"}
    assert len(document["observations"]) == 5
    assert "not complete: sh: calls were seen for which no map had room" in done.stderr


@pytest.mark.alone
def test_a_containers_calls_that_do_not_fit(podman: Engine, busybox: ImageLoader, tmp_path: Path):
    """
    When a container makes more calls than fit, its recording is incomplete.
    """
    cramped = with_room_for(tmp_path, MAX_OBSERVATIONS=30)
    command = podman.command("run", "--rm", "--name", "cut", busybox(podman), "ls", "/")

    done = cramped("run", *OUTPUT, "--", *command, env=podman.environment)

    assert codes(incomplete(cramped.directory)) == {"calls-lost"}
    assert done.returncode == 125
    assert "not complete: cut: " in done.stderr


@pytest.mark.alone
def test_a_container_that_no_map_has_room_for(
    podman: Engine, busybox: ImageLoader, tmp_path: Path
):
    """
    A container whose recording could not even begin does not pass unseen.
    """
    cramped = with_room_for(tmp_path, MAX_RECORDINGS=1)
    command = podman.command("run", "--rm", busybox(podman), "true")

    done = cramped("run", *OUTPUT, "--", *command, env=podman.environment)

    assert done.returncode == 125
    assert "too many at once" in done.stderr
    assert not (cramped.directory / "p.json").exists()


@pytest.mark.alone
@pytest.mark.parametrize("limit", ["MAX_EXECUTABLES", "MAX_EXECUTABLES_EACH"])
def test_programs_that_no_map_has_room_for_are_only_a_note(
    seccomp_trace: SeccompTrace, tmp_path: Path, limit: str
):
    """
    More programs than fit leave the calls complete; a note says that some have no name.
    """
    cramped = with_room_for(tmp_path, **{limit: 2})
    whole = seccomp_trace("run", *OUTPUT, "--", *PROGRAMS)

    done = cramped("run", *OUTPUT, "--", *PROGRAMS)

    assert (whole.returncode, done.returncode) == (0, 0), done.stderr
    recording = read_complete(cramped.directory / "r.json")
    assert calls_of(recording) == calls_of(read_complete(tmp_path / "r.json"))
    assert len(recording.executables) == 2
    assert "note: 4 executions of programs whose path could not be kept" in done.stderr


@pytest.mark.alone
def test_a_recording_that_has_used_its_share_of_the_room_is_incomplete(tmp_path: Path):
    """
    One recording cannot take all the room there is: past its share its calls are lost, and said.
    """
    cramped = with_room_for(tmp_path, MAX_OBSERVATIONS_EACH=10)

    done = cramped("run", *OUTPUT, "--", *PROGRAMS)

    document = incomplete(cramped.directory)
    assert done.returncode == 125
    assert codes(document) == {"calls-lost"}
    assert len(document["observations"]) == 10


@pytest.mark.parametrize(
    "made, kept, said",
    [
        (777, 777, "call number 777 of SCMP_ARCH_X86_64 is unknown"),
        (9999, IMPOSSIBLE, "calls with numbers that SCMP_ARCH_X86_64 never had"),
    ],
)
def test_a_number_that_nobody_can_name(
    podman: Engine,
    busybox: ImageLoader,
    seccomp_trace: SeccompTrace,
    tmp_path: Path,
    made: int,
    kept: int,
    said: str,
):
    """
    A call whose number has no name makes a recording incomplete; it gets no made-up name.
    """
    command = podman.command(
        # With a filter that denies it, it would never be seen.
        *("run", "--rm", "--name", "odd", "--security-opt", "seccomp=unconfined"),
        *(busybox(podman), "calls", str(made)),
    )

    done = seccomp_trace("run", *OUTPUT, "--", *command, env=podman.environment)

    document = incomplete(tmp_path)
    (odd,) = (seen for seen in document["observations"] if seen["number"] == kept)
    assert odd.get("name") is None
    assert done.returncode == 125
    assert f"not complete: odd: {said}, made by" in done.stderr
    assert "/usr/local/bin/calls" in done.stderr
    assert str(kept) not in (tmp_path / "p.json.incomplete").read_text()


def test_a_container_that_ran_before(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    What is executed in a container that ran before the recorder is an incomplete recording of it.
    """
    waiting = ["sh", "-c", "while :; do sleep 1; done"]
    podman.run("run", "-d", "--name", "older", busybox(podman), *waiting)
    command = podman.command("exec", "older", "ls", "/")

    done = seccomp_trace("run", *OUTPUT, "--", *command, env=podman.environment)

    podman.run("kill", "older")
    assert codes(incomplete(tmp_path)) == {"attached-late"}
    assert done.returncode == 125
    assert "was running before the recording began" in done.stderr


def test_an_incomplete_profile_is_not_printed(seccomp_trace: SeccompTrace, tmp_path: Path):
    """
    With `-o -` standard output stays empty if the recording is incomplete.
    """
    command = ["python3", "-c", "import ctypes; ctypes.CDLL(None).syscall(9999)"]

    done = seccomp_trace("run", "-o", "-", "--", *command)

    assert (done.returncode, done.stdout) == (125, "")
    assert [one.name for one in tmp_path.iterdir()] == ["python3.seccomp.json.incomplete"]


def test_a_good_profile_outlives_an_incomplete_one(seccomp_trace: SeccompTrace, tmp_path: Path):
    """
    A profile from before keeps its name and content when the new recording is incomplete.
    """
    seccomp_trace("run", "-o", "p.json", "--", "true")
    before = (tmp_path / "p.json").read_bytes()
    command = ["python3", "-c", "import ctypes; ctypes.CDLL(None).syscall(9999)"]

    done = seccomp_trace("run", "-o", "p.json", "--", *command)

    assert done.returncode == 125
    assert (tmp_path / "p.json").read_bytes() == before
    assert (tmp_path / "p.json.incomplete").exists()


def test_generate_marks_what_is_incomplete(seccomp_trace: SeccompTrace, tmp_path: Path):
    """
    `generate` prints no profile of an incomplete recording, and writes one as incomplete only.
    """
    command = ["python3", "-c", "import ctypes; ctypes.CDLL(None).syscall(9999)"]
    seccomp_trace("run", "--recording", "r.json", "-o", "p.json", "--", *command)

    printed = seccomp_trace("generate", "r.json.incomplete")
    written = seccomp_trace("generate", "r.json.incomplete", "-o", "g.json")

    assert (printed.returncode, printed.stdout) == (125, "")
    assert written.returncode == 125
    assert not (tmp_path / "g.json").exists()
    assert (tmp_path / "g.json.incomplete").exists()
