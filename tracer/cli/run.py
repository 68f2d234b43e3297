"""
`seccomp-trace run`: a command, its containers, their profiles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, List, Optional, Tuple

import click

from tracer.cli import INTERRUPTED, TRACER_FAILED, complain, options, trials
from tracer.cli.confirming import Wish, confirm, wish_in
from tracer.cli.given import baseline_in
from tracer.cli.life import life
from tracer.cli.results import Results, Written, deliver, deliver_anew
from tracer.profile.making import Wanted
from tracer.text import printable

if TYPE_CHECKING:
    from tracer.session.confirmation import Confirmed
    from tracer.session.recording_run import Outcome, Plan
    from tracer.session.trial import Watchful


@click.command(context_settings={"allow_interspersed_args": False})
@click.option(
    "-o", "--output", metavar="PROFILE|DIR/|-", help="Where the profile goes. [NAME.seccomp.json]"
)
@click.option("--recording", metavar="FILE", help="Keep the recording, for generate and check.")
@options.baseline
@click.option("--unconfined", is_flag=True, help="Start the container without its own profile.")
@options.runtime_floor
@click.option("--outcomes", is_flag=True, help="Keep how calls ended: generate --without-failed.")
@click.option("--duration", type=options.Seconds(), metavar="S", help="Stop after S s.")
@click.option("--confirm-caps", is_flag=True, help="Run again with fewer capabilities, and fewer.")
@trials.drive
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
def run(
    output: Optional[str],
    recording: Optional[str],
    baseline: Optional[str],
    unconfined: bool,
    runtime_floor: str,
    outcomes: bool,
    duration: Optional[float],
    confirm_caps: bool,
    drive: Optional[str],
    command: Tuple[str, ...],
) -> int:
    """
    Run COMMAND, record what its containers ask of the kernel, and write their profiles.

    COMMAND may be podman run, docker run, a script that starts several containers, or a plain
    program. It keeps its arguments, streams and exit code.

    Other exit codes: 124 if COMMAND went on for ten seconds after --duration had asked it to end
    (results are written), 125 if the tracer failed or a recording is not complete, 126 if COMMAND
    could not be executed, 127 if it was not found, 2 for wrong usage.

    --confirm-caps, for podman run and docker run: first COMMAND has only what was recorded as
    needed; what else it misses is found by halving; then each is left out in turn, and comes back
    if it is missed. All runs are in the foreground, their containers removed (of --rm your word
    stands) and their standard output not shown; one is killed after five times as long as the
    recorded one, 10 s at least. A recorded run that failed, or whose drive did, is no measure:
    nothing is confirmed. The profile is written before the trials, too (with -o - only after
    them). --privileged is refused.
    """
    wanted = Wanted(
        *options.floors_for(runtime_floor),
        baseline=baseline_in(baseline),
    )
    wish = wish_in(command, confirm_caps, drive, duration)
    from tracer.session.driving import NO_DRIVE, Drive
    from tracer.session.recording_run import Plan

    with Results(output, recording) as results:
        plan = Plan(
            command,
            duration,
            unconfined,
            2 if results.to_standard_output else None,
            outcomes,
            drive=Drive(wish.drive, wish.call.client) if wish else NO_DRIVE,
            once=wish is not None,
        )
        return _run(results, wanted, plan, wish)


def _run(results: Results, wanted: Wanted, plan: Plan, wish: Optional[Wish]) -> int:
    from tracer.session.trial import Watchful

    # No signal may come between the recording and its being written.
    with Watchful() as signals:
        outcome = _record(plan, signals)
        results.check_number(outcome.recordings)
        if wish is not None:
            return _confirmed(results, wanted, plan, wish, outcome, signals)
        written = [deliver(results, wanted, one) for one in outcome.recordings]
    return _status(outcome, written)


def _status(outcome: Outcome, written: List[Optional[Written]]) -> int:
    if not written:
        return outcome.status or TRACER_FAILED
    return outcome.status if all(one and one.as_asked for one in written) else TRACER_FAILED


def _record(plan: Plan, signals: Watchful) -> Outcome:
    from tracer.session.recording_run import record

    with life() as (show, tell):
        outcome = record(plan, signals, show, tell)
    for name in outcome.failed:
        complain(f"{printable(name)} never came to run a program: nothing was recorded")
    if not outcome.recordings and not outcome.failed:
        complain("the command started no container: nothing was recorded")
        for doubt in outcome.doubts:
            complain(f"not complete: {doubt.text} ({doubt.count})")
    return outcome


def _confirmed(
    results: Results,
    wanted: Wanted,
    plan: Plan,
    wish: Wish,
    outcome: Outcome,
    signals: Watchful,
) -> int:
    """
    Deliver what was recorded, and again with what trials have shown; the exit code.

    What was printed cannot be taken back: standard output has it once, whatever the trials end in.
    """
    found: Optional[Confirmed] = None
    written: List[Optional[Written]] = []
    recordings = outcome.recordings
    if not results.to_standard_output:
        written = [deliver(results, wanted, one) for one in recordings]
    try:
        found = confirm(wish, plan, wanted, outcome, signals)
        if found is not None and found.recording is not None:
            recordings = (found.recording,)
    finally:
        if results.to_standard_output:
            written = [deliver(results, wanted, one) for one in recordings]
    if found is None:
        return outcome.status or (INTERRUPTED if signals.interrupted else TRACER_FAILED)
    if not results.to_standard_output:
        (recording,) = recordings
        written = [deliver_anew(results, wanted, recording, one) if one else one for one in written]
    return TRACER_FAILED if found.apart else _status(outcome, written)
