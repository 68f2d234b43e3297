"""
`seccomp-trace attach`: a container or a process that runs already.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Optional

import click

from tracer.cli import TRACER_FAILED, options
from tracer.cli.given import baseline_in
from tracer.cli.life import life
from tracer.cli.results import Results, deliver
from tracer.profile.making import Wanted

if TYPE_CHECKING:
    from tracer.session.attachment import Plan
    from tracer.session.command import Signals


@click.command()
@click.argument("container", required=False)
@click.option("--pid", type=options.ProcessNumber(), metavar="PID", help="A process instead.")
@options.engine
@click.option(
    "-o", "--output", metavar="PROFILE|DIR/|-", help="Where the profile goes. [NAME.seccomp.json]"
)
@click.option("--recording", metavar="FILE", help="Keep the recording, for generate and check.")
@options.baseline
@options.runtime_floor
@click.option("--duration", type=options.Seconds(), metavar="S", help="Stop after S s.")
@click.option("--since-now", is_flag=True, help="What it called before is not wanted.")
def attach(
    container: Optional[str],
    pid: Optional[int],
    engine: Optional[str],
    output: Optional[str],
    recording: Optional[str],
    baseline: Optional[str],
    runtime_floor: str,
    duration: Optional[float],
    since_now: bool,
) -> int:
    """
    Record CONTAINER, which is running already, until it ends, Ctrl-C, or --duration.

    CONTAINER is a name or an id of podman's or docker's; --pid takes a process with its threads and
    descendants. What it called before is unknown, so the profile is written as
    PROFILE.incomplete, unless --since-now says that this is understood. Exit code 125 if it is
    not complete.
    """
    if (container is None) == (pid is None):
        raise click.UsageError("Name either a container or a --pid.")
    wanted = Wanted(
        *options.floors_for(runtime_floor),
        baseline=baseline_in(baseline),
    )
    from tracer.kernel.program import unprivileged
    from tracer.session import attachment
    from tracer.session.command import Signals

    if os.geteuid() != 0:
        raise unprivileged()  # before an engine says that it knows no such container
    target = attachment.container(container, engine) if container else attachment.process(pid or 0)
    plan = attachment.Plan(target, duration, since_now)
    with Results(output, recording) as results, Signals() as signals:
        return _record(results, wanted, plan, signals)


def _record(results: Results, wanted: Wanted, plan: Plan, signals: Signals) -> int:
    from tracer.session import attachment

    with life() as (show, tell):
        recording = attachment.attach(plan, signals, show, tell)
    written = deliver(results, wanted, recording)
    return 0 if written is not None and written.as_asked else TRACER_FAILED
