"""
`seccomp-trace refine`: what a profile lacks for a command to work, found by trying, and added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, FrozenSet, Iterator, List, Optional, Sequence, Tuple

import click

from tracer import syscalls
from tracer.cli import complain, options, trials
from tracer.cli.bases import base
from tracer.cli.given import STANDARD_OUTPUT, baseline_in
from tracer.cli.printing import is_confirmed, print_document
from tracer.cli.trials import drive_words, engine_call, shelf
from tracer.profile import formats
from tracer.profile.model import Profile
from tracer.profile.reduce import allowed_names
from tracer.profile.risks import risk_of
from tracer.profile.unenforced import unenforced
from tracer.recording import merge
from tracer.text import printable

if TYPE_CHECKING:
    from tracer.files import Destination
    from tracer.profile.floor_choice import FloorChoice
    from tracer.profile.floors import Floor
    from tracer.session.floor_additions import FloorAdditions
    from tracer.session.minimisation import Minimised
    from tracer.session.refinement import Addition, Refined, Wish
    from tracer.session.trial import Plan

NOTHING_WRITTEN = 1
STANDARD_ERROR = 2
ASKERS_SHOWN = 4


@click.command()
@click.option(
    "-o", "--output", metavar="NEW|-", required=True, help="Where the refined profile goes."
)
@trials.drive
@click.option("--strict", is_flag=True, help="Add what is denied, run by run, instead of probing.")
@click.option("--ask", is_flag=True, help="Ask about each addition.")
@click.option("--deny", multiple=True, metavar="NAME", help="Keep this call out.")
@click.option("--minimise", is_flag=True, help="Drop what the command does not miss, instead.")
@options.runtime_floor
@trials.exit_code
@trials.timeout
@base
@click.argument("profile")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
def refine(
    output: str,
    drive: Optional[str],
    strict: bool,
    ask: bool,
    deny: Tuple[str, ...],
    minimise: bool,
    runtime_floor: str,
    status: int,
    limit: Optional[float],
    profile: str,
    command: Tuple[str, ...],
) -> int:
    """
    Add to PROFILE what COMMAND, a podman run or docker run, turns out to need.

    By one run in which the default is LOG; with --strict, or where the kernel's audit messages
    cannot be read, by several under the profile as it is. What the profile denies by a rule stays
    denied. The floor of the runtime that ran is added, too (--runtime-floor), and the calls that
    the kernel makes in a program's place. Exit code 1, and nothing written, if the command or its
    drive does not end as it should.

    With --minimise: drop what the command and its drive do without, found by leaving it out, in
    groups that are halved where they are missed. The result is tried three times more. What runs
    leave in places that outlast them (a directory of the host, a named volume) is told.

    A run is killed after --timeout; without it after 60 s if runs are repeated under the profile
    as it is, and with --minimise after five times as long as the first one, 10 s at least.
    """
    if minimise and (strict or ask or deny):
        raise click.UsageError(
            "--minimise only drops: it goes with none of --strict, --ask, --deny"
        )
    kept_out = call_names(deny)
    baseline = baseline_in(profile)
    assert baseline is not None
    plan = plan_of(command, drive, limit, output)
    from tracer.session.refinement import Wish

    wish = Wish(baseline, kept_out, status)
    floor = options.floors_for(runtime_floor)
    with trials.destination(output) as place:
        if minimise:
            return reduce(plan, wish, place, output)
        found = find(plan, wish, strict)
        return add(found, wish, floor, place, output, ask=ask)


def plan_of(
    command: Tuple[str, ...], drive: Optional[str], limit: Optional[float], output: str
) -> Plan:
    """What to try. Raises InputError for what cannot be."""
    call = engine_call(command)
    words = drive_words(drive)
    from tracer.session.trial import Plan

    stream = STANDARD_ERROR if output == STANDARD_OUTPUT else None
    return Plan(command, call, words, limit, stream)


def add(
    found: Refined,
    wish: Wish,
    floor: Tuple[FloorChoice, Tuple[Floor, ...]],
    place: Optional[Destination],
    output: str,
    *,
    ask: bool,
) -> int:
    """Say what was found, and write the profile with what of it is wanted; the exit code."""
    from tracer.session.floor_additions import floor_additions
    from tracer.session.kernel_additions import kernel_additions

    for line in report(found):
        complain(line)
    if found.problems:
        complain(f"nothing was written: {'; '.join(found.problems)}")
        return NOTHING_WRITTEN
    runtimes = floor_additions(found.recordings, wish.profile, wish.kept_out, *floor)
    for line in floor_lines(runtimes):
        complain(line)
    kept_out = {*wish.kept_out, *runtimes.names}
    kernel = kernel_additions(found.recordings, wish.profile, kept_out)
    if kernel:
        complain(f"+ {', '.join(kernel)}  made by the kernel at times")
    wanted = (*(addition.name for addition in found.additions), *runtimes.names, *kernel)
    chosen = asked_about(wanted) if ask else wanted
    write(wish.profile, found, chosen, place, output)
    return 0


def floor_lines(runtimes: FloorAdditions) -> Iterator[str]:
    """Return what is added for the runtime's sake, and what a person should know about that."""
    if runtimes.names:
        yield f"+ {', '.join(runtimes.names)}  for the runtime floor of {runtimes.runtimes}"
    yield from runtimes.messages


