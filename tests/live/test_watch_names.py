"""
Live tests of how `watch` names a container that is over, with its monitor, before it has looked.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.recorded import making
from tests.live.watched import deny, profile
from tracer.container.podman import read_launch
from tracer.kernel.denials import counting
from tracer.session.naming import Names


@pytest.mark.parametrize("engine", ["podman", "podman_crun"])
def test_a_container_that_is_over_has_left_its_name(
    engine: str, busybox: ImageLoader, tmp_path: Path, request: pytest.FixtureRequest
):
    """
    With a cgroup of its own, and without: its monitor has ended with it, and no engine knows it.
    """
    podman: Engine = request.getfixturevalue(engine)
    security = podman.security(profile(tmp_path, deny("getsid")))
    name = f"brief-{engine}"
    given = ("run", "--rm", "--name", name, *security, busybox(podman))

    with counting() as kernel:
        podman.run(*given, "calls", *making("getsid"))
        standings = list(kernel.standings().values())
        names = Names(kernel, registry={})
        for one in standings:
            names.meet(one.place, one.keeper)
            names.of(one.place)  # begins to ask those engines that there are

        assert name in {names.of(one.place) for one in standings}


def test_what_calls_itself_a_monitor_in_a_container_names_none(tmp_path: Path):
    """
    Who may run programs in a PID namespace of his own does not say what containers are called.
    """
    monitor = tmp_path / "conmon"
    monitor.write_text("#!/bin/sh\n")
    monitor.chmod(0o755)
    says = [str(monitor), "-c", "a" * 64, "-n"]

    with counting() as kernel:
        subprocess.run([*says, "outside"], check=True)
        subprocess.run(["unshare", "--pid", "--fork", *says, "inside"], check=True)
        launches = list(filter(None, map(read_launch, kernel.launches())))

    named = {one.name for one in launches if one.container == says[2]}
    assert named == {"outside"}
