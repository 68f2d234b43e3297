"""
Tests that a server works under the profile that was recorded while it was driven.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from subprocess import DEVNULL, PIPE, Popen

import pytest

from tests.live import drives
from tests.live.command import SeccompTrace
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.recorded import PROFILE, RECORDING, read_complete
from tests.live.serving import Running, Server, running

DRIVES = 10
AT_ONCE = 5  # a drive waits most of its time

Drive = Callable[[Running], None]

NGINX = Server("nginx", ("nginx", "-c", "/data/nginx.conf"), stopped_by="QUIT")
REDIS = Server("redis", ("redis-server", "/data/redis.conf"))
MEMCACHED = Server(
    "memcached",
    ("memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", "{port}", "-Y", "/data/passwords"),
    stopped_by="USR1",
)
PYTHON = Server("python", ("python3", "/data/http_server.py", "{port}"))


@pytest.mark.parametrize(
    ("engine", "server", "drive"),
    [
        ("docker", NGINX, drives.drive_nginx),
        ("podman", REDIS, drives.drive_redis),
        ("podman_crun", MEMCACHED, drives.drive_memcached),
        ("podman", PYTHON, drives.drive_python),
    ],
    ids=["nginx", "redis", "memcached", "python"],
    indirect=["engine"],
)
def test_a_server_is_driven_under_its_profile(
    engine: Engine,
    servers: ImageLoader,
    seccomp_trace: SeccompTrace,
    server: Server,
    drive: Drive,
):
    """
    What a server was seen to do while recorded, it does every time under the profile.
    """
    image, directory = servers(engine), seccomp_trace.directory
    record_drive(seccomp_trace, engine, image, server, drive)
    options = engine.security(directory / PROFILE)

    def again(number: int) -> None:
        start, place = partial(start_alone, engine), directory / str(number)
        with running(server, engine, image, place, start=start, options=options) as one:
            drive(one)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        failures = [end.exception() for end in [pool.submit(again, n) for n in range(DRIVES)]]
    assert not any(failures), failures


def record_drive(
    seccomp_trace: SeccompTrace, engine: Engine, image: str, server: Server, drive: Drive
) -> None:
    """Record a server while it is driven; a recording that is not complete is an error."""
    own = ("run", "-o", PROFILE, "--recording", RECORDING, "--")

    def start(command: Sequence[str]) -> Popen[str]:
        return seccomp_trace.start(*own, *command, env=engine.environment)

    directory = seccomp_trace.directory
    with running(server, engine, image, directory / "recorded", start=start) as one:
        drive(one)
    read_complete(directory / RECORDING)


def start_alone(engine: Engine, command: Sequence[str]) -> Popen[str]:
    return Popen(
        command, env=engine.environment, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, text=True
    )
