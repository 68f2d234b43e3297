"""
`seccomp-trace generate`: recordings to a profile, without a kernel.
"""

from __future__ import annotations

from typing import Optional, Tuple

import click

from tracer.capabilities.given import named_sets
from tracer.cli import TRACER_FAILED, complain, options
from tracer.cli.given import STANDARD_OUTPUT, baseline_in
from tracer.cli.results import Results, incomplete_lines, is_complete, read_recordings
from tracer.errors import OutputError
from tracer.profile.making import Wanted, make
from tracer.recording import merge


@click.command()
@click.option(
    "-o",
    "--output",
    metavar="PROFILE",
    default=STANDARD_OUTPUT,
    help="Where the profile goes. [standard output]",
)
@options.baseline
@options.caps("What the container has, for the baseline's rules. [what was recorded]")
@options.runtime_floor
@click.option(
    "--without-failed",
    is_flag=True,
    help="Leave out what only failed, with ENOSYS or EPERM (run --outcomes).",
)
@click.argument("recordings", nargs=-1, required=True, metavar="RECORDING...")
def generate(
    output: str,
    baseline: Optional[str],
    sets: Tuple[str, ...],
    runtime_floor: str,
    without_failed: bool,
    recordings: Tuple[str, ...],
) -> int:
    """
    Make one profile that allows what any of these recordings saw.

    RECORDING is a file that run kept; - is standard input. What a --baseline allows to containers
    with certain capabilities only is left to it if these had and need them.

    With --without-failed a call that only ever failed gets that error by a rule of its own. It
    stays allowed if it once ended otherwise, or how it ended is not known of every run; if the
    filter answered some uses differently; and if a runtime may need it. A rule of a --baseline
    stands.
    """
    if sets and baseline is None:
        raise click.UsageError("--caps chooses among a --baseline's rules: name one")
    wanted = Wanted(
        *options.floors_for(runtime_floor),
        baseline=baseline_in(baseline),
        without_failed=without_failed,
        capabilities=named_sets(sets) if sets else None,
    )
    whole = merge(*read_recordings(recordings))
    made = make(whole, wanted)
    complete = is_complete(whole, made)
    for line in incomplete_lines(whole, made):
        complain(f"not complete: {line}")
    if not complete and output == STANDARD_OUTPUT:
        raise OutputError(
            "the recording is not complete, so its profile is not printed",
            "-o FILE writes it as FILE.incomplete",
        )
    for message in made.messages:
        complain(message)
    with Results(output) as results:
        written = results.write(whole, made)
    if not complete:
        complain(f"the profile is {written.profile}")
    return 0 if complete and written.as_asked else TRACER_FAILED
