"""
The front for those who maintain the measurements of the package: scripts/measure-floor.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tracer.cli.floor import Progress
from tracer.errors import SeccompTraceError
from tracer.files import prepare, read_text
from tracer.host_floors import united
from tracer.measuring.apart import measure
from tracer.measuring.files import runtime_at
from tracer.profile import floors
from tracer.profile.floors import read_floors, render_floors, version_order

DATA = Path(floors.__file__).parent / "data" / "floors.json"


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--samples", default=200, show_default=True, help="At least so many of each kind.")
@click.option("--data", default=str(DATA), show_default=True, help="The file to bring up to date.")
def main(paths: "tuple[str, ...]", samples: int, data: str) -> None:
    """
    Measure the runtimes at PATH..., as `seccomp-trace floor measure` does, for the package's data.

    What was measured before of the same versions is replaced; the rest of the file stays.
    """
    try:
        for path in paths:
            runtime = runtime_at(path)
            new = measure(runtime, samples, Progress(f"{runtime.name} {runtime.version}"))
            whole = united(read_floors(read_text(data), data), new)
            with prepare(data, lambda text: True) as destination:
                destination.write(render_floors(sorted(whole, key=_order)))
    except SeccompTraceError as error:
        sys.exit(f"measure-floor: {error}")


def _order(floor: floors.Floor) -> "tuple[object, ...]":
    return floor.runtime, version_order(floor.version), floor.key


if __name__ == "__main__":
    main()
