"""
Servers in containers: started from the files in servers/, on a port of the host's loopback.

What belongs here: a server's life, from its files to its end. How each is driven is in drives.py.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.live.conditions import eventually
from tests.live.engines import Engine

FILES = Path(__file__).parent / "servers"
ENDS_WITHIN = 30

Start = Callable[[Sequence[str]], "subprocess.Popen[str]"]
_numbers = itertools.count()


@dataclasses.dataclass(frozen=True)
class Server:
    """
    A server: the directory below servers/ with its files, its command line, what stops it
    gracefully. `{port}` stands for its port; in its container the files are in /data.
    """

    files: str
    command: tuple[str, ...]
    stopped_by: str = "TERM"


@dataclasses.dataclass(frozen=True)
class Running:
    """
    A server that runs in a container of an engine; its /data is `data` here.
    """

    server: Server
    engine: Engine
    name: str
    port: int
    data: Path

    def configure(self, generation: int) -> None:
        """
        Write its files, in which a number tells one configuration from the next.
        """
        for file in (FILES / self.server.files).iterdir():
            text = file.read_text().replace("@PORT@", str(self.port))
            (self.data / file.name).write_text(text.replace("@GENERATION@", str(generation)))

    def signal(self, name: str) -> None:
        """
        Send its first process a signal.
        """
        self.engine.run("kill", "--signal", name, self.name)


@contextlib.contextmanager
def running(
    server: Server,
    engine: Engine,
    image: str,
    directory: Path,
    *,
    start: Start,
    options: Sequence[str] = (),
) -> Iterator[Running]:
    """
    Start a server by `start(command)` and wait until it listens; then stop it gracefully.

    `options` are for the engine's `run`; `directory` becomes the container's /data.

    Raises AssertionError if it does not end, or ends in another way.
    """
    one = Running(server, engine, f"server-{next(_numbers)}", free_port(), directory)
    for place in (directory, directory / "files"):
        place.mkdir()
        place.chmod(0o777)  # servers give up root
    one.configure(generation=1)
    process = start(_command_line(one, image, options))
    try:
        eventually(lambda: _listens(one, process), what=f"{one.name} listens")
        yield one
        one.signal(server.stopped_by)
        _expect_good_end(process)
    except BaseException:
        engine.run("kill", one.name, check=False)
        raise


def _command_line(one: Running, image: str, options: Sequence[str]) -> list[str]:
    command = [word.format(port=one.port) for word in one.server.command]
    own = ["--rm", "--name", one.name, "--network", "host", "--volume", f"{one.data}:/data"]
    return one.engine.command("run", *own, *options, image, *command)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(one: Running, process: "subprocess.Popen[str]") -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"{one.name} ended: {process.communicate()}")
    with socket.create_connection(("127.0.0.1", one.port), timeout=5):
        return True


def _expect_good_end(process: "subprocess.Popen[str]") -> None:
    output = process.communicate(timeout=ENDS_WITHIN)
    assert process.returncode == 0, (process.returncode, output)
