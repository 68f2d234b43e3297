"""
Live test of how `watch` names a container that is over, with its monitor, before it has looked.
"""

from __future__ import annotations

from pathlib import Path

from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.recorded import making
from tests.live.watched import deny, profile
from tracer.kernel.denials import counting
from tracer.session.naming import Names


def test_a_container_that_is_over_has_left_its_name(
    podman_crun: Engine, busybox: ImageLoader, tmp_path: Path
):
    """
    It had no cgroup of its own, its monitor has ended with it, and no engine is asked.
    """
    security = podman_crun.security(profile(tmp_path, deny("getsid")))
    given = ("run", "--rm", "--name", "brief", *security, busybox(podman_crun))

    with counting() as kernel:
        podman_crun.run(*given, "calls", *making("getsid"))
        standings = list(kernel.standings().values())
        names = Names(kernel.launch, registry={})
        for one in standings:
            names.meet(one.place, one.keeper)

        assert "brief" in {names.of(one.place) for one in standings}
