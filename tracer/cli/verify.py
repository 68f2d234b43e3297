"""
`seccomp-trace verify`: does this command work under that profile?
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Iterator, Optional, Tuple

import click

from tracer.cli import complain, options, trials
from tracer.cli.bases import base
from tracer.cli.given import profile_in
from tracer.cli.trials import drive_words, engine_call, shelf
from tracer.cli.start_lines import start_text
from tracer.profile.check_starts import starts
from tracer.profile.floor_choice import AUTO, EXACT, FloorChoice
from tracer.profile.floors import Floor, upstream
from tracer.profile.model import Profile
from tracer.recording import Recording, merge
from tracer.syscalls import error_name
from tracer.text import printable

if TYPE_CHECKING:
    from tracer.session.refusals import Refusal
    from tracer.session.trial import Trial
    from tracer.session.verification import Judged, Verdict

MOST_TIMES = 10_000
AS_USUAL = "rules for some capabilities are read as for a container without options"


@click.command()
@click.option(
    "--times",
    type=click.IntRange(1, MOST_TIMES),
    default=1,
    show_default=True,
    metavar="N",
    help="How often to run the command.",
)
@trials.drive
@options.runtime_floor_to_judge
@trials.exit_code
@trials.timeout
@base
@click.argument("profile")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
def verify(
    times: int,
    drive: Optional[str],
    runtime_floor: str,
    status: int,
    limit: Optional[float],
    profile: str,
    command: Tuple[str, ...],
) -> int:
    """
    Run COMMAND, a podman run or docker run, under PROFILE, and tell what was denied.

    Exit code 0 if every run ended as it should and nothing was denied, 1 if not. Calls that a rule
    of PROFILE answers with an error, or logs, are reported and do not count. Neither do denied
    calls that PROFILE lets through, whatever the arguments: another filter denied them, and a
    program may load such a filter. The answer to a vsyscall is not visible: PROFILE decides it.

    A note names later versions of the runtime that ran, if PROFILE starts no container under them.
    Versions that --runtime-floor names, or all, count: exit code 1 if PROFILE fails under them.

    The container runs in the foreground, under PROFILE instead of any other that COMMAND names, and
    is removed when it ends, unless an option says --rm=false.

    What --drive names is one command, without a shell. It is started once, when the container's
    program runs; a server may not listen yet, so it has to try until it does, and to give up in the
    end. Its environment has SECCOMP_TRACE_CONTAINER (the id), SECCOMP_TRACE_NAME and
    SECCOMP_TRACE_ENGINE (podman, or sudo -u me podman). A container that still runs when the drive
    has ended is stopped, and may then end by the signal.

    Ctrl-C is the container's, as without us, and ends the trying after this run; a second one kills
    the container. SIGTERM, or a terminal that is closed, does so after 10 s.
    """
    judged = profile_in(profile)
    choice, measured = options.floors_for(runtime_floor)
    call = engine_call(command)
    words = drive_words(drive)
    from tracer.session.trial import Plan, Watchful, bench
    from tracer.session.verification import Asked
    from tracer.session.verification import verify as try_out

    plan = Plan(command, call, words, limit)

    def told(number: int, trial: Trial, problems: Tuple[str, ...]) -> None:
        of = f" of {times}" if times > 1 else ""
        complain(f"run {number}{of}: {trial_line(trial, problems)}")

    with shelf() as files, Watchful() as signals, bench(complain) as tools:
        asked = Asked(judged, files.put(judged), times, status)
        verdict = try_out(tools, plan, asked, signals, told)
    recordings = [recording for trial in verdict.trials for recording in trial.recordings]
    failing = list(later_lines(judged, merge(*recordings), choice, measured))
    for line in (*failing, *verdict_lines(verdict, times)):
        complain(line)
    return 1 if failing and counts(choice) or not verdict.is_good else 0


def later_lines(
    profile: Profile, recorded: Recording, choice: FloorChoice, measured: Tuple[Floor, ...]
) -> Iterator[str]:
    """
    Give a line for each version that was chosen and did not run, and that the profile fails under.
    """
    ran = {(run.runtime, upstream(run.runtime_version)) for run in recorded.runs.values()}
    runtimes = {runtime for runtime, _ in ran}
    for denial in starts(profile, recorded, choice, measured).denials:
        others = tuple(
            floor for floor in denial.floors if (floor.runtime, upstream(floor.version)) not in ran
        )
        if others and (choice.word != AUTO or denial.runtime in runtimes):
            kind = "denied" if counts(choice) else "note"
            yield f"{kind}: {start_text(replace(denial, floors=others))}"


def counts(choice: FloorChoice) -> bool:
    """Say whether a person has asked for versions themselves, so that failing under them counts."""
    return choice.word not in (AUTO, EXACT)


def trial_line(trial: Trial, problems: Tuple[str, ...]) -> str:
    """How one run went."""
    if problems:
        return "; ".join(problems)
    stopped = " when it was stopped" if trial.stopped else ""
    driven = "" if trial.drive is None else f", the drive's {trial.drive}"
    return f"good: exit code {trial.status}{stopped}{driven}"


def verdict_lines(verdict: Verdict, times: int) -> Iterator[str]:
    """What was denied and to whom, what was not used, and the verdict."""
    from tracer.session.held import unknown

    for one in verdict.refusals:
        yield refusal_line(one, len(verdict.trials))
    if verdict.unused:
        yield f"not used by anything: {', '.join(verdict.unused)}"
    if verdict.floor_unused:
        yield (
            "not used this time, but runtimes may need it to start: "
            f"{', '.join(verdict.floor_unused)}"
        )
    yield from (f"{why}: {AS_USUAL}" for why in unknown(verdict.trials))
    unsure = sum(trial.unsure for trial in verdict.trials)
    if unsure:
        yield f"{unsure} failed calls on this host could not be judged"
    for doubt in dict.fromkeys(doubt for trial in verdict.trials for doubt in trial.doubts):
        yield f"not complete: {doubt.text} ({doubt.count})"
    if len(verdict.trials) < times:
        yield f"interrupted after {len(verdict.trials)} of {times} runs"
    good = sum(not problems for problems in verdict.problems)
    where = f", under {' and '.join(verdict.tried)}" if verdict.tried else ""
    denied = f"; denied: {', '.join(verdict.denied)}" if verdict.denied else ""
    word = "works" if verdict.is_good else "does not work"
    yield f"{word}: {good} of {times} runs were good{where}{denied}"


_VERBS = {
    "denied": "denied",
    "elsewhere": "denied by another filter than the profile's",
    "by rule": "answered by a rule of the profile",
    "logged": "logged",
}


def refusal_line(one: Judged, trials: int) -> str:
    """One line of what was refused: the call, the answer, who and when."""
    from tracer.cli.differences import architectures_text

    refusal = one.refusal
    times = f"{refusal.count} times" if refusal.count > 1 else "once"
    runs = f" in {len(one.runs)} of {trials} runs" if trials > 1 else ""
    thread = f" {refusal.thread}" if refusal.thread else ""
    return (
        f"{_VERBS[one.verdict]}: {refusal.syscall} -> {_answer(refusal)} on "
        f"{architectures_text([refusal.architecture])} by {printable(refusal.executable, 80)} "
        f"[{printable(refusal.comm, 16)}{thread}] in {printable(refusal.container, 60)}, "
        f"{times}{runs}, last {_when(refusal.time)}"
    )


# As `watch` says it.
def _answer(refusal: Refusal) -> str:
    number = refusal.answer.errno
    if number is not None:
        return error_name(number)
    return refusal.answer.action.replace("SCMP_ACT_", "").replace("_", "-").lower()


def _when(nanoseconds: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(nanoseconds / 1e9))
