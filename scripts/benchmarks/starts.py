"""
Record a container under each runtime, start it again and execute in it, and write a table.

Each runtime records the container with the engine's filter, without a filter, and with
no-new-privileges. The profile of the host's runtime is tried under every newer version too, as if
the host had been upgraded. Podman, its images and its containers are the script's own.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Tuple

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.live.command import SeccompTrace  # noqa: E402
from tests.live.engines import Engine, image_loader, remove_containers  # noqa: E402
from tests.live.images import BUSYBOX, busybox_archive  # noqa: E402
from tests.live.podman import podman_with  # noqa: E402
from tests.live.recorded import PROFILE  # noqa: E402
from tests.live.runtimes import HOST, NEWER, OLDEST, Runtime, runtimes  # noqa: E402
from tests.live.starting import CASES, DEFAULT, NO_NEW_PRIVILEGES  # noqa: E402
from tests.live.starting import Tally, program, start_again, under  # noqa: E402

OUTPUT = Path(__file__).parent / "STARTS.md"
HEADING = """\
# Starting again, under each runtime

`scripts/start-again`, {date}, kernel {kernel}, {podman}: each row is one recording of busybox's
`ls /`, then {times} starts and {times} execs under its profile. The runtimes are Debian's packages.

| recorded under | options | started under | starts | execs |
|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Trial:
    """One row: how the container is recorded, and how the profile is then tried."""

    recorded: Runtime
    case: str
    started: Runtime
    options: Tuple[str, ...]

    def row(self, tally: Tally, times: int) -> str:
        """The trial's line of the table."""
        privileges = ", no-new-privileges" if self.options == NO_NEW_PRIVILEGES else ""
        return (
            f"| {self.recorded} | {self.case} | {self.started}{privileges} "
            f"| {tally.starts} of {times} | {tally.execs} of {times} |"
        )


def main() -> int:
    """Run all trials, write the table; return 1 if a start or an exec failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=20, help="how many starts and execs")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="the file of the table")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp")))
        engines = start_engines(stack, directory)
        tallies = {
            trial: attempt(engines[trial.recorded.name], trial, directory, arguments.times)
            for trial in trials()
        }
        text = table(tallies, engines["runc"], arguments.times)
    arguments.output.write_text(text)
    return 0 if all(tally.is_full(arguments.times) for tally in tallies.values()) else 1


def start_engines(stack: ExitStack, directory: Path) -> Dict[str, Engine]:
    """A podman with the image for runc, and one for crun."""
    load = image_loader(busybox_archive(directory), BUSYBOX)
    engines: Dict[str, Engine] = {}
    for name, _ in OLDEST:
        engines[name] = stack.enter_context(podman_with(name, directory / name))
        load(engines[name])
    return engines


def table(tallies: Mapping[Trial, Tally], podman: Engine, times: int) -> str:
    """The text of the output: a heading, and a row for each trial."""
    heading = HEADING.format(
        date=time.strftime("%Y-%m-%d"),
        kernel=os.uname().release,
        podman=podman.run("--version").stdout.strip().replace(" version", ""),
        times=times,
    )
    return heading + "".join(f"{trial.row(tally, times)}\n" for trial, tally in tallies.items())


def trials() -> Iterator[Trial]:
    """Every runtime under its own profiles, then every newer one under that of the host's."""
    known = runtimes()
    kinds: List[Tuple[str, str]] = [kind for kind in (*OLDEST, *NEWER) if kind in known]
    for kind in kinds:
        for case in CASES:
            yield Trial(known[kind], case, known[kind], CASES[case].again)
    for name, release in kinds:
        if release != HOST:
            for options in ((), NO_NEW_PRIVILEGES):
                yield Trial(known[name, HOST], DEFAULT, known[name, release], options)


def attempt(engine: Engine, trial: Trial, directory: Path, times: int) -> Tally:
    """Record the container and start it again; an incomplete recording counts as no start."""
    profile = directory / PROFILE
    profile.unlink(missing_ok=True)
    container = ["run", "--rm", *CASES[trial.case].recorded, BUSYBOX, *program()]
    done = SeccompTrace(directory)(
        *("run", "-o", str(profile), "--", *engine.command(*under(trial.recorded, *container))),
        env=engine.environment,
    )
    if done.returncode == 0:
        tally = start_again(engine, trial.started, BUSYBOX, profile, times, *trial.options)
    else:
        tally = Tally(0, 0, done.stderr)
    remove_containers(engine)
    print(trial.row(tally, times), file=sys.stderr)
    if not tally.is_full(times):
        print(tally.said.partition("\n")[0], file=sys.stderr)
    return tally


if __name__ == "__main__":
    sys.exit(main())
