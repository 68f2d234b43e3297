"""
A drive as a program: `python -m tests.live.driving PORT DATA`, for a server's `--drive`.

It waits until the server listens, drives it as the tests do and leaves its files as they were.
Which container that is, and which engine has it, the environment says.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import sys
from pathlib import Path

from tests.live import drives
from tests.live.conditions import eventually
from tests.live.engines import Engine
from tests.live.serving import Running, Server

NGINX = Server("nginx", ("nginx", "-c", "/data/nginx.conf"), stopped_by="QUIT")
PATIENCE = 2  # whoever drives under a profile expects to be refused something


def prepare(server: Running) -> None:
    """
    Write the files of a server that has not been driven.
    """
    shutil.rmtree(server.data, ignore_errors=True)
    (server.data / "files").mkdir(parents=True)
    for place in (server.data, server.data / "files"):
        place.chmod(0o777)  # servers give up root
    server.configure(generation=1)


def listens(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE):
        return True


def main() -> None:
    port, data = int(sys.argv[1]), Path(sys.argv[2])
    [name] = shlex.split(os.environ["SECCOMP_TRACE_ENGINE"])
    engine = Engine(name, "", os.environ)
    server = Running(NGINX, engine, os.environ["SECCOMP_TRACE_CONTAINER"], port, data)
    drives.PATIENCE = PATIENCE
    eventually(lambda: listens(port), what="the server listens")
    try:
        drives.drive_nginx(server)
    finally:
        for place in (data / "files").iterdir():
            shutil.rmtree(place) if place.is_dir() else place.unlink()
        server.configure(generation=1)


if __name__ == "__main__":
    main()
