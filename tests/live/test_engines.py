"""
Tests of the harness itself: every engine starts a container, and the images hold what they should.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.conftest import ImageLoader
from tests.live.engines import Engine

PROGRAMS = ["brief", "calls 39", "exec5", "threads200 39 110", "hello32"]
SERVERS = [
    "nginx -v",
    "redis-server --version",
    "memcached --version",
    "strace --version",
    "capsh --supports=cap_sys_admin",
    "sha256sum --version",
    "python3 -c 'import json, ssl, socket'",
]


def test_an_engine_starts_a_container(engine: Engine, busybox: ImageLoader):
    """
    Each engine runs a command of busybox, and passes its output and exit code on.
    """
    image = busybox(engine)

    done = engine.run("run", "--rm", image, "sh", "-c", "ls /; exit 3", check=False)

    assert done.returncode == 3
    assert "proc" in done.stdout.split()


def test_a_container_is_run_by_the_runtime_named(engine: Engine, busybox: ImageLoader):
    """
    An engine uses the runtime it is named for.
    """
    query = {"podman": "{{.OCIRuntime}}", "docker": "{{.HostConfig.Runtime}}"}[engine.name]
    container = engine.run("create", busybox(engine), "true").stdout.strip()

    runtime = engine.run("inspect", "--format", query, container).stdout.strip()

    assert runtime == engine.runtime


def test_a_profile_is_applied(engine: Engine, busybox: ImageLoader, tmp_path: Path):
    """
    The options of `security` put a container under the profile.
    """
    profile = tmp_path / "profile.json"
    profile.write_text(
        '{"defaultAction": "SCMP_ACT_ALLOW",'
        ' "syscalls": [{"names": ["sethostname"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77}]}'
    )
    options = ["--cap-add", "SYS_ADMIN", *engine.security(profile)]

    done = engine.run("run", *options, busybox(engine), "hostname", "other", check=False)

    assert done.returncode != 0
    assert "File descriptor in bad state" in done.stderr


def test_no_container_is_left_to_the_next_test(engine: Engine):
    """
    A test finds no container of the tests before it.
    """
    assert engine.run("ps", "--all", "--quiet").stdout == ""


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_test_program_runs(podman: Engine, busybox: ImageLoader, program: str):
    """
    Each test program runs in a container to a good end.
    """
    podman.run("run", "--rm", busybox(podman), *program.split())


def test_a_nested_namespace_can_be_made(podman: Engine, busybox: ImageLoader):
    """
    `nested_pidns` runs a program as process 1 of a namespace inside the container.
    """
    command = ["/usr/local/bin/nested_pidns", "/bin/sh", "-c", "echo $$"]

    done = podman.run("run", "--rm", "--cap-add", "SYS_ADMIN", busybox(podman), *command)

    assert done.stdout == "1\n"


@pytest.mark.parametrize("command", SERVERS)
def test_the_servers_image_holds_what_tests_drive(
    podman: Engine, servers: ImageLoader, command: str
):
    """
    Each server and tool is in the image and starts.
    """
    podman.run("run", "--rm", servers(podman), "sh", "-c", command)


def test_every_engine_holds_the_servers_image(engine: Engine, servers: ImageLoader):
    """
    The servers image works in each engine, with the test programs in it.
    """
    engine.run("run", "--rm", servers(engine), "calls", "39")
