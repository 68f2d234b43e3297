"""
Tests of the promise under each runtime of today: a profile starts its container again, every time.

The host's runtimes, and those of newer releases of Debian. The long series, twenty times each, is
`scripts/start-again`.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live.command import SeccompTrace
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.recorded import record
from tests.live.runtimes import (
    GET_RUNTIMES,
    HOST,
    NEWER,
    OLDEST,
    measured_runtime,
    runtimes,
)
from tests.live.starting import CASES, NO_NEW_PRIVILEGES, program, start_again, under

TIMES = 10


@pytest.fixture
def engine_for(request: pytest.FixtureRequest) -> Callable[[str], Engine]:
    """
    Podman as it is set up for a runtime of this name.
    """
    fixtures = {"runc": "podman", "crun": "podman_crun"}
    return lambda name: request.getfixturevalue(fixtures[name])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("name", "release"), (*OLDEST, *NEWER))
def test_a_recorded_container_starts_again_and_takes_execs_under_its_runtime(
    name: str,
    release: str,
    case: str,
    engine_for: Callable[[str], Engine],
    busybox: ImageLoader,
    seccomp_trace: SeccompTrace,
):
    """
    A profile starts its container under the runtime that was recorded, and allows `exec`, however
    the container was recorded.
    """
    engine, runtime = engine_for(name), measured_runtime(name, release)
    container = under(runtime, "run", "--rm", *CASES[case].recorded, busybox(engine), *program())

    recorded = record(seccomp_trace, engine, *container)

    again = CASES[case].again
    tally = start_again(engine, runtime, busybox(engine), recorded.profile, TIMES, *again)
    assert tally.is_full(TIMES), tally


@pytest.mark.parametrize(("name", "release"), NEWER)
def test_a_profile_outlives_an_upgrade_of_its_runtime(
    name: str,
    release: str,
    engine_for: Callable[[str], Engine],
    busybox: ImageLoader,
    seccomp_trace: SeccompTrace,
):
    """
    A profile recorded under the oldest runtime starts its container under a newer one, with and
    without no-new-privileges.
    """
    engine, newer = engine_for(name), measured_runtime(name, release)
    image = busybox(engine)
    container = under(measured_runtime(name, HOST), "run", "--rm", image, *program())

    recorded = record(seccomp_trace, engine, *container)

    for options in ((), NO_NEW_PRIVILEGES):
        tally = start_again(engine, newer, image, recorded.profile, TIMES, *options)
        assert tally.is_full(TIMES), (options, tally)


def test_getting_the_runtimes_again_leaves_them_as_they_are():
    """
    A second scripts/get-runtimes names the same files and leaves them; they are root's alone.
    """
    files = [Path(runtime.path) for (_, release), runtime in runtimes().items() if release != HOST]
    before = [identity(path) for path in files]

    done = subprocess.run([str(GET_RUNTIMES)], stdout=subprocess.PIPE, text=True, timeout=300)

    assert done.returncode == 0
    assert [Path(line.split("\t")[-1]) for line in done.stdout.splitlines()] == files
    assert [identity(path) for path in files] == before
    for path in files:
        assert (path.stat().st_uid, path.stat().st_mode & 0o7777) == (0, 0o755)


def identity(path: Path) -> tuple[int, int]:
    return path.stat().st_ino, path.stat().st_mtime_ns
