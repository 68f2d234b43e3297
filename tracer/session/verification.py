"""
Whether a command works under a profile: what several trials showed, judged.

The verdict is strict: whatever was refused counts, unless a rule of the profile itself, one for
containers with the capabilities that this one had, answers it with an error, or the profile lets it
through: then another filter has refused it, which a program loads for itself. The answer to a
vsyscall is not to be seen, so it is decided by the profile. Printing is not done here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import (
    AbstractSet,
    Callable,
    Dict,
    FrozenSet,
    Iterator,
    List,
    Optional,
    Sequence,
    Tuple,
)

from tracer.errors import CommandError
from tracer.host_floors import measured
from tracer.profile import model
from tracer.profile.answering import answer_to, is_by_rule, is_let_through
from tracer.profile.floors import permitted
from tracer.profile.kernel_calls import KERNEL_CALLS
from tracer.profile.model import Profile
from tracer.profile.reduce import allowed_names
from tracer.profile.resolve import for_capabilities
from tracer.session.held import held_by_any, held_in, noting
from tracer.session.refusals import NOT_VISIBLE, Refusal
from tracer.session.trial import Bench, Plan, Trial, Watchful, attempt

DENIED, ELSEWHERE, BY_RULE, LOGGED = "denied", "elsewhere", "by rule", "logged"
# How a container may end that was asked to stop: by itself, by the usual signals, or by force.
STOPPED = frozenset({0, 130, 131, 137, 143})
ENGINE_FAILED = {
    125: "the engine could not start the container",
    126: "the container's command could not be executed",
    127: "the container's command was not found",
}


@dataclass(frozen=True)
class Judged:
    """
    Refusals of one kind in one or several trials, of which the last is described; its count is
    that of all. `verdict`: DENIED, BY_RULE (the profile says so by a rule), LOGGED, or ELSEWHERE
    (by another filter than the profile's).
    """

    refusal: Refusal
    verdict: str
    runs: FrozenSet[int]


@dataclass(frozen=True)
class Verdict:
    """
    What several trials say of a profile.

    `problems` has for each trial what was not as it should be, nothing for a good one. `unused`:
    calls that the profile lets through and nothing made, if anything was recorded at all, but for
    those that the kernel makes; `floor_unused`: such of them as a runtime may need another time.
    `tried`: engines and runtimes.
    """

    trials: Tuple[Trial, ...]
    problems: Tuple[Tuple[str, ...], ...]
    refusals: Tuple[Judged, ...]
    unused: Tuple[str, ...]
    floor_unused: Tuple[str, ...]
    tried: Tuple[str, ...]

    @property
    def denied(self) -> Tuple[str, ...]:
        """The names of the calls that were denied, sorted."""
        found = {one.refusal.syscall for one in self.refusals if one.verdict == DENIED}
        return tuple(sorted(found))

    @property
    def is_good(self) -> bool:
        """Whether every trial ended as it should, with no denial."""
        return bool(self.trials) and not any(self.problems)


Told = Callable[[int, Trial, Tuple[str, ...]], None]


@dataclass(frozen=True)
class Asked:
    """What is asked of a profile: the file that it is in, how often, and the expected status."""

    profile: Profile
    path: str
    times: int = 1
    status: int = 0


def verify(bench: Bench, plan: Plan, asked: Asked, signals: Watchful, told: Told) -> Verdict:
    """
    Try the profile as often as asked, or until somebody interrupts; `told` hears of each trial.

    Raises CommandError if the command or the drive cannot be started.
    """
    trials: List[Trial] = []
    problems: List[Tuple[str, ...]] = []
    with noting(bench, asked.profile) as tools:
        while len(trials) < asked.times and not signals.interrupted:
            make = _another if trials else attempt
            trial = make(tools, plan, asked.path, signals)
            if trial is None:
                break
            trials.append(trial)
            problems.append(problems_of(trials[-1], plan, asked))
            told(len(trials), trials[-1], problems[-1])
    if len(trials) < asked.times:
        problems[-1:] = [(*problems[-1], "interrupted")]
    return verdict_on(trials, problems, asked, plan.call.engine)


def _another(bench: Bench, plan: Plan, path: str, signals: Watchful) -> Optional[Trial]:
    """One trial more; None if somebody has interrupted before it began."""
    try:
        return attempt(bench, plan, path, signals)
    except CommandError:
        if signals.interrupted:
            return None
        raise


def problems_of(trial: Trial, plan: Plan, asked: Asked) -> Tuple[str, ...]:
    """What was not as it should be in one trial, a phrase each; denials among it."""
    judged = judge([trial], asked.profile, plan.call.engine)
    denied = [one.refusal for one in judged if one.verdict == DENIED]
    problems = list(end_problems(trial, plan, asked.status))
    if denied:
        names = sorted({one.syscall for one in denied})
        problems.append(f"denied: {', '.join(names)}")
    return tuple(problems)


def end_problems(trial: Trial, plan: Plan, expected: int) -> Tuple[str, ...]:
    """What was not as it should be but for denials: how a trial ended, and what it cannot tell."""
    found: List[str] = []
    if trial.expired:
        found.append("it took too long and was killed")
    elif trial.interrupted:
        found.append("it was interrupted and killed")
    elif trial.status != expected and not (trial.stopped and trial.status in STOPPED):
        ran = trial.recordings or trial.failed
        because = "" if ran else ENGINE_FAILED.get(trial.status, "")
        found.append(f"exit code {trial.status}" + (f" ({because})" if because else ""))
    if plan.drive and trial.drive is None:
        found.append("the container ended before the drive could be started")
    elif trial.drive:
        found.append(f"the drive's exit code {trial.drive}")
    found += [f"{name} never ran a program" for name in trial.failed]
    found += [f"{name} ran without a filter" for name in trial.unfiltered]
    if not (found or trial.recordings):
        found.append("no container was seen")
    if trial.lost:
        found.append(f"{trial.lost} denials could not be told")
    return tuple(found)


def judge(trials: Sequence[Trial], profile: Profile, engine: Optional[str]) -> Tuple[Judged, ...]:
    """Every kind of refusal in these trials, what was denied first, then by call and program."""
    found: Dict[Tuple[object, ...], Judged] = {}
    for number, trial in enumerate(trials, 1):
        for one in _answered(trial, profile, engine):
            held = held_in(trial, one.container)
            verdict = _kind_of(one, profile, engine, held)
            known = found.get((one.key, verdict))
            count = one.count + (known.refusal.count if known else 0)
            runs = (known.runs if known else frozenset()) | {number}
            found[one.key, verdict] = Judged(replace(one, count=count), verdict, runs)
    order = (DENIED, ELSEWHERE, LOGGED, BY_RULE)
    return tuple(
        sorted(
            found.values(),
            key=lambda one: (order.index(one.verdict), one.refusal.syscall, one.refusal.executable),
        )
    )


# Of several vsyscalls of one kind, too, only the last one's arguments are known. The audit messages
# tell of those that were logged or killed.
def _answered(trial: Trial, profile: Profile, engine: Optional[str]) -> Iterator[Refusal]:
    """What was refused in a trial; vsyscalls among it if the profile refuses them."""
    told = {refusal.key for refusal in trial.refusals}
    for refusal in trial.refusals:
        if refusal.answer != NOT_VISIBLE:
            yield refusal
            continue
        held = held_in(trial, refusal.container)
        call = (refusal.architecture, refusal.number, refusal.arguments)
        answer = answer_to(profile, *call, engine=engine, capabilities=held)
        decided = replace(refusal, answer=answer or NOT_VISIBLE)
        if not decided.answer.lets_through and decided.key not in told:
            yield decided


# Of several refusals of one kind only the last one's arguments are known.
def _kind_of(
    one: Refusal, profile: Profile, engine: Optional[str], held: Optional[AbstractSet[str]]
) -> str:
    if one.answer.action == model.LOG:
        return LOGGED
    call = (one.architecture, one.number)
    through = is_let_through(profile, *call, one.syscall, engine=engine, capabilities=held)
    if through:
        return ELSEWHERE
    by_rule = is_by_rule(
        profile, *call, one.arguments, one.answer, engine=engine, capabilities=held
    )
    return BY_RULE if by_rule else DENIED


def verdict_on(
    trials: Sequence[Trial],
    problems: Sequence[Tuple[str, ...]],
    asked: Asked,
    engine: str,
) -> Verdict:
    """What the trials so far say of the profile."""
    made = {seen.name for trial in trials for one in trial.recordings for seen in one.observations}
    idle = _allowed(asked.profile, trials) - made if made else frozenset()
    floor = every_floor()
    return Verdict(
        trials=tuple(trials),
        problems=tuple(problems),
        refusals=judge(trials, asked.profile, engine),
        unused=tuple(sorted(idle - floor - KERNEL_CALLS.keys())),
        floor_unused=tuple(sorted(idle & floor)),
        tried=tuple(dict.fromkeys(one for trial in trials for one in trial.tried)),
    )


def _allowed(profile: Profile, trials: Sequence[Trial]) -> FrozenSet[str]:
    """What the profile lets through for containers such as these."""
    known = [for_capabilities(profile, held) for held in held_by_any(trials)]
    return frozenset().union(*map(allowed_names, known or [profile]))


def every_floor() -> FrozenSet[str]:
    """Return what any measured runtime may call before the container's program runs."""
    return permitted(measured().floors)
