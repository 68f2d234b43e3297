"""
Starting a container again under its profile, and executing in it, as often as is asked for.

The container lists its root directory and then sleeps. It is recorded with no time to sleep and
without an `exec`: of the runtime's calls, its profile has those of one start and of the floors.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import NamedTuple

from tests.live.engines import Engine
from tests.live.runtimes import Runtime

NO_NEW_PRIVILEGES = ("--security-opt", "no-new-privileges")
UNCONFINED = ("--security-opt", "seccomp=unconfined")


class Case(NamedTuple):
    """
    The options of `podman run` with which a container is recorded, and is started again.
    """

    recorded: tuple[str, ...] = ()
    again: tuple[str, ...] = ()


DEFAULT = "default"
CASES = {
    DEFAULT: Case(),
    "unconfined": Case(recorded=UNCONFINED),
    "no-new-privileges": Case(recorded=NO_NEW_PRIVILEGES, again=NO_NEW_PRIVILEGES),
}
LISTED = "proc"
AN_HOUR = "3600"


@dataclasses.dataclass(frozen=True)
class Tally:
    """
    How many starts and execs came to a good end, and what the engine said of the others.
    """

    starts: int
    execs: int
    said: str

    def is_full(self, times: int) -> bool:
        """
        Tell whether every start and every exec worked.
        """
        return (self.starts, self.execs) == (times, times)


def under(runtime: Runtime, *arguments: str) -> list[str]:
    """
    Return the arguments of podman for a command under a runtime.
    """
    return ["--runtime", runtime.path, *arguments]


def program(sleeping: str = "0") -> list[str]:
    """
    Return the program of the container, with its seconds of sleep.
    """
    return ["sh", "-c", "ls / && sleep $0", sleeping]


def start_again(
    engine: Engine, runtime: Runtime, image: str, profile: Path, times: int, *options: str
) -> Tally:
    """
    Start the recorded container a number of times under its profile, and execute in it as often.
    """
    confined = [*options, *engine.security(profile), image]
    starts, failed = _starts(engine, runtime, confined, times)
    execs, refused = _execs(engine, runtime, confined, times)
    return Tally(starts, execs, failed + refused)


def _starts(engine: Engine, runtime: Runtime, confined: list[str], times: int) -> tuple[int, str]:
    created = engine.run(*under(runtime, "create", *confined, *program()), check=False)
    if created.returncode != 0:
        return 0, created.stderr
    container = created.stdout.strip()
    said = [engine.run("start", "--attach", container, check=False) for _ in range(times)]
    # Not what `start` prints: podman loses it once in some hundred times, whatever the profile.
    started = engine.run("logs", container).stdout.split().count(LISTED)
    engine.run("rm", container)
    good = sum(done.returncode == 0 for done in said)
    return min(good, started), "".join(done.stderr for done in said)


def _execs(engine: Engine, runtime: Runtime, confined: list[str], times: int) -> tuple[int, str]:
    command = under(runtime, "run", "--detach", *confined, *program(AN_HOUR))
    detached = engine.run(*command, check=False)
    if detached.returncode != 0:
        return 0, detached.stderr
    container = detached.stdout.strip()
    said = [engine.run("exec", container, "ls", "/", check=False) for _ in range(times)]
    engine.run("rm", "--force", "--time", "0", container)
    return sum(done.returncode == 0 for done in said), "".join(done.stderr for done in said)
