"""
Tests of which runtime a recording names: the file that ran, wherever it lies, and no other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.command import SeccompTrace
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.policy import require_command
from tests.live.recorded import RECORDING, record, record_command
from tests.live.runtime_copies import directory_of_roots, other_version, said_by, version_of
from tracer.container.runtime_file import read_runtime
from tracer.recording import Run, from_json

PODMANS = ("podman", "podman_crun")
NINES = str.maketrans("0123456789", "9" * 10)
# What tells a runc: without it the version cannot be read.
MARK, NO_MARK = b"path\tgithub.com/opencontainers/runc\n", b"path\tgithub.com/opencontainers/runX\n"
NOBODY = 65534
PASSES = """#!/bin/sh
case "$*" in *--version*) touch {mark} ;; esac
exec {runtime} "$@"
"""


@pytest.fixture
def of_roots() -> Iterator[Path]:
    """
    A directory where root alone can place a file.
    """
    with directory_of_roots() as directory:
        yield directory


@pytest.fixture(params=PODMANS)
def podmans(request: pytest.FixtureRequest) -> Engine:
    """
    Podman with each runtime in turn.
    """
    engine: Engine = request.getfixturevalue(request.param)
    return engine


def run_under(
    runtime: Path, podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
) -> Run:
    """
    Record a container under the runtime of a path; what the recording says of its run.
    """
    command = ("--runtime", str(runtime), "run", "--rm", busybox(podman), "true")
    (run,) = record(seccomp_trace, podman, *command).recording.runs.values()
    return run


@pytest.mark.parametrize("name", ["runc", "crun"])
def test_a_version_is_read_as_the_runtime_says_it(name: str):
    """
    The version in a runtime's file is the one that the runtime prints.
    """
    path = require_command(name)

    found = read_runtime(path)

    assert (found.name, found.version, found.owned) == (name, said_by(path), True)


def test_an_engines_runtime_is_named_by_its_file(
    engine: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    A recording has the path, version and build id of the engine's runtime.
    """
    (run,) = record(
        seccomp_trace, engine, "run", "--rm", busybox(engine), "true"
    ).recording.runs.values()

    path = os.path.realpath(require_command(engine.runtime))
    assert (run.runtime, run.runtime_path) == (engine.runtime, path)
    assert run.runtime_version == version_of(engine)
    assert run.runtime_build_id == read_runtime(path).build_id
    assert not [note for note in run.notes if "runtime" in note]


def test_a_runtime_of_another_version_is_named_by_its_own(
    podmans: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    `podman --runtime PATH` is recorded with the version of that file, which need not be root's.
    """
    version = version_of(podmans).translate(NINES)
    path = other_version(podmans.runtime, version, tmp_path / podmans.runtime)
    os.chown(path, NOBODY, NOBODY)

    run = run_under(path, podmans, busybox, seccomp_trace)

    assert (run.runtime, run.runtime_version) == (podmans.runtime, version)
    assert run.runtime_path == str(path)


def test_a_script_names_the_runtime_that_it_executes(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    A script in a runtime's place is not asked for its version; what it executes is the runtime.
    """
    runtime, mark = os.path.realpath(require_command("runc")), tmp_path / "mark"
    path = tmp_path / "runc"
    path.write_text(PASSES.format(runtime=runtime, mark=mark))
    path.chmod(0o755)

    run = run_under(path, podman, busybox, seccomp_trace)

    assert (run.runtime_path, run.runtime_version) == (runtime, version_of(podman))
    assert not mark.exists()


def test_only_a_file_of_roots_is_asked_for_its_version(
    podman: Engine,
    busybox: ImageLoader,
    seccomp_trace: SeccompTrace,
    tmp_path: Path,
    of_roots: Path,
):
    """
    A runc of a build that nobody measured, which does not tell its version in its file, is asked
    only where root alone could place it.
    """
    original = require_command("runc")
    build = bytes.fromhex(read_runtime(original).build_id)
    content = Path(original).read_bytes().replace(MARK, NO_MARK).replace(build, bytes(len(build)))
    versions = []
    for directory in (tmp_path, of_roots):
        path = directory / "runc"
        path.write_bytes(content)
        path.chmod(0o755)
        run = run_under(path, podman, busybox, seccomp_trace)
        assert (run.runtime, run.runtime_path) == ("runc", str(path))
        versions.append((run.runtime_version, [note for note in run.notes if "runtime" in note]))

    unknown = f"the runtime's version is unknown: {tmp_path / 'runc'} does not tell it"
    assert versions == [("", [unknown]), (version_of(podman), [])]


def test_a_runtime_that_was_replaced_meanwhile_has_no_version(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    An upgrade between the container's start and the recording's end leaves the version unknown.
    """
    version = version_of(podman)
    path = other_version("runc", version.translate(NINES), tmp_path / "runc")
    other_version("runc", version, tmp_path / "newer")
    started = f"podman --runtime {path} run --rm {busybox(podman)} true"
    script = f"{started} && mv {tmp_path}/newer {path}"

    recorded = record_command(seccomp_trace, podman, ["sh", "-c", script])

    (run,) = recorded.recording.runs.values()
    assert (run.runtime, run.runtime_version, run.runtime_build_id) == ("runc", "", "")
    assert f"{path} was replaced or changed since the container started" in "".join(run.notes)


@pytest.mark.parametrize("name", ["podman", "docker"])
def test_a_running_containers_runtime_is_named_by_its_monitor(
    name: str,
    request: pytest.FixtureRequest,
    busybox: ImageLoader,
    seccomp_trace: SeccompTrace,
):
    """
    A container that is attached to has the version of the file that its monitor was told.
    """
    engine: Engine = request.getfixturevalue(name)
    loop = ("sh", "-c", "while :; do sleep 0.05; done")
    container = engine.run("run", "-d", "--network", "none", busybox(engine), *loop).stdout.strip()
    options = ("--since-now", "--duration", "0.5", "--recording", RECORDING)

    done = seccomp_trace("attach", *options, container, env=engine.environment)

    engine.run("kill", container)
    assert done.returncode == 0, done.stderr
    recording = from_json((seccomp_trace.directory / RECORDING).read_text(), RECORDING)
    (run,) = recording.runs.values()
    assert os.path.samefile(run.runtime_path, require_command("runc"))
    assert (run.runtime, run.runtime_version) == ("runc", version_of(engine))