def call_names(names: Sequence[str]) -> FrozenSet[str]:
    """The calls that --deny names. Raises BadParameter for what is none."""
    known = frozenset().union(*map(syscalls.names, (syscalls.X86_64, syscalls.X86)))
    unknown = sorted(set(names) - known)
    if unknown:
        shown = printable(", ".join(unknown))
        raise click.BadParameter(f"no system call: {shown}", param_hint="--deny")
    return frozenset(names)


def find(plan: Plan, wish: Wish, strictly: bool) -> Refined:
    """Try, in the way that was asked for or that is possible here."""
    from tracer.session import refinement
    from tracer.session.trial import Watchful, bench

    def told(run: int, names: Tuple[str, ...]) -> None:
        complain(f"run {run}: " + (f"denied: {', '.join(names)}" if names else "nothing new"))

    with shelf() as place, Watchful() as signals, bench(complain) as tools:
        if strictly or not tools.hears_logs:
            return refinement.strict(tools, plan, wish, place.put, signals, told)
        return refinement.probe(tools, plan, wish, place.put, signals)


def report(found: Refined) -> Iterator[str]:
    """What is to be added and why, and what is left as it is."""
    for one in found.additions:
        yield f"+ {addition_text(one)}"
    for one in found.kept_out:
        yield f"kept out: {addition_text(one)}"
    if found.left:
        yield f"denied by rules of the profile, and left so: {', '.join(found.left)}"


def addition_text(one: Addition) -> str:
    """The call, who asked for it and how often, and what is risky about it."""
    shown = [
        f"{printable(asker.executable, 80)} [{printable(asker.comm, 16)}]{_often(asker.count)}"
        for asker in one.askers[:ASKERS_SHOWN]
    ]
    more = len(one.askers) - ASKERS_SHOWN
    shown += [f"{more} more"] if more > 0 else []
    return f"{one.name}  asked for by {'; '.join(shown)}{_risk(one.name)}"


def _often(count: int) -> str:
    return "" if not count else ", once" if count == 1 else f", {count} times"


def _risk(name: str) -> str:
    risk = risk_of(name)
    if risk is None:
        return ""
    if name in risk.usual:
        return f"  ({risk.name}: usual, but it {risk.reason})"
    return f"  RISK {risk.name}: {risk.reason}"


def asked_about(names: Sequence[str]) -> List[str]:
    """Return those calls that a person confirms, one by one."""
    return [name for name in names if is_confirmed(f"allow {printable(name)}?")]


def write(
    baseline: Profile,
    found: Refined,
    names: Sequence[str],
    place: Optional[Destination],
    output: str,
) -> None:
    """Write the profile with these calls added, and print what is to be known about it."""
    from tracer.session.refinement import Addition, refined

    known = {addition.name: addition for addition in found.additions}
    additions = [known.get(name, Addition(name, frozenset(), ())) for name in dict.fromkeys(names)]
    extended = refined(baseline, additions, found.origin)
    whole = merge(*found.recordings)
    wanted = {*names, *(seen.name for seen in whole.observations if seen.name)}
    unknown = unenforced(wanted, whole.runs.values(), lambda: extended.profile)
    for message in (*extended.messages, *unknown):
        complain(message)
    number = len(set(names) - set(extended.denied))
    put_down(extended.profile, place, output, f"{calls_text(number)} more than before")


def calls_text(number: int) -> str:
    """So many calls, in words."""
    return "1 call" if number == 1 else f"{number or 'no'} calls"


def put_down(profile: Profile, place: Optional[Destination], output: str, what: str) -> None:
    """A profile to where it is wanted; and say so, and what is in it."""
    if place is None:
        print_document(formats.write(profile))
    else:
        place.write(formats.write(profile))
    complain(f"{'standard output' if place is None else output}: {what}")


def reduce(plan: Plan, wish: Wish, place: Optional[Destination], output: str) -> int:
    """Drop what is not missed, say what that was, and write the rest; the exit code."""
    from tracer.session.minimisation import minimise
    from tracer.session.trial import Watchful, bench

    def told(run: int, number: int, works: bool) -> None:
        calls = "1 call" if number == 1 else f"{number} calls"
        left_out = f"without {calls}" if number else "with all of the profile"
        complain(f"run {run}: {left_out}: {'works' if works else 'does not work'}")

    lasting = list(trials.lasting_lines(plan.command, plan.call))
    unknown = unenforced(allowed_names(wish.profile), (), lambda: wish.profile)
    for line in (*lasting, *unknown):
        complain(line)
    with shelf() as files, Watchful() as signals, bench(complain) as tools:
        found = minimise(tools, plan, wish, files.put, signals, told)
    if found.problems:
        complain(f"nothing was written: {'; '.join(found.problems)}")
        return NOTHING_WRITTEN
    for line in (*minimised_lines(found), *lasting):
        complain(line)
    number = len(found.dropped)
    put_down(found.profile, place, output, f"{calls_text(number)} fewer, by {found.runs} runs")
    return 0


def minimised_lines(found: Minimised) -> Iterator[str]:
    """What was dropped and what was kept, why, and what that proves."""
    if found.dropped:
        yield f"dropped, for nothing missed them: {', '.join(found.dropped)}"
    if found.missed:
        yield f"kept, for they were missed: {', '.join(found.missed)}"
    if found.floor:
        yield f"kept, for runtimes may need them to start: {', '.join(found.floor)}"
    if found.kernel:
        yield f"kept, for the kernel makes them at times: {', '.join(found.kernel)}"
    yield (
        "this proves only that the command and its drive end well: what they do not exercise, or "
        "do not judge, may be missing"
    )
