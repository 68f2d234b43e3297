"""
Docker for the tests: a dockerd of their own, its data in a directory of theirs.

It leaves the host's network, its firewall and any other dockerd alone, and it is ended with the
session; if the session is killed, the kernel tells dockerd to end (setpriv --pdeathsig).
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.live.engines import Engine, environment_with, limit_of_files, remove_containers
from tests.live.policy import require_command

# The distribution's client, which fits its dockerd; a newer one may be first on PATH.
CLIENT = Path("/usr/bin/docker")
STARTS_WITHIN = 60
ENDS_WITHIN = 30


@contextlib.contextmanager
def docker_in(directory: Path) -> Iterator[Engine]:
    """
    Give a docker whose daemon keeps everything in the directory.
    """
    dockerd = require_command("dockerd")
    require_command(str(CLIENT))
    commands = directory / "bin"
    commands.mkdir(parents=True)
    (commands / "docker").symlink_to(CLIENT)
    variables = {
        "DOCKER_HOST": f"unix://{directory}/docker.sock",
        "DOCKER_CONFIG": str(directory / "client"),
    }
    engine = Engine("docker", "runc", environment_with(commands, variables))
    with _daemon(dockerd, engine, directory):
        yield engine


@contextlib.contextmanager
def _daemon(dockerd: str, engine: Engine, directory: Path) -> Iterator[None]:
    configuration = directory / "daemon.json"
    configuration.write_text(json.dumps(_configuration(directory)))
    log = directory / "dockerd.log"
    with log.open("w") as output:
        daemon = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", dockerd, "--config-file", str(configuration)],
            env=engine.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait_until_it_answers(daemon, engine, log)
        yield
        remove_containers(engine)
    finally:
        _end(daemon)


def _configuration(directory: Path) -> dict[str, object]:
    files = limit_of_files()
    return {
        "hosts": [f"unix://{directory}/docker.sock"],
        "data-root": str(directory / "data"),
        "exec-root": str(directory / "exec"),
        "pidfile": str(directory / "docker.pid"),
        "containerd-namespace": "seccomp-trace-tests",
        "containerd-plugins-namespace": "seccomp-trace-tests-plugins",
        "bridge": "none",
        "iptables": False,
        "ip-forward": False,
        "ip-masq": False,
        "default-ulimits": {"nofile": {"Name": "nofile", "Soft": files, "Hard": files}},
    }


def _wait_until_it_answers(
    daemon: subprocess.Popen[bytes], engine: Engine, log: Path
) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while engine.run("version", check=False).returncode != 0:
        if daemon.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"dockerd does not answer:\n{log.read_text()[-4000:]}")
        time.sleep(0.1)


def _end(daemon: subprocess.Popen[bytes]) -> None:
    daemon.terminate()
    try:
        daemon.wait(ENDS_WITHIN)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
